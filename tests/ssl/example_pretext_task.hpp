// SPDX-License-Identifier: MIT
// The worked example of docs/HACKING.md: a pretext task in one header, with an option of its own. Has the image been
// mirrored? Of no great use, but complete. tests/checks/doc_snippet.sh holds the two together.
#pragma once

#include "contexture/ssl/pretext_task_list.hpp"

namespace example {

using namespace contexture;

struct MirrorOptions {
  float share = 0.5F;  // of the images that are mirrored
};

template <class T>
class MirrorPrediction final : public PretextTask<T> {
 public:
  // Only the encoder's sizes are used: it belongs to the caller, who keeps it. The head is thrown away.
  MirrorPrediction(const MirrorOptions& options, const Backbone<T>& encoder, const Rng& rng)
      : options_(options),
        head_(encoder.feature_channels(), {.hidden_layers = 0, .output = 2}, rng.split("mirror_head")) {}

  std::string name() const override { return "mirror prediction"; }
  double chance(Index /*batch_images*/) const override { return std::max(options_.share, 1 - options_.share); }

  // On the prefetch thread, beside loss(), and from its arguments alone. Every image has a stream of its own, so
  // that it does not matter which others are in the batch.
  PretextBatch make_batch(const ImageSet& images, const BatchIndices& indices, const Rng& rng) const override {
    PretextBatch batch;
    batch.images = static_cast<Index>(indices.size());
    batch.inputs = empty<float>({indices.size(), static_cast<std::size_t>(images.height),
                                 static_cast<std::size_t>(images.width), static_cast<std::size_t>(images.channels)});
    float* out = batch.inputs.data();
    for (std::size_t k = 0; k < indices.size(); ++k) {
      require(indices[k] >= 0 && indices[k] < images.count, "MirrorPrediction: image ", indices[k]);
      Rng stream = indices.stream(rng, k);
      const bool mirrored = stream.bernoulli(options_.share);
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
    const Variable<T> logits = head_(features);
    return {softmax_cross_entropy<T>(logits, batch.targets), count_correct(logits.value(), batch.targets),
            static_cast<Index>(batch.targets.size())};
  }

 protected:
  void visit(ModuleVisitor<T>& v) override { v.child("mirror_head", head_); }

 private:
  MirrorOptions options_;
  MlpHead<T> head_;
};

// What programs know of the task: its name, its settings, and how it is made.
struct MirrorSpec {
  static constexpr std::string_view kName = "mirror", kHelp = "has the image been mirrored?";
  using Options = MirrorOptions;

  static Options defaults(const PretextImages&) { return {}; }

  static std::vector<PretextSetting> settings(Options& options) {
    return {number_option("mirror-share", "share of the images that are mirrored", options.share, 0, 1)};
  }

  template <class T>
  static std::unique_ptr<PretextTask<T>> make(const Options& options, const PretextImages&, const Backbone<T>& encoder,
                                              const Rng& rng) {
    return std::make_unique<MirrorPrediction<T>>(options, encoder, rng);
  }
};

}  // namespace example
