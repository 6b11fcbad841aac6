// SPDX-License-Identifier: MIT
// Where the gradients of several processes meet. The loop tells a Reducer of each gradient that backward has completed,
// and asks for all of them before the optimiser takes its step. For one process there is nothing to do; for several,
// gradients travel in buckets, each as soon as it is full, while backward goes on with the layers before.
#pragma once

#include <memory>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

/// The seam where gradients of several processes meet. This one does nothing: there is one process.
class Reducer {
 public:
  virtual ~Reducer() = default;
  /// The gradient of this leaf (Variable::leaf()) is complete, as far as this process goes. Called within backward.
  virtual void ready(const void* /*leaf*/) {}
  /// Backward is over; when this returns, gradients are `factor` times those of all processes.
  virtual void finish(float /*factor*/) {}
};

/// What a group needs.
[[nodiscard]] CONTEXTURE_FUNCTION std::unique_ptr<Reducer> make_reducer(ProcessGroup& group,
                                                                        std::vector<NamedParameter<float>> parameters,
                                                                        Precision travel);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/train/reducer-inl.hpp"
#endif
