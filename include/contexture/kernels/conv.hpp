// 2-D convolution: the three passes behind one entry point each, with the algorithm chosen by
// shape. Plain functions on pointers; shapes are checked, pointers are not.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <type_traits>

#include "contexture/core/error.hpp"
#include "contexture/core/profile.hpp"
#include "contexture/kernels/conv/direct.hpp"
#include "contexture/kernels/conv/im2col.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/winograd.hpp"

namespace contexture::kernels {

/// How a convolution is computed. CONTEXTURE_CONV=im2col|direct|winograd2|winograd4
/// (winograd: winograd4) forces one for the process; shapes that it cannot compute fall back to direct.
enum class ConvAlgorithm {
  im2col,     ///< matrix multiplication by BLAS
  direct,     ///< register tiles, any shape
  winograd2,  ///< F(2x2,3x3): 3x3 kernels, stride 1, no groups
  winograd4   ///< F(4x4,3x3): the same, fewer multiply-adds, larger rounding errors
};

/// The three passes of training.
enum class ConvPass { forward, backward_data, backward_weights };

[[nodiscard]] constexpr std::string_view to_string(ConvAlgorithm algorithm) {
  constexpr std::array<std::string_view, 4> names{"im2col", "direct", "winograd2", "winograd4"};
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
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::im2col, ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4})
    if (to_string(algorithm) == text) return static_cast<int>(algorithm);
  if (std::string_view(text) == "winograd") return static_cast<int>(ConvAlgorithm::winograd4);
  require(false, "CONTEXTURE_CONV: '", text, "', expected im2col, direct, winograd, winograd2 or winograd4");
  return -1;
}

// Cost of one image in multiply-adds that run at full speed. Direct: those that meet no padding.
inline double direct_cost(const ConvShape& shape) {
  const auto taps = [](Index out, Index in, Index pad) {
    double count = 0;
    for (Index o = 0; o < out; ++o)
      for (Index tap = 0; tap < 3; ++tap) count += o - pad + tap >= 0 && o - pad + tap < in ? 1 : 0;
    return count;
  };
  return taps(shape.out_h(), shape.h, shape.pad_h) * taps(shape.out_w(), shape.w, shape.pad_w) *
         static_cast<double>(shape.c * shape.k);
}

// F(m,3): the products of all tiles, the transforms of every tile's channels (measured: this
// many multiply-adds' time a channel, input and output alike), and that of the weights, once.
inline double winograd_cost(const ConvShape& shape, Index m, double transforms) {
  const auto tiles = static_cast<double>(((shape.out_h() + m - 1) / m) * ((shape.out_w() + m - 1) / m));
  const auto products = static_cast<double>((m + 2) * (m + 2) * shape.c * shape.k);
  return tiles * (products + transforms * static_cast<double>(shape.c + shape.k)) +
         250.0 * static_cast<double>(shape.c * shape.k) / static_cast<double>(std::max<Index>(shape.n, 1));
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

/// The algorithm that computes a pass of this shape with elements of type T.
///
/// | shape                                                           | algorithm |
/// |-----------------------------------------------------------------|-----------|
/// | fewer than 4 channels a group to run the vectors over, save 1 to 1, 2 to 2 | im2col |
/// | float, 3x3, stride 1, where the cost model below favours a tile | winograd4, winograd2 |
/// | everything else, and double always                              | direct    |
///
/// The vectors run over K, in backward-data over C. In practice Winograd takes the 3x3 layers with
/// at least 16 channels; not the stem, not maps of 2x2 and less, and 3x3 maps only from about 80
/// channels on.
template <class T = float>
[[nodiscard]] ConvAlgorithm choose_algorithm(const ConvShape& shape, ConvPass pass) {
  const int forced = detail::conv::forced_algorithm().load(std::memory_order_relaxed);
  if (forced >= 0) {
    const auto algorithm = static_cast<ConvAlgorithm>(forced);
    const bool winograd = algorithm == ConvAlgorithm::winograd2 || algorithm == ConvAlgorithm::winograd4;
    return winograd && !detail::conv::winograd_applies(shape) ? ConvAlgorithm::direct : algorithm;
  }
  const Index vectorised = pass == ConvPass::backward_data ? shape.group_c() : shape.group_k();
  if (vectorised < 4 && !detail::conv::has_small_groups<T>(shape)) return ConvAlgorithm::im2col;
  if (!std::is_same_v<T, float> || !detail::conv::winograd_applies(shape)) return ConvAlgorithm::direct;
  const double direct = detail::conv::direct_cost(shape);
  const double small = detail::conv::winograd_cost(shape, 2, 120.0);
  const double large = detail::conv::winograd_cost(shape, 4, 400.0);
  if (std::min(small, large) * 1.05 > direct) return ConvAlgorithm::direct;
  return small <= large ? ConvAlgorithm::winograd2 : ConvAlgorithm::winograd4;
}

/// y (N,P,Q,K) = x (N,H,W,C) convolved with w (R,S,C/groups,K), plus bias (K) where it is not
/// null. Overwrites y. Throws std::invalid_argument for impossible shapes.
template <class T>
void conv2d_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  shape.validate();
  const detail::OpTimer timer("conv2d forward");
  if (shape.output_size() == 0) return;
  if (shape.c == 0) {  // the bias alone
    for (Index i = 0; i < shape.output_size(); ++i) y[i] = bias == nullptr ? T(0) : bias[i % shape.k];
    return;
  }
  switch (choose_algorithm<T>(shape, ConvPass::forward)) {
    case ConvAlgorithm::im2col: return detail::conv::im2col_forward(shape, x, w, bias, y);
    case ConvAlgorithm::direct: return detail::conv::direct_forward(shape, x, w, bias, y);
    case ConvAlgorithm::winograd2: return detail::conv::winograd_forward<T, 2>(shape, x, w, bias, y);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_forward<T, 4>(shape, x, w, bias, y);
  }
}

/// dx (N,H,W,C), the gradient with respect to the input, from dy (N,P,Q,K). Overwrites dx.
template <class T>
void conv2d_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward data");
  if (shape.input_size() == 0) return;
  if (shape.output_size() == 0) return detail::conv::fill_zero(dx, shape.input_size());
  switch (choose_algorithm<T>(shape, ConvPass::backward_data)) {
    case ConvAlgorithm::im2col: return detail::conv::im2col_backward_data(shape, dy, w, dx);
    case ConvAlgorithm::direct: return detail::conv::direct_backward_data(shape, dy, w, dx);
    case ConvAlgorithm::winograd2: return detail::conv::winograd_backward_data<T, 2>(shape, dy, w, dx);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_backward_data<T, 4>(shape, dy, w, dx);
  }
}

/// dw (R,S,C/groups,K) and, where it is not null, dbias (K), summed over the batch. Overwrites
/// both. Partial sums are combined in an order that depends on the shape only.
template <class T>
void conv2d_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* dbias) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward weights");
  if (dbias != nullptr) detail::conv::bias_gradient(dy, shape.out_pixels(), shape.k, dbias);
  if (shape.weight_size() == 0) return;
  if (shape.output_size() == 0) return detail::conv::fill_zero(dw, shape.weight_size());
  switch (choose_algorithm<T>(shape, ConvPass::backward_weights)) {
    case ConvAlgorithm::im2col: return detail::conv::im2col_backward_weights(shape, x, dy, dw);
    case ConvAlgorithm::direct: return detail::conv::direct_backward_weights(shape, x, dy, dw);
    case ConvAlgorithm::winograd2: return detail::conv::winograd_backward_weights<T, 2>(shape, x, dy, dw);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_backward_weights<T, 4>(shape, x, dy, dw);
  }
}

#if defined(CONTEXTURE_COMPILED)  // set by the CMake target contexture::compiled; src/compiled.cpp has the code
extern template void conv2d_forward<float>(const ConvShape&, const float*, const float*, const float*, float*);
extern template void conv2d_forward<double>(const ConvShape&, const double*, const double*, const double*, double*);
extern template void conv2d_backward_data<float>(const ConvShape&, const float*, const float*, float*);
extern template void conv2d_backward_data<double>(const ConvShape&, const double*, const double*, double*);
extern template void conv2d_backward_weights<float>(const ConvShape&, const float*, const float*, float*, float*);
extern template void conv2d_backward_weights<double>(const ConvShape&, const double*, const double*, double*, double*);
#endif

}  // namespace contexture::kernels
