// SPDX-License-Identifier: MIT
// ConvShape, the extents of one 2-D convolution, and ConvPass, what is computed of it: shared by every
// algorithm. Images are (N,H,W,C), weights (R,S,C/groups,K), outputs (N,P,Q,K); R, S are the kernel's
// height and width.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::kernels {

/// Extents and options of a 2-D convolution (cross-correlation, zero padding).
struct ConvShape {
  Index n = 0, h = 0, w = 0, c = 0;  ///< input (N,H,W,C)
  Index k = 0, r = 1, s = 1;         ///< output channels, kernel height and width
  Index stride_h = 1, stride_w = 1;
  Index pad_h = 0, pad_w = 0;  ///< zeros on each side
  Index dilation_h = 1, dilation_w = 1;
  Index groups = 1;

  /// Output height and width; 0 where the kernel does not fit into the padded input.
  [[nodiscard]] constexpr Index out_h() const { return out_extent(h, r, stride_h, pad_h, dilation_h); }
  [[nodiscard]] constexpr Index out_w() const { return out_extent(w, s, stride_w, pad_w, dilation_w); }

  [[nodiscard]] constexpr Index group_c() const { return c / groups; }
  [[nodiscard]] constexpr Index group_k() const { return k / groups; }
  /// Rows of the weights seen as a matrix (R*S*C/groups, K).
  [[nodiscard]] constexpr Index patch() const { return r * s * group_c(); }
  [[nodiscard]] constexpr Index input_size() const { return n * h * w * c; }
  [[nodiscard]] constexpr Index weight_size() const { return patch() * k; }
  [[nodiscard]] constexpr Index out_pixels() const { return n * out_h() * out_w(); }
  [[nodiscard]] constexpr Index output_size() const { return out_pixels() * k; }
  /// Multiply-adds of one pass, padding included.
  [[nodiscard]] constexpr Index multiply_adds() const { return out_pixels() * k * patch(); }

  /// Throws std::invalid_argument unless the extents make sense.
  void validate() const {
    require(n >= 0 && h >= 0 && w >= 0 && c >= 0 && k >= 0, "conv2d: negative extent, n ", n, ", h ", h, ", w ", w,
            ", c ", c, ", k ", k);
    require(r >= 1 && s >= 1, "conv2d: kernel ", r, "x", s, ", expected at least 1x1");
    require(stride_h >= 1 && stride_w >= 1, "conv2d: stride (", stride_h, ",", stride_w, "), expected at least 1");
    require(dilation_h >= 1 && dilation_w >= 1, "conv2d: dilation (", dilation_h, ",", dilation_w,
            "), expected at least 1");
    require(pad_h >= 0 && pad_w >= 0, "conv2d: padding (", pad_h, ",", pad_w, "), expected at least 0");
    require(groups >= 1 && c % groups == 0 && k % groups == 0, "conv2d: groups ", groups, ", expected a divisor of ", c,
            " input and ", k, " output channels");
  }

  friend bool operator==(const ConvShape&, const ConvShape&) = default;

 private:
  static constexpr Index out_extent(Index in, Index kernel, Index stride, Index pad, Index dilation) {
    const Index last = in + 2 * pad - dilation * (kernel - 1) - 1;  // where the last window may start
    return last < 0 ? 0 : last / stride + 1;
  }
};

/// The three passes of training.
enum class ConvPass { forward, backward_data, backward_weights };

[[nodiscard]] constexpr std::string_view to_string(ConvPass pass) {
  constexpr std::array<std::string_view, 3> names{"forward", "backward_data", "backward_weights"};
  return names[static_cast<std::size_t>(pass)];
}

/// What a forward convolution does with its sums before they are stored: y = relu(sums * scale + bias + residual).
/// Scale, residual and ReLU come with a bias: they are a batch normalisation that is not of this batch.
template <class T>
struct ConvEpilogue {
  const Accumulator<T>* bias = nullptr;   ///< (K), or null
  const Accumulator<T>* scale = nullptr;  ///< (K), or null
  const T* residual = nullptr;            ///< like y, or null; may be y itself
  bool relu = false;
  double* moments = nullptr;  ///< (2,K), or null: gets mean and biased variance of each channel of y, as it is stored
};

/// Where a gradient goes: in the place of what is there, or onto it.
enum class Gradients { overwritten, added };

}  // namespace contexture::kernels

namespace contexture::detail::conv {
using kernels::ConvEpilogue;
using kernels::ConvPass;
using kernels::ConvShape;

// A 1x1 kernel that moves to every pixel sees images of one row.
[[nodiscard]] inline ConvShape in_one_row(ConvShape shape) {
  if (shape.r == 1 && shape.s == 1 && shape.stride_h == 1 && shape.stride_w == 1 && shape.pad_h == 0 &&
      shape.pad_w == 0) {
    shape.w *= std::exchange(shape.h, 1);
  }
  return shape;
}

}  // namespace contexture::detail::conv
