// 2-D convolution: the three passes behind one entry point each, with the algorithm chosen by
// shape. Plain functions on pointers; shapes are checked, pointers are not.
#pragma once

#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <type_traits>

#include "contexture/core/error.hpp"
#include "contexture/kernels/conv_direct.hpp"
#include "contexture/kernels/conv_im2col.hpp"
#include "contexture/kernels/conv_shape.hpp"

namespace contexture::kernels {

/// How a convolution is computed. CONTEXTURE_CONV=im2col|direct forces one for the process.
enum class ConvAlgorithm { im2col, direct };

/// The three passes of training.
enum class ConvPass { forward, backward_data, backward_weights };

[[nodiscard]] constexpr std::string_view to_string(ConvAlgorithm algorithm) {
  constexpr std::array<std::string_view, 2> names{"im2col", "direct"};
  return names[static_cast<std::size_t>(algorithm)];
}

[[nodiscard]] constexpr std::string_view to_string(ConvPass pass) {
  constexpr std::array<std::string_view, 3> names{"forward", "backward_data", "backward_weights"};
  return names[static_cast<std::size_t>(pass)];
}

}  // namespace contexture::kernels

namespace contexture::detail::conv {

using kernels::ConvAlgorithm;
using kernels::ConvPass;

// -1: by shape.
inline int initial_forced_algorithm() {
  const char* text = std::getenv("CONTEXTURE_CONV");
  if (text == nullptr || *text == '\0') return -1;
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::im2col, ConvAlgorithm::direct})
    if (to_string(algorithm) == text) return static_cast<int>(algorithm);
  require(false, "CONTEXTURE_CONV: '", text, "', expected im2col or direct");
  return -1;
}

inline std::atomic<int>& forced_algorithm() {
  static std::atomic<int> forced{initial_forced_algorithm()};
  return forced;
}

}  // namespace contexture::detail::conv

namespace contexture::kernels {

/// Forces an algorithm for all convolutions of the process, or, with nullopt, goes back to the
/// choice by shape. Meant for tests and benchmarks.
inline void set_conv_algorithm(std::optional<ConvAlgorithm> algorithm) {
  detail::conv::forced_algorithm().store(algorithm ? static_cast<int>(*algorithm) : -1, std::memory_order_relaxed);
}

/// The algorithm that computes a pass of this shape.
[[nodiscard]] inline ConvAlgorithm choose_algorithm(const ConvShape& shape, ConvPass pass) {
  const int forced = detail::conv::forced_algorithm().load(std::memory_order_relaxed);
  if (forced >= 0) return static_cast<ConvAlgorithm>(forced);
  // Direct wins everywhere its vectors are not mostly empty: the vector runs over the channels
  // that the pass computes, K or, in backward-data, C.
  const Index vectorised = pass == ConvPass::backward_data ? shape.group_c() : shape.group_k();
  return vectorised >= 4 ? ConvAlgorithm::direct : ConvAlgorithm::im2col;
}

/// y (N,P,Q,K) = x (N,H,W,C) convolved with w (R,S,C/groups,K), plus bias (K) where it is not
/// null. Overwrites y. Throws std::invalid_argument for impossible shapes.
template <class T>
void conv2d_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  shape.validate();
  if (shape.output_size() == 0) return;
  if (choose_algorithm(shape, ConvPass::forward) == ConvAlgorithm::direct)
    detail::conv::direct_forward(shape, x, w, bias, y);
  else
    detail::conv::im2col_forward(shape, x, w, bias, y);
}

/// dx (N,H,W,C), the gradient with respect to the input, from dy (N,P,Q,K). Overwrites dx.
template <class T>
void conv2d_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  shape.validate();
  if (shape.input_size() == 0) return;
  if (shape.output_size() == 0) return detail::conv::fill_zero(dx, shape.input_size());
  if (choose_algorithm(shape, ConvPass::backward_data) == ConvAlgorithm::direct)
    detail::conv::direct_backward_data(shape, dy, w, dx);
  else
    detail::conv::im2col_backward_data(shape, dy, w, dx);
}

/// dw (R,S,C/groups,K) and, where it is not null, dbias (K), summed over the batch. Overwrites
/// both. Partial sums are combined in an order that depends on the shape only.
template <class T>
void conv2d_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* dbias) {
  shape.validate();
  if (dbias != nullptr) detail::conv::bias_gradient(dy, shape.out_pixels(), shape.k, dbias);
  if (shape.weight_size() == 0) return;
  if (shape.output_size() == 0) return detail::conv::fill_zero(dw, shape.weight_size());
  if (choose_algorithm(shape, ConvPass::backward_weights) == ConvAlgorithm::direct)
    detail::conv::direct_backward_weights(shape, x, dy, dw);
  else
    detail::conv::im2col_backward_weights(shape, x, dy, dw);
}

}  // namespace contexture::kernels
