// SPDX-License-Identifier: MIT
// gemm against a naive loop, and the report of what runs. The OpenBLAS repair has a process of
// its own (programs/blas_repair.cpp), since it acts before main.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/rng.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

// Largest |gemm - naive| over C, in units of epsilon * sum_k |a||b|; padding must stay as it was.
template <class T>
double gemm_error(Transpose ta, Transpose tb, Index m, Index n, Index k, T alpha, T beta, Index pad) {
  Rng rng(static_cast<std::uint64_t>(m * 10007 + n * 101 + k));
  const Index lda = (ta == Transpose::no ? k : m) + pad;
  const Index ldb = (tb == Transpose::no ? n : k) + pad;
  const Index ldc = n + pad;
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  std::vector<T> a(at((ta == Transpose::no ? m : k) * lda + 1));
  std::vector<T> b(at((tb == Transpose::no ? k : n) * ldb + 1));
  std::vector<T> c(at(m * ldc + 1));
  for (auto* values : {&a, &b, &c})
    for (T& x : *values) x = static_cast<T>(rng.uniform(-1.0F, 1.0F));
  if (beta == T(0))  // C may hold anything then
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j) c[at(i * ldc + j)] = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> before = c;
  gemm<T>(ta, tb, m, n, k, alpha, a.data(), lda, b.data(), ldb, beta, c.data(), ldc);

  double worst = 0;
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      double magnitude = 1;
      for (Index p = 0; p < k; ++p) {
        const double x = static_cast<double>(ta == Transpose::no ? a[at(i * lda + p)] : a[at(p * lda + i)]);
        const double y = static_cast<double>(tb == Transpose::no ? b[at(p * ldb + j)] : b[at(j * ldb + p)]);
        sum += x * y;
        magnitude += std::abs(x * y);
      }
      double expected = static_cast<double>(alpha) * sum;
      if (beta != T(0)) expected += static_cast<double>(beta) * static_cast<double>(before[at(i * ldc + j)]);
      const double difference = std::abs(static_cast<double>(c[at(i * ldc + j)]) - expected);
      if (!(difference <= worst * magnitude)) worst = difference / magnitude;  // NaN counts as an error
      if (std::isnan(worst)) return worst;
    }
    for (Index j = n; j < ldc; ++j)
      if (c[at(i * ldc + j)] != before[at(i * ldc + j)]) return std::numeric_limits<double>::infinity();
  }
  return worst / static_cast<double>(std::numeric_limits<T>::epsilon());
}

}  // namespace

TEMPLATE_TEST_CASE("gemm agrees with a naive loop in all transpositions", "", float, double) {
  for (const Transpose ta : {Transpose::no, Transpose::yes})
    for (const Transpose tb : {Transpose::no, Transpose::yes})
      for (const Index m : {1, 2, 17, 65})
        for (const Index n : {1, 8, 33})
          for (const Index k : {0, 1, 3, 64, 100}) {
            INFO("m " << m << " n " << n << " k " << k << " ta " << (ta == Transpose::yes) << " tb "
                      << (tb == Transpose::yes));
            REQUIRE(gemm_error<TestType>(ta, tb, m, n, k, TestType(1), TestType(0), 0) <= 4);
            REQUIRE(gemm_error<TestType>(ta, tb, m, n, k, TestType(0.5), TestType(-2), 3) <= 4);
          }
}

TEST_CASE("gemm with empty extents touches nothing, and refuses extents beyond 32 bits") {
  float c = 7.0F;
  gemm<float>(Transpose::no, Transpose::no, 0, 1, 1, 1.0F, nullptr, 1, nullptr, 1, 0.0F, &c, 1);
  gemm<float>(Transpose::no, Transpose::no, 1, 0, 1, 1.0F, nullptr, 1, nullptr, 1, 0.0F, &c, 1);
  CHECK(c == 7.0F);
  const float x = 1.0F;
  CHECK_THROWS_AS(
      gemm<float>(Transpose::no, Transpose::no, 1, 1, Index{1} << 31, 1.0F, &x, Index{1} << 31, &x, 1, 0.0F, &c, 1),
      std::invalid_argument);
  CHECK_THROWS_AS(gemm<float>(Transpose::no, Transpose::no, -1, 1, 1, 1.0F, &x, 1, &x, 1, 0.0F, &c, 1),
                  std::invalid_argument);
}

TEST_CASE("gemm from every worker at once gives what it gives alone") {
  const Index n = 48;
  std::vector<float> a(static_cast<std::size_t>(n * n));
  Rng rng(5);
  for (float& x : a) x = rng.normal();
  std::vector<float> alone(a.size());
  gemm<float>(Transpose::no, Transpose::yes, n, n, n, 1.0F, a.data(), n, a.data(), n, 0.0F, alone.data(), n);
  std::vector<std::vector<float>> together(32, std::vector<float>(a.size()));
  parallel_chunks(32, 32, [&](Index chunk, Index, Index) {
    gemm<float>(Transpose::no, Transpose::yes, n, n, n, 1.0F, a.data(), n, a.data(), n, 0.0F,
                together[static_cast<std::size_t>(chunk)].data(), n);
  });
  for (const auto& result : together) REQUIRE(result == alone);
}

TEST_CASE("cpu_report names instruction set, threads and BLAS in one line") {
  const CpuReport report = cpu_report();
  CHECK(report.threads == num_threads());
  CHECK(report.isa == active_isa());
  CHECK_FALSE(report.blas.empty());
  const std::string line = report.line();
  CHECK(line.find(std::string(to_string(active_isa()))) != std::string::npos);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find(" kernels, float32, ") != std::string::npos);
  {
    const PrecisionGuard guard(Precision::bfloat16);
    const std::string unit(to_string(active_bfloat16_unit()));
    CHECK(cpu_report().line().find(" kernels, bfloat16 (" + unit + "), ") != std::string::npos);
  }
  CHECK(cpu_report().line() == line);
  CHECK(report.warning.find('\n') == std::string::npos);
}
