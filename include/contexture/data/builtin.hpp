// The built-in data set: coloured drawings of twelve things, made on the spot, so that everything
// runs without a download. A thing is an arrangement of parts, and the parts are shared: a wheel, a
// face, a clock and a flower's heart are all discs; roofs, ears, fins and sails are triangles. What
// tells the classes apart is which parts sit where; colours, patterns, backgrounds and clutter are
// drawn from the same distributions for every class and say nothing. Pose, proportions and optional
// parts vary, other shapes lie behind the object and sometimes one in front of it.
// Image i is a pure function of (seed, split, i): the set is rendered in parallel and any part of
// it can be made again.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/draw.hpp"

namespace contexture {
namespace detail {

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

inline void sketch_boat(Sketch& s) {
  const float deck = s.vary(0.38F, 0.06F);
  const float keel = deck + s.vary(0.42F, 0.06F);
  const float mast = s.vary(0.0F, 0.12F);
  s.add(capsule({mast, deck}, {mast, -0.92F}, 0.045F), s.detail);
  const float boom = deck - 0.13F;
  s.add(polygon({{mast + 0.07F, s.vary(-0.82F, 0.06F)}, {mast + 0.07F, boom}, {mast + s.vary(0.66F, 0.08F), boom}}),
        s.second);
  if (s.chance(0.6F)) {
    s.add(polygon({{mast - 0.07F, s.vary(-0.6F, 0.08F)}, {mast - 0.07F, boom}, {mast - s.vary(0.46F, 0.08F), boom}}),
          s.second);
  }
  s.add(trapezoid(0, deck, keel, s.vary(0.92F, 0.06F), s.vary(0.56F, 0.08F)), s.main);
  if (s.chance(0.5F)) s.add(capsule({-0.6F, deck + 0.15F}, {0.6F, deck + 0.15F}, 0.04F), s.detail);
}

inline void sketch_car(Sketch& s) {
  const float roof = s.vary(-0.46F, 0.07F);
  const float back = s.vary(-0.52F, 0.12F);
  const float front = s.vary(0.36F, 0.1F);
  const float sill = -0.02F;
  s.add(polygon({{back + 0.16F, roof}, {front - 0.1F, roof}, {front + 0.24F, sill + 0.1F}, {back - 0.06F, sill + 0.1F}},
                0.04F),
        s.main);
  const Paint glass = s.plain(s.main.luma, 0.3F);
  const float pillar = 0.5F * (back + front);
  s.add(
      polygon({{back + 0.2F, roof + 0.1F}, {pillar - 0.03F, roof + 0.1F}, {pillar - 0.03F, sill}, {back + 0.1F, sill}}),
      glass);
  s.add(polygon(
            {{pillar + 0.06F, roof + 0.1F}, {front - 0.1F, roof + 0.1F}, {front + 0.1F, sill}, {pillar + 0.06F, sill}}),
        glass);
  const float bottom = s.vary(0.42F, 0.04F);
  s.add(box({0, 0.5F * (sill + bottom)}, {0.95F, 0.5F * (bottom - sill)}, 0.1F), s.main);
  const float wheel = s.vary(0.24F, 0.03F);
  for (const float x : {s.vary(-0.52F, 0.05F), s.vary(0.54F, 0.05F)}) {
    s.add(disc({x, bottom}, wheel), s.detail);
    s.add(disc({x, bottom}, 0.42F * wheel), s.second);
  }
  if (s.chance(0.5F)) s.add(disc({0.84F, sill + 0.14F}, 0.08F), glass);
}

inline void sketch_eyes(Sketch& s, float y, float apart, float size) {
  const float squash = s.vary(1.0F, 0.2F);
  const bool white = s.chance(0.5F);
  const Paint pupil = white ? s.plain(s.detail.luma, 0.4F) : s.detail;
  for (const float x : {-apart, apart}) {
    s.add(ellipse({x, y}, {size, size * squash}), s.detail);
    if (white) s.add(disc({x, y}, 0.5F * size), pupil);
  }
}

inline void sketch_cat(Sketch& s) {
  const float width = s.vary(0.74F, 0.07F);
  const float height = s.vary(0.62F, 0.06F);
  const float y = 0.18F;
  for (const float side : {-1.0F, 1.0F}) {
    const float tip = s.vary(-0.9F, 0.06F);
    s.add(polygon({{side * width * 0.98F, y - 0.12F}, {side * width * 0.86F, tip}, {side * width * 0.16F, y - 0.5F}}),
          s.main);
    s.add(
        polygon(
            {{side * width * 0.84F, y - 0.3F}, {side * width * 0.76F, tip + 0.22F}, {side * width * 0.42F, y - 0.5F}}),
        s.second);
  }
  s.add(ellipse({0, y}, {width, height}), s.main);
  sketch_eyes(s, y - 0.12F, s.vary(0.31F, 0.04F), s.vary(0.14F, 0.02F));
  s.add(polygon({{-0.1F, y + 0.1F}, {0.1F, y + 0.1F}, {0, y + 0.23F}}), s.detail);
  s.add(capsule({0, y + 0.2F}, {0, y + 0.32F}, 0.025F), s.detail);
  const float tilt = s.vary(0.08F, 0.06F);
  for (const float side : {-1.0F, 1.0F}) {
    for (const float row : {-1.0F, 1.0F}) {
      s.add(capsule({side * 0.26F, y + 0.2F + 0.04F * row}, {side * 0.98F, y + 0.2F + (0.04F + tilt) * row}, 0.022F),
            s.detail);
    }
  }
}

inline void sketch_clock(Sketch& s) {
  const float radius = s.vary(0.78F, 0.05F);
  const bool alarm = s.chance(0.4F);
  const float y = alarm ? 0.1F : 0.0F;
  if (alarm) {
    for (const float side : {-1.0F, 1.0F}) {
      s.add(capsule({side * 0.4F, y + 0.5F}, {side * 0.62F, 0.95F}, 0.07F), s.second);
      s.add(disc({side * 0.5F, y - 0.72F}, 0.24F), s.second);
    }
  }
  s.add(disc({0, y}, radius), s.main);
  s.add(ring({0, y}, radius - 0.05F, 0.075F), s.second);
  const int ticks = s.chance(0.5F) ? 4 : 12;
  for (int i = 0; i < ticks; ++i) {
    const float angle = 2.0F * kPi * static_cast<float>(i) / static_cast<float>(ticks);
    const float in = radius - (ticks == 4 ? 0.34F : 0.26F);
    const float out = radius - 0.19F;
    s.add(capsule({in * std::cos(angle), y + in * std::sin(angle)}, {out * std::cos(angle), y + out * std::sin(angle)},
                  ticks == 4 ? 0.045F : 0.03F),
          s.detail);
  }
  const float minute = s.vary(0, kPi);
  const float hour = s.vary(0, kPi);
  const float long_hand = radius * 0.62F;
  const float short_hand = radius * 0.4F;
  s.add(capsule({0, y}, {long_hand * std::cos(minute), y + long_hand * std::sin(minute)}, 0.045F), s.detail);
  s.add(capsule({0, y}, {short_hand * std::cos(hour), y + short_hand * std::sin(hour)}, 0.065F), s.detail);
  s.add(disc({0, y}, 0.09F), s.detail);
}

inline void sketch_cup(Sketch& s) {
  const float top = s.vary(-0.5F, 0.1F);
  const float bottom = s.vary(0.68F, 0.08F);
  const float wide = s.vary(0.58F, 0.06F);
  const float narrow = wide * s.vary(0.76F, 0.12F);
  const float x = -0.18F;
  const float middle = 0.5F * (top + bottom) - 0.05F;
  s.add(ring({x + wide, middle}, s.vary(0.3F, 0.04F), 0.085F), s.chance(0.5F) ? s.main : s.second);
  if (s.chance(0.4F)) s.add(ellipse({x, bottom + 0.02F}, {0.85F, 0.15F}), s.second);
  s.add(trapezoid(x, top, bottom, wide, narrow), s.main);
  s.add(ellipse({x, bottom}, {narrow, 0.1F}), s.main);
  s.add(ellipse({x, top}, {wide, 0.16F}), s.second);
  s.add(ellipse({x, top + 0.01F}, {wide - 0.09F, 0.1F}), s.detail);
  if (s.chance(0.35F)) s.add(box({x, middle + 0.1F}, {narrow * 0.93F, 0.1F}), s.second);
}

inline void sketch_face(Sketch& s) {
  const float width = s.vary(0.74F, 0.07F);
  const float height = s.vary(0.84F, 0.06F);
  if (s.chance(0.5F)) {
    for (const float side : {-1.0F, 1.0F}) s.add(disc({side * width, 0.05F}, 0.16F), s.main);
  }
  s.add(ellipse({0, 0}, {width, height}), s.main);
  const int hair = s.between(0, 2);
  if (hair == 1) s.add(ellipse({0, 0}, {width + 0.05F, height + 0.05F}).cut_by(0, 1, s.vary(-0.46F, 0.06F)), s.second);
  if (hair == 2) {
    s.add(ellipse({0, 0}, {width + 0.06F, height + 0.06F}).cut_by(0.8F, 0.6F, s.vary(-0.34F, 0.05F)), s.second);
    s.add(ellipse({0, 0}, {width + 0.06F, height + 0.06F}).cut_by(-0.8F, 0.6F, s.vary(-0.36F, 0.05F)), s.second);
  }
  sketch_eyes(s, s.vary(-0.14F, 0.05F), s.vary(0.3F, 0.04F), s.vary(0.125F, 0.025F));
  if (s.chance(0.6F)) s.add(capsule({0, -0.04F}, {0.03F, 0.14F}, 0.05F), s.detail);
  const float mouth = s.vary(0.4F, 0.04F);
  switch (s.between(0, 3)) {
    case 0: s.add(capsule({-0.25F, mouth}, {0.25F, mouth}, 0.05F), s.detail); break;
    case 1: s.add(ellipse({0, mouth}, {0.3F, 0.26F}).cut_by(0, -1, -mouth), s.detail); break;
    default: s.add(ring({0, mouth - 0.24F}, 0.36F, 0.05F).cut_by(0, -1, 0.1F - mouth), s.detail); break;
  }
}

inline void sketch_fish(Sketch& s) {
  const float length = s.vary(0.64F, 0.05F);
  const float height = s.vary(0.4F, 0.07F);
  const float tail = s.vary(0.4F, 0.07F);
  const float x = 0.16F;
  s.add(polygon({{x - length + 0.16F, 0}, {-0.96F, -tail}, {-0.96F + 0.12F, 0}}), s.second);
  s.add(polygon({{x - length + 0.16F, 0}, {-0.96F, tail}, {-0.96F + 0.12F, 0}}), s.second);
  s.add(polygon({{x + 0.28F, -height * 0.7F}, {x - 0.22F, -height - 0.3F}, {x - 0.4F, -height * 0.6F}}), s.second);
  if (s.chance(0.5F)) {
    s.add(polygon({{x + 0.1F, height * 0.8F}, {x - 0.24F, height + 0.24F}, {x - 0.3F, height * 0.7F}}), s.second);
  }
  s.add(ellipse({x, 0}, {length, height}), s.main);
  if (s.chance(0.6F)) s.add(ring({x + 0.5F, 0}, 0.32F, 0.032F).cut_by(1, 0, x + 0.3F), s.detail);
  if (s.chance(0.4F)) s.add(polygon({{x + 0.05F, 0.02F}, {x - 0.22F, 0.2F}, {x - 0.26F, -0.02F}}), s.second);
  s.add(disc({x + 0.4F, -0.1F}, s.vary(0.09F, 0.015F)), s.detail);
}

inline void sketch_flower(Sketch& s) {
  const float y = s.vary(-0.36F, 0.05F);
  const float lean = s.vary(0.0F, 0.12F);
  const Paint green = s.chance(0.5F) ? s.second : s.detail;
  s.add(capsule({0, y}, {lean, 0.96F}, 0.055F), green);
  for (const float side : {-1.0F, 1.0F}) {
    if (s.chance(0.75F)) {
      const float leaf = s.vary(0.52F, 0.1F);
      s.add(ellipse({lean * 0.6F + side * 0.24F, leaf}, {0.27F, 0.11F}, -side * 0.6F), green);
    }
  }
  const int petals = s.between(5, 8);
  const float turn = s.vary(0, kPi);
  const float reach = s.vary(0.36F, 0.03F);
  const float across = petals <= 6 ? 0.19F : 0.14F;
  for (int i = 0; i < petals; ++i) {
    const float angle = turn + 2.0F * kPi * static_cast<float>(i) / static_cast<float>(petals);
    s.add(ellipse({reach * std::cos(angle), y + reach * std::sin(angle)}, {0.26F, across}, angle), s.main);
  }
  s.add(disc({0, y}, s.vary(0.19F, 0.03F)), s.detail);
}

inline void sketch_house(Sketch& s) {
  const float half = s.vary(0.64F, 0.08F);
  const float eaves = s.vary(-0.12F, 0.08F);
  const float ground = 0.86F;
  if (s.chance(0.5F)) {
    const float x = (s.chance(0.5F) ? -1.0F : 1.0F) * half * 0.6F;
    s.add(box({x, eaves - 0.42F}, {0.11F, 0.32F}), s.main);
  }
  s.add(box({0, 0.5F * (eaves + ground)}, {half, 0.5F * (ground - eaves)}), s.main);
  s.add(polygon({{-half - 0.2F, eaves}, {s.vary(0, 0.1F), s.vary(-0.86F, 0.06F)}, {half + 0.2F, eaves}}), s.second);
  const float door = s.vary(0.0F, 0.32F);
  const float lintel = eaves + s.vary(0.46F, 0.05F);
  s.add(box({door, 0.5F * (lintel + ground)}, {0.14F, 0.5F * (ground - lintel)}), s.detail);
  const float sill = eaves + 0.32F;
  for (const float side : {-1.0F, 1.0F}) {
    const float x = side * half * 0.62F;
    if (std::abs(x - door) > 0.3F) s.add(box({x, sill}, {0.13F, 0.13F}), s.detail);
  }
}

inline void sketch_lamp(Sketch& s) {
  const float top = s.vary(-0.86F, 0.05F);
  const float rim = s.vary(-0.1F, 0.08F);
  const float foot = 0.86F;
  s.add(capsule({0, rim - 0.1F}, {0, foot}, s.vary(0.055F, 0.012F)), s.second);
  if (s.chance(0.4F)) s.add(disc({0, s.vary(0.3F, 0.1F)}, s.vary(0.17F, 0.04F)), s.second);
  if (s.chance(0.5F)) {
    s.add(trapezoid(0, foot - 0.14F, foot + 0.04F, 0.2F, s.vary(0.42F, 0.06F)), s.second);
  } else {
    s.add(ellipse({0, foot + 0.04F}, {s.vary(0.44F, 0.06F), 0.26F}).cut_by(0, 1, foot + 0.04F), s.second);
  }
  s.add(trapezoid(0, top, rim, s.vary(0.3F, 0.08F), s.vary(0.68F, 0.08F)), s.main);
  if (s.chance(0.4F)) s.add(capsule({0.3F, rim}, {0.3F, rim + 0.26F}, 0.025F), s.detail);
  if (s.chance(0.4F)) s.add(trapezoid(0, rim - 0.14F, rim, 0.6F, 0.64F), s.detail);
}

inline void sketch_rocket(Sketch& s) {
  const float half = s.vary(0.3F, 0.04F);
  const float shoulder = s.vary(-0.4F, 0.06F);
  const float tail = s.vary(0.48F, 0.05F);
  const Paint flame = s.plain(s.main.luma, 0.15F);
  s.add(polygon({{-half * 0.62F, tail}, {half * 0.62F, tail}, {s.vary(0, 0.06F), s.vary(0.92F, 0.05F)}}), flame);
  for (const float side : {-1.0F, 1.0F}) {
    s.add(polygon({{side * half * 0.8F, s.vary(0.04F, 0.06F)},
                   {side * s.vary(0.68F, 0.05F), tail + 0.2F},
                   {side * half * 0.8F, tail}}),
          s.second);
  }
  s.add(box({0, 0.5F * (shoulder + tail)}, {half, 0.5F * (tail - shoulder)}, 0.03F), s.main);
  if (s.chance(0.5F)) {
    s.add(polygon({{-half, shoulder}, {0, s.vary(-0.94F, 0.05F)}, {half, shoulder}}), s.second);
  } else {
    s.add(ellipse({0, shoulder + 0.01F}, {half, s.vary(0.5F, 0.05F)}).cut_by(0, 1, shoulder + 0.01F), s.second);
  }
  const float window = s.vary(-0.14F, 0.06F);
  s.add(disc({0, window}, s.vary(0.15F, 0.02F)), s.detail);
  if (s.chance(0.5F)) s.add(disc({0, window + 0.36F}, 0.1F), s.detail);
}

inline void sketch_tree(Sketch& s) {
  const float width = s.vary(0.12F, 0.03F);
  s.add(trapezoid(0, 0.1F, 0.95F, width * 0.8F, width * 1.2F), s.second);
  if (s.chance(0.5F)) {  // a fir: triangles, widest below
    const int tiers = s.between(2, 3);
    const float spread = s.vary(0.64F, 0.06F);
    for (int i = 0; i < tiers; ++i) {
      const float part = static_cast<float>(i) / static_cast<float>(tiers);
      const float base = 0.5F - 1.2F * part;
      s.add(polygon({{-spread * (1 - 0.62F * part), base},
                     {0, base - (tiers == 2 ? 0.86F : 0.66F)},
                     {spread * (1 - 0.62F * part), base}}),
            s.main);
    }
  } else {  // a crown of leaves: overlapping discs
    const float y = -0.3F;
    const int lobes = s.between(4, 6);
    const float turn = s.vary(0, kPi);
    for (int i = 0; i < lobes; ++i) {
      const float angle = turn + 2.0F * kPi * static_cast<float>(i) / static_cast<float>(lobes);
      s.add(disc({0.36F * std::cos(angle), y + 0.28F * std::sin(angle)}, s.vary(0.32F, 0.04F)), s.main);
    }
    s.add(disc({0, y}, 0.36F), s.main);
    if (s.chance(0.4F)) {
      for (int i = 0; i < 4; ++i) {
        s.add(disc({s.vary(0, 0.42F), y + s.vary(0, 0.36F)}, 0.075F), s.detail);
      }
    }
  }
}

struct BuiltinClass {
  const char* name;
  void (*sketch)(Sketch&);
};

inline constexpr std::array<BuiltinClass, 12> kBuiltinClasses = {{{"boat", sketch_boat},
                                                                  {"car", sketch_car},
                                                                  {"cat", sketch_cat},
                                                                  {"clock", sketch_clock},
                                                                  {"cup", sketch_cup},
                                                                  {"face", sketch_face},
                                                                  {"fish", sketch_fish},
                                                                  {"flower", sketch_flower},
                                                                  {"house", sketch_house},
                                                                  {"lamp", sketch_lamp},
                                                                  {"rocket", sketch_rocket},
                                                                  {"tree", sketch_tree}}};

// A place, turn and size: local coordinates to pixels.
inline Affine pose(Vec2 at, float scale, float angle, float shear = 0, float aspect = 1, bool mirror = false) {
  const float c = std::cos(angle) * scale;
  const float s = std::sin(angle) * scale;
  const float sx = mirror ? -aspect : aspect;
  const float sy = 1.0F / aspect;
  // rotation * shear * stretch
  return {c * sx, (c * shear - s) * sy, s * sx, (s * shear + c) * sy, at.x, at.y};
}

// A part without an object: what clutter and occluders are made of.
inline Figure stray_part(Rng& rng) {
  switch (rng.between(0, 5)) {
    case 0: return disc({0, 0}, rng.uniform(0.5F, 0.9F));
    case 1: return box({0, 0}, {rng.uniform(0.5F, 1.0F), rng.uniform(0.3F, 0.8F)});
    case 2: return polygon({{-0.8F, 0.6F}, {0.8F, 0.6F}, {rng.uniform(-0.5F, 0.5F), -0.8F}});
    case 3: return capsule({-0.9F, 0}, {0.9F, 0}, rng.uniform(0.1F, 0.25F));
    case 4: return ring({0, 0}, 0.7F, rng.uniform(0.12F, 0.2F));
    default: return trapezoid(0, -0.6F, 0.6F, rng.uniform(0.2F, 0.5F), rng.uniform(0.6F, 0.9F));
  }
}

// A patch of cloudy brightness over the whole canvas: random values on a grid, interpolated.
inline void add_clouds(Canvas& canvas, Rng& rng, float amplitude) {
  constexpr int kGrid = 6;
  std::array<float, kGrid * kGrid> value;
  for (float& v : value) v = rng.uniform(-amplitude, amplitude);
  const Index size = canvas.size();
  const float step = static_cast<float>(kGrid - 1) / static_cast<float>(size);
  std::vector<float> row(static_cast<std::size_t>(size));
  for (Index y = 0; y < size; ++y) {
    const float v = (static_cast<float>(y) + 0.5F) * step;
    const int iy = std::min(static_cast<int>(v), kGrid - 2);
    float fy = v - static_cast<float>(iy);
    fy = fy * fy * (3.0F - 2.0F * fy);
    for (Index x = 0; x < size; ++x) {
      const float u = (static_cast<float>(x) + 0.5F) * step;
      const int ix = std::min(static_cast<int>(u), kGrid - 2);
      float fx = u - static_cast<float>(ix);
      fx = fx * fx * (3.0F - 2.0F * fx);
      const float* p = value.data() + iy * kGrid + ix;
      const float upper = p[0] + fx * (p[1] - p[0]);
      const float lower = p[kGrid] + fx * (p[kGrid + 1] - p[kGrid]);
      row[static_cast<std::size_t>(x)] = upper + fy * (lower - upper);
    }
    for (int channel = 0; channel < 3; ++channel) {
      float* out = canvas.row(channel, y);
      for (Index x = 0; x < size; ++x) out[x] += row[static_cast<std::size_t>(x)];
    }
  }
}

// To bytes (H,W,C), with a little noise of the sensor: up to `noise` grey levels that all channels
// share, and as much again of each channel's own.
inline void develop(Canvas& canvas, Rng& rng, float noise, std::uint8_t* out) {
  const Index size = canvas.size();
  const std::uint32_t key = rng();
  const float strength = noise / (255.0F * 127.5F);
  for (Index y = 0; y < size; ++y) {
    const float* r = canvas.row(0, y);
    const float* g = canvas.row(1, y);
    const float* b = canvas.row(2, y);
    for (Index x = 0; x < size; ++x) {
      auto h = static_cast<std::uint32_t>(y * size + x) * 0x9E3779B9U ^ key;  // murmur3's finaliser
      h = (h ^ (h >> 16)) * 0x85ebca6bU;
      h = (h ^ (h >> 13)) * 0xc2b2ae35U;
      h ^= h >> 16;
      const auto byte = [h, strength](int shift) {
        return (static_cast<float>((h >> shift) & 255U) - 127.5F) * strength;
      };
      const float common = byte(0);
      const auto level = [](float v) { return static_cast<std::uint8_t>(std::clamp(v, 0.0F, 1.0F) * 255.0F + 0.5F); };
      out[0] = level(r[x] + common + byte(8));
      out[1] = level(g[x] + common + byte(16));
      out[2] = level(b[x] + common + byte(24));
      out += 3;
    }
  }
}

// One image of class `label`, (size,size,3).
inline void render_builtin(std::size_t label, Canvas& canvas, Rng rng, std::uint8_t* out) {
  const auto size = static_cast<float>(canvas.size());
  const float half = 0.5F * size;

  // Background: two similar colours in a pattern, and sometimes clouds or a ground.
  Paint ground;
  ground.luma = rng.uniform(0.12F, 0.88F);
  ground.base = Sketch::color(rng, ground.luma);
  Sketch::patterned(rng, ground, rng.uniform(0.04F, 0.14F));
  const Affine whole_image = pose({half, half}, half, 0);
  canvas.fill(whole_image.inverse(), ground);
  if (rng.bernoulli(0.3F)) {  // everything beyond a slanted line is another colour
    Paint beyond;
    beyond.luma = std::clamp(ground.luma + rng.uniform(-0.18F, 0.18F), 0.05F, 0.95F);
    beyond.base = Sketch::color(rng, beyond.luma);
    const Affine line = pose({half, half * rng.uniform(0.6F, 1.5F)}, half, rng.uniform(-0.5F, 0.5F));
    canvas.draw(line, line.inverse(), box({0, 4}, {8, 4}), beyond);
  }
  if (rng.bernoulli(0.5F)) add_clouds(canvas, rng, rng.uniform(0.04F, 0.12F));

  Sketch sketch(rng, ground.luma);
  const float outline = rng.bernoulli(0.5F) ? rng.uniform(0.5F, 0.9F) * size / 32.0F : 0.0F;
  const Color ink = Sketch::color(rng, Sketch::contrasting(rng, sketch.main.luma, 0.35F));

  // Clutter behind the object.
  const int strays = rng.between(0, 4);
  for (int i = 0; i < strays; ++i) {
    const Paint paint = sketch.paint(ground.luma, 0.12F);
    const Affine at = pose({rng.uniform(0, size), rng.uniform(0, size)}, half * rng.uniform(0.12F, 0.32F),
                           rng.uniform(0.0F, 2.0F * kPi));
    canvas.draw(at, at.inverse(), stray_part(rng), paint, outline, ink);
  }

  kBuiltinClasses[label].sketch(sketch);
  const float scale = rng.uniform(0.62F, 0.92F);
  const float play = 1.06F - scale;
  const float angle = std::clamp(0.17F * rng.normal(), -0.4F, 0.4F);
  const Vec2 at = {half * (1.0F + play * rng.uniform(-1.0F, 1.0F)), half * (1.0F + play * rng.uniform(-1.0F, 1.0F))};
  const Affine object =
      pose(at, half * scale, angle, rng.uniform(-0.15F, 0.15F), rng.uniform(0.92F, 1.09F), rng.bernoulli(0.5F));
  const Affine inverse = object.inverse();
  for (const Sketch::Part& part : sketch) canvas.draw(object, inverse, part.figure, part.paint, outline, ink);

  // Something in front, over the object's edge rather than its middle.
  if (rng.bernoulli(0.35F)) {
    const Paint paint = sketch.paint(ground.luma, 0.05F);
    const float direction = rng.uniform(0.0F, 2.0F * kPi);
    const float distance = half * scale * rng.uniform(0.55F, 0.95F);
    const Affine front = pose({at.x + distance * std::cos(direction), at.y + distance * std::sin(direction)},
                              half * rng.uniform(0.18F, 0.34F), rng.uniform(0.0F, 2.0F * kPi));
    canvas.draw(front, front.inverse(), stray_part(rng), paint, outline, ink);
  }
  develop(canvas, rng, rng.uniform(0.0F, 9.0F), out);
}

inline ImageSet render_builtin_set(Index count, Index size, const Rng& rng) {
  ImageSet set;
  set.count = count;
  set.height = set.width = size;
  set.channels = 3;
  set.pixels.resize(static_cast<std::size_t>(count * set.image_bytes()));
  set.labels.resize(static_cast<std::size_t>(count));
  parallel_for(count, 8, [&](Index begin, Index end) {
    Canvas canvas(size);
    for (Index i = begin; i < end; ++i) {
      const auto label = static_cast<std::size_t>(i) % kBuiltinClasses.size();
      set.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(label);
      render_builtin(label, canvas, rng.split(static_cast<std::uint64_t>(i)), set.image(i));
    }
  });
  return set;
}

}  // namespace detail

/// The built-in data set: `train` + `test` RGB images of image_size x image_size pixels, twelve
/// classes in turn (image i is of class i mod 12). Image i of a split depends on (seed, split, i)
/// only: asking for more images adds to the ones there are.
/// Throws std::invalid_argument for negative counts, more than 10 million images, or an image size
/// outside [8, 1024].
[[nodiscard]] inline Dataset builtin_dataset(Index train, Index test, Index image_size = 32, std::uint64_t seed = 0) {
  constexpr Index kMost = 10'000'000;
  require(train >= 0 && train <= kMost && test >= 0 && test <= kMost, "builtin_dataset: ", train, " training and ",
          test, " test images, expected 0 to ", kMost);
  require(image_size >= 8 && image_size <= 1024, "builtin_dataset: image size ", image_size, ", expected 8 to 1024");
  Dataset data;
  data.name = "builtin";
  for (const auto& c : detail::kBuiltinClasses) data.class_names.emplace_back(c.name);
  const Rng rng = Rng(seed).split("builtin");
  data.train = detail::render_builtin_set(train, image_size, rng.split("train"));
  data.test = detail::render_builtin_set(test, image_size, rng.split("test"));
  data.unlabeled.height = data.unlabeled.width = image_size;
  data.unlabeled.channels = 3;
  return data;
}

}  // namespace contexture
