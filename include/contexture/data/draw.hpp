// SPDX-License-Identifier: MIT
// A small painter for the built-in data set: simple shapes given by their signed distance, filled
// with flat or patterned paint and blended onto an RGB canvas. Coverage is computed from the
// distance in pixels, so edges are anti-aliased without supersampling. It works row by row on
// plain float arrays, in loops that compilers vectorise. Not a general drawing library: convex
// polygons, ellipses, capsules and rings, each optionally cut by one straight line, are all there is.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "contexture/core/tensor.hpp"

namespace contexture::detail {

struct Vec2 {
  float x = 0;
  float y = 0;
};

// p -> (a x + b y + tx, c x + d y + ty)
struct Affine {
  float a = 1, b = 0, c = 0, d = 1, tx = 0, ty = 0;

  [[nodiscard]] Vec2 operator()(Vec2 p) const { return {a * p.x + b * p.y + tx, c * p.x + d * p.y + ty}; }
  [[nodiscard]] float determinant() const { return a * d - b * c; }
  [[nodiscard]] Affine inverse() const {
    const float s = 1.0F / determinant();
    Affine r{d * s, -b * s, -c * s, a * s, 0, 0};
    r.tx = -(r.a * tx + r.b * ty);
    r.ty = -(r.c * tx + r.d * ty);
    return r;
  }
};

struct Color {
  float r = 0;
  float g = 0;
  float b = 0;
};

// What a shape is filled with: one colour, or two in a pattern. The pattern lives in the shape's
// own coordinates, so it moves and turns with the object.
struct Paint {
  enum class Pattern { kFlat, kGradient, kStripes, kSpots };
  Color base;
  Color other;
  Pattern pattern = Pattern::kFlat;
  Vec2 wave;  // direction, and periods per unit
  float phase = 0;
  float luma = 0.5F;  // brightness of `base`, for choosing colours that stand out from it
};

struct Figure {
  enum class Kind { kEllipse, kPolygon, kCapsule, kRing };
  static constexpr std::size_t kMaxEdges = 6;

  Kind kind = Kind::kEllipse;
  Vec2 center;                 // of ellipse and ring; first end of a capsule
  Vec2 extent;                 // radii of an ellipse; second end of a capsule minus the first; ring: radius, half width
  float cosine = 1, sine = 0;  // of the ellipse's turn
  float radius = 0;            // of a capsule; rounding of a polygon
  std::size_t edges = 0;
  std::array<std::array<float, 3>, kMaxEdges> edge{};  // inside: nx x + ny y <= o
  bool cut = false;                                    // keep only nx x + ny y <= o
  std::array<float, 3> cut_line{};
  Vec2 low, high;  // bounding box

  [[nodiscard]] Figure cut_by(float nx, float ny, float o) const {
    Figure f = *this;
    f.cut = true;
    f.cut_line = {nx, ny, o};
    return f;
  }
};

[[nodiscard]] inline Figure ellipse(Vec2 center, Vec2 radii, float angle = 0) {
  Figure f;
  f.kind = Figure::Kind::kEllipse;
  f.center = center;
  f.extent = radii;
  f.cosine = std::cos(angle);
  f.sine = std::sin(angle);
  const float w = std::hypot(radii.x * f.cosine, radii.y * f.sine);
  const float h = std::hypot(radii.x * f.sine, radii.y * f.cosine);
  f.low = {center.x - w, center.y - h};
  f.high = {center.x + w, center.y + h};
  return f;
}

[[nodiscard]] inline Figure disc(Vec2 center, float radius) { return ellipse(center, {radius, radius}); }

[[nodiscard]] inline Figure capsule(Vec2 from, Vec2 to, float radius) {
  Figure f;
  f.kind = Figure::Kind::kCapsule;
  f.center = from;
  f.extent = {to.x - from.x, to.y - from.y};
  f.radius = radius;
  f.low = {std::min(from.x, to.x) - radius, std::min(from.y, to.y) - radius};
  f.high = {std::max(from.x, to.x) + radius, std::max(from.y, to.y) + radius};
  return f;
}

[[nodiscard]] inline Figure ring(Vec2 center, float radius, float half_width) {
  Figure f;
  f.kind = Figure::Kind::kRing;
  f.center = center;
  f.extent = {radius, half_width};
  const float r = radius + half_width;
  f.low = {center.x - r, center.y - r};
  f.high = {center.x + r, center.y + r};
  return f;
}

// Convex, corners in either order, at most Figure::kMaxEdges of them; grown by `rounding`.
[[nodiscard]] inline Figure polygon(std::initializer_list<Vec2> corners, float rounding = 0) {
  Figure f;
  f.kind = Figure::Kind::kPolygon;
  f.radius = rounding;
  const Vec2* p = corners.begin();
  const std::size_t n = std::min(corners.size(), Figure::kMaxEdges);
  float area = 0;
  f.low = f.high = p[0];
  for (std::size_t i = 0; i < n; ++i) {
    const Vec2 q = p[(i + 1) % n];
    area += p[i].x * q.y - q.x * p[i].y;
    f.low = {std::min(f.low.x, p[i].x), std::min(f.low.y, p[i].y)};
    f.high = {std::max(f.high.x, p[i].x), std::max(f.high.y, p[i].y)};
  }
  const float turn = area >= 0 ? 1.0F : -1.0F;
  for (std::size_t i = 0; i < n; ++i) {
    const Vec2 q = p[(i + 1) % n];
    const float length = std::max(std::hypot(q.x - p[i].x, q.y - p[i].y), 1e-6F);
    const float nx = turn * (q.y - p[i].y) / length;
    const float ny = -turn * (q.x - p[i].x) / length;
    f.edge[i] = {nx, ny, nx * p[i].x + ny * p[i].y};
  }
  f.edges = n;
  f.low = {f.low.x - rounding, f.low.y - rounding};
  f.high = {f.high.x + rounding, f.high.y + rounding};
  return f;
}

// Upright box, half extents given; `rounding` is taken from the inside, so the size stays.
[[nodiscard]] inline Figure box(Vec2 center, Vec2 half, float rounding = 0) {
  const float w = half.x - rounding;
  const float h = half.y - rounding;
  return polygon({{center.x - w, center.y - h},
                  {center.x + w, center.y - h},
                  {center.x + w, center.y + h},
                  {center.x - w, center.y + h}},
                 rounding);
}

// Symmetric trapezoid between y = top and y = bottom with the given half widths.
[[nodiscard]] inline Figure trapezoid(float x, float top, float bottom, float half_top, float half_bottom,
                                      float rounding = 0) {
  return polygon({{x - half_top, top}, {x + half_top, top}, {x + half_bottom, bottom}, {x - half_bottom, bottom}},
                 rounding);
}

// A square RGB picture in planes of floats, 0 to 1; pixel (x, y) has its centre at (x + 0.5, y + 0.5).
class Canvas {
 public:
  explicit Canvas(Index size)
      : size_(size), planes_(static_cast<std::size_t>(3 * size * size)), rows_(static_cast<std::size_t>(4 * size)) {}

  [[nodiscard]] Index size() const { return size_; }
  [[nodiscard]] float* row(int channel, Index y) { return planes_.data() + (channel * size_ + y) * size_; }

  // Fills the whole canvas; `to_local` takes pixels to the paint's coordinates.
  void fill(const Affine& to_local, const Paint& paint) {
    for (Index y = 0; y < size_; ++y) {
      const Vec2 p = to_local({0.5F, static_cast<float>(y) + 0.5F});
      const float* mix = mix_row(paint, p, {to_local.a, to_local.c}, size_);
      const std::array<float, 3> base = {paint.base.r, paint.base.g, paint.base.b};
      const std::array<float, 3> other = {paint.other.r, paint.other.g, paint.other.b};
      for (std::size_t channel = 0; channel < 3; ++channel) {
        float* out = row(static_cast<int>(channel), y);
        const float from = base[channel];
        const float step = other[channel] - from;
        for (Index x = 0; x < size_; ++x) out[x] = from + step * mix[x];
      }
    }
  }

  // Draws a figure given in local coordinates. `to_pixels` and `to_local` are inverse to each other.
  // With outline > 0 (in pixels) the figure is first drawn that much larger in `outline_color`.
  void draw(const Affine& to_pixels, const Affine& to_local, const Figure& figure, const Paint& paint,
            float outline = 0, Color outline_color = {}) {
    const float scale = std::sqrt(std::abs(to_pixels.determinant()));  // pixels per local unit
    const float margin = outline + 1.0F;
    float x_low = 1e9F, x_high = -1e9F, y_low = 1e9F, y_high = -1e9F;
    for (const Vec2 corner :
         {figure.low, figure.high, Vec2{figure.low.x, figure.high.y}, Vec2{figure.high.x, figure.low.y}}) {
      const Vec2 p = to_pixels(corner);
      x_low = std::min(x_low, p.x);
      x_high = std::max(x_high, p.x);
      y_low = std::min(y_low, p.y);
      y_high = std::max(y_high, p.y);
    }
    const auto limit = static_cast<float>(size_);
    const auto x0 = static_cast<Index>(std::clamp(x_low - margin, 0.0F, limit));
    const auto x1 = static_cast<Index>(std::ceil(std::clamp(x_high + margin, 0.0F, limit)));
    const auto y0 = static_cast<Index>(std::clamp(y_low - margin, 0.0F, limit));
    const auto y1 = static_cast<Index>(std::ceil(std::clamp(y_high + margin, 0.0F, limit)));
    const Index n = x1 - x0;
    if (n <= 0) return;
    float* distance = rows_.data();
    float* cover = rows_.data() + size_;
    for (Index y = y0; y < y1; ++y) {
      const Vec2 p = to_local({static_cast<float>(x0) + 0.5F, static_cast<float>(y) + 0.5F});
      const Vec2 step = {to_local.a, to_local.c};
      distance_row(figure, p, step, n, distance);
      if (outline > 0) {
        for (Index x = 0; x < n; ++x) cover[x] = std::clamp(0.5F + outline - distance[x] * scale, 0.0F, 1.0F);
        const std::array<float, 3> color = {outline_color.r, outline_color.g, outline_color.b};
        for (std::size_t channel = 0; channel < 3; ++channel) {
          float* out = row(static_cast<int>(channel), y) + x0;
          for (Index x = 0; x < n; ++x) out[x] += cover[x] * (color[channel] - out[x]);
        }
      }
      for (Index x = 0; x < n; ++x) cover[x] = std::clamp(0.5F - distance[x] * scale, 0.0F, 1.0F);
      const std::array<float, 3> base = {paint.base.r, paint.base.g, paint.base.b};
      if (paint.pattern == Paint::Pattern::kFlat) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
          float* out = row(static_cast<int>(channel), y) + x0;
          for (Index x = 0; x < n; ++x) out[x] += cover[x] * (base[channel] - out[x]);
        }
      } else {
        const float* mix = mix_row(paint, p, step, n);
        const std::array<float, 3> other = {paint.other.r, paint.other.g, paint.other.b};
        for (std::size_t channel = 0; channel < 3; ++channel) {
          float* out = row(static_cast<int>(channel), y) + x0;
          const float from = base[channel];
          const float range = other[channel] - from;
          for (Index x = 0; x < n; ++x) out[x] += cover[x] * (from + range * mix[x] - out[x]);
        }
      }
    }
  }

 private:
  // Signed distances to the figure's edge, negative inside, at p, p + step, ... in local units.
  // Exact for capsules and rings, of first order near the edge for ellipses and polygon corners.
  static void distance_row(const Figure& f, Vec2 p, Vec2 step, Index n, float* distance) {
    switch (f.kind) {
      case Figure::Kind::kEllipse: {
        const float inv_x = 1.0F / f.extent.x;
        const float inv_y = 1.0F / f.extent.y;
        for (Index i = 0; i < n; ++i) {
          const float x = p.x + step.x * static_cast<float>(i) - f.center.x;
          const float y = p.y + step.y * static_cast<float>(i) - f.center.y;
          const float u = (x * f.cosine + y * f.sine) * inv_x;
          const float v = (y * f.cosine - x * f.sine) * inv_y;
          const float k = std::sqrt(u * u + v * v);
          const float slope = std::sqrt(u * u * inv_x * inv_x + v * v * inv_y * inv_y);
          distance[i] = k * (k - 1.0F) / (slope + 1e-6F);
        }
        // At the very centre 0/0 would read as "on the edge".
        const float inner = -0.5F * std::min(f.extent.x, f.extent.y);
        for (Index i = 0; i < n; ++i) {
          const float x = p.x + step.x * static_cast<float>(i) - f.center.x;
          const float y = p.y + step.y * static_cast<float>(i) - f.center.y;
          const float u = (x * f.cosine + y * f.sine) * inv_x;
          const float v = (y * f.cosine - x * f.sine) * inv_y;
          distance[i] = u * u + v * v < 0.25F ? std::min(distance[i], inner) : distance[i];
        }
        break;
      }
      case Figure::Kind::kCapsule: {
        const float inverse = 1.0F / std::max(f.extent.x * f.extent.x + f.extent.y * f.extent.y, 1e-12F);
        for (Index i = 0; i < n; ++i) {
          const float x = p.x + step.x * static_cast<float>(i) - f.center.x;
          const float y = p.y + step.y * static_cast<float>(i) - f.center.y;
          const float h = std::clamp((x * f.extent.x + y * f.extent.y) * inverse, 0.0F, 1.0F);
          const float dx = x - h * f.extent.x;
          const float dy = y - h * f.extent.y;
          distance[i] = std::sqrt(dx * dx + dy * dy) - f.radius;
        }
        break;
      }
      case Figure::Kind::kRing: {
        for (Index i = 0; i < n; ++i) {
          const float x = p.x + step.x * static_cast<float>(i) - f.center.x;
          const float y = p.y + step.y * static_cast<float>(i) - f.center.y;
          distance[i] = std::abs(std::sqrt(x * x + y * y) - f.extent.x) - f.extent.y;
        }
        break;
      }
      case Figure::Kind::kPolygon: {
        for (Index i = 0; i < n; ++i) distance[i] = -1e9F;
        for (std::size_t e = 0; e < f.edges; ++e) {
          const float along = f.edge[e][0] * step.x + f.edge[e][1] * step.y;
          const float start = f.edge[e][0] * p.x + f.edge[e][1] * p.y - f.edge[e][2] - f.radius;
          for (Index i = 0; i < n; ++i) distance[i] = std::max(distance[i], start + along * static_cast<float>(i));
        }
        break;
      }
    }
    if (f.cut) {
      const float along = f.cut_line[0] * step.x + f.cut_line[1] * step.y;
      const float start = f.cut_line[0] * p.x + f.cut_line[1] * p.y - f.cut_line[2];
      for (Index i = 0; i < n; ++i) distance[i] = std::max(distance[i], start + along * static_cast<float>(i));
    }
  }

  // 0 (base colour) to 1 (other colour) at p, p + step, ...
  const float* mix_row(const Paint& paint, Vec2 p, Vec2 step, Index n) {
    float* mix = rows_.data() + 2 * size_;
    float* across = rows_.data() + 3 * size_;
    const float start = paint.wave.x * p.x + paint.wave.y * p.y + paint.phase;
    const float along = paint.wave.x * step.x + paint.wave.y * step.y;
    switch (paint.pattern) {
      case Paint::Pattern::kFlat: std::fill(mix, mix + n, 0.0F); break;
      case Paint::Pattern::kGradient:
        for (Index i = 0; i < n; ++i) {
          mix[i] = std::clamp(0.5F + 0.5F * (start + along * static_cast<float>(i)), 0.0F, 1.0F);
        }
        break;
      case Paint::Pattern::kStripes:
        triangle_wave(start, along, n, mix);
        for (Index i = 0; i < n; ++i) mix[i] = std::clamp(0.5F + 2.0F * (mix[i] - 0.5F), 0.0F, 1.0F);
        break;
      case Paint::Pattern::kSpots:
        triangle_wave(start, along, n, mix);
        triangle_wave(paint.wave.x * p.y - paint.wave.y * p.x + paint.phase,
                      paint.wave.x * step.y - paint.wave.y * step.x, n, across);
        for (Index i = 0; i < n; ++i) {
          mix[i] = std::clamp(0.5F + 2.5F * (mix[i] + across[i] - 1.25F), 0.0F, 1.0F);
        }
        break;
    }
    return mix;
  }

  // 0 at every whole number, 1 half-way between, straight lines in between.
  static void triangle_wave(float start, float along, Index n, float* out) {
    for (Index i = 0; i < n; ++i) {
      const float t = start + along * static_cast<float>(i) + 4096.0F;  // positive: truncation is floor
      const float fraction = t - static_cast<float>(static_cast<std::int32_t>(t));
      out[i] = 1.0F - std::abs(2.0F * fraction - 1.0F);
    }
  }

  Index size_;
  std::vector<float> planes_;  // (3, size, size)
  std::vector<float> rows_;    // scratch: distances, coverage, two of pattern
};

}  // namespace contexture::detail
