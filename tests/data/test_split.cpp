// SPDX-License-Identifier: MIT
// Splits: disjoint, complete, stratified, nested, and a function of the seed alone.
#include <algorithm>
#include <limits>
#include <set>

#include "contexture/data/dataset.hpp"
#include "contexture/data/split.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

// Three classes of 100, 50 and 7 images, mixed.
std::vector<std::int32_t> some_labels() {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 100; ++i) {
    labels.push_back(0);
    if (i % 2 == 0) labels.push_back(1);
    if (i % 15 == 0) labels.push_back(2);
  }
  return labels;
}

std::vector<Index> everything(std::size_t n) {
  std::vector<Index> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = static_cast<Index>(i);
  return all;
}

std::vector<Index> counts_of(const std::vector<std::int32_t>& labels, const std::vector<Index>& indices) {
  std::vector<std::int32_t> chosen;
  for (const Index i : indices) chosen.push_back(labels[static_cast<std::size_t>(i)]);
  return class_counts(chosen, 3);
}

}  // namespace

TEST_CASE("stratified_split shares every class out, and every image once") {
  const auto labels = some_labels();
  const Split split = stratified_split(labels, 0.1, Rng(3));
  CHECK(counts_of(labels, split.validation) == std::vector<Index>{10, 5, 1});
  CHECK(counts_of(labels, split.train) == std::vector<Index>{90, 45, 6});
  CHECK(std::is_sorted(split.train.begin(), split.train.end()));
  CHECK(std::is_sorted(split.validation.begin(), split.validation.end()));
  std::vector<Index> both;
  std::merge(split.train.begin(), split.train.end(), split.validation.begin(), split.validation.end(),
             std::back_inserter(both));
  CHECK(both == everything(labels.size()));
}

TEST_CASE("shares of a class are rounded to the nearest image") {
  for (const auto& [images, tenth] :
       std::vector<std::pair<std::size_t, std::size_t>>{{14, 1}, {16, 2}, {24, 2}, {26, 3}, {94, 9}, {96, 10}}) {
    const std::vector<std::int32_t> labels(images, 0);
    CHECK(stratified_split(labels, 0.1, Rng(1)).validation.size() == tenth);
    CHECK(label_subset(labels, everything(images), 0.1, Rng(1)).size() == tenth);
  }
}

TEST_CASE("stratified_split depends on the seed alone") {
  const auto labels = some_labels();
  CHECK(stratified_split(labels, 0.2, Rng(3)).train == stratified_split(labels, 0.2, Rng(3)).train);
  CHECK(stratified_split(labels, 0.2, Rng(3)).train != stratified_split(labels, 0.2, Rng(4)).train);
  Rng used(3);
  used();
  CHECK(stratified_split(labels, 0.2, used).train == stratified_split(labels, 0.2, Rng(3)).train);
}

TEST_CASE("stratified_split leaves the last image of a class to training") {
  const std::vector<std::int32_t> labels = {0, 1, 1};
  const Split split = stratified_split(labels, 0.9, Rng(1));
  CHECK(split.train.size() == 2);
  CHECK(split.validation.size() == 1);
  CHECK(split.train.front() == 0);
  CHECK(stratified_split(labels, 0.0, Rng(1)).validation.empty());
  CHECK(stratified_split({}, 0.5, Rng(1)).train.empty());
}

TEST_CASE("label subsets are nested and stratified") {
  const auto labels = some_labels();
  const Split split = stratified_split(labels, 0.1, Rng(3));
  const Rng rng(8);
  const auto tenth = label_subset(labels, split.train, 0.1, rng);
  const auto half = label_subset(labels, split.train, 0.5, rng);
  const auto all = label_subset(labels, split.train, 1.0, rng);
  CHECK(counts_of(labels, tenth) == std::vector<Index>{9, 5, 1});
  CHECK(counts_of(labels, half) == std::vector<Index>{45, 23, 3});
  CHECK(all == split.train);
  CHECK(std::includes(half.begin(), half.end(), tenth.begin(), tenth.end()));
  CHECK(label_subset(labels, split.train, 0.1, Rng(8)) == tenth);
  CHECK(label_subset(labels, split.train, 0.1, Rng(9)) != tenth);
}

TEST_CASE("a label subset does not depend on the order of the images it is taken from") {
  const auto labels = some_labels();
  auto from = everything(labels.size());
  const auto subset = label_subset(labels, from, 0.3, Rng(1));
  std::reverse(from.begin(), from.end());
  CHECK(label_subset(labels, from, 0.3, Rng(1)) == subset);
}

TEST_CASE("splits refuse what makes no sense") {
  const auto labels = some_labels();
  const auto all = everything(labels.size());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double fraction : {-0.1, 1.0, 2.0, nan}) {
    CHECK_THROWS_AS(stratified_split(labels, fraction, Rng(1)), std::invalid_argument);
  }
  for (const double fraction : {0.0, -0.5, 1.01, nan}) {
    CHECK_THROWS_AS(label_subset(labels, all, fraction, Rng(1)), std::invalid_argument);
  }
  CHECK_THROWS_AS(label_subset(labels, std::vector<Index>{9999}, 0.5, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(stratified_split(std::vector<std::int32_t>{0, -1}, 0.5, Rng(1)), std::invalid_argument);
  // 7 images of class 2: a twentieth of them is none.
  CHECK_THROWS_WITH(label_subset(labels, all, 0.05, Rng(1)),
                    "label fraction 0.05: leaves class 2 with none of its 7 labels, expected a fraction of at least "
                    "0.072, or more images of that class");
  const std::vector<std::string> names{"apple", "fig", "kiwi"};
  CHECK_THROWS_WITH(label_subset(labels, all, 0.05, Rng(1), names),
                    Catch::Matchers::ContainsSubstring("leaves class 'kiwi' with none"));
  CHECK_NOTHROW(label_subset(labels, all, 0.072, Rng(1), names));
  CHECK_THROWS_AS(label_subset(labels, all, 0.05, Rng(1)), InputError);
}

TEST_CASE("class_counts names a label out of range") {
  CHECK(class_counts(std::vector<std::int32_t>{0, 2, 2}, 3) == std::vector<Index>{1, 0, 2});
  CHECK_THROWS_WITH(class_counts(std::vector<std::int32_t>{3}, 3), Catch::Matchers::ContainsSubstring("label 3"));
  CHECK_THROWS_AS(class_counts(std::vector<std::int32_t>{-1}, 3), std::invalid_argument);
}

TEST_CASE("classes_in_turn: the first of every class, then the second") {
  const std::vector<std::int32_t> labels = {2, 2, 0, 1, 0, 1, 1};
  CHECK(classes_in_turn(labels, 2) == std::vector<Index>{0, 2});
  CHECK(classes_in_turn(labels, 5) == std::vector<Index>{0, 2, 3, 1, 4});
  CHECK(classes_in_turn(labels, 100) == std::vector<Index>{0, 2, 3, 1, 4, 5, 6});
  CHECK(classes_in_turn({}, 10).empty());
}

TEST_CASE("stratified folds: every class is spread evenly, and so are all images") {
  const auto labels = some_labels();  // 100, 50 and 7
  const std::vector<Index> all = everything(labels.size());
  const std::vector<int> folds = stratified_folds(labels, all, 5, Rng(3));
  REQUIRE(folds.size() == labels.size());
  std::vector<Index> sizes(5, 0);
  for (std::int32_t c = 0; c < 3; ++c) {
    std::vector<Index> of_class(5, 0);
    for (std::size_t i = 0; i < folds.size(); ++i) {
      REQUIRE((folds[i] >= 0 && folds[i] < 5));
      if (labels[i] == c) ++of_class[static_cast<std::size_t>(folds[i])];
    }
    const auto [least, most] = std::minmax_element(of_class.begin(), of_class.end());
    CHECK(*most - *least <= 1);
    for (std::size_t f = 0; f < 5; ++f) sizes[f] += of_class[f];
  }
  const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
  CHECK(*most - *least <= 1);  // the odd images of one class go where those of another did not
  CHECK(folds == stratified_folds(labels, all, 5, Rng(3)));
  CHECK(folds != stratified_folds(labels, all, 5, Rng(4)));
}

TEST_CASE("stratified folds: of some images, in their order; classes smaller than the folds; nonsense refused") {
  const std::vector<std::int32_t> labels{0, 1, 1, 0, 2, 0, 1, 0};
  const std::vector<Index> from{7, 4, 1, 2, 0};  // classes 0, 2, 1, 1, 0
  const std::vector<int> folds = stratified_folds(labels, from, 4, Rng(1));
  REQUIRE(folds.size() == 5);
  CHECK(folds[0] != folds[4]);  // no fold has both of a class
  CHECK(folds[2] != folds[3]);
  CHECK(std::set<int>(folds.begin(), folds.end()).size() == 4);  // none is empty, though each class is smaller
  CHECK(stratified_folds(labels, {}, 2, Rng(1)).empty());
  CHECK_THROWS_WITH(stratified_folds(labels, from, 1, Rng(1)), "stratified_folds: 1 folds, expected 2 or more");
}
