// SPDX-License-Identifier: MIT
// Several pretext tasks on one encoder: every step answers each of them, and the losses are added up.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/pretext.hpp"

namespace contexture {

/// One task of a JointTask.
template <class T>
struct JointPart {
  std::unique_ptr<PretextTask<T>> task;
  double weight = 1;  ///< of its loss in the sum
};

/// The weighted sum of the parts' losses, from the same images. Every part makes its own batch and runs the
/// encoder on it, so that batch-norm takes its statistics part by part. Accuracy, chance and what would be
/// suspicious are the first part's.
template <class T>
class JointTask final : public PretextTask<T> {
 public:
  /// Throws std::invalid_argument without parts, or for a weight that is not positive.
  explicit JointTask(std::vector<JointPart<T>> parts) : parts_(std::move(parts)) {
    require(!parts_.empty(), "JointTask: no parts");
    for (const JointPart<T>& part : parts_)
      require(part.task != nullptr && part.weight > 0, "JointTask: part of weight ", part.weight,
              ", expected a task and more than 0");
  }

  [[nodiscard]] std::string name() const override {
    std::string names;
    for (const JointPart<T>& part : parts_) names += (names.empty() ? "" : " + ") + part.task->name();
    return names;
  }
  [[nodiscard]] double chance(Index batch_images) const override { return parts_.front().task->chance(batch_images); }
  [[nodiscard]] double suspicious_accuracy() const override { return parts_.front().task->suspicious_accuracy(); }

  /// Part i's batch is parts[i], drawn from rng.split(i).
  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, const BatchIndices& indices,
                                        const Rng& rng) const override {
    PretextBatch batch;
    batch.images = static_cast<Index>(indices.size());
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      batch.parts.push_back(parts_[i].task->make_batch(images, indices, rng.split(i)));
      batch.skipped += batch.parts.back().skipped;
    }
    return batch;
  }

  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    require(batch.parts.size() == parts_.size(), "JointTask: a batch of ", batch.parts.size(), " parts for ",
            parts_.size(), " tasks");
    PretextLoss<T> total;
    for (std::size_t i = 0; i < batch.parts.size(); ++i)
      total.parts.push_back(parts_[i].task->loss(encoder, batch.parts[i]));
    const std::vector<double> factors = weigh_processes(total);
    for (std::size_t i = 0; i < batch.parts.size(); ++i) {
      const Variable<T> weighted = scale(total.parts[i].loss, static_cast<T>(parts_[i].weight * factors[i]));
      total.loss = i == 0 ? weighted : add(total.loss, weighted);
    }
    total.correct = total.parts.front().correct;
    total.count = total.parts.front().count;
    return total;
  }

  /// The first part's.
  [[nodiscard]] PretextPicture picture(const ImageSet& images, Index image, const Rng& rng) const override {
    return parts_.front().task->picture(images, image, rng);
  }

  [[nodiscard]] std::size_t size() const { return parts_.size(); }
  [[nodiscard]] PretextTask<T>& part(std::size_t i) { return *parts_.at(i).task; }

 protected:
  /// Part i is below "part<i>.", counted from 0.
  void visit(ModuleVisitor<T>& v) override {
    for (std::size_t i = 0; i < parts_.size(); ++i) v.child("part" + std::to_string(i), *parts_[i].task);
  }

 private:
  // Where processes share a batch, each part's mean over them goes by other weights, but a loss has one. So every
  // process weighs 1, and its parts' losses get the factors that are returned.
  static std::vector<double> weigh_processes(PretextLoss<T>& total) {
    std::vector<double> factors(total.parts.size(), 1.0);
    ProcessGroup* const group = shared_batch();
    if (group == nullptr) return factors;
    for (std::size_t i = 0; i < factors.size(); ++i) factors[i] = total.parts[i].mean_weight();
    std::vector<double> sums = factors;
    group->sum(sums);
    for (std::size_t i = 0; i < factors.size(); ++i)
      factors[i] *= sums[i] > 0 ? static_cast<double>(group->size()) / sums[i] : 0.0;
    total.weight = 1;
    return factors;
  }

  std::vector<JointPart<T>> parts_;
};

}  // namespace contexture
