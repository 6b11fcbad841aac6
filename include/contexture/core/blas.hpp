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

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/limits.hpp"
#include "contexture/core/parallel.hpp"
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
  OneOpenMpThread() {
    if (contexture_openblas_parallel == nullptr || contexture_openblas_parallel() != 2 ||
        contexture_omp_set_num_threads == nullptr || contexture_omp_get_max_threads == nullptr)
      return;
    before_ = contexture_omp_get_max_threads();
    if (before_ != 1) contexture_omp_set_num_threads(1);
  }
  ~OneOpenMpThread() {
    if (before_ > 1) contexture_omp_set_num_threads(before_);
  }
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

// Cores whose kernels use neither AVX2 nor AVX-512.
inline bool is_slow_openblas_core(std::string_view core) {
  constexpr std::array<std::string_view, 15> slow{"Unknown",   "Prescott", "Core2",  "Penryn",      "Dunnington",
                                                  "Nehalem",   "Atom",     "Athlon", "Opteron",     "Opteron_SSE3",
                                                  "Barcelona", "Bobcat",   "Nano",   "Sandybridge", "Katmai"};
  return std::find(slow.begin(), slow.end(), core) != slow.end();
}

// The OpenBLAS core that fits the processor, or null where its default is as good.
inline const char* fitting_openblas_core() {
  switch (supported_isa()) {
    case Isa::avx512: return "SkylakeX";
    case Isa::avx2: return "Haswell";
    case Isa::baseline: break;
  }
  return nullptr;
}

inline BlasState prepare_blas() {
  BlasState state;
  if (contexture_openblas_corename == nullptr) return state;
  state.core = contexture_openblas_corename();
  // Our workers call BLAS from every thread; its own threads on top would oversubscribe. The
  // OpenMP build is told around each call instead (OneOpenMpThread), since this would shrink the
  // application's own OpenMP team as well.
  const bool openmp_build = contexture_openblas_parallel != nullptr && contexture_openblas_parallel() == 2;
  if (!openmp_build && contexture_openblas_set_threads != nullptr) contexture_openblas_set_threads(1);

  const char* wanted = fitting_openblas_core();
  if (wanted == nullptr || !is_slow_openblas_core(state.core)) return state;
  const char* off = std::getenv("CONTEXTURE_BLAS_REPAIR");
  const bool repair_allowed = off == nullptr || std::string_view(off) != "0";
  const bool user_chose = std::getenv("OPENBLAS_CORETYPE") != nullptr;
  if (repair_allowed && !user_chose && contexture_openblas_quit != nullptr && contexture_openblas_init != nullptr) {
    ::setenv("OPENBLAS_CORETYPE", wanted, 1);
    contexture_openblas_quit();
    contexture_openblas_init();
    ::unsetenv("OPENBLAS_CORETYPE");
    state.replaced = state.core;
    state.core = contexture_openblas_corename();
  }
  if (is_slow_openblas_core(state.core))
    state.warning = "OpenBLAS runs its slow '" + state.core + "' kernels on this " +
                    std::string(to_string(supported_isa())) + " processor; start with OPENBLAS_CORETYPE=" + wanted +
                    " for about 5 times the speed";
  return state;
}

inline const BlasState& blas_state() {
  static const BlasState& state = *new BlasState(prepare_blas());  // for destructors of global objects as well
  return state;
}

inline const BlasState& blas_prepared_before_main = blas_state();

// OpenBLAS takes a buffer for each thread that calls it, and where the system refuses it asks again, for ever. Under a
// limit of memory (ulimit -v, -d) this makes sure of the buffers of all threads first; they stay with OpenBLAS. Throws
// InputError where there is no room.
inline void reserve_blas_buffers() {
  static std::atomic<int> reserved{0};
  const int wanted = num_threads();
  if (reserved.load(std::memory_order_acquire) >= wanted || contexture_openblas_corename == nullptr) return;
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const int more = wanted - reserved.load(std::memory_order_relaxed);
  if (more <= 0) return;
  if (memory_is_limited()) {
    const std::size_t bytes = static_cast<std::size_t>(more) * kOpenblasBuffer;
    void* const room = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require_input(room != MAP_FAILED, "OpenBLAS: no room for its buffers, ", bytes >> 20, " MiB of addresses for ",
                  wanted, wanted == 1 ? " thread" : " threads",
                  ", because of a limit (ulimit -v or -d): raise it, or use fewer threads");
    ::munmap(room, bytes);
    std::vector<void*> buffers;
    if (contexture_openblas_take != nullptr && contexture_openblas_give != nullptr)
      for (int i = 0; i < wanted; ++i) buffers.push_back(contexture_openblas_take(0));
    for (void* const buffer : buffers) contexture_openblas_give(buffer);
  }
  reserved.store(wanted, std::memory_order_release);
}

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
  [[nodiscard]] std::string line() const {
    std::string text = std::string(to_string(isa)) + " kernels, " + std::string(to_string(precision)) +
                       (precision == Precision::bfloat16 ? " (" + std::string(to_string(unit)) + "), " : ", ") +
                       std::to_string(threads) + (threads == 1 ? " thread, " : " threads, ") +
                       (blas_core.empty() ? blas : "OpenBLAS " + blas_core);
    if (!blas_replaced.empty()) text += " (repaired from " + blas_replaced + ")";
    return text;
  }
};

/// Instruction set, precision, BLAS build and core, threads, and a warning where BLAS stays slow
/// (empty when CONTEXTURE_QUIET is set).
[[nodiscard]] inline CpuReport cpu_report() {
  const detail::BlasState& state = detail::blas_state();
  CpuReport report{.isa = active_isa(),
                   .precision = active_precision(),
                   .unit = active_bfloat16_unit(),
                   .blas = "unknown BLAS",
                   .blas_core = state.core,
                   .blas_replaced = state.replaced,
                   .threads = num_threads(),
                   .warning = state.warning};
  if (detail::contexture_openblas_config != nullptr) report.blas = detail::contexture_openblas_config();
  if (std::getenv("CONTEXTURE_QUIET") != nullptr) report.warning.clear();
  return report;
}

}  // namespace contexture
