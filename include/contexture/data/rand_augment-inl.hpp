// SPDX-License-Identifier: MIT
// The functions of data/rand_augment.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/border.hpp"
#include "contexture/data/rand_augment.hpp"

namespace contexture {
namespace detail {

using ByteTable = std::array<std::uint8_t, 256>;

inline std::uint8_t byte_of(float value) { return static_cast<std::uint8_t>(std::clamp(value, 0.0F, 255.0F) + 0.5F); }

// Pixels are looked up, those of channel `only`, or of all where it is negative.
inline void look_up(const PixelView& image, const ByteTable& table, Index only = -1) {
  const Index first = std::max<Index>(only, 0), step = only < 0 ? 1 : image.channels;
  for (Index i = first; i < image.bytes(); i += step) image.pixels[i] = table[image.pixels[i]];
}

// f(v) for every byte v.
template <class F>
ByteTable table_of(const F& f) {
  ByteTable table{};
  for (int v = 0; v < 256; ++v) table[static_cast<std::size_t>(v)] = byte_of(f(static_cast<float>(v)));
  return table;
}

inline int luminance(const std::uint8_t* pixel, Index channels) {
  if (channels == 3) return (19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + 0x8000) >> 16;
  int sum = 0;
  for (Index c = 0; c < channels; ++c) sum += pixel[c];
  return (2 * sum + static_cast<int>(channels)) / (2 * static_cast<int>(channels));
}

inline void change_colour(const PixelView& image, float f) {
  if (image.channels == 1) return;
  for (std::uint8_t* p = image.pixels; p < image.pixels + image.bytes(); p += image.channels) {
    const auto grey = static_cast<float>(luminance(p, image.channels));
    for (Index c = 0; c < image.channels; ++c) p[c] = byte_of(grey + f * (static_cast<float>(p[c]) - grey));
  }
}

inline void change_contrast(const PixelView& image, float f) {
  std::int64_t sum = 0;
  for (const std::uint8_t* p = image.pixels; p < image.pixels + image.bytes(); p += image.channels)
    sum += luminance(p, image.channels);
  const auto pixels = static_cast<double>(image.height * image.width);
  const auto mean = static_cast<float>(std::floor(static_cast<double>(sum) / pixels + 0.5));
  look_up(image, table_of([=](float v) { return mean + f * (v - mean); }));
}

inline void change_sharpness(const PixelView& image, float f, std::vector<std::uint8_t>& scratch) {
  scratch.assign(image.pixels, image.pixels + image.bytes());
  const Index row = image.row_bytes(), step = image.channels;
  for (Index y = 1; y + 1 < image.height; ++y) {
    const std::uint8_t* const p = scratch.data() + y * row;
    std::uint8_t* const out = image.pixels + y * row;
    for (Index i = step; i + step < row; ++i) {
      const int sum = p[i - row - step] + p[i - row] + p[i - row + step] + p[i - step] + 5 * p[i] + p[i + step] +
                      p[i + row - step] + p[i + row] + p[i + row + step];
      const auto smooth = static_cast<float>((2 * sum + 13) / 26);
      out[i] = byte_of(smooth + f * (static_cast<float>(p[i]) - smooth));
    }
  }
}

inline std::array<std::int64_t, 256> histogram(const PixelView& image, Index channel) {
  std::array<std::int64_t, 256> counts{};
  for (Index i = channel; i < image.bytes(); i += image.channels) ++counts[image.pixels[i]];
  return counts;
}

inline void auto_contrast(const PixelView& image) {
  for (Index c = 0; c < image.channels; ++c) {
    int low = 255, high = 0;
    for (Index i = c; i < image.bytes(); i += image.channels) {
      low = std::min<int>(low, image.pixels[i]);
      high = std::max<int>(high, image.pixels[i]);
    }
    if (low >= high) continue;
    const float scale = 255.0F / static_cast<float>(high - low);
    look_up(image, table_of([=](float v) { return (v - static_cast<float>(low)) * scale; }), c);
  }
}

inline void equalize(const PixelView& image) {
  for (Index c = 0; c < image.channels; ++c) {
    const std::array<std::int64_t, 256> counts = histogram(image, c);
    std::int64_t last = 0;
    for (const std::int64_t count : counts)
      if (count > 0) last = count;
    const std::int64_t step = (image.height * image.width - last) / 255;
    if (step == 0) continue;
    ByteTable table{};
    std::int64_t before = step / 2;
    for (std::size_t v = 0; v < 256; ++v) {
      table[v] = static_cast<std::uint8_t>(std::min<std::int64_t>(before / step, 255));
      before += counts[v];
    }
    look_up(image, table, c);
  }
}

// Which place of the image a place is taken from, both about the middle of the image: (a x + b y + dx, c x + d y + dy).
struct AffineMap {
  float a = 1, b = 0, c = 0, d = 1, dx = 0, dy = 0;
};

// Bilinear, in 1/256 of a pixel; places are counted in 1/65536.
inline void warp(const PixelView& image, const AffineMap& map, std::vector<std::uint8_t>& scratch) {
  scratch.assign(image.pixels, image.pixels + image.bytes());
  const float middle_x = static_cast<float>(image.width - 1) / 2, middle_y = static_cast<float>(image.height - 1) / 2;
  const auto place = [](float at) { return static_cast<Index>(std::lround(65536 * at)); };
  const Index channels = image.channels, row = image.row_bytes(), step_x = place(map.a), step_y = place(map.c);
  std::uint8_t* out = image.pixels;
  for (Index y = 0; y < image.height; ++y) {
    const float py = static_cast<float>(y) - middle_y;
    Index at_x = place(-map.a * middle_x + map.b * py + map.dx + middle_x) + 128;
    Index at_y = place(-map.c * middle_x + map.d * py + map.dy + middle_y) + 128;
    for (Index x = 0; x < image.width; ++x, out += channels, at_x += step_x, at_y += step_y) {
      Index left = at_x >> 16, top = at_y >> 16, right = left + 1, bottom = top + 1;
      if (left < 0 || right >= image.width) {
        left = reflected(left, image.width);
        right = reflected(right, image.width);
      }
      if (top < 0 || bottom >= image.height) {
        top = reflected(top, image.height);
        bottom = reflected(bottom, image.height);
      }
      const int u = static_cast<int>(at_x >> 8 & 255), v = static_cast<int>(at_y >> 8 & 255);
      const std::uint8_t* const p = scratch.data() + top * row + left * channels;
      const std::uint8_t* const q = scratch.data() + top * row + right * channels;
      const Index below = (bottom - top) * row;
      for (Index c = 0; c < channels; ++c) {
        const int above = (256 - u) * p[c] + u * q[c], under = (256 - u) * p[c + below] + u * q[c + below];
        out[c] = static_cast<std::uint8_t>(((256 - v) * above + v * under + 0x8000) >> 16);
      }
    }
  }
}

inline AffineMap map_of(RandAugmentOp op, float s, const PixelView& image) {
  constexpr float kShear = 0.3F, kTranslate = 150.0F / 331.0F;
  switch (op) {
    case RandAugmentOp::shear_x: return {.b = kShear * s};
    case RandAugmentOp::shear_y: return {.c = kShear * s};
    case RandAugmentOp::translate_x: return {.dx = kTranslate * s * static_cast<float>(image.width)};
    case RandAugmentOp::translate_y: return {.dy = kTranslate * s * static_cast<float>(image.height)};
    default: {
      const float angle = s * std::numbers::pi_v<float> / 6;
      return {.a = std::cos(angle), .b = -std::sin(angle), .c = std::sin(angle), .d = std::cos(angle)};
    }
  }
}

}  // namespace detail

CONTEXTURE_FUNCTION void apply(RandAugmentOp op, float strength, const PixelView& image,
                               std::vector<std::uint8_t>& scratch) {
  require(strength >= -1 && strength <= 1, "RandAugment: strength ", strength, ", expected -1 to 1");
  const float f = 1 + 0.9F * strength, size = std::abs(strength);
  switch (op) {
    case RandAugmentOp::identity: return;
    case RandAugmentOp::shear_x:
    case RandAugmentOp::shear_y:
    case RandAugmentOp::translate_x:
    case RandAugmentOp::translate_y:
    case RandAugmentOp::rotate: return detail::warp(image, detail::map_of(op, strength, image), scratch);
    case RandAugmentOp::brightness: return detail::look_up(image, detail::table_of([=](float v) { return f * v; }));
    case RandAugmentOp::colour: return detail::change_colour(image, f);
    case RandAugmentOp::contrast: return detail::change_contrast(image, f);
    case RandAugmentOp::sharpness: return detail::change_sharpness(image, f, scratch);
    case RandAugmentOp::posterize: {
      const auto dropped = static_cast<unsigned>(std::lround(4 * size));
      return detail::look_up(image, detail::table_of([=](float v) {
                               return static_cast<float>(static_cast<unsigned>(v) >> dropped << dropped);
                             }));
    }
    case RandAugmentOp::solarize:
      return detail::look_up(image, detail::table_of([=](float v) { return v >= 255 * (1 - size) ? 255 - v : v; }));
    case RandAugmentOp::auto_contrast: return detail::auto_contrast(image);
    case RandAugmentOp::equalize: return detail::equalize(image);
  }
}

CONTEXTURE_FUNCTION void rand_augment(const RandAugmentOptions& options, const PixelView& image, Rng& rng,
                                      std::vector<std::uint8_t>& scratch) {
  for (int i = 0; i < options.operations; ++i) {
    const auto op = static_cast<RandAugmentOp>(rng.below(static_cast<std::uint32_t>(kRandAugmentOps.size())));
    const float strength = rng.bernoulli(0.5F) ? options.magnitude : -options.magnitude;
    apply(op, strength, image, scratch);
  }
}

}  // namespace contexture
