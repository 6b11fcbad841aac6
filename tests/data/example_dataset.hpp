// SPDX-License-Identifier: MIT
// The data set of one's own that docs/data.md shows.
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "contexture/data/samples.hpp"

namespace example {

using namespace contexture;

// Waves that run to the right or downwards. get() draws them; it may as well read files or a database.
struct Waves {
  Index count;

  Index size() const { return count; }
  Sample get(Index i) const {
    Rng rng = Rng(1).split(static_cast<std::uint64_t>(i));
    const float length = rng.uniform(1, 3), begin = rng.uniform(0, 6);
    Picture image{16, 16, 1, std::vector<std::uint8_t>(16 * 16)};
    for (Index k = 0; k < 16 * 16; ++k) {
      const auto along = static_cast<float>(label(i) == 0 ? k % 16 : k / 16);
      image.pixels[static_cast<std::size_t>(k)] =
          static_cast<std::uint8_t>(128 + 100 * std::sin(begin + along / length));
    }
    return {std::move(image), label(i)};
  }
  // May be missing. With it no image is made before a training asks for it.
  std::int32_t label(Index i) const { return static_cast<std::int32_t>(i % 2); }
};

inline Picture negative(Picture image) {
  for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(255 - value);
  return image;
}

// 300 images to learn from, a third of them negatives, and 60 others, all noisy.
inline Dataset waves() {
  const ImageChange noise = [](const PixelView& image, Rng& rng) {
    for (Index k = 0; k < image.bytes(); ++k) image.pixels[k] ^= static_cast<std::uint8_t>(rng.between(0, 15));
  };
  Dataset data;
  data.class_names = {"to the right", "downwards"};
  data.train = image_set(map(concatenate(Waves{200}, map(Waves{100}, negative)), noise, Rng(2)));
  std::vector<Index> others;
  for (Index i = 200; i < 260; ++i) others.push_back(i);
  data.test = image_set(map(subset(Waves{260}, others), noise, Rng(3)));
  return data;
}

}  // namespace example
