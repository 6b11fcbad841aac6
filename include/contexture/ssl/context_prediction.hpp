// SPDX-License-Identifier: MIT
// Context prediction as a pretext task (Doersch, Gupta and Efros, ICCV 2015, arXiv 1505.05192): given
// two neighbouring patches of an image, in which of the eight directions does the second lie from
// the first? Every patch is encoded once, and pairs are formed from the features by index.
// docs/context-prediction.md has the maths, every option and where this departs from the paper.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/context_head.hpp"
#include "contexture/ssl/patch_options.hpp"
#include "contexture/ssl/patch_sampler.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

/// How a patch's feature map (h,w,F) becomes the vector that the head compares.
enum class PatchReadout {
  average,  ///< mean over positions, F numbers: as a classifier reads it; where in the patch something
            ///< is must be in the features themselves
  flatten   ///< all h*w*F numbers, as the paper's fc6: the head sees positions, and may match what
            ///< runs over the patch's border
};

/// How patches are cut, and what the head and the loss can be told.
struct ContextPredictionOptions {
  PatchOptions patches = {};
  PatchReadout readout = PatchReadout::average;
  ContextHeadOptions head = {};
  double label_smoothing = 0;  ///< in [0, 1)
};

/// Context prediction (Doersch, Gupta and Efros, ICCV 2015): in which of eight directions one patch lies from another.
template <class T>
class ContextPrediction final : public PretextTask<T> {
 public:
  /// For images of this size and an encoder like this one (only its sizes are used). Throws std::invalid_argument where
  /// the images have no room for the grid, or the encoder takes another number of channels.
  ContextPrediction(const ContextPredictionOptions& options, const PretextImages& images, const Backbone<T>& encoder,
                    const Rng& rng);
  ~ContextPrediction() override;
  [[nodiscard]] std::string name() const override { return "context prediction"; }
  [[nodiscard]] double chance(Index /*batch_images*/) const override { return sampler_.chance(); }

  /// Natural images give 40 to 50 % honestly; ports that leak report 79 to 97 %.
  [[nodiscard]] double suspicious_accuracy() const override { return 0.6; }
  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, const BatchIndices& indices,
                                        const Rng& rng) const override;
  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override;

  /// Scores (pairs, 8) of the directions, from once-encoded patches.
  [[nodiscard]] Variable<T> logits(Backbone<T>& encoder, const PretextBatch& batch);

  /// Where the patches were cut, as they were cut, and as the encoder sees them.
  [[nodiscard]] PretextPicture picture(const ImageSet& images, Index image, const Rng& rng) const override;
  [[nodiscard]] const PatchSampler& sampler() const { return sampler_; }
  [[nodiscard]] const ContextPredictionOptions& options() const { return options_; }

 protected:
  void visit(ModuleVisitor<T>& v) override { v.child("context_head", head_); }

 private:
  static Index feature_count(const ContextPredictionOptions& options, const Backbone<T>& encoder);
  [[nodiscard]] Variable<T> features(const Variable<T>& map) const;

  PatchSampler sampler_;
  ContextPredictionOptions options_;
  ContextHead<T> head_;
  std::vector<T> weights_;  // one a direction
};

/// Context prediction by name.
struct ContextPredictionSpec {
  static constexpr std::string_view kName = "context";
  static constexpr std::string_view kHelp = "in which direction does one patch of an image lie from another?";
  using Options = ContextPredictionOptions;

  [[nodiscard]] static Options defaults(const PretextImages& images) {
    Options options{.patches = patch_defaults(patch_side(images), images.channels)};
    options.patches.flip = images.flip;
    return options;
  }

  [[nodiscard]] static CONTEXTURE_FUNCTION std::vector<PretextSetting> settings(Options& o);

  template <class T>
  [[nodiscard]] static std::unique_ptr<PretextTask<T>> make(const Options& options, const PretextImages& images,
                                                            const Backbone<T>& encoder, const Rng& rng) {
    return std::make_unique<ContextPrediction<T>>(options, images, encoder, rng);
  }
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/context_prediction-inl.hpp"
#endif
