# SPDX-License-Identifier: MIT
# Install rules: headers, the exported target contexture::contexture, contexture::compiled where it has been built, and
# the package files of both, for CMake and for pkg-config.
include(CMakePackageConfigHelpers)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME dev)  # the programs are a component of their own: examples/

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/contexture")
install(DIRECTORY include/contexture DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS contexture EXPORT contexture-targets)
if(CONTEXTURE_WITH_MPI)
  install(TARGETS contexture_mpi EXPORT contexture-targets)
endif()
install(EXPORT contexture-targets NAMESPACE contexture:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/contexture-config.cmake.in contexture-config.cmake
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(contexture-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/contexture-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/contexture-config-version.cmake"
  cmake/ContextureDependencies.cmake
  cmake/ContextureEmbed.cmake
  DESTINATION "${package_dir}")

# An export of its own, which contexture-config.cmake reads where the library is there.
set_target_properties(contexture_compiled PROPERTIES EXPORT_NAME compiled)
install(TARGETS contexture_image_formats EXPORT contexture-compiled-targets)
install(TARGETS contexture_compiled EXPORT contexture-compiled-targets OPTIONAL
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT contexture-compiled-targets NAMESPACE contexture:: DESTINATION "${package_dir}")

set(contexture_pc_requires "xtensor nlohmann_json zlib")
set(contexture_pc_cflags)
if(CONTEXTURE_WITH_STB_IMAGE)
  set(contexture_pc_cflags -DCONTEXTURE_WITH_STB_IMAGE)
else()
  string(APPEND contexture_pc_requires " libjpeg libpng")
endif()
if(CONTEXTURE_WITH_ARCHIVE)
  string(APPEND contexture_pc_requires " libarchive")
else()
  string(APPEND contexture_pc_cflags " -DCONTEXTURE_WITHOUT_ARCHIVE")
endif()
# xtensor-blas and some builds of BLAS have no .pc files: the libraries that CMake found.
set(contexture_pc_libs ${LAPACK_LIBRARIES} ${BLAS_LIBRARIES})
list(REMOVE_DUPLICATES contexture_pc_libs)
list(FILTER contexture_pc_libs EXCLUDE REGEX "::")
list(JOIN contexture_pc_libs " " contexture_pc_libs)
set(contexture_pc_format_requires)
set(contexture_pc_format_cflags)
set(contexture_pc_format_libs)
foreach(format IN LISTS contexture_image_formats)
  string(APPEND contexture_pc_format_cflags " -DCONTEXTURE_WITH_${format}")
endforeach()
if("WEBP" IN_LIST contexture_image_formats)
  string(APPEND contexture_pc_format_requires ", libwebp")
endif()
if("TIFF" IN_LIST contexture_image_formats)
  string(APPEND contexture_pc_format_requires ", libtiff-4")
endif()
if("GIF" IN_LIST contexture_image_formats)
  set(contexture_pc_format_libs " -lgif")  # has no .pc file of its own everywhere
endif()
foreach(name contexture contexture-compiled)
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
endforeach()
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/contexture.pc" "${CMAKE_CURRENT_BINARY_DIR}/contexture-compiled.pc"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")

if(PROJECT_IS_TOP_LEVEL)
  include(ContexturePackages)
endif()
