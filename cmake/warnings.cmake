# One set of warnings for all our code; CI turns them into errors.
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wvla
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>)
# snprintf cuts long names on purpose, and GCC guesses their lengths from the buffers'.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-format-truncation)
endif()
if(WHATSIT_WERROR)
  add_compile_options(-Werror)
endif()
