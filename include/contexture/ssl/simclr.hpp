// SimCLR as a pretext task (Chen, Kornblith, Norouzi and Hinton, ICML 2020, arXiv 2002.05709): two views of
// every image; of all other views in the batch, which one shows the same image? docs/pretext-tasks.md has
// the maths and the options.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/view_pairs.hpp"

namespace contexture {

struct SimclrOptions {
  MlpHeadOptions head = {.hidden = 0, .hidden_layers = 1, .output = 128};
  double temperature = 0.5;  ///< of the softmax over similarities; that of the paper's CIFAR-10 runs (appendix B.9)
  Index batch_images = 256;  ///< images of a batch that is evaluated: what chance() is for
};

template <class T>
class Simclr final : public ViewPairTask<T> {
 public:
  /// For images of this size and an encoder like this one (only its sizes are used). The head's parameters are
  /// named "projection_head.". Throws std::invalid_argument for options that make no sense.
  Simclr(const ViewOptions& views, Index height, Index width, const Normalization& normalization,
         const Backbone<T>& encoder, const SimclrOptions& options, const Rng& rng)
      : ViewPairTask<T>(ViewSampler(views, height, width, encoder.description().in_channels, normalization), encoder,
                        "projection_head", options.head, options.batch_images, rng),
        options_(options) {
    require(options.temperature > 0, "Simclr: temperature ", options.temperature, ", expected more than 0");
  }

  [[nodiscard]] std::string name() const override { return "SimCLR"; }

  /// NT-Xent. A view is answered rightly when its partner is the most similar of all other views.
  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    const std::vector<std::int32_t> partner = view_partners(batch);
    const Variable<T> similarity =
        self_similarity(normalize_rows(this->embed(encoder, batch)), static_cast<T>(1.0 / options_.temperature));
    return {softmax_cross_entropy<T>(similarity, partner), count_correct(similarity.value(), partner),
            static_cast<Index>(partner.size())};
  }

  [[nodiscard]] const SimclrOptions& options() const { return options_; }

 private:
  SimclrOptions options_;
};

}  // namespace contexture
