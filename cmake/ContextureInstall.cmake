# SPDX-License-Identifier: MIT
# Install rules: headers, the exported target contexture::contexture and its package files.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/contexture")
install(DIRECTORY include/contexture DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS contexture EXPORT contexture-targets)
install(EXPORT contexture-targets NAMESPACE contexture:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/contexture-config.cmake.in contexture-config.cmake
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(contexture-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/contexture-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/contexture-config-version.cmake"
  cmake/ContextureDependencies.cmake
  DESTINATION "${package_dir}")
