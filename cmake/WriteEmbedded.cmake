# Run as a script by cv_embed(): OUT, SET, FOLDER, FILES.
set(arrays "")
set(rows "")
set(count 0)
foreach(name IN LISTS FILES)
    file(READ ${FOLDER}/${name} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const unsigned char file_${count}[] = {${bytes}};\n")
    string(APPEND rows "    {\"${name}\", file_${count}, sizeof(file_${count})},\n")
    math(EXPR count "${count} + 1")
endforeach()
file(WRITE ${OUT} "#include \"http/embedded.h\"\n\n${arrays}\nstatic const struct cv_embedded files[] = {\n${rows}};\n"
    "const struct cv_embedded_set ${SET} = {files, ${count}};\n")
