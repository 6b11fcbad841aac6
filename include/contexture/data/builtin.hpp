// SPDX-License-Identifier: MIT
// The built-in data sets: coloured drawings, made on the spot, so that everything runs without a download. There are
// twelve things, and 24 emblems (data/builtin_emblems.hpp). A thing is an arrangement of parts, and the parts are
// shared: a wheel, a face, a clock and a flower's heart are all discs; roofs, ears, fins and sails are triangles. What
// tells the classes apart is which parts sit where; colours, patterns, backgrounds and clutter are
// drawn from the same distributions for every class and say nothing. Pose, proportions and optional
// parts vary, other shapes lie behind the object and sometimes one in front of it.
// Image i is a pure function of (seed, split, i): the set is rendered in parallel and any part of
// it can be made again.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "contexture/core/compiled.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture {

/// Which drawings: twelve things, for small images; or 24 emblems, six groups of four that have the same parts in
/// another arrangement, for images of 64 pixels.
enum class BuiltinSet { things, emblems };

/// The set that programs and load_dataset call `data`: "builtin" or "builtin-64". None for any other text.
[[nodiscard]] constexpr std::optional<BuiltinSet> builtin_set(std::string_view data) {
  if (data == "builtin") return BuiltinSet::things;
  if (data == "builtin-64") return BuiltinSet::emblems;
  return std::nullopt;
}

/// Of the built-in images: which, how large, and all that is random about them.
struct BuiltinOptions {
  BuiltinSet set = BuiltinSet::things;
  Index image_size = 0;    ///< side in pixels, 8 to 1024; 0: 32 (things) or 64 (emblems)
  std::uint64_t seed = 0;  ///< of all that is random
};

/// A built-in data set: `train` + `test` RGB images, the classes in turn (image i is of class i mod the number of
/// classes). Image i of a split depends on (options, split, i) only: asking for more images adds to the ones there are.
/// Throws std::invalid_argument for negative counts, more than 10 million images, or an image size out of range.
[[nodiscard]] CONTEXTURE_FUNCTION Dataset builtin_dataset(Index train, Index test, const BuiltinOptions& options);
/// The twelve things.
[[nodiscard]] inline Dataset builtin_dataset(Index train, Index test, Index image_size = 32, std::uint64_t seed = 0) {
  return builtin_dataset(train, test, BuiltinOptions{BuiltinSet::things, image_size, seed});
}

/// Its images [first, first + count), of the training set or of the test set, without those before them.
[[nodiscard]] CONTEXTURE_FUNCTION ImageSet builtin_images(bool test, Index first, Index count,
                                                          const BuiltinOptions& options = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/builtin-inl.hpp"
#endif
