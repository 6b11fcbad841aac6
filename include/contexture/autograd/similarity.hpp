// SPDX-License-Identifier: MIT
// Similarity of the rows of a matrix to each other, as contrastive losses compare embeddings: rows
// scaled to unit length, and all their scalar products at once, as one matrix product.
#pragma once

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// y[i] = x[i] / max(|x[i]|, epsilon), |.| the Euclidean length of row i of x (N,D).
template <class T>
[[nodiscard]] Variable<T> normalize_rows(const Variable<T>& x, double epsilon = 1e-8);

/// What self_similarity puts on the diagonal: finite, and without any weight in a softmax.
template <class T>
inline constexpr T kNotSimilar = T(-1e30);

/// All scalar products of the rows of x (N,D) with each other, times `scale`: (N,N), its diagonal
/// kNotSimilar, which no gradient passes. With unit rows, and scale = 1 / temperature, these are the logits of
/// NT-Xent (Chen et al., arXiv 2002.05709): softmax_cross_entropy against each row's partner.
template <class T>
[[nodiscard]] Variable<T> self_similarity(const Variable<T>& x, std::type_identity_t<T> scale);

/// The same of some rows of a longer matrix `all` (M,D), of which x (N,D) are those from `first` on: (N,M), with
/// kNotSimilar where a row meets itself. Gradients go to both.
template <class T>
[[nodiscard]] Variable<T> cross_similarity(const Variable<T>& x, const Variable<T>& all, Index first,
                                           std::type_identity_t<T> scale);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/similarity-inl.hpp"
#endif
