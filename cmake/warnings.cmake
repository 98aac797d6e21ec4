# One set of warnings for all our code; CI turns them into errors.
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla)
if(WHATSIT_WERROR)
  add_compile_options(-Werror)
endif()
