// SPDX-License-Identifier: MIT
// LibTorch's side of a training step, behind an interface that mentions neither library, since their
// headers do not go together.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace contexture::benchmarks {

/// A tensor in our layout: images (N,H,W,C), kernels (R,S,C,K), matrices (inputs, outputs).
struct TensorView {
  std::vector<std::int64_t> shape = {};
  const float* data = nullptr;
};

/// A residual block of the encoder.
struct TorchBlock {
  std::int64_t stride;
  bool shortcut;  ///< a 1x1 convolution with batch-norm; else the input itself
};

/// What a step works on, besides the parameters.
struct TorchProblem {
  std::vector<TorchBlock> blocks = {};
  TensorView inputs = {};                  ///< images, patches or views (N,H,W,3)
  std::vector<std::int32_t> targets = {};  ///< one an image, or one a pair; SimCLR: of every view, the row of the other
  std::vector<std::int32_t> first = {};    ///< context prediction only: rows of the inputs
  std::vector<std::int32_t> second = {};
  std::vector<float> class_weights = {};  ///< of the loss; empty: all 1
  float dropout = 0;                      ///< context prediction only
  float temperature = 0;                  ///< SimCLR only
  bool channels_last = false;             ///< memory format of images and weights
  bool bfloat16 = false;                  ///< autocast to it
};

/// The same network as ours with ClassifierHead, with ContextHead where the problem has pairs, or with SimCLR's where
/// it has a temperature, written as a PyTorch user would write it: in-place ReLU, fused native batch-norm, oneDNN's
/// convolutions, torch::optim::SGD with Nesterov momentum; in mixed precision forward and loss under autocast.
class TorchPeer {
 public:
  /// Parameters are copied, in the order in which our modules list them.
  TorchPeer(const TorchProblem& problem, const std::vector<TensorView>& parameters);
  ~TorchPeer();
  TorchPeer(const TorchPeer&) = delete;
  TorchPeer& operator=(const TorchPeer&) = delete;

  /// One step: forward, backward, update.
  void train(double lr);
  /// Forward in evaluation mode, without gradients.
  void infer();
  /// Logits of the last forward pass of train(); of SimCLR the unit embeddings.
  [[nodiscard]] std::vector<float> output() const;
  /// Parameter i now, and its gradient of the last step, in our layout.
  [[nodiscard]] std::vector<float> parameter(std::size_t i) const;
  [[nodiscard]] std::vector<float> gradient(std::size_t i) const;

  static void set_threads(int threads);

 private:
  struct Network;
  std::unique_ptr<Network> network_;
};

}  // namespace contexture::benchmarks
