# reeve-init: C++ without a library, static. musl makes it small; where musl-gcc is missing it is
# linked with the C library there is, which costs a few times the memory.
find_program(MUSL_GCC musl-gcc DOC "Compiler driver of musl, for reeve-init")
set(keeper_source ${CMAKE_CURRENT_SOURCE_DIR}/daemon/init/reeve_init.cpp)
set(keeper_flags -std=c++20 -Os -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -fno-exceptions
    -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables -fno-unwind-tables
    -fno-stack-protector -ffunction-sections -fdata-sections "-DREEVE_VERSION=\"${PROJECT_VERSION}\""
    -I${CMAKE_CURRENT_SOURCE_DIR})
if(CMAKE_COMPILE_WARNING_AS_ERROR)
    list(APPEND keeper_flags -Werror)
endif()
set(keeper_link_flags -Wl,--gc-sections -Wl,-z,noseparate-code -Wl,-z,norelro)
if(MUSL_GCC AND NOT CMAKE_CROSSCOMPILING)
    set(keeper_compiler ${MUSL_GCC} -x c++ -static
        -isystem ${CMAKE_CURRENT_SOURCE_DIR}/daemon/init/freestanding)
    set(keeper_libc musl)
else()
    # Dynamic: of glibc, a static one has seven times the private memory.
    set(keeper_compiler ${CMAKE_CXX_COMPILER} -nodefaultlibs)
    set(keeper_link_flags ${keeper_link_flags} -lc -lgcc)
    set(keeper_libc "the C library of ${CMAKE_CXX_COMPILER}")
    message(STATUS "musl-gcc is missing (package musl-tools): reeve-init takes ${keeper_libc}")
endif()
file(GLOB keeper_headers CONFIGURE_DEPENDS daemon/init/*.hpp)
add_custom_command(OUTPUT reeve-init
    COMMAND ${keeper_compiler} ${keeper_flags} -o reeve-init ${keeper_source} ${keeper_link_flags}
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=reeve-init "-DLIBC=${keeper_libc}"
            -P ${CMAKE_CURRENT_SOURCE_DIR}/daemon/init/say_size.cmake
    DEPENDS ${keeper_source} ${keeper_headers} COMMENT "Building reeve-init with ${keeper_libc}"
    VERBATIM)
add_custom_target(reeve_init ALL DEPENDS reeve-init)
install(PROGRAMS ${CMAKE_CURRENT_BINARY_DIR}/reeve-init DESTINATION lib/reeve)
