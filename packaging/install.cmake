# What is installed beside the programs.
install(FILES packaging/systemd/reeved.service DESTINATION lib/systemd/system)
install(FILES packaging/dbus/org.reeve1.conf
        DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/system.d OPTIONAL)
install(FILES daemon/api/org.reeve1.xml
        DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/interfaces OPTIONAL)
foreach(section 1 5 8)
    file(GLOB pages CONFIGURE_DEPENDS packaging/man/*.${section})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES packaging/completions/reevectl.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME reevectl)
install(FILES packaging/completions/_reevectl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES packaging/completions/reevectl.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
