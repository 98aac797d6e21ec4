# The core: what runs a model file and a head, in C17 and libm alone. Each room's core.cmake names its
# files. Builds for processors whose decoders and JSON library are not at hand (tests/arm, wasm) take
# these and link with unused sections dropped, because some hold the road from paths and files too.
set(WHATSIT_CORE)
foreach(room IN ITEMS base cpu kern fmt image text nn model head api)
  include(${CMAKE_CURRENT_LIST_DIR}/../src/${room}/core.cmake)
  string(TOUPPER ${room} ROOM)
  foreach(file IN LISTS WI_${ROOM}_CORE)
    list(APPEND WHATSIT_CORE ${CMAKE_CURRENT_LIST_DIR}/../src/${room}/${file})
  endforeach()
endforeach()
