# build/<preset>/version/culvert_version.h: SemVer from project(), commit from git where there is one. Written at each
# build, since the commit changes without CMake being run again; touched only when it differs.
add_library(cv_version INTERFACE)
target_include_directories(cv_version INTERFACE ${CMAKE_BINARY_DIR}/version)
add_custom_target(cv_version_header
    COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
        -DOUT=${CMAKE_BINARY_DIR}/version/culvert_version.h -P ${CMAKE_CURRENT_LIST_DIR}/WriteVersion.cmake
    BYPRODUCTS ${CMAKE_BINARY_DIR}/version/culvert_version.h
    VERBATIM)
add_dependencies(cv_version cv_version_header)
