# What `cmake --install` writes: both libraries, the headers, whatsit.pc, the CMake package, the papers.
# The program, its manual page, completions, heads and models are installed where they are built (apps/cli).
# Every path in the installed files is relative to them, so an installed tree can be moved.
include(CMakePackageConfigHelpers)

set(pc_requires libjpeg spng libwebp libwebpdemux libgif jansson)
if(WI_HEIF_FOUND)
  list(APPEND pc_requires libheif)
endif()
if(WI_LCMS_FOUND)
  list(APPEND pc_requires lcms2)
endif()
if(WI_TIFF_FOUND)
  list(APPEND pc_requires libtiff-4)
endif()
if(WI_RAW_FOUND)
  list(APPEND pc_requires libraw_r)
endif()
if(WI_JXL_FOUND)
  list(APPEND pc_requires libjxl)
endif()
# Named one by one: Requires.private would make `pkg-config --static` ask for the libraries of these libraries,
# which are only needed where those are static too (and Debian's libheif then asks for more than it brings).
set(WHATSIT_PC_LIBS "-ljpeg -lspng -lwebpdemux -lwebp -lgif -ljansson")
if(WI_HEIF_FOUND)
  string(APPEND WHATSIT_PC_LIBS " -lheif")
endif()
if(WI_LCMS_FOUND)
  string(APPEND WHATSIT_PC_LIBS " -llcms2")
endif()
if(WI_TIFF_FOUND)
  string(APPEND WHATSIT_PC_LIBS " -ltiff")
endif()
if(WI_RAW_FOUND)
  string(APPEND WHATSIT_PC_LIBS " -lraw_r")
endif()
if(WI_JXL_FOUND)
  string(APPEND WHATSIT_PC_LIBS " -ljxl")
endif()
string(APPEND WHATSIT_PC_LIBS " -pthread -lm")
list(JOIN pc_requires " " WHATSIT_CMAKE_REQUIRES)
file(RELATIVE_PATH WHATSIT_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" WHATSIT_PC_TO_PREFIX "${WHATSIT_PC_TO_PREFIX}")

set(cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/whatsit)
configure_file(cmake/whatsit.pc.in whatsit.pc @ONLY)
configure_package_config_file(cmake/whatsit-config.cmake.in whatsit-config.cmake
  INSTALL_DESTINATION ${cmake_folder} PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(whatsit-config-version.cmake COMPATIBILITY SameMinorVersion)

set_target_properties(whatsit_shared PROPERTIES EXPORT_NAME whatsit)
install(TARGETS whatsit_shared EXPORT whatsit
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS whatsit_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(EXPORT whatsit FILE whatsit-targets.cmake NAMESPACE whatsit:: DESTINATION ${cmake_folder}
  COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/whatsit-config.cmake ${PROJECT_BINARY_DIR}/whatsit-config-version.cmake
  DESTINATION ${cmake_folder} COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/whatsit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
install(DIRECTORY include/whatsit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.h")
install(FILES README.md NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT licence)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs COMPONENT program FILES_MATCHING
    PATTERN "*.md" PATTERN "*.jpg")
