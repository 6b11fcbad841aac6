// SPDX-License-Identifier: MIT
// Whether images may be mirrored: on sets for which it is known.
#include <cstdint>
#include <stdexcept>

#include "contexture/core/rng.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/mirror_rule.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("mirroring: off where mirrored images look like other classes, on where not") {
  // Class 0 is bright on the left, class 1 on the right: mirroring swaps them.
  ImageSet sided{400, 6, 6, 1, {}, {}};
  ImageSet layered = sided;  // class 0 is bright above, class 1 below
  Rng rng(8);
  for (Index i = 0; i < 400; ++i) {
    const auto label = static_cast<std::int32_t>(i % 2);
    sided.labels.push_back(label);
    layered.labels.push_back(label);
    for (Index y = 0; y < 6; ++y)
      for (Index x = 0; x < 6; ++x) {
        const auto noise = static_cast<int>(rng.below(60));
        sided.pixels.push_back(static_cast<std::uint8_t>(noise + ((x < 3) == (label == 0) ? 150 : 0)));
        layered.pixels.push_back(static_cast<std::uint8_t>(noise + ((y < 3) == (label == 0) ? 150 : 0)));
      }
  }
  CHECK_FALSE(mirror_test(sided).keeps_classes());
  CHECK(mirror_test(layered).keeps_classes());
  CHECK(mirror_test(layered).accuracy == Approx(1.0));
  CHECK(mirror_test(sided).mirrored_accuracy == Approx(0.0).margin(1e-9));
  CHECK(mirror_test(builtin_dataset(240, 0, 16).train).keeps_classes());
  // Of many images sorted by class, all classes are looked at.
  ImageSet sorted{20'400, 6, 6, 1, {}, {}};
  for (const int label : {0, 1})
    for (Index copy = 0; copy < 51; ++copy)
      for (Index i = label; i < 400; i += 2) {
        sorted.pixels.insert(sorted.pixels.end(), sided.image(i), sided.image(i) + sided.image_bytes());
        sorted.labels.push_back(label);
      }
  CHECK_FALSE(mirror_test(sorted).keeps_classes());
  ImageSet unlabelled = sided;
  unlabelled.labels.clear();
  CHECK_THROWS_AS(mirror_test(unlabelled), std::invalid_argument);
}
