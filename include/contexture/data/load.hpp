// SPDX-License-Identifier: MIT
// One call for every data set: finds out what a path holds and loads it. docs/data.md describes the
// formats. Not part of the umbrella header: decoding images costs compile time.
#pragma once

#include <string>

#include "contexture/core/compiled.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture {

/// Loads `what`: "builtin" for the data set that is drawn on the spot, otherwise a folder with
///  - IDX files of MNIST or Fashion-MNIST, plain or .gz,
///  - the binary files of CIFAR-10, CIFAR-100 or STL-10 (or the folder their archive unpacks to), or
///  - images (see read_image_file()): `train/<class>/...`, `test/<class>/...`, `unlabeled/...`; or `<class>/...` alone;
///  or,
///    where options.labels is off, any tree of images.
/// All images come out in one size, options.image_size square if that is not 0. Throws InputError
/// with one line that names file, place and what was expected; std::invalid_argument for an image
/// size outside 0, 4 to 1024. How a folder was read is told in Dataset::notes, what was left out in Dataset::account.
[[nodiscard]] CONTEXTURE_FUNCTION Dataset load_dataset(const std::string& what, const DataOptions& options = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/load-inl.hpp"
#endif
