// SPDX-License-Identifier: MIT
// One image of the built-in data set: a background, clutter, the object in a pose, sometimes something in front of it,
// and the noise of a sensor. Of draws that share a call all but one have names, so that all compilers draw the same.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/builtin_drawings.hpp"
#include "contexture/data/builtin_sketch.hpp"
#include "contexture/data/draw.hpp"

namespace contexture::detail {

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
    default: {
      const float below = rng.uniform(0.6F, 0.9F);
      return trapezoid(0, -0.6F, 0.6F, rng.uniform(0.2F, 0.5F), below);
    }
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
    const float slant = rng.uniform(-0.5F, 0.5F);
    const Affine line = pose({half, half * rng.uniform(0.6F, 1.5F)}, half, slant);
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
    const float turn = rng.uniform(0.0F, 2.0F * kPi);
    const float extent = half * rng.uniform(0.12F, 0.32F);
    const Affine at = pose({rng.uniform(0, size), rng.uniform(0, size)}, extent, turn);
    canvas.draw(at, at.inverse(), stray_part(rng), paint, outline, ink);
  }

  kBuiltinClasses[label].sketch(sketch);
  const float scale = rng.uniform(0.62F, 0.92F);
  const float play = 1.06F - scale;
  const float angle = std::clamp(0.17F * rng.normal(), -0.4F, 0.4F);
  const Vec2 at = {half * (1.0F + play * rng.uniform(-1.0F, 1.0F)), half * (1.0F + play * rng.uniform(-1.0F, 1.0F))};
  const bool mirror = rng.bernoulli(0.5F);
  const float aspect = rng.uniform(0.92F, 1.09F);
  const Affine object = pose(at, half * scale, angle, rng.uniform(-0.15F, 0.15F), aspect, mirror);
  const Affine inverse = object.inverse();
  for (const Sketch::Part& part : sketch) canvas.draw(object, inverse, part.figure, part.paint, outline, ink);

  // Something in front, over the object's edge rather than its middle.
  if (rng.bernoulli(0.35F)) {
    const Paint paint = sketch.paint(ground.luma, 0.05F);
    const float direction = rng.uniform(0.0F, 2.0F * kPi);
    const float distance = half * scale * rng.uniform(0.55F, 0.95F);
    const float turn = rng.uniform(0.0F, 2.0F * kPi);
    const Affine front = pose({at.x + distance * std::cos(direction), at.y + distance * std::sin(direction)},
                              half * rng.uniform(0.18F, 0.34F), turn);
    canvas.draw(front, front.inverse(), stray_part(rng), paint, outline, ink);
  }
  develop(canvas, rng, rng.uniform(0.0F, 9.0F), out);
}

}  // namespace contexture::detail
