// The worked example of docs/HACKING.md: a pretext task in one header. Has the image been mirrored? Of
// no great use, but complete.
#pragma once

#include "contexture/ssl/pretext.hpp"

template <class T>
class MirrorPrediction final : public contexture::PretextTask<T> {
 public:
  // Only the encoder's sizes are used: it belongs to the caller. The head's randomness has a name of its own.
  MirrorPrediction(const contexture::Encoder<T>& encoder, const contexture::Rng& rng)
      : head_(encoder.feature_channels(), rng.split("mirror_head")) {}

  std::string name() const override { return "mirror prediction"; }
  double chance() const override { return 0.5; }

  // On the prefetch thread, beside loss(): from the arguments alone. Image k has a stream of its own, so that it
  // does not matter which other images are in the batch.
  contexture::PretextBatch make_batch(const contexture::ImageSet& images, std::span<const contexture::Index> indices,
                                      const contexture::Rng& rng) const override {
    const auto height = static_cast<std::size_t>(images.height);
    const auto width = static_cast<std::size_t>(images.width);
    const auto channels = static_cast<std::size_t>(images.channels);
    contexture::PretextBatch batch;
    batch.images = static_cast<contexture::Index>(indices.size());
    batch.inputs = contexture::empty<float>({indices.size(), height, width, channels});
    float* out = batch.inputs.data();
    for (std::size_t k = 0; k < indices.size(); ++k) {
      contexture::Rng stream = rng.split(k);
      const bool mirrored = stream.bernoulli(0.5F);
      batch.targets.push_back(mirrored ? 1 : 0);
      const std::uint8_t* image = images.image(indices[k]);
      for (std::size_t y = 0; y < height; ++y)
        for (std::size_t x = 0; x < width; ++x)
          for (std::size_t c = 0; c < channels; ++c) {
            const std::size_t from = mirrored ? width - 1 - x : x;
            *out++ = static_cast<float>(image[(y * width + from) * channels + c]) / 64.0F - 2.0F;
          }
    }
    return batch;
  }

  // The graph from the batch to one number; whether it is recorded, and in which mode, is the caller's business.
  contexture::PretextLoss<T> loss(contexture::Encoder<T>& encoder, const contexture::PretextBatch& batch) override {
    const auto inputs = contexture::detail::input_variable<T>(batch.inputs);
    const contexture::Variable<T> logits = head_.output(contexture::global_avg_pool(encoder(inputs)));
    return {contexture::softmax_cross_entropy<T>(logits, batch.targets),
            contexture::detail::right_answers(logits.value(), batch.targets), batch.images};
  }

  contexture::Module<T>& head() override { return head_; }

 private:
  struct Head final : contexture::Module<T> {
    Head(contexture::Index features, const contexture::Rng& rng) : output(features, 2, rng) {}
    void visit(contexture::ModuleVisitor<T>& v) override { v.child("mirror_head", output); }
    contexture::Linear<T> output;
  };
  Head head_;
};
