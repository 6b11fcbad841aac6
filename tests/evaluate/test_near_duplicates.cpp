// SPDX-License-Identifier: MIT
// Images that are nearly the same: those planted are found, and no others.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/evaluate/near_duplicates.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

using Pairs = std::set<std::pair<Index, Index>>;

Pairs pairs_of(const std::vector<NearDuplicate>& found) {
  Pairs out;
  for (const NearDuplicate& d : found) out.emplace(d.first, d.second);
  CHECK(out.size() == found.size());  // each once
  return out;
}

template <class Change>
void put(ImageSet& set, Index from, Index to, const Change& change) {
  for (Index j = 0; j < set.image_bytes(); ++j)
    set.image(to)[j] = static_cast<std::uint8_t>(std::clamp(change(static_cast<int>(set.image(from)[j]), j), 0, 255));
}

}  // namespace

TEST_CASE("near-duplicates: nothing is found among different images", "[near_duplicates]") {
  const Dataset data = builtin_dataset(600, 0, 32);
  CHECK(near_duplicates(data.train, 200).empty());
}

TEST_CASE("near-duplicates: copies, brighter, noisy and rescaled ones are found", "[near_duplicates]") {
  ImageSet set = builtin_dataset(120, 0, 32).train;
  put(set, 3, 90, [](int v, Index) { return v; });
  put(set, 7, 95, [](int v, Index) { return 20 + v * 4 / 5; });
  put(set, 8, 9, [](int v, Index j) { return v + static_cast<int>(j * 7919 % 9) - 4; });  // among the labelled
  put(set, 60, 110, [](int v, Index) { return v; });                                      // neither has a label
  const ImageSet half = resize_and_crop(set, 16, 16), again = resize_and_crop(half, 32, 32);
  std::copy_n(again.image(12), set.image_bytes(), set.image(100));
  const std::vector<NearDuplicate> found = near_duplicates(set, 20);
  CHECK(pairs_of(found) == Pairs{{3, 90}, {7, 95}, {8, 9}, {12, 100}});
  CHECK(std::is_sorted(found.begin(), found.end(),
                       [](const NearDuplicate& a, const NearDuplicate& b) { return a.similarity > b.similarity; }));
  CHECK(found[0].similarity == Approx(1).margin(1e-5));
  CHECK(pairs_of(near_duplicates(set, 0)).empty());
  CHECK(pairs_of(near_duplicates(set, 120)).contains({60, 110}));
}

TEST_CASE("near-duplicates: correlation, with images without contrast left out", "[near_duplicates]") {
  ImageSet set = builtin_dataset(20, 0, 16).train;
  put(set, 0, 5, [](int, Index) { return 90; });
  put(set, 0, 6, [](int, Index) { return 91; });
  put(set, 0, 7, [](int v, Index) { return 255 - v; });  // a negative is another image
  CHECK(near_duplicates(set, 20).empty());
  put(set, 1, 8, [](int v, Index j) { return v + static_cast<int>(j * 104729 % 61) - 30; });
  // Its similarity is the correlation of both images' pixels.
  double ab = 0, aa = 0, bb = 0, a = 0, b = 0;
  const auto n = static_cast<double>(set.image_bytes());
  for (Index j = 0; j < set.image_bytes(); ++j) {
    a += set.image(1)[j] / n;
    b += set.image(8)[j] / n;
  }
  for (Index j = 0; j < set.image_bytes(); ++j) {
    ab += (set.image(1)[j] - a) * (set.image(8)[j] - b);
    aa += (set.image(1)[j] - a) * (set.image(1)[j] - a);
    bb += (set.image(8)[j] - b) * (set.image(8)[j] - b);
  }
  const double correlation = ab / std::sqrt(aa * bb);
  const std::vector<NearDuplicate> found = near_duplicates(set, 2, {.similarity = correlation - 1e-4});
  REQUIRE_FALSE(found.empty());
  CHECK(found[0].second == 8);
  CHECK(found[0].similarity == Approx(correlation).margin(1e-5));
  CHECK_FALSE(pairs_of(near_duplicates(set, 2, {.similarity = correlation + 1e-4})).contains({1, 8}));
}

TEST_CASE("near-duplicates: of many copies a few are told, nonsense is refused", "[near_duplicates]") {
  ImageSet set = builtin_dataset(30, 0, 16).train;
  for (Index i = 1; i < 12; ++i) put(set, 0, i, [](int v, Index) { return v; });
  const std::vector<NearDuplicate> found = near_duplicates(set, 12, {.most = 3});
  (void)pairs_of(found);
  for (Index i = 0; i < 12; ++i)  // each is told at least once
    CHECK(
        std::any_of(found.begin(), found.end(), [&](const NearDuplicate& d) { return d.first == i || d.second == i; }));
  CHECK(found.size() <= 12 * 4);
  // Each image's two best, itself left out: of four copies all pairs are found.
  for (Index i = 4; i < 12; ++i) put(set, i, i, [](int, Index j) { return static_cast<int>(j % 7); });
  CHECK(pairs_of(near_duplicates(set, 4, {.most = 2})).size() == 6);
  CHECK_THROWS_AS(near_duplicates(set, 31), std::invalid_argument);
  CHECK_THROWS_AS(near_duplicates(set, 3, {.similarity = 1.5}), std::invalid_argument);
  CHECK_THROWS_AS(near_duplicates(set, 3, {.most = 0}), std::invalid_argument);
  CHECK_THROWS_AS(near_duplicates(set, 3, {.side = 3}), std::invalid_argument);
}
