# SPDX-License-Identifier: MIT
# Flags of this project's own programs, tests and benchmarks, on the target contexture_developer.
add_library(contexture_flags INTERFACE)
target_compile_options(contexture_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<CXX_COMPILER_ID:Clang,AppleClang>:-Wno-sign-conversion>
  # False alarms of g++ 12 with -O3, about std::string in aggregates and xtensor's shapes.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-maybe-uninitialized>
  $<$<BOOL:${CONTEXTURE_WERROR}>:-Werror>)
if(CONTEXTURE_SANITIZE)
  target_compile_options(contexture_flags INTERFACE
    -fsanitize=${CONTEXTURE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    # g++ says it of its own std::regex and std::function once they are instrumented.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(CONTEXTURE_SANITIZE MATCHES "address.*undefined")
    # AddressSanitizer sees what these two would, where it is read or written; for clang they triple the kernels' compile time.
    target_compile_options(contexture_flags INTERFACE
      $<$<CXX_COMPILER_ID:Clang,AppleClang>:-fno-sanitize=pointer-overflow,object-size>)
  endif()
  if(CONTEXTURE_SANITIZE MATCHES "address")
    # From g++ 13 on AddressSanitizer may keep variables of functions on a stack of its own, which does not align those
    # of 64 bytes (GCC's bug 110027): AVX-512 code dies of it.
    target_compile_options(contexture_flags INTERFACE
      $<$<CXX_COMPILER_ID:GNU>:--param=asan-use-after-return=0>)
  endif()
  target_link_options(contexture_flags INTERFACE -fsanitize=${CONTEXTURE_SANITIZE})
endif()

add_library(contexture_developer INTERFACE)
target_link_libraries(contexture_developer INTERFACE contexture::compiled contexture_flags)
target_link_libraries(contexture_compiled PRIVATE $<BUILD_INTERFACE:contexture_flags>)

# Through ccache, g++ has to keep the include of a precompiled header in its preprocessed output.
set(contexture_pch_options
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CONTEXTURE_PCH}>,$<BOOL:${CMAKE_CXX_COMPILER_LAUNCHER}>>:-fpch-preprocess>)
