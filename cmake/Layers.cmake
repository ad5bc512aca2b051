# cv_layer(NAME SOURCES...): one static library a layer, built from the row of layers.txt.
#
# A layer's library exposes one include folder that holds only a link to itself, and a layer sees only the folders of
# its row: an include that the architecture forbids does not compile.

file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/layers.txt CV_LAYER_ROWS REGEX "^[a-z]")
foreach(row IN LISTS CV_LAYER_ROWS)
    string(REGEX REPLACE "[ ]+" ";" words "${row}")
    list(POP_FRONT words layer purity)
    list(APPEND CV_LAYERS ${layer})
    set(CV_SEES_${layer} ${words})
    set(CV_PURITY_${layer} ${purity})
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/layers/${layer})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${layer} ${CMAKE_BINARY_DIR}/layers/${layer}/${layer} SYMBOLIC)
endforeach()

function(cv_layer layer)
    add_library(cv_${layer} STATIC ${ARGN})
    target_include_directories(cv_${layer} PUBLIC ${CMAKE_BINARY_DIR}/layers/${layer})
    target_link_libraries(cv_${layer} PRIVATE cv_flags)
    foreach(seen IN LISTS CV_SEES_${layer})
        target_link_libraries(cv_${layer} PRIVATE cv_${seen})
    endforeach()
endfunction()

# cv_program(NAME SOURCES...): a program of cmd/, which may see every layer.
function(cv_program name)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE cv_flags)
    foreach(layer IN LISTS CV_LAYERS)
        target_link_libraries(${name} PRIVATE cv_${layer})
    endforeach()
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
    install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# cv_unit_test(LAYER NAME SOURCES...): a Criterion test of one layer; it sees that layer and what the layer sees.
function(cv_unit_test layer name)
    set(target test_${layer}_${name})
    add_executable(${target} ${ARGN})
    target_link_libraries(${target} PRIVATE cv_flags cv_test_support cv_${layer} PkgConfig::CRITERION)
    foreach(seen IN LISTS CV_SEES_${layer})
        target_link_libraries(${target} PRIVATE cv_${seen})
    endforeach()
    add_test(NAME unit.${layer}.${name} COMMAND ${target} --short-filename)
    set_tests_properties(unit.${layer}.${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
