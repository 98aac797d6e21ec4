# What all files of a build for Windows need: POSIX's names (src/windows) in front of the system's headers, Windows 10's
# interfaces, files beyond 2 GB, and printf as C has it.
include_directories(SYSTEM BEFORE ${PROJECT_SOURCE_DIR}/src/windows/include)
add_compile_definitions(_WIN32_WINNT=0x0A00 WIN32_LEAN_AND_MEAN _FILE_OFFSET_BITS=64 __USE_MINGW_ANSI_STDIO=1)
# GCC takes "printf" for the system's own, which knows no %zu; the other builds check the formats.
add_compile_options(-Wno-format)
# Windows keeps 16 bytes of the stack aligned, and GCC counts on 32 and 64 for vectors that it puts there.
add_compile_options(-Wa,-muse-unaligned-vector-move)
# Two builds are the same bytes, and need no library that Windows has not.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
add_link_options(-static -Wl,--no-insert-timestamp)
