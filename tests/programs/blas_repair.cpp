// SPDX-License-Identifier: MIT
// The OpenBLAS repair, in a process started with OPENBLAS_CORETYPE=Prescott: before main the
// library must respect that choice and warn; with the variable gone it must replace the SSE3
// kernels, and what they compute must be right. Exit status 77: cannot be tested here.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/rng.hpp"

using namespace contexture;

namespace {

int failures = 0;

void expect(bool ok, const char* what) {
  if (!ok) std::printf("FAILED: %s\n", what);
  failures += ok ? 0 : 1;
}

double worst_gemm_error() {
  Rng rng(3);
  double worst = 0;
  for (int round = 0; round < 60; ++round) {
    const Index m = 1 + rng.below(130);
    const Index n = 1 + rng.below(130);
    const Index k = 1 + rng.below(200);
    std::vector<float> a(static_cast<std::size_t>(m * k));
    std::vector<float> b(static_cast<std::size_t>(k * n));
    std::vector<float> c(static_cast<std::size_t>(m * n));
    for (float& x : a) x = rng.uniform(-1.0F, 1.0F);
    for (float& x : b) x = rng.uniform(-1.0F, 1.0F);
    gemm<float>(Transpose::no, Transpose::no, m, n, k, 1.0F, a.data(), k, b.data(), n, 0.0F, c.data(), n);
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j) {
        double sum = 0;
        for (Index p = 0; p < k; ++p)
          sum += static_cast<double>(a[static_cast<std::size_t>(i * k + p)]) *
                 static_cast<double>(b[static_cast<std::size_t>(p * n + j)]);
        const double error = std::abs(sum - static_cast<double>(c[static_cast<std::size_t>(i * n + j)]));
        if (!(error <= worst)) worst = error;
      }
  }
  return worst;
}

}  // namespace

int main() {
  if (detail::contexture_openblas_corename == nullptr || detail::contexture_openblas_init == nullptr) {
    std::puts("skipped: not an OpenBLAS that can choose again");
    return 77;
  }
  const char* wanted = detail::fitting_openblas_core();
  if (wanted == nullptr) {
    std::puts("skipped: no AVX2 here, the SSE3 kernels are right");
    return 77;
  }
  if (cpu_report().blas_core != "Prescott") {
    std::printf("skipped: start with OPENBLAS_CORETYPE=Prescott (runs %s)\n", cpu_report().blas_core.c_str());
    return 77;
  }
  expect(cpu_report().blas_replaced.empty(), "a core that the user chose is left alone");
  expect(cpu_report().warning.find("Prescott") != std::string::npos, "the warning names the slow kernels");
  ::setenv("CONTEXTURE_QUIET", "1", 1);
  expect(cpu_report().warning.empty(), "CONTEXTURE_QUIET silences the warning");
  expect(worst_gemm_error() < 1e-4, "gemm is right before the repair");

  ::unsetenv("OPENBLAS_CORETYPE");
  ::setenv("CONTEXTURE_BLAS_REPAIR", "0", 1);
  expect(detail::prepare_blas().core == "Prescott", "CONTEXTURE_BLAS_REPAIR=0 switches the repair off");
  ::unsetenv("CONTEXTURE_BLAS_REPAIR");

  const detail::BlasState state = detail::prepare_blas();
  expect(state.core == wanted, "the repair chooses the kernels that fit");
  expect(state.replaced == "Prescott", "the repair says what it replaced");
  expect(state.warning.empty(), "no warning after the repair");
  expect(std::getenv("OPENBLAS_CORETYPE") == nullptr, "the variable is not left behind");
  expect(worst_gemm_error() < 1e-4, "gemm is right after the repair");
  expect(detail::prepare_blas().replaced.empty(), "a second call has nothing to repair");
  std::printf("%s -> %s, %d failures\n", state.replaced.c_str(), state.core.c_str(), failures);
  return failures == 0 ? 0 : 1;
}
