# Purity: what the core libraries and the manager must never call, checked on the linked symbols.
function(reeve_purity target rule)
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL "STATIC_LIBRARY")
        return()
    endif()
    add_test(NAME purity.${target}
             COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLIB=$<TARGET_FILE:${target}> -DRULE=${rule}
                     -P ${CMAKE_CURRENT_SOURCE_DIR}/purity.cmake)
    set_tests_properties(purity.${target} PROPERTIES LABELS core)
endfunction()

reeve_purity(core pure)
reeve_purity(hal_core pure)
reeve_purity(units reads_files)
reeve_purity(os never_blocks)
reeve_purity(bus never_blocks)
reeve_purity(posix never_blocks)
reeve_purity(runner never_blocks)

# The check itself sees what it must: a library with one bad call of each kind fails.
add_library(impure STATIC ${CMAKE_CURRENT_SOURCE_DIR}/support/impure.cpp)
foreach(rule pure reads_files never_blocks)
    add_test(NAME purity.sees_${rule}
             COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLIB=$<TARGET_FILE:impure> -DRULE=${rule}
                     -P ${CMAKE_CURRENT_SOURCE_DIR}/purity.cmake)
    set_tests_properties(purity.sees_${rule} PROPERTIES LABELS core WILL_FAIL ON)
endforeach()

# Each statement of docs/semantics.md is quoted by a test, or excused with a reason.
add_test(NAME semantics.is_quoted
         COMMAND ${SYSTEM_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/semantics.py)
set_tests_properties(semantics.is_quoted PROPERTIES LABELS core)
