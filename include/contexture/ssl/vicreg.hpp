// SPDX-License-Identifier: MIT
// VICReg as a pretext task (Bardes, Ponce and LeCun, ICLR 2022, arXiv 2105.04906): two views of every image get
// the same embedding, while the embedding's numbers are kept from being constant and from repeating each
// other. docs/pretext-tasks.md has the maths and the options.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"
#include "contexture/ssl/view_options.hpp"
#include "contexture/ssl/view_pairs.hpp"

namespace contexture {

/// Options of Vicreg.
struct VicregOptions {
  ViewOptions views = {};
  MlpHeadOptions head = {.hidden = 512, .hidden_layers = 2, .output = 512};
  double invariance_weight = 25;
  double variance_weight = 25;
  double covariance_weight = 1;
};

/// Views of one image have like features, which vary and do not repeat each other (Bardes, Ponce and LeCun, ICLR 2022).
template <class T>
class Vicreg final : public ViewPairTask<T> {
 public:
  /// For images of this kind and an encoder like this one (only its sizes are used). The head's parameters are named
  /// "expander.". Throws std::invalid_argument for options that make no sense, or an encoder that takes another number
  /// of channels.
  Vicreg(const VicregOptions& options, const PretextImages& images, const Backbone<T>& encoder, const Rng& rng)
      : ViewPairTask<T>({.head_name = "expander", .views = options.views, .head = options.head}, images, encoder, rng),
        options_(options) {
    require(options.invariance_weight >= 0 && options.variance_weight >= 0 && options.covariance_weight >= 0,
            "Vicreg: weights ", options.invariance_weight, ", ", options.variance_weight, " and ",
            options.covariance_weight, ", expected 0 or more");
  }

  [[nodiscard]] std::string name() const override { return "VICReg"; }

  /// As in the authors' program: invariance is the mean over images and numbers of the squared difference,
  /// the variance term the mean of the two views', the covariance term their sum. A view is answered rightly
  /// when its partner is the most similar (cosine) of all other views, which the loss does not ask for.
  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    const std::vector<std::int32_t> partner = view_partners(batch);
    const Variable<T> z = this->embed(encoder, batch);
    // Variances and covariances are those of all images of a shared batch: its processes all have the whole loss.
    const Variable<T> a = rows_of_batch(gather_rows(z, batch.first)).rows;
    const Variable<T> b = rows_of_batch(gather_rows(z, batch.second)).rows;
    const DecorrelationOptions options{.variance_weight = options_.variance_weight / 2,
                                       .covariance_weight = options_.covariance_weight};
    const Variable<T> apart = add(decorrelation_loss(a, options), decorrelation_loss(b, options));
    return {add(scale(mse_loss(a, b), static_cast<T>(options_.invariance_weight)), apart),
            retrieved_partners(z, partner), static_cast<Index>(partner.size())};
  }

  [[nodiscard]] const VicregOptions& options() const { return options_; }

 private:
  VicregOptions options_;
};

/// VICReg by name.
struct VicregSpec {
  static constexpr std::string_view kName = "vicreg";
  static constexpr std::string_view kHelp =
      "two views of an image get the same embedding, whose numbers do not repeat each other";
  using Options = VicregOptions;

  [[nodiscard]] static Options defaults(const PretextImages& images) { return {.views = view_pair_defaults(images)}; }

  [[nodiscard]] static CONTEXTURE_FUNCTION std::vector<PretextSetting> settings(Options& o);

  template <class T>
  [[nodiscard]] static std::unique_ptr<PretextTask<T>> make(const Options& options, const PretextImages& images,
                                                            const Backbone<T>& encoder, const Rng& rng) {
    return std::make_unique<Vicreg<T>>(options, images, encoder, rng);
  }
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/vicreg-inl.hpp"
#endif
