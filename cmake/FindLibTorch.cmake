# SPDX-License-Identifier: MIT
# LibTorch as the target LibTorch::LibTorch (Debian: libtorch-dev). Found by its files: Debian's CMake package of it
# wants OpenCL, protobuf and more that is not needed here.
find_path(LibTorch_INCLUDE torch/csrc/api/include/torch/torch.h)
find_library(LibTorch_torch_LIBRARY torch)
find_library(LibTorch_cpu_LIBRARY torch_cpu)
find_library(LibTorch_c10_LIBRARY c10)
mark_as_advanced(LibTorch_INCLUDE LibTorch_torch_LIBRARY LibTorch_cpu_LIBRARY LibTorch_c10_LIBRARY)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_INCLUDE LibTorch_torch_LIBRARY LibTorch_cpu_LIBRARY
  LibTorch_c10_LIBRARY)
if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
    ${LibTorch_INCLUDE} ${LibTorch_INCLUDE}/torch/csrc/api/include)
  target_link_libraries(LibTorch::LibTorch INTERFACE
    ${LibTorch_torch_LIBRARY} ${LibTorch_cpu_LIBRARY} ${LibTorch_c10_LIBRARY})
endif()
