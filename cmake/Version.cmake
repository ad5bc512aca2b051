# build/<preset>/version/culvert_version.h: SemVer from project(), commit from git where there is one.
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE CV_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT CV_COMMIT)
    set(CV_COMMIT "unknown")
endif()
configure_file(${CMAKE_SOURCE_DIR}/cmake/culvert_version.h.in ${CMAKE_BINARY_DIR}/version/culvert_version.h @ONLY)
add_library(cv_version INTERFACE)
target_include_directories(cv_version INTERFACE ${CMAKE_BINARY_DIR}/version)
