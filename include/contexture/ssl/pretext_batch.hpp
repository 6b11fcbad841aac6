// SPDX-License-Identifier: MIT
// What a pretext task trains on in one step, as plain data: made on the prefetch thread from 8-bit
// images, used by the training thread. It knows neither models nor losses.
#pragma once

#include <cstdint>
#include <vector>

#include "contexture/core/tensor.hpp"

namespace contexture {

/// One step's work of a pretext task. A task uses the fields that it needs:
///   one input, one answer (rotation)                inputs, targets
///   two inputs, one answer (context prediction)     inputs, first, second, targets
///   four inputs in a row, one answer (jigsaw)       inputs, first, targets
///   two views that belong together (contrastive)    inputs, first, second
///   several tasks on one trunk                      parts, one batch a task
struct PretextBatch {
  Tensor<float> inputs;               ///< (N,h,w,C), encoded once each
  std::vector<std::int32_t> first;    ///< rows of `inputs`, one an example
  std::vector<std::int32_t> second;   ///< rows of `inputs`, as many
  std::vector<std::int32_t> targets;  ///< class numbers, one an example
  Index images = 0;                   ///< images the batch was made from, for throughput
  Index skipped = 0;                  ///< examples left out because nothing can be learnt from them
  std::vector<PretextBatch> parts;    ///< of a task that is made of tasks
};

}  // namespace contexture
