// SPDX-License-Identifier: MIT
// Whether drawn images are those of every earlier version.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <vector>

#include "contexture/data/dataset.hpp"
#include "support/catch.hpp"

// Of each image the sum of its bytes, weighted by 1 to 7 in turn. What the drawing's randomness decides changes it by
// thousands; the last digit of another C library's sine, by next to nothing.
inline void check_image_sums(const contexture::ImageSet& images, const std::vector<long>& expected) {
  REQUIRE(images.count == static_cast<contexture::Index>(expected.size()));
  for (contexture::Index i = 0; i < images.count; ++i) {
    long sum = 0;
    for (contexture::Index j = 0; j < images.image_bytes(); ++j) sum += (j % 7 + 1) * images.image(i)[j];
    CAPTURE(i, sum);
    CHECK(std::abs(sum - expected[static_cast<std::size_t>(i)]) <= 100);
  }
}
