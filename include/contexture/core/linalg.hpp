// SPDX-License-Identifier: MIT
// Linear algebra beyond the matrix product, by LAPACK: brings xt::linalg (solve, lstsq, svd, eigh, ...) and adds what
// it lacks, moments and principal components of the rows of a matrix, and eigenvectors in a fixed order with fixed
// signs. For probes and pictures, not for training. Not part of the umbrella header: xtensor-blas costs a second of
// compile time in every translation unit that includes it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/core/xtensor.hpp"

// <sys/ioctl.h> defines NCC, which LAPACK's prototypes have as the name of a parameter.
#pragma push_macro("NCC")
#undef NCC
#include <xtensor-blas/xlinalg.hpp>
#pragma pop_macro("NCC")

#include "contexture/core/blas.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// Mean and covariance of the rows of a matrix.
struct Moments {
  Tensor<double> mean;        ///< (F)
  Tensor<double> covariance;  ///< (F,F), divided by N
};

/// Moments of values (N,F), accumulated in double about the first row, so that a large mean costs no digits.
/// Throws std::invalid_argument unless N >= 1, F >= 1.
[[nodiscard]] inline Moments row_moments(const Tensor<float>& values) {
  require(values.dimension() == 2 && values.size() > 0, "row_moments: values ", values.shape(), ", expected (N,F)");
  const Index n = dim(values, 0), f = dim(values, 1);
  const auto features = static_cast<std::size_t>(f);
  constexpr Index kBlock = 512;  // rows converted at a time
  Moments out{zeros<double>({features}), zeros<double>({features, features})};
  std::vector<double> block(static_cast<std::size_t>(std::min(n, kBlock) * f));
  const float* const origin = values.data();
  for (Index begin = 0; begin < n; begin += kBlock) {
    const Index rows = std::min(kBlock, n - begin);
    const float* in = values.data() + begin * f;
    for (Index r = 0; r < rows; ++r)
      for (Index j = 0; j < f; ++j) {
        const double v = static_cast<double>(*in++) - static_cast<double>(origin[j]);
        block[static_cast<std::size_t>(r * f + j)] = v;
        out.mean.data()[j] += v;
      }
    gemm(Transpose::yes, Transpose::no, f, f, rows, 1.0, block.data(), f, block.data(), f, 1.0, out.covariance.data(),
         f);
  }
  const auto count = static_cast<double>(n);
  for (Index j = 0; j < f; ++j) out.mean.data()[j] /= count;
  for (Index i = 0; i < f; ++i)
    for (Index j = 0; j < f; ++j)
      out.covariance.data()[i * f + j] =
          out.covariance.data()[i * f + j] / count - out.mean.data()[i] * out.mean.data()[j];
  for (Index j = 0; j < f; ++j) out.mean.data()[j] += static_cast<double>(origin[j]);
  return out;
}

/// Eigenvalues, largest first, and the eigenvectors that belong to them.
struct SymmetricEigen {
  Tensor<double> values;   ///< (F)
  Tensor<double> vectors;  ///< (F,F); row i is the unit vector of values[i], its largest entry positive
};

/// Of a symmetric matrix (F,F), of which the lower triangle is read. The sign of an eigenvector is arbitrary; here
/// the entry of largest magnitude (the first of equals) is positive, so that results do not depend on the LAPACK
/// that is linked. Throws std::invalid_argument for anything but a finite square matrix.
[[nodiscard]] inline SymmetricEigen symmetric_eigen(const Tensor<double>& matrix) {
  require(matrix.dimension() == 2 && matrix.shape()[0] == matrix.shape()[1] && matrix.size() > 0,
          "symmetric_eigen: matrix ", matrix.shape(), ", expected (F,F)");
  for (std::size_t i = 0; i < matrix.size(); ++i)
    require(is_finite(matrix.data()[i]), "symmetric_eigen: an entry is not finite");
  const std::size_t n = matrix.shape()[0];
  detail::reserve_blas_buffers();
  const detail::OneOpenMpThread one_thread;
  const auto [values, vectors] = xt::linalg::eigh(matrix);  // ascending, one vector a column
  SymmetricEigen out{empty<double>({n}), empty<double>({n, n})};
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t from = n - 1 - i;
    out.values.data()[i] = values(from);
    double* const row = out.vectors.data() + i * n;
    std::size_t largest = 0;
    for (std::size_t j = 0; j < n; ++j) {
      row[j] = vectors(j, from);
      if (std::abs(row[j]) > std::abs(row[largest]) + 1e-12) largest = j;
    }
    if (row[largest] < 0)
      for (std::size_t j = 0; j < n; ++j) row[j] = -row[j];
  }
  return out;
}

/// Principal components of the rows of a matrix.
struct PrincipalComponents {
  Tensor<double> mean;                                         ///< (F)
  Tensor<double> axes;                                         ///< (k,F), unit vectors, largest variance first
  std::vector<double> variance;                                ///< k, along the axes
  double total_variance = 0;                                   ///< over all F axes
  [[nodiscard]] std::vector<double> variance_shares() const {  ///< k, of the total; zeros where there is no variance
    std::vector<double> out;
    for (const double v : variance) out.push_back(total_variance > 0 ? v / total_variance : 0);
    return out;
  }
};

/// The first `count` principal components of values (N,F), from the covariance matrix.
/// Throws std::invalid_argument unless 1 <= count <= F.
[[nodiscard]] inline PrincipalComponents principal_components(const Tensor<float>& values, Index count) {
  Moments moments = row_moments(values);
  const Index f = dim(values, 1);
  require(count >= 1 && count <= f, "principal_components: ", count, " components of ", f, " features");
  const SymmetricEigen eigen = symmetric_eigen(moments.covariance);
  PrincipalComponents out;
  out.mean = std::move(moments.mean);
  out.axes = empty<double>({static_cast<std::size_t>(count), static_cast<std::size_t>(f)});
  std::copy(eigen.vectors.data(), eigen.vectors.data() + count * f, out.axes.data());
  for (Index i = 0; i < count; ++i) out.variance.push_back(std::max(eigen.values.data()[i], 0.0));
  for (Index i = 0; i < f; ++i) out.total_variance += std::max(moments.covariance.data()[i * f + i], 0.0);
  return out;
}

/// Coordinates (N,k) of values (N,F) along the axes, from the mean.
[[nodiscard]] inline Tensor<float> project(const PrincipalComponents& components, const Tensor<float>& values) {
  const Index f = dim(components.axes, 1), k = dim(components.axes, 0);
  require(values.dimension() == 2 && dim(values, 1) == f, "project: values ", values.shape(), ", expected (N,", f, ")");
  const auto n = values.shape()[0];
  Tensor<double> centred = empty<double>(values.shape());
  for (Index i = 0; i < static_cast<Index>(values.size()); ++i)
    centred.data()[i] = static_cast<double>(values.data()[i]) - components.mean.data()[i % f];
  Tensor<double> product = empty<double>({n, static_cast<std::size_t>(k)});
  gemm(Transpose::no, Transpose::yes, static_cast<Index>(n), k, f, 1.0, centred.data(), f, components.axes.data(), f,
       0.0, product.data(), k);
  return xt::cast<float>(product);
}

}  // namespace contexture
