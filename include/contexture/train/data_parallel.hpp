// SPDX-License-Identifier: MIT
// What the training loop does because other processes train the same module on other parts of each batch: all begin
// with the first one's weights, have one loss and one set of counts, stop and save together, and stay the same bit by
// bit. Every method is collective, and does nothing where there is one process.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
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
        expected_weight_(static_cast<double>(images_per_step)),
        share_norm_(options.share_norm.value_or(images_per_step / group_.size() < kImagesForOwnNorm)) {}

  // As a BucketReducer: numbers under way are written to until they are there.
  ~DataParallel() {
    if (pending_ == nullptr) return;
    try {
      pending_->wait();
    } catch (...) {
      (void)pending_.release();
      (void)new (std::nothrow) std::vector<double>(std::move(numbers_));
    }
  }
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

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

  // What backward() is to tell of complete gradients: these travel while it goes on.
  [[nodiscard]] LeafObserver observer() {
    return several() ? LeafObserver([this](const void* leaf) { reducer_->ready(leaf); }) : LeafObserver();
  }

  // Whether any process wants to stop, and whether the first wants to save.
  struct Wishes {
    bool stop = false, save = false;
  };

  // After forward. Returns what backward is to begin with: this process's share of the batch's loss, but for the factor
  // that finish_step() knows. Numbers travel meanwhile: loss and counts, wishes, and running statistics that are each
  // process's own.
  float begin_step(const LossSums& own, const Wishes& wishes) {
    if (!several()) return 1;
    numbers_ = {own.weight * own.loss,
                own.weight,
                static_cast<double>(own.correct),
                static_cast<double>(own.examples),
                wishes.stop ? 1.0 : 0.0,
                wishes.save && group_.rank() == 0 ? 1.0 : 0.0};
    if (!share_norm_)
      for (const NamedBuffer<float>& buffer : module_.buffers())
        numbers_.insert(numbers_.end(), buffer.tensor->data(), buffer.tensor->data() + buffer.tensor->size());
    pending_ = group_.begin_sum(std::span(numbers_));
    return static_cast<float>(own.weight / expected_weight_);
  }

  // After backward: `sums` become the batch's, gradients the sums of all processes', running statistics their mean.
  void finish_step(LossSums& sums) {
    if (!several()) return;
    pending_->wait();
    pending_ = nullptr;
    const double weight = numbers_[1];
    sums = {weight > 0 ? numbers_[0] / weight : numbers_[0], weight, static_cast<std::int64_t>(numbers_[2]),
            static_cast<std::int64_t>(numbers_[3])};
    agreed_ = {numbers_[4] > 0, numbers_[5] > 0};
    reducer_->finish(weight > 0 ? static_cast<float>(expected_weight_ / weight) : 0.0F);
    if (share_norm_) return;
    std::size_t at = kNumbers;
    for (const NamedBuffer<float>& buffer : module_.buffers())
      for (std::size_t i = 0; i < buffer.tensor->size(); ++i)
        buffer.tensor->data()[i] = static_cast<float>(numbers_[at++] / group_.size());
  }

  // What all know of each other's wishes: those at the last step. One process knows its own.
  [[nodiscard]] Wishes agreed(const Wishes& own) const { return several() ? agreed_ : own; }

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
  double expected_weight_;  // of a batch; what it is, is known after backward
  bool share_norm_;
  static constexpr std::size_t kNumbers = 6;
  std::vector<double> numbers_;  // those, then running statistics
  std::unique_ptr<ProcessGroup::Pending> pending_;
  Wishes agreed_;
};

}  // namespace detail
}  // namespace contexture
