// SPDX-License-Identifier: MIT
// Moments, eigenvectors and principal components against values known by construction.
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "contexture/core/linalg.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("row_moments: the textbook formula in double, also far from the origin", "[linalg]") {
  std::mt19937 dice(1);
  std::normal_distribution<float> normal;
  for (const float offset : {0.0F, 1000.0F}) {
    for (const std::size_t n : {std::size_t{1}, std::size_t{7}, std::size_t{1300}}) {  // below and beyond a block
      constexpr std::size_t f = 5;
      Tensor<float> values = empty<float>({n, f});
      for (float& v : values) v = offset + normal(dice);
      const Moments found = row_moments(values);
      for (std::size_t i = 0; i < f; ++i) {
        double mean_i = 0;
        for (std::size_t r = 0; r < n; ++r) mean_i += static_cast<double>(values(r, i)) / static_cast<double>(n);
        CHECK(found.mean(i) == Approx(mean_i).epsilon(1e-12));
        for (std::size_t j = 0; j < f; ++j) {
          double mean_j = 0, covariance = 0;
          for (std::size_t r = 0; r < n; ++r) mean_j += static_cast<double>(values(r, j)) / static_cast<double>(n);
          for (std::size_t r = 0; r < n; ++r)
            covariance += (static_cast<double>(values(r, i)) - mean_i) * (static_cast<double>(values(r, j)) - mean_j) /
                          static_cast<double>(n);
          CHECK(found.covariance(i, j) == Approx(covariance).margin(1e-10));
        }
      }
    }
  }
  CHECK_THROWS_AS(row_moments(empty<float>({0, 3})), std::invalid_argument);
  CHECK_THROWS_AS(row_moments(empty<float>({3})), std::invalid_argument);
}

TEST_CASE("symmetric_eigen: known vectors, largest first, signs fixed", "[linalg]") {
  // 7 along (3,4)/5 and 2 along (-4,3)/5.
  Tensor<double> a = empty<double>({2, 2});
  a(0, 0) = (7 * 9 + 2 * 16) / 25.0;
  a(1, 1) = (7 * 16 + 2 * 9) / 25.0;
  a(0, 1) = a(1, 0) = (7 * 12 - 2 * 12) / 25.0;
  const SymmetricEigen found = symmetric_eigen(a);
  CHECK(found.values(0) == Approx(7));
  CHECK(found.values(1) == Approx(2));
  CHECK(found.vectors(0, 0) == Approx(0.6));
  CHECK(found.vectors(0, 1) == Approx(0.8));
  CHECK(found.vectors(1, 0) == Approx(0.8));
  CHECK(found.vectors(1, 1) == Approx(-0.6));

  std::mt19937 dice(2);
  std::normal_distribution<double> normal;
  constexpr std::size_t n = 40;
  Tensor<double> m = empty<double>({n, n});
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) m(i, j) = m(j, i) = normal(dice);
  const SymmetricEigen e = symmetric_eigen(m);
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0) CHECK(e.values(i) <= e.values(i - 1));
    for (std::size_t j = 0; j < n; ++j) {
      double product = 0, inner = 0;
      for (std::size_t k = 0; k < n; ++k) {
        product += m(j, k) * e.vectors(i, k);
        inner += e.vectors(i, k) * e.vectors(j, k);
      }
      CHECK(product == Approx(e.values(i) * e.vectors(i, j)).margin(1e-9));
      CHECK(inner == Approx(i == j ? 1.0 : 0.0).margin(1e-10));
    }
  }
  m(3, 3) = std::nan("");
  CHECK_THROWS_AS(symmetric_eigen(m), std::invalid_argument);
  CHECK_THROWS_AS(symmetric_eigen(empty<double>({2, 3})), std::invalid_argument);
}

TEST_CASE("principal_components: a covariance known by construction", "[linalg]") {
  // +-5 along (3,4)/5 and +-1 along (4,-3)/5 about (10,20): variances 12.5 and 0.5.
  Tensor<float> values = empty<float>({4, 2});
  const float points[4][2] = {{13, 24}, {7, 16}, {10.8F, 19.4F}, {9.2F, 20.6F}};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 2; ++j) values(i, j) = points[i][j];
  const PrincipalComponents pca = principal_components(values, 2);
  CHECK(pca.mean(0) == Approx(10));
  CHECK(pca.mean(1) == Approx(20));
  CHECK(pca.variance[0] == Approx(12.5));
  CHECK(pca.variance[1] == Approx(0.5).epsilon(1e-5));
  CHECK(pca.variance_shares()[0] == Approx(12.5 / 13));
  CHECK(pca.axes(0, 0) == Approx(0.6));
  CHECK(pca.axes(0, 1) == Approx(0.8));
  const Tensor<float> map = project(pca, values);
  CHECK(map(0, 0) == Approx(5));
  CHECK(map(0, 1) == Approx(0).margin(1e-5));
  CHECK(std::abs(map(2, 1)) == Approx(1).epsilon(1e-5));
  CHECK_THROWS_AS(principal_components(values, 3), std::invalid_argument);
  CHECK_THROWS_AS(project(pca, empty<float>({4, 3})), std::invalid_argument);
}

TEST_CASE("principal_components: values without spread", "[linalg]") {
  const PrincipalComponents pca = principal_components(full<float>({6, 3}, 2.5F), 2);
  CHECK(pca.variance_shares() == std::vector<double>{0, 0});
}
