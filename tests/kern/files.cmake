set(WHATSIT_KERNEL_TESTS)
foreach(file IN ITEMS cases.c guard.c test_depthwise.c test_gemm.c test_main.c test_rows.c test_scan.c test_table.c)
  list(APPEND WHATSIT_KERNEL_TESTS ${CMAKE_CURRENT_LIST_DIR}/${file})
endforeach()
