// SPDX-License-Identifier: MIT
// Whether training images may be mirrored left-right. A mirrored cat is a cat; a mirrored 2 is
// nothing. The rule looks at the images, not at the name of the data set, so that it holds for
// images nobody has seen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture {

/// What the nearest-class-mean classifier makes of images and of their mirror images.
struct MirrorTest {
  double accuracy = 0;           ///< on images as they are, 0..1
  double mirrored_accuracy = 0;  ///< on the same images, mirrored
  /// Mirroring may cost a third of the right answers. Garments lose a sixth (all shoes point the same
  /// way), scenes and animals nothing, digits half.
  [[nodiscard]] bool keeps_classes() const { return mirrored_accuracy >= accuracy * 2 / 3; }
};

/// Of every class, every second image goes into the class mean and the others are asked; of more than 20,000 images,
/// 20,000 evenly spread ones are used. Deterministic. Throws std::invalid_argument for an unlabelled set.
[[nodiscard]] inline MirrorTest mirror_test(const ImageSet& set) {
  require(set.count > 0 && set.labels.size() == static_cast<std::size_t>(set.count),
          "mirror_test: expected labelled images, got ", set.count, " images and ", set.labels.size(), " labels");
  const Index count = std::min<Index>(set.count, 20'000);
  const auto pixels = static_cast<std::size_t>(set.image_bytes());
  const auto classes = static_cast<std::size_t>(*std::max_element(set.labels.begin(), set.labels.end())) + 1;
  std::vector<float> mean(classes * pixels, 0.0F);
  std::vector<Index> members(classes, 0);
  std::vector<Index> asked;
  std::vector<bool> turn(classes, false);
  for (Index k = 0; k < count; ++k) {
    const Index i = k * set.count / count;  // files are often sorted by class
    const auto label = static_cast<std::size_t>(set.labels[static_cast<std::size_t>(i)]);
    turn[label] = !turn[label];
    if (!turn[label]) {
      asked.push_back(i);
      continue;
    }
    const std::uint8_t* const image = set.image(i);
    float* const sum = mean.data() + label * pixels;
    for (std::size_t p = 0; p < pixels; ++p) sum[p] += static_cast<float>(image[p]);
    ++members[label];
  }
  for (std::size_t k = 0; k < classes; ++k)
    for (std::size_t p = 0; p < pixels; ++p) mean[k * pixels + p] /= static_cast<float>(std::max<Index>(members[k], 1));

  const auto tested = static_cast<Index>(asked.size());
  if (tested == 0) return {};
  constexpr Index kChunks = 16;
  std::vector<Index> right(kChunks, 0);
  std::vector<Index> right_mirrored(kChunks, 0);
  parallel_chunks(tested, kChunks, [&](Index chunk, Index begin, Index end) {
    std::vector<float> flat(pixels);
    for (Index t = begin; t < end; ++t) {
      const Index i = asked[static_cast<std::size_t>(t)];
      const std::uint8_t* const image = set.image(i);
      for (const bool mirrored : {false, true}) {
        for (Index y = 0; y < set.height; ++y)
          for (Index x = 0; x < set.width; ++x)
            for (Index c = 0; c < set.channels; ++c)
              flat[static_cast<std::size_t>((y * set.width + x) * set.channels + c)] =
                  static_cast<float>(image[(y * set.width + (mirrored ? set.width - 1 - x : x)) * set.channels + c]);
        std::size_t nearest = 0;
        float least = std::numeric_limits<float>::infinity();
        for (std::size_t k = 0; k < classes; ++k) {
          if (members[k] == 0) continue;
          const float* const centre = mean.data() + k * pixels;
          float distance = 0;
          for (std::size_t p = 0; p < pixels; ++p) distance += (flat[p] - centre[p]) * (flat[p] - centre[p]);
          if (distance < least) {
            least = distance;
            nearest = k;
          }
        }
        if (nearest == static_cast<std::size_t>(set.labels[static_cast<std::size_t>(i)]))
          ++(mirrored ? right_mirrored : right)[static_cast<std::size_t>(chunk)];
      }
    }
  });
  MirrorTest test;
  for (std::size_t c = 0; c < kChunks; ++c) {
    test.accuracy += static_cast<double>(right[c]) / static_cast<double>(tested);
    test.mirrored_accuracy += static_cast<double>(right_mirrored[c]) / static_cast<double>(tested);
  }
  return test;
}

}  // namespace contexture
