// SPDX-License-Identifier: MIT
// Tensors to try things on, and to compare bit by bit.
#pragma once

#include <cstdint>
#include <cstring>

#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"

namespace tensors {

// Independent numbers of mean `offset` and deviation 1.
template <class T>
contexture::Tensor<T> random_tensor(const contexture::Shape& shape, std::uint64_t seed, double offset = 0) {
  contexture::Rng rng(seed);
  contexture::Tensor<T> t = contexture::empty<T>(shape);
  for (T& x : t.storage()) x = static_cast<T>(static_cast<double>(rng.normal()) + offset);
  return t;
}

inline bool same_bits(const contexture::Tensor<float>& a, const contexture::Tensor<float>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace tensors
