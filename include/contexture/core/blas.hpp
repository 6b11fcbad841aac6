// SPDX-License-Identifier: MIT
// Matrix multiplication through whatever BLAS the program links, and the report of what the
// library runs on. Prototypes are private (asm labels), since xtensor-blas and OpenBLAS's
// <cblas.h> declare the same names differently and cannot share a translation unit.
//
// OpenBLAS builds older than the processor do not recognise it and silently run SSE3 kernels,
// about 5 times slower (0.3.21 does so for every Intel model with extended model >= 11, because
// of a missing `break`; fixed in 0.3.25). Before main, and so before the first BLAS call, the
// library detects that and has OpenBLAS choose again. It leaves alone a core that the user set
// with OPENBLAS_CORETYPE, and does nothing where the needed entry points are missing.
// CONTEXTURE_BLAS_REPAIR=0 switches the repair off.
#pragma once

#include <limits>
#include <string>
#include <type_traits>

#include "contexture/core/compiled.hpp"
#include "contexture/core/cpu.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {
namespace detail {

extern "C" {
void contexture_cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a,
                            int lda, const float* b, int ldb, float beta, float* c, int ldc) __asm__("cblas_sgemm");
void contexture_cblas_dgemm(int order, int trans_a, int trans_b, int m, int n, int k, double alpha, const double* a,
                            int lda, const double* b, int ldb, double beta, double* c, int ldc) __asm__("cblas_dgemm");
// OpenBLAS only; absent in other implementations, hence weak.
[[gnu::weak]] char* contexture_openblas_corename() __asm__("openblas_get_corename");
[[gnu::weak]] char* contexture_openblas_config() __asm__("openblas_get_config");
[[gnu::weak]] int contexture_openblas_parallel() __asm__("openblas_get_parallel");
[[gnu::weak]] void contexture_openblas_set_threads(int) __asm__("openblas_set_num_threads");
[[gnu::weak]] void contexture_openblas_quit() __asm__("gotoblas_dynamic_quit");
[[gnu::weak]] void contexture_openblas_init() __asm__("gotoblas_dynamic_init");
[[gnu::weak]] void* contexture_openblas_take(int) __asm__("blas_memory_alloc");
[[gnu::weak]] void contexture_openblas_give(void*) __asm__("blas_memory_free");
[[gnu::weak]] void contexture_omp_set_num_threads(int) __asm__("omp_set_num_threads");
[[gnu::weak]] int contexture_omp_get_max_threads() __asm__("omp_get_max_threads");
}

// OpenBLAS built with OpenMP shares each call out among the calling thread's OpenMP team: a team of one while this
// lives.
class OneOpenMpThread {
 public:
  CONTEXTURE_FUNCTION OneOpenMpThread();
  CONTEXTURE_FUNCTION ~OneOpenMpThread();
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int before_ = 0;
};

struct BlasState {
  std::string core;      // kernels OpenBLAS runs now; empty: not OpenBLAS
  std::string replaced;  // kernels it had chosen, where the repair replaced them
  std::string warning;   // one line, where it stays slow
};

// The OpenBLAS core that fits the processor, or null where its default is as good.
CONTEXTURE_FUNCTION const char* fitting_openblas_core();

CONTEXTURE_FUNCTION BlasState prepare_blas();
CONTEXTURE_FUNCTION const BlasState& blas_state();

inline const BlasState& blas_prepared_before_main = blas_state();

// OpenBLAS takes a buffer for each thread that calls it, and where the system refuses it asks again, for ever. Under a
// limit of memory (ulimit -v, -d) this makes sure of the buffers of all threads first; they stay with OpenBLAS. Throws
// InputError where there is no room.
CONTEXTURE_FUNCTION void reserve_blas_buffers();

inline int blas_extent(Index extent) {
  require(extent >= 0 && extent <= std::numeric_limits<int>::max(), "gemm: extent ", extent,
          ", expected 0 to 2147483647 (BLAS has 32-bit extents)");
  return static_cast<int>(extent);
}

}  // namespace detail

/// Whether a gemm operand is used as it is stored or transposed.
enum class Transpose { no, yes };

/// C (m,n) = alpha * op(A) (m,k) * op(B) (k,n) + beta * C; row-major, with row strides lda, ldb,
/// ldc in elements. Runs on the calling thread only, where BLAS is OpenBLAS. With beta = 0, C may be uninitialised.
/// Throws std::invalid_argument where an extent is beyond 32 bits, InputError where a limit leaves BLAS no memory.
template <class T>
void gemm(Transpose trans_a, Transpose trans_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b,
          Index ldb, T beta, T* c, Index ldc) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "gemm: float or double");
  if (m == 0 || n == 0) return;
  if (k == 0) {  // implementations differ on whether they touch C here
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j) c[i * ldc + j] = beta == T(0) ? T(0) : beta * c[i * ldc + j];
    return;
  }
  constexpr int row_major = 101;
  const auto flag = [](Transpose t) { return t == Transpose::yes ? 112 : 111; };
  const auto extent = detail::blas_extent;
  detail::reserve_blas_buffers();
  const detail::OneOpenMpThread one_thread;
  if constexpr (std::is_same_v<T, float>)
    detail::contexture_cblas_sgemm(row_major, flag(trans_a), flag(trans_b), extent(m), extent(n), extent(k), alpha, a,
                                   extent(lda), b, extent(ldb), beta, c, extent(ldc));
  else
    detail::contexture_cblas_dgemm(row_major, flag(trans_a), flag(trans_b), extent(m), extent(n), extent(k), alpha, a,
                                   extent(lda), b, extent(ldb), beta, c, extent(ldc));
}

/// What the library runs on; see cpu_report().
struct CpuReport {
  Isa isa;                    ///< instruction set of our own kernels
  Precision precision;        ///< of this thread's networks
  Bfloat16Unit unit;          ///< what multiplies bfloat16
  std::string blas;           ///< OpenBLAS's build line, or "unknown BLAS"
  std::string blas_core;      ///< the kernels OpenBLAS runs; empty for another BLAS
  std::string blas_replaced;  ///< the slow kernels the repair replaced; empty: nothing to repair
  int threads;                ///< threads of parallel loops
  std::string warning;        ///< one line where BLAS stays slow; else empty

  /// One line for a program's header, without the warning.
  [[nodiscard]] CONTEXTURE_FUNCTION std::string line() const;
};

/// Instruction set, precision, BLAS build and core, threads, and a warning where BLAS stays slow
/// (empty when CONTEXTURE_QUIET is set).
[[nodiscard]] CONTEXTURE_FUNCTION CpuReport cpu_report();

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/core/blas-inl.hpp"
#endif
