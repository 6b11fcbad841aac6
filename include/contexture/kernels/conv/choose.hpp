// SPDX-License-Identifier: MIT
// Which algorithm computes a convolution: the one choice, which sees all of them. Each algorithm's file says what it
// can compute (*_applies); here is what is best, and how a choice is forced.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <type_traits>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/error.hpp"
#include "contexture/kernels/conv/grouped.hpp"
#include "contexture/kernels/conv/pointwise.hpp"
#include "contexture/kernels/conv/rows.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/stem.hpp"
#include "contexture/kernels/conv/winograd_tiles.hpp"

namespace contexture::kernels {

/// How a convolution is computed. `direct` and the three after it run over register tiles and leave out the zeros of
/// the padding; each of the three computes some shapes only, and those faster.
enum class ConvAlgorithm {
  im2col,     ///< matrix multiplication by BLAS, any shape
  direct,     ///< register tiles over packed images, any shape
  stem,       ///< few input channels, read from the rows of the image
  pointwise,  ///< 1x1 kernels, pixels read where they lie
  grouped,    ///< groups of 1, 2 or 4 channels
  rows,       ///< AMX: tiles of neighbouring pixels of a row, bfloat16
  winograd2,  ///< F(2x2,3x3): 3x3 kernels, stride 1, no groups
  winograd4   ///< F(4x4,3x3): the same, fewer multiply-adds, larger rounding errors
};

/// All of them.
inline constexpr std::array kConvAlgorithms{ConvAlgorithm::im2col,    ConvAlgorithm::direct,   ConvAlgorithm::stem,
                                            ConvAlgorithm::pointwise, ConvAlgorithm::grouped,  ConvAlgorithm::rows,
                                            ConvAlgorithm::winograd2, ConvAlgorithm::winograd4};

[[nodiscard]] constexpr std::string_view to_string(ConvAlgorithm algorithm) {
  constexpr std::array<std::string_view, kConvAlgorithms.size()> names{"im2col",  "direct", "stem",      "pointwise",
                                                                       "grouped", "rows",   "winograd2", "winograd4"};
  return names[static_cast<std::size_t>(algorithm)];
}

}  // namespace contexture::kernels

namespace contexture::detail::conv {

using kernels::ConvAlgorithm;

// -1: by shape.
inline int initial_forced_algorithm() {
  const char* text = std::getenv("CONTEXTURE_CONV");
  if (text == nullptr || *text == '\0') return -1;
  for (const ConvAlgorithm algorithm : kernels::kConvAlgorithms)
    if (to_string(algorithm) == text) return static_cast<int>(algorithm);
  if (std::string_view(text) == "winograd") return static_cast<int>(ConvAlgorithm::winograd4);
  require(false, "CONTEXTURE_CONV: '", text,
          "', expected im2col, direct, stem, pointwise, grouped, rows, winograd, winograd2 or winograd4");
  return -1;
}

inline std::atomic<int>& forced_algorithm() {
  static std::atomic<int> forced{initial_forced_algorithm()};
  return forced;
}

// Whether an algorithm computes a pass.
template <class T>
[[nodiscard]] bool applies(ConvAlgorithm algorithm, const ConvShape& shape, ConvPass pass) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    const bool winograd = algorithm == ConvAlgorithm::winograd2 || algorithm == ConvAlgorithm::winograd4;
    return algorithm == ConvAlgorithm::direct || (winograd && winograd_applies(shape)) ||
           (algorithm == ConvAlgorithm::rows && rows_apply(shape));
  } else {
    switch (algorithm) {
      case ConvAlgorithm::im2col:
      case ConvAlgorithm::direct: return true;
      case ConvAlgorithm::stem: return stem_applies<T>(shape, pass);
      case ConvAlgorithm::pointwise: return pointwise_applies<T>(shape, pass);
      case ConvAlgorithm::grouped: return grouped_applies<T>(shape);
      case ConvAlgorithm::rows: return false;
      case ConvAlgorithm::winograd2:
      case ConvAlgorithm::winograd4: return winograd_applies(shape);
    }
    return false;
  }
}

// The one over register tiles that suits the shape best.
template <class T>
[[nodiscard]] ConvAlgorithm choose_tiles(const ConvShape& shape, ConvPass pass) {
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::grouped, ConvAlgorithm::stem, ConvAlgorithm::pointwise})
    if (applies<T>(algorithm, shape, pass)) return algorithm;
  return ConvAlgorithm::direct;
}

// Cost of one image of a 3x3 convolution in multiply-adds that run at full speed. Direct: those that meet no padding.
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

// The tile of Winograd's that is faster than the direct algorithm, which does so many multiply-adds in the time of one
// of Winograd's, by more than 5 %, if one is.
inline std::optional<ConvAlgorithm> choose_winograd(const ConvShape& shape, double direct_rate) {
  const double small = winograd_cost(shape, 2, 120.0), large = winograd_cost(shape, 4, 400.0);
  if (std::min(small, large) * 1.05 * direct_rate > direct_cost(shape)) return std::nullopt;
  return small <= large ? ConvAlgorithm::winograd2 : ConvAlgorithm::winograd4;
}

}  // namespace contexture::detail::conv

namespace contexture::kernels {

/// Forces an algorithm for all convolutions of the process, or, with nullopt, goes back to the
/// choice by shape. Meant for tests and benchmarks. The environment's CONTEXTURE_CONV=NAME does the same
/// from the start (winograd: winograd4).
inline void set_conv_algorithm(std::optional<ConvAlgorithm> algorithm) {
  detail::conv::forced_algorithm().store(algorithm ? static_cast<int>(*algorithm) : -1, std::memory_order_relaxed);
}

/// The algorithm that computes a pass of this shape with elements of type T: the first line that fits.
///
/// | shape                                                                          | algorithm            |
/// |--------------------------------------------------------------------------------|----------------------|
/// | fewer than 4 channels a group to run the vectors over, save 1 to 1 and 2 to 2  | im2col               |
/// | float, 3x3, stride 1, where the cost model favours a tile                      | winograd4, winograd2 |
/// | groups of 1, 2 or 4 channels, as many in as out                                | grouped              |
/// | kernel rows that fit a cache line (channels times width), and wide maps        | stem                 |
/// | 1x1, no padding, no groups, and pixels that fill a tile                        | pointwise            |
/// | everything else                                                                | direct               |
///
/// The vectors run over K, in backward-data over C. In practice Winograd takes the 3x3 layers with
/// at least 16 channels; not the stem, not maps of 2x2 and less, and 3x3 maps only from about 80
/// channels on. The last four lines depend a little on the instruction set, through the sizes of its tiles.
///
/// bfloat16 has the direct algorithm and Winograd's, whose transforms and products are float: direct runs at twice
/// float's rate where the processor multiplies bfloat16, and Winograd where its products are still fewer. With AMX
/// wide maps have `rows`, and all others direct.
///
/// A forced algorithm computes what it can. What it cannot, and everything where `direct` is forced, is computed by
/// the last four lines: the other algorithms and their rounding are left out.
template <class T = float>
[[nodiscard]] ConvAlgorithm choose_algorithm(const ConvShape& shape, ConvPass pass) {
  using namespace detail::conv;
  const int forced = forced_algorithm().load(std::memory_order_relaxed);
  if (forced >= 0) {
    const auto algorithm = static_cast<ConvAlgorithm>(forced);
    const bool as_named = algorithm != ConvAlgorithm::direct && applies<T>(algorithm, shape, pass);
    return as_named ? algorithm : choose_tiles<T>(shape, pass);
  }
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (rows_apply(shape) && rows_pay(shape, pass)) return ConvAlgorithm::rows;
    if (!uses_amx() && winograd_applies(shape))
      if (const auto winograd = choose_winograd(shape, 2.0)) return *winograd;
  } else {
    const Index vectorised = pass == ConvPass::backward_data ? shape.group_c() : shape.group_k();
    if (vectorised < 4 && !grouped_applies<T>(shape)) return ConvAlgorithm::im2col;
    if (std::is_same_v<T, float> && winograd_applies(shape))
      if (const auto winograd = choose_winograd(shape, 1.0)) return *winograd;
  }
  return choose_tiles<T>(shape, pass);
}

}  // namespace contexture::kernels
