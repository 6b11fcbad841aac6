// SPDX-License-Identifier: MIT
// What the training loop does because other processes train the same module on other parts of each batch: all begin
// with the first one's weights, have one loss and one set of counts, stop and save together, and stay the same bit by
// bit. Every method is collective, and does nothing where there is one process.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/fingerprint.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/train/reducer.hpp"

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

namespace detail {

// A loss, what its mean was divided by, and answers: of a process, then of the whole batch.
struct LossSums {
  double loss = 0, weight = 0;
  std::int64_t correct = 0, examples = 0;
};

class DataParallel {
 public:
  DataParallel(Module<float>& module, std::int64_t images_per_step, const ProcessOptions& options)
      : module_(module),
        reducer_(make_reducer(group_, module.parameters(), options.gradients)),
        share_norm_(options.share_norm.value_or(images_per_step / group_.size() < kImagesForOwnNorm)) {}

  [[nodiscard]] bool several() const { return group_.size() > 1; }
  [[nodiscard]] bool share_norm() const { return several() && share_norm_; }
  [[nodiscard]] Part part() const { return part_of(group_); }

  // All go on with the first one's weights. Throws std::invalid_argument where they are at different steps.
  void begin(Optimizer<float>& optimizer, std::int64_t step) {
    if (!several()) return;
    const std::vector<std::int64_t> steps = gather_value(group_, step);
    for (std::size_t r = 0; r < steps.size(); ++r)
      require(steps[r] == steps[0], "fit: process ", r, " would go on from step ", steps[r], ", process 0 from step ",
              steps[0]);
    for (const auto& [name, tensor] : state_tensors(module_))
      take_from_first(group_, std::span(tensor->data(), tensor->size()));
    for (const auto& [name, tensor] : state_tensors(optimizer))
      take_from_first(group_, std::span(tensor->data(), tensor->size()));
  }

  // What backward() is to tell of complete gradients, and when it is over; in between they travel.
  [[nodiscard]] LeafObserver observer() {
    return several() ? LeafObserver([this](const void* leaf) { reducer_->ready(leaf); }) : LeafObserver();
  }
  void finish_gradients() { reducer_->finish(); }

  // Turns this process's sums into the batch's; returns the factor of this process's loss in the batch's.
  double add_up(LossSums& sums) {
    if (!several()) return 1;
    const double own = sums.weight;
    double numbers[4] = {own * sums.loss, own, static_cast<double>(sums.correct), static_cast<double>(sums.examples)};
    group_.sum(numbers);
    sums = {numbers[1] > 0 ? numbers[0] / numbers[1] : numbers[0], numbers[1], static_cast<std::int64_t>(numbers[2]),
            static_cast<std::int64_t>(numbers[3])};
    return numbers[1] > 0 ? own / numbers[1] : 0.0;
  }

  // Whether any process wants the one, and whether the first wants the other.
  struct Wishes {
    bool stop = false, save = false;
  };
  [[nodiscard]] Wishes agree(const Wishes& own) {
    if (!several()) return own;
    double numbers[2] = {own.stop ? 1.0 : 0.0, own.save && group_.rank() == 0 ? 1.0 : 0.0};
    group_.sum(numbers);
    return {numbers[0] > 0, numbers[1] > 0};
  }

  // Running statistics that are each process's own become their mean.
  void after_step() {
    if (!several() || share_norm_) return;
    std::vector<double> values;
    for (const NamedBuffer<float>& buffer : module_.buffers())
      values.insert(values.end(), buffer.tensor->data(), buffer.tensor->data() + buffer.tensor->size());
    if (values.empty()) return;
    group_.sum(values);
    std::size_t at = 0;
    for (const NamedBuffer<float>& buffer : module_.buffers())
      for (std::size_t i = 0; i < buffer.tensor->size(); ++i)
        buffer.tensor->data()[i] = static_cast<float>(values[at++] / group_.size());
  }

  // Throws std::runtime_error where a process's weights are no longer the first one's.
  void require_same_weights(std::int64_t step) {
    if (!several()) return;
    Fingerprint print;
    for (const auto& [name, tensor] : state_tensors(module_)) print.add(tensor->data(), tensor->size() * sizeof(float));
    const std::vector<std::string> prints = gather_texts(group_, print.text());
    for (std::size_t r = 0; r < prints.size(); ++r)
      if (prints[r] != prints[0])
        throw std::runtime_error(message("weights of process ", r, " differ from those of process 0 at step ", step,
                                         ": do both compute with the same instruction set and BLAS library?"));
  }

  // The first process's, for what may differ in last bits.
  template <class V>
  [[nodiscard]] V first(const V& value) {
    return of_first(group_, value);
  }

 private:
  ProcessGroup& group_ = process_group();
  Module<float>& module_;
  std::unique_ptr<Reducer> reducer_;
  bool share_norm_;
};

}  // namespace detail
}  // namespace contexture
