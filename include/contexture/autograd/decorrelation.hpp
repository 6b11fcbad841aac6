// SPDX-License-Identifier: MIT
// What keeps embeddings from collapsing where no negative examples do: every column of a batch is to vary,
// and no two columns are to vary together (VICReg: Bardes, Ponce and LeCun, arXiv 2105.04906).
#pragma once

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// Options of the loss of VICReg.
struct DecorrelationOptions {
  double variance_weight = 25;
  double covariance_weight = 1;
  double deviation = 1;   ///< columns that deviate by this or more are not pushed apart any further
  double epsilon = 1e-4;  ///< added to variances
};

/// Variance and covariance terms of VICReg for z (N,D), N >= 2, a scalar:
///   variance_weight * mean_j max(0, deviation - sqrt(C_jj + epsilon)) + covariance_weight / D * sum_{i != j} C_ij^2,
/// C the covariance matrix of the columns with the N - 1 denominator.
template <class T>
[[nodiscard]] Variable<T> decorrelation_loss(const Variable<T>& z, const DecorrelationOptions& options = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/decorrelation-inl.hpp"
#endif
