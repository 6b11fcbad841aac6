// SPDX-License-Identifier: MIT
// CutMix (Yun et al., arXiv 1905.04899) and Mixup (Zhang et al., arXiv 1710.09412): two images of a batch become one,
// and its target is a mean of both, weighted by what either gave.
#pragma once

#include <algorithm>
#include <cmath>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// How the images of a batch are mixed, image k of n with image n - 1 - k.
struct MixingOptions {
  float cutmix = 0;          ///< share of the images of which a rectangle is replaced by the other image's
  float mixup = 0;           ///< share of the images that become a mean of both; both shares are 1 at most
  float cutmix_alpha = 1;    ///< the area that stays is of distribution Beta(alpha, alpha); 0.05 to 1
  float mixup_alpha = 0.2F;  ///< likewise the weight of the image itself

  [[nodiscard]] bool any() const { return cutmix > 0 || mixup > 0; }
};

/// How one image is mixed: rows [top, bottom) and columns [left, right) are weight * own + (1 - weight) * other there,
/// as it was elsewhere.
struct Mixture {
  Index top = 0, bottom = 0, left = 0, right = 0;
  float weight = 1;
  float own = 1;  ///< the image's share of the result
};

namespace detail {

inline void check_mixing(const MixingOptions& o) {
  require(o.cutmix >= 0 && o.mixup >= 0 && o.cutmix + o.mixup <= 1, "mixing: shares of ", o.cutmix, " and ", o.mixup,
          ", expected 0 or more, and 1 together at most");
  require(o.cutmix_alpha >= 0.05F && o.cutmix_alpha <= 1 && o.mixup_alpha >= 0.05F && o.mixup_alpha <= 1,
          "mixing: alpha ", o.cutmix_alpha, " and ", o.mixup_alpha, ", expected 0.05 to 1");
}

// Of distribution Beta(alpha, alpha), alpha <= 1 (Johnk, Metrika 8, 1964).
inline float beta_number(float alpha, Rng& rng) {
  for (;;) {
    const double a = std::pow(static_cast<double>(rng.uniform()), 1 / static_cast<double>(alpha));
    const double b = std::pow(static_cast<double>(rng.uniform()), 1 / static_cast<double>(alpha));
    if (a + b > 0 && a + b <= 1) return static_cast<float>(a / (a + b));
  }
}

}  // namespace detail

/// Draws how an image of this size is mixed.
[[nodiscard]] inline Mixture draw_mixture(const MixingOptions& options, Index height, Index width, Rng& rng) {
  Mixture out;
  const float kind = rng.uniform();
  if (kind < options.cutmix) {
    // The rectangle has the image's proportions; its middle is anywhere, and what lies outside is cut off.
    const float side = std::sqrt(1 - detail::beta_number(options.cutmix_alpha, rng));
    const auto span = [&](Index extent, Index& begin, Index& end) {
      const auto length = static_cast<Index>(std::lround(side * static_cast<float>(extent)));
      begin = static_cast<Index>(rng.below(static_cast<std::uint32_t>(extent))) - length / 2;
      end = std::min(begin + length, extent);
      begin = std::max<Index>(begin, 0);
    };
    span(height, out.top, out.bottom);
    span(width, out.left, out.right);
    out.weight = 0;
    out.own =
        1 - static_cast<float>((out.bottom - out.top) * (out.right - out.left)) / static_cast<float>(height * width);
  } else if (kind < options.cutmix + options.mixup) {
    out.bottom = height;
    out.right = width;
    out.weight = out.own = detail::beta_number(options.mixup_alpha, rng);
  }
  return out;
}

/// Mixes `other` into `image`, both (height,width,channels).
inline void mix(const Mixture& mixture, const float* other, Index width, Index channels, float* image) {
  const float w = mixture.weight;
  for (Index y = mixture.top; y < mixture.bottom; ++y)
    for (Index i = (y * width + mixture.left) * channels; i < (y * width + mixture.right) * channels; ++i)
      image[i] = w * image[i] + (1 - w) * other[i];
}

}  // namespace contexture
