# SPDX-License-Identifier: MIT
# Finds what the headers need. Shared by the build and by the installed package's config file.
# A parent project may bring its own copies: a target that exists is not looked for.
# contexture_found_targets lists the imported targets that were created here.
set(contexture_found_targets)

# The build ends where something is missing; for find_package(contexture), the package is then not found, and returns.
include(CMakeFindDependencyMacro)
macro(contexture_find_dependency target package)
  if(NOT TARGET ${target})
    if(CMAKE_FIND_PACKAGE_NAME STREQUAL "contexture")
      find_dependency(${package})
    else()
      find_package(${package} REQUIRED)
    endif()
    list(APPEND contexture_found_targets ${target})
  endif()
endmacro()

if(NOT TARGET xtl)
  list(APPEND contexture_found_targets xtl)  # comes with xtensor
endif()
contexture_find_dependency(xtensor xtensor)
contexture_find_dependency(xtensor-blas xtensor-blas)
contexture_find_dependency(BLAS::BLAS BLAS)
contexture_find_dependency(LAPACK::LAPACK LAPACK)
contexture_find_dependency(nlohmann_json::nlohmann_json nlohmann_json)
contexture_find_dependency(ZLIB::ZLIB ZLIB)
contexture_find_dependency(Threads::Threads Threads)
if(NOT CONTEXTURE_WITH_STB_IMAGE)
  contexture_find_dependency(JPEG::JPEG JPEG)
  contexture_find_dependency(PNG::PNG PNG)
endif()
if(CONTEXTURE_WITH_ARCHIVE)
  contexture_find_dependency(LibArchive::LibArchive LibArchive)
endif()
if(CONTEXTURE_WITH_MPI)
  set(MPI_CXX_SKIP_MPICXX ON)  # MPI's C++ interface, which was withdrawn
  contexture_find_dependency(MPI::MPI_CXX MPI)
endif()

# stb has no CMake package: Debian keeps it in <stb/...>, others at the top of the include path.
if(NOT TARGET contexture_stb)
  find_path(CONTEXTURE_STB_INCLUDE_DIR NAMES stb/stb_image.h stb_image.h)
  if(NOT EXISTS "${CONTEXTURE_STB_INCLUDE_DIR}/stb/stb_image_write.h" AND
     NOT EXISTS "${CONTEXTURE_STB_INCLUDE_DIR}/stb_image_write.h")
    set(contexture_no_stb
      "stb_image.h and stb_image_write.h not found; install libstb-dev or set CONTEXTURE_STB_INCLUDE_DIR")
    if(CMAKE_FIND_PACKAGE_NAME STREQUAL "contexture")
      set(contexture_FOUND FALSE)
      set(contexture_NOT_FOUND_MESSAGE "${contexture_no_stb}")
      return()
    endif()
    message(FATAL_ERROR "contexture: ${contexture_no_stb}")
  endif()
  add_library(contexture_stb INTERFACE IMPORTED)
  list(APPEND contexture_found_targets contexture_stb)
  if(NOT CONTEXTURE_STB_INCLUDE_DIR STREQUAL "/usr/include")
    target_include_directories(contexture_stb INTERFACE "${CONTEXTURE_STB_INCLUDE_DIR}")
  endif()
endif()
