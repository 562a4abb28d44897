# The keeper again, with the ordinary compiler and sanitizers, and with system calls that can fail;
# and a manager that a test scripts.
set(init_tests ${CMAKE_CURRENT_SOURCE_DIR}/init)
add_executable(reeve-init-checked ${PROJECT_SOURCE_DIR}/daemon/init/reeve_init.cpp
    ${init_tests}/support/faults.cpp)
target_link_libraries(reeve-init-checked PRIVATE common_flags)
target_compile_options(reeve-init-checked PRIVATE -fno-exceptions -fno-rtti)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${init_tests}/support/faults.cpp)
file(STRINGS ${init_tests}/support/faults.cpp wrapped REGEX "^WRAP\\(")
foreach(line ${wrapped} "WRAP(int, mmap)" "WRAP(int, write)")
    string(REGEX REPLACE ".*, ([A-Za-z0-9_]+)\\).*" "\\1" name "${line}")
    target_link_options(reeve-init-checked PRIVATE -Wl,--wrap=${name})
endforeach()

add_executable(script-manager ${init_tests}/support/script_manager.cpp)
target_link_libraries(script-manager PRIVATE os)
set_target_properties(reeve-init-checked script-manager PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

# The same story with the ordinary build, which has the sanitizers of this configuration.
add_test(NAME system.keeper_checked_test
         COMMAND ${SYSTEM_PYTHON} -B ${init_tests}/keeper_test.py -v)
set_tests_properties(system.keeper_checked_test PROPERTIES LABELS system TIMEOUT 120
    ENVIRONMENT "PROGRAMS=${PROJECT_BINARY_DIR};KEEPER=$<TARGET_FILE:reeve-init-checked>")

# What was promised of the keeper: fewer than 1,000 lines of code, and nothing that allocates.
add_test(NAME keeper.is_small COMMAND ${SYSTEM_PYTHON} -B ${init_tests}/small.py
         ${PROJECT_SOURCE_DIR}/daemon/init ${PROJECT_BINARY_DIR}/reeve-init ${CMAKE_NM})
set_tests_properties(keeper.is_small PROPERTIES LABELS unit)
