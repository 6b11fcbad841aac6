// SPDX-License-Identifier: MIT
// Compiled with -Werror and no warning switched on: were one of the library's own warning or
// machine flags to ride on its target, this file would not compile.
#include "contexture/contexture.hpp"

#if !defined(CONSUMER_SETS_MACHINE_FLAGS) && defined(__x86_64__) && (defined(__AVX__) || defined(__FAST_MATH__))
#error "machine flags leak to users"
#endif

int no_leaks(long x) {
  int narrowed = x * 1.5;                  // -Wconversion
  int unused;                              // -Wall
  for (int x = 0; x < 1; ++x) ++narrowed;  // -Wshadow
  if (narrowed < 3u) return 1;             // -Wextra
  __extension__ int zero_length[0];
  return static_cast<int>(sizeof(zero_length)) + narrowed;
}
