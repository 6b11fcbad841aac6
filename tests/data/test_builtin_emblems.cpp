// SPDX-License-Identifier: MIT
// The built-in emblems: which parts a class has and where, the same images in every version, and that neither colour
// nor single pixels tell the classes.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/data/builtin_emblems.hpp"
#include "data/image_sums.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

Dataset emblems(Index train, Index test, Index size = 0) {
  return builtin_dataset(train, test, {BuiltinSet::emblems, size, 0});
}

}  // namespace

TEST_CASE("emblems have 24 classes in turn, and are 64 pixels wide unless told otherwise") {
  const Dataset data = emblems(48, 24);
  CHECK(data.name == "builtin-64");
  CHECK(data.class_names.size() == 24);
  CHECK(std::set<std::string>(data.class_names.begin(), data.class_names.end()).size() == 24);
  CHECK(data.class_names[0] == "smith-box");  // its guild, and the part on top
  CHECK(data.train.height == 64);
  CHECK(data.train.width == 64);
  CHECK(class_counts(data.train.labels, 24) == std::vector<Index>(24, 2));
  CHECK(class_counts(data.test.labels, 24) == std::vector<Index>(24, 1));
  CHECK(emblems(1, 0, 20).train.width == 20);
  CHECK_THROWS_AS(emblems(1, 0, 7), std::invalid_argument);
}

TEST_CASE("a guild's four emblems have the same parts, each of them at every place once") {
  for (std::size_t place = 0; place < 4; ++place) {
    std::set<std::size_t> there;
    for (const auto& order : detail::kPartOrders) there.insert(order[place]);
    CHECK(there.size() == 4);
  }
  std::array<int, detail::kEmblemPartNames.size()> guilds_with{};
  std::set<std::set<detail::EmblemPart>> sets;
  for (const detail::Guild& guild : detail::kGuilds) {
    const std::set<detail::EmblemPart> parts(guild.parts.begin(), guild.parts.end());
    CHECK(parts.size() == 4);
    sets.insert(parts);
    for (const detail::EmblemPart part : parts) ++guilds_with[static_cast<std::size_t>(part)];
  }
  CHECK(sets.size() == detail::kGuilds.size());
  for (const int guilds : guilds_with) CHECK(guilds >= 2);  // no part tells a guild
}

TEST_CASE("emblems are those of every earlier version") {
  const std::vector<long> expected = {333111, 379775, 498274, 294980, 328047, 424770, 362485, 299829,
                                      338487, 330613, 464884, 489382, 493507, 597427, 529558, 354493,
                                      341584, 241526, 547395, 183821, 519369, 591636, 398630, 257618};
  check_image_sums(builtin_images(false, 0, 24, {BuiltinSet::emblems, 16, 3}), expected);
}

TEST_CASE("the mean image of a class does not tell it") {
  // The nearest mean image of 16 pixels, of 40 images a class: at most 5 points better than chance (1 in 24).
  const ImageSet train = builtin_images(false, 0, 960, {BuiltinSet::emblems, 16, 0});
  const ImageSet test = builtin_images(true, 0, 960, {BuiltinSet::emblems, 16, 0});
  const auto bytes = static_cast<std::size_t>(train.image_bytes());
  std::vector<std::vector<double>> mean(24, std::vector<double>(bytes));
  for (Index i = 0; i < train.count; ++i)
    for (std::size_t j = 0; j < bytes; ++j) mean[static_cast<std::size_t>(i % 24)][j] += train.image(i)[j] / 40.0;
  int right = 0;
  for (Index i = 0; i < test.count; ++i) {
    std::vector<double> distance(24);
    for (std::size_t c = 0; c < 24; ++c)
      for (std::size_t j = 0; j < bytes; ++j) distance[c] += std::pow(mean[c][j] - test.image(i)[j], 2);
    right += std::min_element(distance.begin(), distance.end()) - distance.begin() == i % 24 ? 1 : 0;
  }
  CHECK(right <= 960 * (1.0 / 24 + 0.05));
}
