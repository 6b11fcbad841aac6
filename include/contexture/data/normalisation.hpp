// SPDX-License-Identifier: MIT
// Mean and deviation of the channels of a set, which batches are normalised by.
#pragma once

#include <span>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture {

/// Per channel, in units of 0 (black) to 1 (white): a batch holds (value - mean) / stddev.
struct Normalization {
  std::vector<float> mean;
  std::vector<float> stddev;
};

/// Mean and standard deviation of each channel over the images `indices`. A channel that is
/// constant gets a standard deviation of one grey level, so that it normalises to 0.
/// Throws std::invalid_argument when `indices` is empty or out of range.
[[nodiscard]] CONTEXTURE_FUNCTION Normalization channel_statistics(const ImageSet& set, std::span<const Index> indices);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/normalisation-inl.hpp"
#endif
