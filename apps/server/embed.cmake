# Writes a file's bytes as a C array: srv_file_NAME and srv_file_NAME_bytes of embedded.h.
file(READ ${FROM} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${TO} "#include \"embedded.h\"\nconst unsigned char srv_file_${NAME}[] = {\n${bytes}\n};\n"
  "const size_t srv_file_${NAME}_bytes = sizeof srv_file_${NAME};\n")
