# cv_embed(OUT SET FOLDER FILES...): writes the C file OUT with the set of src/http/embedded.h named SET, in which the
# files of FOLDER stand byte by byte. CMake itself is the tool, when building.
set(CV_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/WriteEmbedded.cmake)

function(cv_embed out set folder)
    list(TRANSFORM ARGN PREPEND ${folder}/ OUTPUT_VARIABLE paths)
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSET=${set} -DFOLDER=${folder} "-DFILES=${ARGN}" -P ${CV_EMBED_SCRIPT}
        DEPENDS ${paths} ${CV_EMBED_SCRIPT}
        VERBATIM)
endfunction()
