// SPDX-License-Identifier: MIT
// Rotation as a pretext task (Gidaris, Singh and Komodakis, ICLR 2018, arXiv 1803.07728): by which multiple of
// 90 degrees has the image been turned? docs/pretext-tasks.md has the options and what the task is good for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

/// Options of RotationPrediction.
struct RotationOptions {
  /// Before the rotation, as for a classifier. The flip doubles the images where they survive it.
  Augmentation augmentation = {.crop_padding = 4, .flip = false};
  /// Every image in all four rotations, as in the paper: four times the work an image. Else in one of them.
  bool all_rotations = false;
  /// Pooled features to 4 logits; by default linear, so that the features have to hold the answer.
  MlpHeadOptions head = {.hidden = 0, .hidden_layers = 0, .output = 4};
};

/// Copies the square (side,side,channels) at (y,x) of an image that is `width` pixels wide, turned
/// counter-clockwise by `quarter_turns` times 90 degrees.
inline void rotate_square(const float* image, Index width, Index channels, Index y, Index x, Index side,
                          int quarter_turns, float* out) {
  for (Index row = 0; row < side; ++row) {
    for (Index column = 0; column < side; ++column, out += channels) {
      Index from_y = row;
      Index from_x = column;
      switch (quarter_turns & 3) {
        case 0: break;
        case 1: from_y = column, from_x = side - 1 - row; break;
        case 2: from_y = side - 1 - row, from_x = side - 1 - column; break;
        default: from_y = side - 1 - column, from_x = row; break;
      }
      std::copy_n(image + ((y + from_y) * width + x + from_x) * channels, channels, out);
    }
  }
}

/// By which of four quarter turns an image was rotated (Gidaris, Singh and Komodakis, ICLR 2018).
template <class T>
class RotationPrediction final : public PretextTask<T> {
 public:
  /// For images of this kind and an encoder like this one (only its sizes are used). Throws std::invalid_argument for
  /// options that make no sense, or an encoder that takes another number of channels.
  RotationPrediction(const RotationOptions& options, const PretextImages& images, const Backbone<T>& encoder,
                     const Rng& rng)
      : normalization_(images.normalization),
        options_(options),
        head_(encoder.feature_channels(), options.head, rng.split("rotation_head")) {
    detail::require_channels("rotation", images, encoder);
    require(options.head.output == 4, "RotationPrediction: a head of ", options.head.output, " outputs, expected 4");
  }

  [[nodiscard]] std::string name() const override { return "rotation"; }
  [[nodiscard]] double chance(Index /*batch_images*/) const override { return 0.25; }

  /// inputs (N or 4N,side,side,C), side the shorter side of the images; targets: quarter turns, counter-clockwise.
  /// Of images that are not square, a random square of that side is turned.
  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, const BatchIndices& indices,
                                        const Rng& rng) const override {
    Batch upright;
    contexture::make_batch(images, indices, normalization_, &options_.augmentation, rng.split("images"), upright);
    const Index side = std::min(images.height, images.width);
    const Index turns = options_.all_rotations ? 4 : 1;
    const Index size = side * side * images.channels;
    const auto extent = static_cast<std::size_t>(side);
    PretextBatch batch;
    batch.images = static_cast<Index>(indices.size());
    batch.inputs = empty<float>(
        {indices.size() * static_cast<std::size_t>(turns), extent, extent, static_cast<std::size_t>(images.channels)});
    const Rng turning = rng.split("rotation");
    float* out = batch.inputs.data();
    for (std::size_t k = 0; k < indices.size(); ++k) {
      Rng stream = indices.stream(turning, k);
      const Index y = stream.below(static_cast<std::uint32_t>(images.height - side + 1));
      const Index x = stream.below(static_cast<std::uint32_t>(images.width - side + 1));
      const auto first = static_cast<std::int32_t>(options_.all_rotations ? 0 : stream.below(4));
      for (std::int32_t turn = first; turn < first + turns; ++turn, out += size) {
        rotate_square(upright.images.data() + static_cast<Index>(k) * images.image_bytes(), images.width,
                      images.channels, y, x, side, turn, out);
        batch.targets.push_back(turn);
      }
    }
    return batch;
  }

  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    const Variable<T> scores = logits(encoder, batch);
    return {softmax_cross_entropy<T>(scores, batch.targets), count_correct(scores.value(), batch.targets),
            static_cast<Index>(batch.targets.size())};
  }

  /// Scores (N,4) of the rotations.
  [[nodiscard]] Variable<T> logits(Backbone<T>& encoder, const PretextBatch& batch) {
    return head_(global_avg_pool(encoder(input_variable<T>(batch.inputs))));
  }

  [[nodiscard]] const RotationOptions& options() const { return options_; }

 protected:
  void visit(ModuleVisitor<T>& v) override { v.child("rotation_head", head_); }

 private:
  Normalization normalization_;
  RotationOptions options_;
  MlpHead<T> head_;
};

/// Rotation by name. Its settings have names of their own, so that the task can stand beside another in a joint one.
struct RotationSpec {
  static constexpr std::string_view kName = "rotation";
  static constexpr std::string_view kHelp = "by which multiple of 90 degrees has the image been turned?";
  using Options = RotationOptions;

  [[nodiscard]] static Options defaults(const PretextImages& images) {
    return {.augmentation = {.crop_padding = static_cast<int>(std::min(images.height, images.width) / 8),
                             .flip = images.flip}};
  }

  [[nodiscard]] static CONTEXTURE_FUNCTION std::vector<PretextSetting> settings(Options& o);

  template <class T>
  [[nodiscard]] static std::unique_ptr<PretextTask<T>> make(const Options& options, const PretextImages& images,
                                                            const Backbone<T>& encoder, const Rng& rng) {
    return std::make_unique<RotationPrediction<T>>(options, images, encoder, rng);
  }
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/rotation-inl.hpp"
#endif
