set(WI_TORTURE_FOLDER ${CMAKE_CURRENT_LIST_DIR})
# wi_torture(TARGET): the target's allocations go through support/torture.c.
function(wi_torture target)
  target_sources(${target} PRIVATE ${WI_TORTURE_FOLDER}/torture.c)
  target_link_options(${target} PRIVATE
    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc)
endfunction()
