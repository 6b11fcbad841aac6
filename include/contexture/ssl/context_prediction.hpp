// Context prediction as a pretext task (Doersch, Gupta and Efros, ICCV 2015, arXiv 1505.05192): given
// two neighbouring patches of an image, in which of the eight directions does the second lie from
// the first? Every patch is encoded once, and pairs are formed from the features by index.
// docs/context-prediction.md has the maths, every option and where this departs from the paper.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/ssl/patch_sampler.hpp"
#include "contexture/ssl/pretext.hpp"

namespace contexture {

static_assert(kContextDirections == kDirections);

/// How a patch's feature map (h,w,F) becomes the vector that the head compares.
enum class PatchReadout {
  average,  ///< mean over positions, F numbers: as a classifier reads it; where in the patch something
            ///< is must be in the features themselves
  flatten   ///< all h*w*F numbers, as the paper's fc6: the head sees positions, and may match what
            ///< runs over the patch's border
};

[[nodiscard]] constexpr const char* to_string(PatchReadout readout) {
  return readout == PatchReadout::average ? "average" : "flatten";
}

/// The read-out of that name. Throws std::invalid_argument for any other text.
[[nodiscard]] inline PatchReadout patch_readout(std::string_view name) {
  if (name == "flatten") return PatchReadout::flatten;
  require(name == "average", "patch read-out '", name, "', expected average or flatten");
  return PatchReadout::average;
}

/// What the head and the loss of context prediction can be told.
struct ContextPredictionOptions {
  PatchReadout readout = PatchReadout::average;
  ContextHeadOptions head = {};
  double label_smoothing = 0;  ///< in [0, 1)
};

template <class T>
class ContextPrediction final : public PretextTask<T> {
 public:
  /// For images of this size and an encoder like this one (only its sizes are used). Throws
  /// std::invalid_argument where the images have no room for the grid, or the encoder takes another
  /// number of channels.
  ContextPrediction(const ContextOptions& context, Index height, Index width, const Backbone<T>& encoder,
                    const ContextPredictionOptions& options, const Rng& rng)
      : sampler_(context, height, width, encoder.description().in_channels),
        options_(options),
        head_(feature_count(context, encoder, options), options.head, rng.split("context_head")) {
    for (const double weight : sampler_.direction_weights()) weights_.push_back(static_cast<T>(weight));
  }

  [[nodiscard]] std::string name() const override { return "context prediction"; }
  [[nodiscard]] double chance() const override { return sampler_.chance(); }
  /// Natural images give 40 to 50 % honestly; ports that leak report 79 to 97 %.
  [[nodiscard]] double suspicious_accuracy() const override { return 0.6; }

  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, std::span<const Index> indices,
                                        const Rng& rng) const override {
    return sampler_.sample(images, indices, rng);
  }

  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    const Variable<T> scores = logits(encoder, batch);
    return {softmax_cross_entropy<T>(scores, batch.targets,
                                     {.class_weights = weights_, .label_smoothing = options_.label_smoothing}),
            count_correct(scores.value(), batch.targets), static_cast<Index>(batch.targets.size())};
  }

  /// Scores (pairs, 8) of the directions, from once-encoded patches.
  [[nodiscard]] Variable<T> logits(Backbone<T>& encoder, const PretextBatch& batch) {
    const Variable<T> map = encoder(input_variable<T>(batch.inputs));
    return head_.head.forward(features(map), batch.first, batch.second);
  }

  /// The head's parameters are named "context_head.".
  [[nodiscard]] Module<T>& head() override { return head_; }
  [[nodiscard]] const PatchSampler& sampler() const { return sampler_; }
  [[nodiscard]] const ContextPredictionOptions& options() const { return options_; }

 private:
  struct NamedHead final : Module<T> {
    NamedHead(Index features, const ContextHeadOptions& options, const Rng& rng) : head(features, options, rng) {}
    void visit(ModuleVisitor<T>& v) override { v.child("context_head", head); }
    ContextHead<T> head;
  };

  static Index feature_count(const ContextOptions& context, const Backbone<T>& encoder,
                             const ContextPredictionOptions& options) {
    if (options.readout == PatchReadout::average) return encoder.feature_channels();
    const Index extent = encoder.feature_extent(context.patch);
    return extent * extent * encoder.feature_channels();
  }

  [[nodiscard]] Variable<T> features(const Variable<T>& map) const {
    if (options_.readout == PatchReadout::average) return global_avg_pool(map);
    const Shape& shape = map.shape();
    return reshape(map, {shape[0], shape[1] * shape[2] * shape[3]});
  }

  PatchSampler sampler_;
  ContextPredictionOptions options_;
  NamedHead head_;
  std::vector<T> weights_;  // one a direction
};

}  // namespace contexture
