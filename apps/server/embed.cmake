# Writes a file's bytes as a C array.
file(READ ${FROM} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${TO} "#include \"openapi.h\"\nconst unsigned char srv_openapi[] = {\n${bytes}\n};\n"
  "const size_t srv_openapi_bytes = sizeof srv_openapi;\n")
