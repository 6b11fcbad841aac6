// SPDX-License-Identifier: MIT
// How several processes train together, and where their gradients meet. The loop tells a Reducer of each gradient that
// backward has completed, and asks for all of them before the optimiser takes its step. For one process there is
// nothing to do; for several, gradients travel in buckets, each as soon as it is full, while backward goes on with the
// layers before.
#pragma once

#include <cstdint>
#include <optional>

#include "contexture/core/precision.hpp"

namespace contexture {

/// Images of a batch that each process has at least where it normalises them by their own statistics: with fewer,
/// statistics of the whole batch are better (Wu and He, arXiv 1803.08494, figure 1).
inline constexpr std::int64_t kImagesForOwnNorm = 32;

/// How several processes train together; one does not feel it.
struct ProcessOptions {
  /// Batch normalisation sees the whole batch, else each process its part. Without: it does where a process has fewer
  /// than kImagesForOwnNorm images.
  std::optional<bool> share_norm = {};
  /// What gradients travel in. bfloat16 halves the bytes, and rounds each gradient and each sum of two.
  Precision gradients = Precision::float32;
};

/// The seam where gradients of several processes meet. This one does nothing: there is one process.
class Reducer {
 public:
  virtual ~Reducer() = default;
  /// The gradient of this leaf (Variable::leaf()) is complete, as far as this process goes. Called within backward.
  virtual void ready(const void* /*leaf*/) {}
  /// Backward is over; when this returns, gradients are `factor` times those of all processes.
  virtual void finish(float /*factor*/) {}
};

}  // namespace contexture
