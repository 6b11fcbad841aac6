// SPDX-License-Identifier: MIT
// The built-in data set: coloured drawings of twelve things, made on the spot, so that everything
// runs without a download. A thing is an arrangement of parts, and the parts are shared: a wheel, a
// face, a clock and a flower's heart are all discs; roofs, ears, fins and sails are triangles. What
// tells the classes apart is which parts sit where; colours, patterns, backgrounds and clutter are
// drawn from the same distributions for every class and say nothing. Pose, proportions and optional
// parts vary, other shapes lie behind the object and sometimes one in front of it.
// Image i is a pure function of (seed, split, i): the set is rendered in parallel and any part of
// it can be made again.
#pragma once

#include <cstdint>

#include "contexture/core/compiled.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture {

/// The built-in data set: `train` + `test` RGB images of image_size x image_size pixels, twelve
/// classes in turn (image i is of class i mod 12). Image i of a split depends on (seed, split, i)
/// only: asking for more images adds to the ones there are.
/// Throws std::invalid_argument for negative counts, more than 10 million images, or an image size
/// outside [8, 1024].
[[nodiscard]] CONTEXTURE_FUNCTION Dataset builtin_dataset(Index train, Index test, Index image_size = 32,
                                                          std::uint64_t seed = 0);

/// Its images [first, first + count), of the training set or of the test set, without those before them.
[[nodiscard]] CONTEXTURE_FUNCTION ImageSet builtin_images(bool test, Index first, Index count, Index image_size = 32,
                                                          std::uint64_t seed = 0);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/builtin-inl.hpp"
#endif
