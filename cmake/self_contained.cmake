# For CMAKE_PROJECT_INCLUDE (tools/tarball.sh): a program and a library that bring their libraries. Linked statically, where
# the system has the archive, are those of which no other copied library needs a shared copy, which need nothing beyond
# glibc themselves and can be part of a shared library (Debian's libjansson.a cannot); the rest is found beside the
# program. An rpath of the old kind serves the libraries' libraries too.
foreach(pair IN ITEMS WI_GIF:gif WI_WEBP:webpdemux SODIUM:sodium INIH:inih SQLITE:sqlite3 SECCOMP:seccomp)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 prefix)
  list(GET pair 1 name)
  find_library(pkgcfg_lib_${prefix}_${name} NAMES lib${name}.a)
endforeach()
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib/whatsit")
string(APPEND CMAKE_EXE_LINKER_FLAGS " -Wl,--disable-new-dtags -Wl,--exclude-libs,ALL")
string(APPEND CMAKE_SHARED_LINKER_FLAGS " -Wl,--disable-new-dtags -Wl,--exclude-libs,ALL")
# Debian's libexiv2 has a runpath of its own, which hides this rpath from it: what it needs comes by the program.
string(APPEND CMAKE_EXE_LINKER_FLAGS " -Wl,--push-state,--no-as-needed -l:libexpat.so.1 -Wl,--pop-state")
