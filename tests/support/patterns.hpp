// SPDX-License-Identifier: MIT
// A small made-up problem: three patterns that few labels do not suffice for, and many images without labels do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"

namespace patterns {

using namespace contexture;

inline const std::vector<std::string> kNames{"across", "upright", "checkered"};

// Grey images of 12 x 12: bars across, bars upright, a checkerboard, each shifted at random and under strong noise.
inline ImageSet images(Index count, std::uint64_t seed) {
  constexpr Index kSide = 12;
  Rng rng(seed);
  ImageSet set{count, kSide, kSide, 1, {}, {}};
  for (Index i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(i % 3);
    const auto dx = static_cast<Index>(4 * rng.uniform()), dy = static_cast<Index>(4 * rng.uniform());
    for (Index y = 0; y < kSide; ++y)
      for (Index x = 0; x < kSide; ++x) {
        const bool across = (y + dy) % 4 < 2, upright = (x + dx) % 4 < 2;
        const bool light = label == 0 ? across : label == 1 ? upright : across != upright;
        set.pixels.push_back(static_cast<std::uint8_t>((light ? 60 : 20) + 150 * rng.uniform()));
      }
    set.labels.push_back(label);
  }
  return set;
}

}  // namespace patterns
