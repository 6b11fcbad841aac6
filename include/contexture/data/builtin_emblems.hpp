// SPDX-License-Identifier: MIT
// One image of the built-in set of emblems. Six guilds have four parts each. A guild joins them by a frame, a pole or a
// cross, in four orders, each with another part on top: the four emblems of a guild have the same parts in the same
// frame, and only which part sits where tells them apart. Guilds share frames and parts. Loose parts of the same
// kinds lie about, colours and patterns say nothing, a third of the emblems is partly covered, and everything has the
// texture of natural images: amplitudes that fall as 1/f (Field, JOSA A 1987, "Relations between the statistics of
// natural images and the response properties of cortical cells").
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/builtin_scene.hpp"
#include "contexture/data/builtin_sketch.hpp"
#include "contexture/data/draw.hpp"

namespace contexture::detail {

enum class EmblemPart : std::uint8_t { disc, ring, box, triangle, bar, half_disc, cross, hexagon };

inline constexpr std::array<const char*, 8> kEmblemPartNames = {"disc", "ring",     "box",   "triangle",
                                                                "bar",  "halfdisc", "cross", "hexagon"};

struct Guild {
  const char* name;
  bool pole;  // else a cross
  std::array<EmblemPart, 4> parts;
};

inline constexpr std::array<Guild, 6> kGuilds = {
    {{"smith", true, {EmblemPart::box, EmblemPart::bar, EmblemPart::triangle, EmblemPart::ring}},
     {"miller", true, {EmblemPart::box, EmblemPart::disc, EmblemPart::cross, EmblemPart::half_disc}},
     {"sailor", true, {EmblemPart::triangle, EmblemPart::half_disc, EmblemPart::hexagon, EmblemPart::ring}},
     {"baker", false, {EmblemPart::disc, EmblemPart::ring, EmblemPart::bar, EmblemPart::hexagon}},
     {"mason", false, {EmblemPart::disc, EmblemPart::box, EmblemPart::triangle, EmblemPart::hexagon}},
     {"weaver", false, {EmblemPart::half_disc, EmblemPart::bar, EmblemPart::cross, EmblemPart::triangle}}}};

// Places from the top down, and which part is where: in a Latin square every part is at every place once.
inline constexpr std::array<Vec2, 4> kPolePlaces = {{{0, -0.72F}, {0, -0.25F}, {0, 0.25F}, {0, 0.72F}}};
inline constexpr std::array<Vec2, 4> kCrossPlaces = {{{0, -0.68F}, {-0.62F, 0}, {0.62F, 0}, {0, 0.68F}}};
inline constexpr std::array<std::array<std::size_t, 4>, 4> kPartOrders = {
    {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}}};

// A part around `at`, about `extent` from its middle to its edge.
inline Figure emblem_part(EmblemPart part, Vec2 at, float extent) {
  const float r = extent;
  switch (part) {
    case EmblemPart::disc: return disc(at, 0.86F * r);
    case EmblemPart::ring: return ring(at, 0.68F * r, 0.22F * r);
    case EmblemPart::box: return box(at, {0.86F * r, 0.78F * r});
    case EmblemPart::triangle:
      return polygon(
          {{at.x - 0.95F * r, at.y + 0.75F * r}, {at.x + 0.95F * r, at.y + 0.75F * r}, {at.x, at.y - 0.95F * r}});
    case EmblemPart::bar: return capsule({at.x - 0.8F * r, at.y}, {at.x + 0.8F * r, at.y}, 0.32F * r);
    case EmblemPart::half_disc: {
      Figure f = ellipse({at.x, at.y - 0.45F * r}, {r, r});
      return f.cut_by(0, -1, -(at.y - 0.45F * r));
    }
    case EmblemPart::cross: return box(at, {r, 0.34F * r});  // the upright bar comes second
    case EmblemPart::hexagon: break;
  }
  const float s = 0.5F * r;
  const float h = 0.87F * r;
  return polygon({{at.x - r, at.y},
                  {at.x - s, at.y - h},
                  {at.x + s, at.y - h},
                  {at.x + r, at.y},
                  {at.x + s, at.y + h},
                  {at.x - s, at.y + h}});
}

// Adds texture to the whole canvas: octaves of random values on grids of 2, 4, 8, ... cells, amplitude over frequency;
// `amplitude` is that of the coarsest.
inline void add_texture(Canvas& canvas, Rng& rng, float amplitude) {
  const Index size = canvas.size();
  std::vector<float> sum(static_cast<std::size_t>(size * size));
  std::vector<float> value;
  for (int cells = 2; cells <= size / 2; cells *= 2) {
    const int grid = cells + 1;
    const float strength = 2.0F * amplitude / static_cast<float>(cells);
    value.resize(static_cast<std::size_t>(grid * grid));
    for (float& v : value) v = rng.uniform(-strength, strength);
    const float step = static_cast<float>(cells) / static_cast<float>(size);
    for (Index y = 0; y < size; ++y) {
      const float v = (static_cast<float>(y) + 0.5F) * step;
      const int iy = std::min(static_cast<int>(v), cells - 1);
      const float fy = v - static_cast<float>(iy);
      float* out = sum.data() + y * size;
      for (Index x = 0; x < size; ++x) {
        const float u = (static_cast<float>(x) + 0.5F) * step;
        const int ix = std::min(static_cast<int>(u), cells - 1);
        const float fx = u - static_cast<float>(ix);
        const float* p = value.data() + iy * grid + ix;
        const float upper = p[0] + fx * (p[1] - p[0]);
        const float lower = p[grid] + fx * (p[grid + 1] - p[grid]);
        out[x] += upper + fy * (lower - upper);
      }
    }
  }
  for (int channel = 0; channel < 3; ++channel) {
    for (Index y = 0; y < size; ++y) {
      float* out = canvas.row(channel, y);
      const float* in = sum.data() + y * size;
      for (Index x = 0; x < size; ++x) out[x] += in[x];
    }
  }
}

// One part on the canvas; a cross is two bars.
inline void draw_emblem_part(Canvas& canvas, const Affine& to_pixels, EmblemPart part, Vec2 at, float extent,
                             const Paint& paint) {
  const Affine to_local = to_pixels.inverse();
  canvas.draw(to_pixels, to_local, emblem_part(part, at, extent), paint);
  if (part == EmblemPart::cross) canvas.draw(to_pixels, to_local, box(at, {0.34F * extent, extent}), paint);
}

// A part that belongs to no emblem, somewhere.
inline void draw_loose_part(Canvas& canvas, Rng& rng, Vec2 at, float extent, float background_luma, float gap) {
  const auto part = static_cast<EmblemPart>(rng.between(0, 7));
  const float turn = rng.uniform(0.0F, 2.0F * kPi);
  Paint paint;
  paint.luma = Sketch::contrasting(rng, background_luma, gap);
  paint.base = Sketch::color(rng, paint.luma);
  Sketch::patterned(rng, paint, 0.12F);
  draw_emblem_part(canvas, pose(at, extent, turn), part, {0, 0}, 1.0F, paint);
}

// One emblem of class `label`, (size,size,3); class = guild * 4 + order.
inline void render_emblem(std::size_t label, Canvas& canvas, Rng rng, std::uint8_t* out) {
  const auto size = static_cast<float>(canvas.size());
  const float half = 0.5F * size;
  const Guild& guild = kGuilds[label / kPartOrders.size()];
  const auto& order = kPartOrders[label % kPartOrders.size()];

  Paint ground;
  ground.luma = rng.uniform(0.2F, 0.8F);
  ground.base = Sketch::color(rng, ground.luma);
  Sketch::patterned(rng, ground, rng.uniform(0.03F, 0.1F));
  canvas.fill(pose({half, half}, half, 0).inverse(), ground);
  add_texture(canvas, rng, rng.uniform(0.15F, 0.35F));

  // The emblem spans 30 to 80 % of the side, anywhere that keeps it inside.
  const float scale = half * rng.uniform(0.32F, 0.8F);
  const float play = half - scale;
  Vec2 at;
  at.x = half + play * rng.uniform(-1.0F, 1.0F);
  at.y = half + play * rng.uniform(-1.0F, 1.0F);

  const int loose = rng.between(2, 6);
  for (int i = 0; i < loose; ++i) {
    Vec2 where;
    where.x = rng.uniform(0, size);
    where.y = rng.uniform(0, size);
    const float extent = scale * rng.uniform(0.2F, 0.3F);
    draw_loose_part(canvas, rng, where, extent, ground.luma, 0.12F);
  }

  const float angle = std::clamp(0.14F * rng.normal(), -0.35F, 0.35F);
  const float shear = rng.uniform(-0.12F, 0.12F);
  const float aspect = rng.uniform(0.9F, 1.1F);
  const Affine object = pose(at, scale, angle, shear, aspect, rng.bernoulli(0.5F));
  const Affine inverse = object.inverse();
  Sketch paints(rng, ground.luma);
  const auto& places = guild.pole ? kPolePlaces : kCrossPlaces;
  canvas.draw(object, inverse, capsule(places.front(), places.back(), 0.05F), paints.detail);
  if (!guild.pole) canvas.draw(object, inverse, capsule(places[1], places[2], 0.05F), paints.detail);
  for (std::size_t i = 0; i < places.size(); ++i) {
    Vec2 where = places[i];
    where.x += rng.uniform(-0.05F, 0.05F);
    where.y += rng.uniform(-0.04F, 0.04F);
    const float extent = rng.uniform(0.22F, 0.3F);
    const Paint paint = paints.paint(ground.luma, 0.1F);
    draw_emblem_part(canvas, object, guild.parts[order[i]], where, extent, paint);
  }

  if (rng.bernoulli(0.33F)) {
    const float direction = rng.uniform(0.0F, 2.0F * kPi);
    const float distance = scale * rng.uniform(0.2F, 0.8F);
    const float extent = scale * rng.uniform(0.28F, 0.42F);
    draw_loose_part(canvas, rng, {at.x + distance * std::cos(direction), at.y + distance * std::sin(direction)}, extent,
                    ground.luma, 0.05F);
  }
  add_texture(canvas, rng, rng.uniform(0.06F, 0.16F));  // light falls unevenly on all of it
  develop(canvas, rng, rng.uniform(0.0F, 12.0F), out);
}

}  // namespace contexture::detail
