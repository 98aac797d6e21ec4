# What `cpack` makes of an installation: Debian packages (program, library, -dev). `make deb` calls it; archives are
# made by tools/tarball.sh.
set(CPACK_PACKAGE_NAME whatsit)
set(CPACK_PACKAGE_VENDOR "The whatsit authors")
set(CPACK_PACKAGE_CONTACT "The whatsit authors <whatsit@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "universal image classifier")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_ALL program library development)
set(WHATSIT_DEBS program:whatsit library:libwhatsit0 development:libwhatsit-dev)
if(TARGET whatsit_faiss) # a package of its own: few need it, and it brings a BLAS along
  list(APPEND CPACK_COMPONENTS_ALL faiss)
  list(APPEND WHATSIT_DEBS faiss:whatsit-faiss)
endif()
if(TARGET whatsit_libav) # likewise: libav brings half a hundred libraries along, and is GPL as Debian builds it
  list(APPEND CPACK_COMPONENTS_ALL videos)
  list(APPEND WHATSIT_DEBS videos:whatsit-videos)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
file(WRITE ${PROJECT_BINARY_DIR}/debian/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/debian/triggers)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME whatsit)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
  "say what is in a photo, by any list of words\n Turns a photo into a vector once and compares it with any list of words.\n Needs no graphics card and no network; carries a small model, label lists\n and a server.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libwhatsit0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
  "universal image classifier (shared library)\n CLIP embeddings, heads and indexes of photos in C, for programs of your own.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libwhatsit-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libwhatsit0 (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
  "universal image classifier (development files)\n Headers, static library, pkg-config and CMake files of libwhatsit.")
set(CPACK_DEBIAN_FAISS_PACKAGE_NAME whatsit-faiss)
set(CPACK_DEBIAN_FAISS_PACKAGE_DEPENDS "whatsit (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_FAISS_PACKAGE_RECOMMENDS "libopenblas0")
set(CPACK_COMPONENT_FAISS_DESCRIPTION
  "universal image classifier (search among millions of photos)\n The module by which 'whatsit index --approximate' works.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "whatsit-videos, whatsit-faiss")
set(CPACK_DEBIAN_VIDEOS_PACKAGE_NAME whatsit-videos)
set(CPACK_DEBIAN_VIDEOS_PACKAGE_DEPENDS "whatsit (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_VIDEOS_DESCRIPTION
  "universal image classifier (videos)\n The module by which 'whatsit index' takes videos by some of their frames.")

# Papers that each Debian package has to carry; installations carry LICENSE instead.
# SOURCE_DATE_EPOCH makes it the same for each build.
string(TIMESTAMP WHATSIT_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(pair IN LISTS WHATSIT_DEBS)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 package)
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/debian/copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
  configure_file(cmake/debian/changelog.in debian/${package}/changelog @ONLY)
  execute_process(COMMAND gzip -9nfk ${PROJECT_BINARY_DIR}/debian/${package}/changelog)
  install(FILES ${PROJECT_BINARY_DIR}/debian/${package}/changelog.gz
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

# A unit that nobody starts unasked: systemctl enable --now whatsit.
if(TARGET whatsit_server)
  install(FILES ${PROJECT_SOURCE_DIR}/apps/server/deploy/whatsit.service
    DESTINATION lib/systemd/system COMPONENT program EXCLUDE_FROM_ALL)
endif()

include(CPack)
