// SPDX-License-Identifier: MIT
// Which images are for what: a stratified validation split, stratified label subsets that are nested (the 10 % are
// among the 50 %), and images to show. Splits and subsets rest on one idea: every image draws its own rank from (seed,
// index), and a class gives away its lowest ranks. So a subset depends neither on the order of the indices nor on how
// many other images there are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// Two disjoint sets of image numbers, each in ascending order.
struct Split {
  std::vector<Index> train;
  std::vector<Index> validation;
};

/// Gives `validation_fraction` of every class (rounded to the nearest image) to validation and the
/// rest to training. A class keeps at least one training image, and has at least one validation
/// image when the fraction is above 0 and it has two or more images.
/// Throws std::invalid_argument unless 0 <= validation_fraction < 1.
[[nodiscard]] CONTEXTURE_FUNCTION Split stratified_split(std::span<const std::int32_t> labels,
                                                         double validation_fraction, const Rng& rng);

/// The `fraction` of every class among the images `from` (rounded to the nearest image), ascending.
/// With the same `rng` a smaller fraction is a subset of a larger one.
/// Throws std::invalid_argument unless 0 < fraction <= 1, InputError when a class would be left
/// without a single label; `class_names`, if given, are for its message.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<Index> label_subset(std::span<const std::int32_t> labels,
                                                                  std::span<const Index> from, double fraction,
                                                                  const Rng& rng,
                                                                  std::span<const std::string> class_names = {});

/// A fold, 0 to folds - 1, for each of the images `from`, such that every class is spread over the folds evenly: for
/// k-fold cross-validation. Classes take turns in which fold gets their odd images. Throws std::invalid_argument for
/// fewer than 2 folds.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<int> stratified_folds(std::span<const std::int32_t> labels,
                                                                    std::span<const Index> from, int folds,
                                                                    const Rng& rng);

/// Up to `count` images to show, in the order they are taken: the first of every class, then the second of every class,
/// and so on.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<Index> classes_in_turn(std::span<const std::int32_t> labels,
                                                                     std::size_t count);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/split-inl.hpp"
#endif
