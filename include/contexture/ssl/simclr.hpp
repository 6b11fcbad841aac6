// SPDX-License-Identifier: MIT
// SimCLR as a pretext task (Chen, Kornblith, Norouzi and Hinton, ICML 2020, arXiv 2002.05709): two views of
// every image; of all other views in the batch, which one shows the same image? docs/pretext-tasks.md has
// the maths and the options.
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

/// Options of Simclr.
struct SimclrOptions {
  ViewOptions views = {};
  MlpHeadOptions head = {.hidden = 0, .hidden_layers = 1, .output = 128};
  double temperature = 0.5;  ///< of the softmax over similarities; that of the paper's CIFAR-10 runs (appendix B.9)
};

/// Which two of all views in a batch are of one image (Chen et al., ICML 2020).
template <class T>
class Simclr final : public ViewPairTask<T> {
 public:
  /// For images of this kind and an encoder like this one (only its sizes are used). The head's parameters are named
  /// "projection_head.". Throws std::invalid_argument for options that make no sense, or an encoder that takes another
  /// number of channels.
  Simclr(const SimclrOptions& options, const PretextImages& images, const Backbone<T>& encoder, const Rng& rng)
      : ViewPairTask<T>({.head_name = "projection_head", .views = options.views, .head = options.head}, images, encoder,
                        rng),
        options_(options) {
    require(options.temperature > 0, "Simclr: temperature ", options.temperature, ", expected more than 0");
  }

  [[nodiscard]] std::string name() const override { return "SimCLR"; }

  /// NT-Xent, against all views of a shared batch. A view is answered rightly when its partner is the most similar of
  /// all other views.
  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    std::vector<std::int32_t> partner = view_partners(batch);
    const Variable<T> similarity = similarity_to_batch(normalize_rows(this->embed(encoder, batch)), partner,
                                                       static_cast<T>(1.0 / options_.temperature));
    return {softmax_cross_entropy<T>(similarity, partner), count_correct(similarity.value(), partner),
            static_cast<Index>(partner.size())};
  }

  [[nodiscard]] const SimclrOptions& options() const { return options_; }

 private:
  SimclrOptions options_;
};

/// SimCLR by name.
struct SimclrSpec {
  static constexpr std::string_view kName = "simclr";
  static constexpr std::string_view kHelp = "of all views in the batch, which one shows the same image?";
  using Options = SimclrOptions;

  [[nodiscard]] static Options defaults(const PretextImages& images) { return {.views = view_pair_defaults(images)}; }

  [[nodiscard]] static CONTEXTURE_FUNCTION std::vector<PretextSetting> settings(Options& o);

  template <class T>
  [[nodiscard]] static std::unique_ptr<PretextTask<T>> make(const Options& options, const PretextImages& images,
                                                            const Backbone<T>& encoder, const Rng& rng) {
    return std::make_unique<Simclr<T>>(options, images, encoder, rng);
  }
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/simclr-inl.hpp"
#endif
