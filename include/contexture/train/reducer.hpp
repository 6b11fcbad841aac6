// SPDX-License-Identifier: MIT
// Where the gradients of several processes meet. The loop tells a Reducer of each gradient that backward has completed,
// and asks for all of them before the optimiser takes its step. For one process there is nothing to do; for several,
// gradients travel in buckets, each as soon as it is full, while backward goes on with the layers before.
#pragma once

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

}  // namespace contexture
