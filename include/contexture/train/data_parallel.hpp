// SPDX-License-Identifier: MIT
// What the training loop does because other processes train the same module on other parts of each batch: all begin
// with the first one's weights, have one loss and one set of counts, stop and save together, and stay the same bit by
// bit. Every method is collective, and does nothing where there is one process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/train/reducer.hpp"

namespace contexture {

namespace detail {

// A loss, what its mean was divided by, and answers: of a process, then of the whole batch.
struct LossSums {
  double loss = 0, weight = 0;
  std::int64_t correct = 0, examples = 0;
};

class DataParallel {
 public:
  CONTEXTURE_FUNCTION DataParallel(Module<float>& module, std::int64_t images_per_step, const ProcessOptions& options);

  // As a BucketReducer: numbers under way are written to until they are there.
  CONTEXTURE_FUNCTION ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  [[nodiscard]] bool several() const { return group_.size() > 1; }
  [[nodiscard]] bool share_norm() const { return several() && share_norm_; }
  [[nodiscard]] Part part() const { return part_of(group_); }

  // All go on with the first one's weights. Throws std::invalid_argument where they are at different steps.
  CONTEXTURE_FUNCTION void begin(Optimizer<float>& optimizer, std::int64_t step);

  // What backward() is to tell of complete gradients: these travel while it goes on.
  [[nodiscard]] CONTEXTURE_FUNCTION LeafObserver observer();

  // Whether any process wants to stop, and whether the first wants to save.
  struct Wishes {
    bool stop = false, save = false;
  };

  // After forward. Returns what backward is to begin with: this process's share of the batch's loss, but for the factor
  // that finish_step() knows. Numbers travel meanwhile: loss and counts, wishes, and running statistics that are each
  // process's own.
  CONTEXTURE_FUNCTION float begin_step(const LossSums& own, const Wishes& wishes);

  // After backward: `sums` become the batch's, gradients the sums of all processes', running statistics their mean.
  CONTEXTURE_FUNCTION void finish_step(LossSums& sums);

  // What all know of each other's wishes: those at the last step. One process knows its own.
  [[nodiscard]] Wishes agreed(const Wishes& own) const { return several() ? agreed_ : own; }

  // Throws std::runtime_error where a process's weights are no longer the first one's.
  CONTEXTURE_FUNCTION void require_same_weights(std::int64_t step);

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

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/train/data_parallel-inl.hpp"
#endif
