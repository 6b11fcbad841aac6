// The worked example of docs/HACKING.md: a pretext task in one header. Has the image been mirrored? Of
// no great use, but complete. tests/checks/doc_snippet.sh holds the two together.
#pragma once

#include "contexture/ssl/pretext.hpp"

namespace example {

using namespace contexture;

template <class T>
class MirrorPrediction final : public PretextTask<T> {
 public:
  // Only the encoder's sizes are used: it belongs to the caller, who keeps it. The head is thrown away.
  MirrorPrediction(const Backbone<T>& encoder, const Rng& rng)
      : head_("mirror_head", encoder.feature_channels(), {.hidden_layers = 0, .output = 2}, rng.split("mirror_head")) {}

  std::string name() const override { return "mirror prediction"; }
  double chance() const override { return 0.5; }

  // On the prefetch thread, beside loss(), and from its arguments alone. Every image has a stream of its own, so
  // that it does not matter which others are in the batch.
  PretextBatch make_batch(const ImageSet& images, std::span<const Index> indices, const Rng& rng) const override {
    PretextBatch batch;
    batch.images = static_cast<Index>(indices.size());
    batch.inputs = empty<float>({indices.size(), static_cast<std::size_t>(images.height),
                                 static_cast<std::size_t>(images.width), static_cast<std::size_t>(images.channels)});
    float* out = batch.inputs.data();
    for (std::size_t k = 0; k < indices.size(); ++k) {
      require(indices[k] >= 0 && indices[k] < images.count, "MirrorPrediction: image ", indices[k]);
      Rng stream = rng.split(k);
      const bool mirrored = stream.bernoulli(0.5F);
      batch.targets.push_back(mirrored ? 1 : 0);
      for (Index y = 0; y < images.height; ++y)
        for (Index x = 0; x < images.width; ++x) {
          const Index from = mirrored ? images.width - 1 - x : x;
          const std::uint8_t* pixel = images.image(indices[k]) + (y * images.width + from) * images.channels;
          for (Index c = 0; c < images.channels; ++c) *out++ = static_cast<float>(pixel[c]) / 64.0F - 2.0F;
        }
    }
    return batch;
  }

  // From the batch to one number, and how many answers were right. Whether a graph is recorded, and whether
  // batch-norm trains, is the caller's business.
  PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    const Variable<T> features = global_avg_pool(encoder(input_variable<T>(batch.inputs)));
    const Variable<T> logits = head_.head(features);
    return {softmax_cross_entropy<T>(logits, batch.targets), count_correct(logits.value(), batch.targets),
            static_cast<Index>(batch.targets.size())};
  }

  Module<T>& head() override { return head_; }

 private:
  NamedMlpHead<T> head_;
};

}  // namespace example
