// SPDX-License-Identifier: MIT
// One object of the built-in data set while it is drawn: its parts, and the paints that all classes share.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "contexture/core/rng.hpp"
#include "contexture/data/draw.hpp"

namespace contexture::detail {

inline constexpr float kPi = std::numbers::pi_v<float>;

// One object being drawn: parts in the order in which they are painted, in coordinates where the
// object fills about [-1, 1] x [-1, 1], y downwards.
class Sketch {
 public:
  static constexpr std::size_t kMaxParts = 48;
  struct Part {
    Figure figure;
    Paint paint;
  };

  Sketch(Rng& rng, float background_luma) : rng_(rng) {
    main = paint(background_luma, 0.26F);
    second = paint(background_luma, 0.18F, main.luma, 0.16F);
    detail = plain(main.luma, 0.36F);
  }

  // Bodies, further parts, and small marks on a body.
  Paint main, second, detail;

  void add(const Figure& figure, const Paint& with) {
    if (count_ < kMaxParts) parts_[count_++] = {figure, with};
  }

  [[nodiscard]] const Part* begin() const { return parts_.data(); }
  [[nodiscard]] const Part* end() const { return parts_.data() + count_; }

  // A number within `spread` of `center`.
  float vary(float center, float spread) { return center + spread * rng_.uniform(-1.0F, 1.0F); }
  bool chance(float p) { return rng_.bernoulli(p); }
  int between(int low, int high) { return rng_.between(low, high); }

  // A colour of the given brightness, any hue.
  static Color color(Rng& rng, float luma) {
    const float hue = rng.uniform(0.0F, 2.0F * kPi);
    const float saturation = 0.38F * std::sqrt(rng.uniform());
    Color c{saturation * std::cos(hue), saturation * std::cos(hue - 2.0F * kPi / 3.0F),
            saturation * std::cos(hue + 2.0F * kPi / 3.0F)};
    const float shift = luma - (0.299F * c.r + 0.587F * c.g + 0.114F * c.b);
    return {std::clamp(c.r + shift, 0.0F, 1.0F), std::clamp(c.g + shift, 0.0F, 1.0F),
            std::clamp(c.b + shift, 0.0F, 1.0F)};
  }

  // A brightness in [0.06, 0.94] at least `gap` away from `from` and, if asked, `gap2` from `from2`.
  static float contrasting(Rng& rng, float from, float gap, float from2 = -9, float gap2 = 0) {
    float luma = 0;
    for (int attempt = 0; attempt < 32; ++attempt) {
      luma = rng.uniform(0.06F, 0.94F);
      if (std::abs(luma - from) >= gap && std::abs(luma - from2) >= gap2) return luma;
    }
    return from < 0.5F ? 0.94F : 0.06F;
  }

  // Flat paint that stands out from `from`.
  Paint plain(float from, float gap) {
    Paint p;
    p.luma = contrasting(rng_, from, gap);
    p.base = color(rng_, p.luma);
    return p;
  }

  // Paint with a pattern, more often than not.
  Paint paint(float from, float gap, float from2 = -9, float gap2 = 0) {
    Paint p;
    p.luma = contrasting(rng_, from, gap, from2, gap2);
    p.base = color(rng_, p.luma);
    patterned(rng_, p, 0.13F);
    return p;
  }

  // Gives flat paint a pattern in a second, similar colour (`depth` apart in brightness).
  static void patterned(Rng& rng, Paint& p, float depth) {
    const float other = std::clamp(p.luma + (rng.bernoulli(0.5F) ? depth : -depth), 0.0F, 1.0F);
    const float blend = rng.uniform(0.2F, 0.6F);
    const Color c = color(rng, other);
    const float lift = other - p.luma;
    p.other = {std::clamp((p.base.r + lift) * (1 - blend) + c.r * blend, 0.0F, 1.0F),
               std::clamp((p.base.g + lift) * (1 - blend) + c.g * blend, 0.0F, 1.0F),
               std::clamp((p.base.b + lift) * (1 - blend) + c.b * blend, 0.0F, 1.0F)};
    const float angle = rng.uniform(0.0F, 2.0F * kPi);
    float frequency = 0;
    switch (rng.between(0, 5)) {
      case 0: p.pattern = Paint::Pattern::kFlat; break;
      case 1:
      case 2:
        p.pattern = Paint::Pattern::kStripes;
        frequency = rng.uniform(1.6F, 3.0F);
        break;
      case 3:
        p.pattern = Paint::Pattern::kSpots;
        frequency = rng.uniform(1.6F, 2.8F);
        break;
      default:
        p.pattern = Paint::Pattern::kGradient;
        frequency = rng.uniform(0.7F, 1.5F);
        break;
    }
    p.wave = {frequency * std::cos(angle), frequency * std::sin(angle)};
    p.phase = p.pattern == Paint::Pattern::kGradient ? rng.uniform(-0.3F, 0.3F) : rng.uniform();
  }

 private:
  Rng& rng_;
  std::size_t count_ = 0;
  std::array<Part, kMaxParts> parts_;
};

}  // namespace contexture::detail
