// SPDX-License-Identifier: MIT
// What the tasks on pairs of views have in common: two views of every image, a head on the mean of their
// features, who belongs to whom, and how often an embedding's nearest neighbour is its partner.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_batch.hpp"
#include "contexture/ssl/pretext_settings.hpp"
#include "contexture/ssl/view_options.hpp"
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

/// Scalar products of the rows (2N,D) with all rows of the batch, times `scale`, as self_similarity() gives them.
/// Where processes share the batch these are all processes' rows, and `partner` becomes their numbers among them.
template <class T>
[[nodiscard]] Variable<T> similarity_to_batch(const Variable<T>& rows, std::vector<std::int32_t>& partner,
                                              std::type_identity_t<T> scale) {
  if (shared_batch() == nullptr) return self_similarity(rows, scale);
  const GatheredRows<T> all = rows_of_batch(rows);
  for (std::int32_t& p : partner) p += static_cast<std::int32_t>(all.first);
  return cross_similarity(rows, all.rows, all.first, scale);
}

/// Embeddings (2N,D) whose partner has the largest cosine similarity to them of all others in the batch.
template <class T>
[[nodiscard]] Index retrieved_partners(const Variable<T>& embeddings, std::span<const std::int32_t> partner) {
  const NoGrad no_grad;
  std::vector<std::int32_t> right(partner.begin(), partner.end());
  const Variable<T> similarity = similarity_to_batch(normalize_rows(embeddings), right, T(1));
  return count_correct(similarity.value(), right);
}

/// A pretext task on pairs of views: all of it but the name and the loss.
template <class T>
class ViewPairTask : public PretextTask<T> {
 public:
  [[nodiscard]] double chance(Index batch_images) const override { return retrieval_chance(batch_images); }

  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, const BatchIndices& indices,
                                        const Rng& rng) const override {
    return sampler_.pairs(images, indices, rng);
  }

  /// The views' embeddings, (2N,output). Throws std::invalid_argument where the batch has one image: nothing to tell it
  /// from.
  [[nodiscard]] Variable<T> embed(Backbone<T>& encoder, const PretextBatch& batch) {
    require(batch.first.size() >= 2 || shared_batch() != nullptr, this->name(), ": a batch of ", batch.first.size(),
            " image, expected 2 or more");
    return head_(global_avg_pool(encoder(input_variable<T>(batch.inputs))));
  }

  [[nodiscard]] const ViewSampler& sampler() const { return sampler_; }

 protected:
  /// What the tasks differ in, besides their loss.
  struct Parts {
    const char* head_name;  ///< before the names of the head's parameters, and of its stream
    const ViewOptions& views;
    const MlpHeadOptions& head;
  };

  ViewPairTask(const Parts& parts, const PretextImages& images, const Backbone<T>& encoder, const Rng& rng)
      : sampler_(parts.views, images.height, images.width, images.channels, images.normalization),
        head_name_(parts.head_name),
        head_(encoder.feature_channels(), parts.head, rng.split(parts.head_name)) {
    detail::require_channels(parts.head_name, images, encoder);
  }

  void visit(ModuleVisitor<T>& v) override { v.child(head_name_, head_); }

 private:
  ViewSampler sampler_;
  const char* head_name_;
  MlpHead<T> head_;
};

/// Views of five eighths of the image's sides, 20 of 32 px: two of them cost 0.8 of what the image does.
[[nodiscard]] inline ViewOptions view_pair_defaults(const PretextImages& images) {
  ViewOptions options = view_defaults(images.channels, images.flip);
  options.height = (5 * images.height + 4) / 8;
  options.width = (5 * images.width + 4) / 8;
  return options;
}

/// The settings of a head that projects to so many numbers.
[[nodiscard]] inline std::vector<PretextSetting> projection_head_settings(MlpHeadOptions& o) {
  return joined(mlp_head_settings(o),
                {number_option("head-output", "numbers in the embedding of a view", o.output, 1, 65536)});
}

}  // namespace contexture
