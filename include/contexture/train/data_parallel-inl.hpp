// SPDX-License-Identifier: MIT
// How train/data_parallel.hpp keeps processes together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/fingerprint.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/train/bucket_reducer.hpp"
#include "contexture/train/data_parallel.hpp"

namespace contexture::detail {

// What a group needs.
[[nodiscard]] CONTEXTURE_FUNCTION std::unique_ptr<Reducer> make_reducer(ProcessGroup& group, Module<float>& module,
                                                                        Precision travel) {
  if (group.size() == 1) return std::make_unique<Reducer>();
  return std::make_unique<BucketReducer>(group, module.parameters(), travel);
}

CONTEXTURE_FUNCTION DataParallel::DataParallel(Module<float>& module, std::int64_t images_per_step,
                                               const ProcessOptions& options)
    : module_(module),
      reducer_(make_reducer(group_, module, options.gradients)),
      expected_weight_(static_cast<double>(images_per_step)),
      share_norm_(options.share_norm.value_or(images_per_step / group_.size() < kImagesForOwnNorm)) {}

CONTEXTURE_FUNCTION DataParallel::~DataParallel() {
  if (pending_ == nullptr) return;
  try {
    pending_->wait();
  } catch (...) {
    (void)pending_.release();
    (void)new (std::nothrow) std::vector<double>(std::move(numbers_));
  }
}

CONTEXTURE_FUNCTION void DataParallel::begin(Optimizer<float>& optimizer, std::int64_t step) {
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

CONTEXTURE_FUNCTION LeafObserver DataParallel::observer() {
  return several() ? LeafObserver([this](const void* leaf) { reducer_->ready(leaf); }) : LeafObserver();
}

CONTEXTURE_FUNCTION float DataParallel::begin_step(const LossSums& own, const Wishes& wishes) {
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

CONTEXTURE_FUNCTION void DataParallel::finish_step(LossSums& sums) {
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

CONTEXTURE_FUNCTION void DataParallel::require_same_weights(std::int64_t step) {
  if (!several()) return;
  Fingerprint print;
  for (const auto& [name, tensor] : state_tensors(module_)) print.add(tensor->data(), tensor->size() * sizeof(float));
  const std::vector<std::string> prints = gather_texts(group_, print.text());
  for (std::size_t r = 0; r < prints.size(); ++r)
    if (prints[r] != prints[0])
      throw std::runtime_error(message("weights of process ", r, " differ from those of process 0 at step ", step,
                                       ": do both compute with the same instruction set and BLAS library?"));
}

}  // namespace contexture::detail
