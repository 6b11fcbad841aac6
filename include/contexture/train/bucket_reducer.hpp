// SPDX-License-Identifier: MIT
// The Reducer of several processes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/bfloat16.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/train/reducer.hpp"

namespace contexture {

/// Adds up the gradients of a group's processes. All have the same parameters, in the same order; those without a
/// gradient in one process count as 0 there, those without one anywhere stay without.
class BucketReducer final : public Reducer {
 public:
  /// Numbers in a bucket, unless a parameter has more: 1 MiB. Smaller ones begin earlier and wait more often.
  static constexpr std::size_t kBucket = 262'144;
  /// In the last one to travel, behind which nothing is computed any more; each before it may have twice as many.
  static constexpr std::size_t kLastBucket = 16'384;

  /// `travel`: what is added up; bfloat16 halves the bytes, and rounds each gradient and each sum of two.
  BucketReducer(ProcessGroup& group, std::vector<NamedParameter<float>> parameters,
                Precision travel = Precision::float32, std::size_t bucket = kBucket)
      : group_(group),
        rounded_(travel == Precision::bfloat16),
        parameters_(detail::distinct(std::move(parameters))),
        places_(parameters_.size()) {
    std::size_t most = std::min(bucket, kLastBucket);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const std::size_t size = parameters_[i].variable.size();
      if (buckets_.empty() || buckets_.back().numbers + size > most) {
        if (!buckets_.empty()) most = std::min(bucket, 2 * most);
        buckets_.emplace_back();
      }
      buckets_.back().numbers += size;
      buckets_.back().parameters.push_back(i);
    }
    // Backward completes the last layers first.
    std::reverse(buckets_.begin(), buckets_.end());
    for (Bucket& b : buckets_) {
      std::reverse(b.parameters.begin(), b.parameters.end());
      std::size_t offset = 0;
      for (const std::size_t i : b.parameters) {
        places_[i] = {static_cast<std::size_t>(&b - buckets_.data()), offset};
        offset += parameters_[i].variable.size();
      }
      // Behind the gradients, how many processes have each.
      b.values = empty<float>({b.numbers + b.parameters.size()});
      if (rounded_) b.rounded = empty<bfloat16>(b.values.shape());
    }
    begin_step();
  }

  ~BucketReducer() override {
    for (Bucket& b : buckets_) require_done(b);
  }

  void ready(const void* leaf) override {
    if (leaves_.empty())
      for (std::size_t i = 0; i < parameters_.size(); ++i) {
        if (const void* const own = parameters_[i].variable.leaf())
          leaves_[own] = i;
        else
          ++buckets_[places_[i].bucket].ready;  // frozen: nothing to wait for
      }
    const auto found = leaves_.find(leaf);
    if (found == leaves_.end()) return;
    Bucket& bucket = buckets_[places_[found->second].bucket];
    put(found->second);
    ++bucket.ready;
    for (; next_ < buckets_.size() && buckets_[next_].ready == buckets_[next_].parameters.size(); ++next_)
      begin(buckets_[next_]);
    move_on();
  }

  void finish(float factor) override {
    for (; next_ < buckets_.size(); ++next_) {
      for (const std::size_t i : buckets_[next_].parameters) put(i);  // what backward did not come to, too
      begin(buckets_[next_]);
    }
    for (Bucket& bucket : buckets_) {
      bucket.pending->wait();
      bucket.pending = nullptr;
      if (rounded_)
        kernels::convert(bucket.rounded.data(), bucket.values.data(), static_cast<Index>(bucket.values.size()));
      take(bucket, factor);
    }
    begin_step();
  }

 private:
  struct Bucket {
    std::size_t numbers = 0;              // of gradients
    std::vector<std::size_t> parameters;  // in the order in which backward is expected to complete them
    std::size_t ready = 0;                // of those
    Tensor<float> values;
    Tensor<bfloat16> rounded;  // travels in place of `values` where rounded_
    std::unique_ptr<ProcessGroup::Pending> pending;
  };
  struct Place {
    std::size_t bucket = 0, offset = 0;
  };

  void begin_step() {
    next_ = 0;
    leaves_.clear();  // a parameter that was frozen and thawed is another leaf
    for (Bucket& b : buckets_) {
      b.ready = 0;
      std::fill_n(b.values.data(), b.values.size(), 0.0F);
    }
  }

  [[nodiscard]] float& holders(std::size_t i) {
    Bucket& bucket = buckets_[places_[i].bucket];
    const auto at = std::find(bucket.parameters.begin(), bucket.parameters.end(), i) - bucket.parameters.begin();
    return bucket.values.data()[bucket.numbers + static_cast<std::size_t>(at)];
  }

  void put(std::size_t i) {
    Variable<float>& variable = parameters_[i].variable;
    if (!variable.has_grad()) return;
    std::copy_n(variable.grad().data(), variable.size(), buckets_[places_[i].bucket].values.data() + places_[i].offset);
    holders(i) = 1;
  }

  void take(const Bucket& bucket, float factor) {
    for (const std::size_t i : bucket.parameters) {
      Variable<float>& variable = parameters_[i].variable;
      if (holders(i) == 0 || !variable.requires_grad()) continue;
      if (!variable.has_grad()) variable.set_grad(empty<float>(variable.shape()));
      const float* const from = bucket.values.data() + places_[i].offset;
      std::transform(from, from + variable.size(), variable.mutable_grad().data(),
                     [factor](float g) { return factor * g; });
    }
  }

  void begin(Bucket& bucket) {
    const std::size_t count = bucket.values.size();
    if (rounded_) kernels::convert(bucket.values.data(), bucket.rounded.data(), static_cast<Index>(count));
    bucket.pending = rounded_ ? group_.begin_sum(std::span(bucket.rounded.data(), count))
                              : group_.begin_sum(std::span(bucket.values.data(), count));
  }

  // Nothing else moves data while backward computes.
  void move_on() {
    for (std::size_t b = 0; b < next_; ++b)
      if (buckets_[b].pending != nullptr) (void)buckets_[b].pending->test();
  }

  // The memory of a sum under way is written to until it is done. Where it will not be, the group has said so already,
  // and the memory is left to it.
  static void require_done(Bucket& bucket) noexcept {
    if (bucket.pending == nullptr) return;
    try {
      bucket.pending->wait();
    } catch (...) {
      (void)bucket.pending.release();
      (void)new (std::nothrow) Tensor<float>(std::move(bucket.values));
      (void)new (std::nothrow) Tensor<bfloat16>(std::move(bucket.rounded));
    }
  }

  ProcessGroup& group_;
  bool rounded_;  // gradients travel as bfloat16
  std::vector<NamedParameter<float>> parameters_;
  std::vector<Place> places_;  // one a parameter
  std::vector<Bucket> buckets_;
  std::unordered_map<const void*, std::size_t> leaves_;  // -> parameter
  std::size_t next_ = 0;                                 // the bucket that travels next: all processes keep this order
};

}  // namespace contexture
