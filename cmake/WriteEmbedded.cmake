# Run as a script by cv_embed(): OUT, FOLDER, FILES.
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
file(WRITE ${OUT} "#include \"http/demo.h\"\n\n${arrays}\nconst struct cv_demo_file cv_demo_files[] = {\n${rows}};\n"
    "const size_t cv_demo_file_count = ${count};\n")
