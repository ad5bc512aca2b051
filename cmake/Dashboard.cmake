# cv_dashboard(OUT): the C file OUT with the dashboard, built by vite from what its lock file names; or, without npm or
# with -DCULVERT_DASHBOARD=OFF, with a page that says that there is none.
option(CULVERT_DASHBOARD "Build the dashboard of --admin (needs npm)" ON)
set(CV_DASHBOARD ${CMAKE_SOURCE_DIR}/web/dashboard)
find_program(NPM npm)

function(cv_dashboard out)
    set(made ${CMAKE_CURRENT_BINARY_DIR}/dashboard)
    if(NOT CULVERT_DASHBOARD OR NOT NPM)
        message(STATUS "The dashboard is left out")
        cv_embed(${out} cv_dashboard_files ${CV_DASHBOARD}/absent index.html)
        return()
    endif()
    set(names index.html dashboard.js dashboard.css icon.svg)
    list(TRANSFORM names APPEND .gz OUTPUT_VARIABLE packed)
    list(APPEND names ${packed})
    list(TRANSFORM names PREPEND ${made}/ OUTPUT_VARIABLE paths)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CV_DASHBOARD}/src/* ${CV_DASHBOARD}/public/*)
    list(APPEND sources ${CV_DASHBOARD}/index.html ${CV_DASHBOARD}/vite.config.ts ${CV_DASHBOARD}/tsconfig.json)
    # what npm installed stays in the checkout, for all builds of it
    add_custom_command(OUTPUT ${made}.installed
        COMMAND ${CV_DASHBOARD}/install ${NPM}
        COMMAND ${CMAKE_COMMAND} -E touch ${made}.installed
        DEPENDS ${CV_DASHBOARD}/package.json ${CV_DASHBOARD}/package-lock.json ${CV_DASHBOARD}/install
        VERBATIM)
    add_custom_command(OUTPUT ${paths}
        COMMAND ${NPM} run --silent build -- --outDir ${made}
        WORKING_DIRECTORY ${CV_DASHBOARD}
        DEPENDS ${sources} ${made}.installed
        COMMENT "Building the dashboard" VERBATIM)
    cv_embed(${out} cv_dashboard_files ${made} ${names})
endfunction()
