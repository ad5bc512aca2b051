# cv_embed(OUT FOLDER FILES...): writes the C file OUT with the table cv_demo_files of src/http/demo.h, in which the files
# of FOLDER stand byte by byte. CMake itself is the tool, when building.
set(CV_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/WriteEmbedded.cmake)

function(cv_embed out folder)
    list(TRANSFORM ARGN PREPEND ${folder}/ OUTPUT_VARIABLE paths)
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DFOLDER=${folder} "-DFILES=${ARGN}" -P ${CV_EMBED_SCRIPT}
        DEPENDS ${paths} ${CV_EMBED_SCRIPT}
        VERBATIM)
endfunction()
