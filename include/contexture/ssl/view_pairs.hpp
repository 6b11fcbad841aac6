// What the tasks on pairs of views have in common: two views of every image, a head on the mean of their
// features, who belongs to whom, and how often an embedding's nearest neighbour is its partner.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_batch.hpp"
#include "contexture/ssl/views.hpp"

namespace contexture {

/// Chance that the most similar one of the other 2 * images - 1 views is the partner.
[[nodiscard]] inline double retrieval_chance(Index images) {
  require(images >= 1, "retrieval_chance: ", images, " images, expected 1 or more");
  return 1.0 / static_cast<double>(2 * images - 1);
}

/// Of every row of the batch's inputs, the row of its partner. Throws std::invalid_argument unless
/// `first` and `second` name every row once.
[[nodiscard]] inline std::vector<std::int32_t> view_partners(const PretextBatch& batch) {
  const auto rows = static_cast<std::int32_t>(batch.inputs.shape()[0]);
  require(batch.first.size() == batch.second.size() && 2 * batch.first.size() == static_cast<std::size_t>(rows),
          "view_partners: ", batch.first.size(), " first and ", batch.second.size(), " second views of ", rows,
          ", expected half of them each");
  std::vector<std::int32_t> partner(static_cast<std::size_t>(rows), -1);
  const auto join = [&](std::int32_t a, std::int32_t b) {
    require(a >= 0 && a < rows && b != a && partner[static_cast<std::size_t>(a)] < 0, "view_partners: row ", a, " of ",
            rows, " paired with row ", b, ", expected each row once");
    partner[static_cast<std::size_t>(a)] = b;
  };
  for (std::size_t k = 0; k < batch.first.size(); ++k) {
    join(batch.first[k], batch.second[k]);
    join(batch.second[k], batch.first[k]);
  }
  return partner;
}

/// Embeddings (2N,D) whose partner has the largest cosine similarity to them of all others.
template <class T>
[[nodiscard]] Index retrieved_partners(const Variable<T>& embeddings, std::span<const std::int32_t> partner) {
  const NoGrad no_grad;
  return count_correct(self_similarity(normalize_rows(embeddings), T(1)).value(), partner);
}

/// A pretext task on pairs of views: all of it but the name and the loss.
template <class T>
class ViewPairTask : public PretextTask<T> {
 public:
  [[nodiscard]] double chance() const override { return retrieval_chance(batch_images_); }

  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, std::span<const Index> indices,
                                        const Rng& rng) const override {
    return sampler_.pairs(images, indices, rng);
  }

  /// The views' embeddings, (2N,output). Throws std::invalid_argument where N is 1: nothing to tell an image from.
  [[nodiscard]] Variable<T> embed(Backbone<T>& encoder, const PretextBatch& batch) {
    require(batch.first.size() >= 2, this->name(), ": a batch of ", batch.first.size(), " image, expected 2 or more");
    return head_.head(global_avg_pool(encoder(input_variable<T>(batch.inputs))));
  }

  [[nodiscard]] Module<T>& head() override { return head_; }
  [[nodiscard]] const ViewSampler& sampler() const { return sampler_; }

 protected:
  // The head's parameters are named `head_name` and a dot; batch_images: images of a batch that is evaluated.
  ViewPairTask(ViewSampler sampler, const Backbone<T>& encoder, const char* head_name, const MlpHeadOptions& head,
               Index batch_images, const Rng& rng)
      : sampler_(std::move(sampler)),
        head_(head_name, encoder.feature_channels(), head, rng.split(head_name)),
        batch_images_(batch_images) {
    require(batch_images >= 2, head_name, ": batches of ", batch_images, " images, expected 2 or more");
  }

 private:
  ViewSampler sampler_;
  NamedMlpHead<T> head_;
  Index batch_images_;
};

}  // namespace contexture
