// SPDX-License-Identifier: MIT
// The twelve things of the built-in data set: which parts sit where. One function a class, and the table of all.
// No call has two arguments that draw random numbers: compilers evaluate arguments in different orders. Draws within
// braces come from left to right.
#pragma once

#include <array>
#include <cmath>

#include "contexture/data/builtin_sketch.hpp"
#include "contexture/data/draw.hpp"

namespace contexture::detail {

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
  const float half_keel = s.vary(0.56F, 0.08F);
  const float half_deck = s.vary(0.92F, 0.06F);
  s.add(trapezoid(0, deck, keel, half_deck, half_keel), s.main);
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
  const float eye = s.vary(0.14F, 0.02F);
  const float apart = s.vary(0.31F, 0.04F);
  sketch_eyes(s, y - 0.12F, apart, eye);
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
  const Paint& handle = s.chance(0.5F) ? s.main : s.second;
  s.add(ring({x + wide, middle}, s.vary(0.3F, 0.04F), 0.085F), handle);
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
  const float eye = s.vary(0.125F, 0.025F);
  const float apart = s.vary(0.3F, 0.04F);
  sketch_eyes(s, s.vary(-0.14F, 0.05F), apart, eye);
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
  if (s.chance(0.4F)) {
    const float knob = s.vary(0.17F, 0.04F);
    s.add(disc({0, s.vary(0.3F, 0.1F)}, knob), s.second);
  }
  if (s.chance(0.5F)) {
    s.add(trapezoid(0, foot - 0.14F, foot + 0.04F, 0.2F, s.vary(0.42F, 0.06F)), s.second);
  } else {
    s.add(ellipse({0, foot + 0.04F}, {s.vary(0.44F, 0.06F), 0.26F}).cut_by(0, 1, foot + 0.04F), s.second);
  }
  const float half_rim = s.vary(0.68F, 0.08F);
  const float half_top = s.vary(0.3F, 0.08F);
  s.add(trapezoid(0, top, rim, half_top, half_rim), s.main);
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

}  // namespace contexture::detail
