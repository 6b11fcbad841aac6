// SPDX-License-Identifier: MIT
// A 2 x 2 jigsaw puzzle as a pretext task (Noroozi and Favaro, ECCV 2016, arXiv 1603.09246): four patches of
// an image in one of the 24 possible orders; which? Every patch is encoded once, on its own, and the head sees
// the four feature vectors one after the other. Patches are cut as for context prediction, and for the same
// reasons. docs/pretext-tasks.md has the options and where this departs from the paper.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/ssl/patch_options.hpp"
#include "contexture/ssl/patch_sampler.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

/// Patches of an image.
inline constexpr int kJigsawPieces = 4;
/// Orders that they may be in.
inline constexpr int kJigsawOrders = 24;

/// Order number `label` of the 24, in lexicographic order: entry i is the cell (row by row) of the patch that
/// is shown at position i.
[[nodiscard]] inline std::array<int, kJigsawPieces> jigsaw_order(int label) {
  require(label >= 0 && label < kJigsawOrders, "jigsaw_order: label ", label, ", expected 0 to ", kJigsawOrders - 1);
  std::array<int, kJigsawPieces> order{0, 1, 2, 3};
  for (int i = 0; i < label; ++i) std::next_permutation(order.begin(), order.end());
  return order;
}

/// Options of Jigsaw.
struct JigsawOptions {
  PatchOptions patches;  ///< how the four patches are cut; the grid is 2 x 2
  MlpHeadOptions head = {.hidden = 512, .hidden_layers = 1, .output = kJigsawOrders};
};

/// Options for images whose shorter side is this: patches by the rule of patch_defaults(), 2 x 2 at any size.
[[nodiscard]] inline JigsawOptions jigsaw_defaults(Index image_size, Index channels = 3) {
  return {.patches = patch_defaults(image_size, channels, 2)};
}

/// Which of the 24 orders four shuffled patches of an image are in.
template <class T>
class Jigsaw final : public PretextTask<T> {
 public:
  /// For images of this size and an encoder like this one (only its sizes are used). Throws std::invalid_argument where
  /// the grid is not 2 x 2, or does not fit the images, or the encoder takes another number of channels.
  Jigsaw(const JigsawOptions& options, const PretextImages& images, const Backbone<T>& encoder, const Rng& rng)
      : sampler_(options.patches, images.height, images.width, images.channels),
        options_(options),
        head_(kJigsawPieces * encoder.feature_channels(), options.head, rng.split("jigsaw_head")) {
    detail::require_channels("jigsaw", images, encoder);
    require(options.patches.grid == 2, "Jigsaw: a grid of ", options.patches.grid, " x ", options.patches.grid,
            ", expected 2 x 2");
    require(options.head.output == kJigsawOrders, "Jigsaw: a head of ", options.head.output, " outputs, expected ",
            kJigsawOrders);
  }

  [[nodiscard]] std::string name() const override { return "jigsaw"; }
  [[nodiscard]] double chance(Index /*batch_images*/) const override { return 1.0 / kJigsawOrders; }

  /// inputs (4 * grids, patch, patch, C): four patches a puzzle, in the order that is asked for; first: the row of
  /// a puzzle's first patch; targets: numbers of jigsaw_order(). Puzzles with two or more blank patches have more
  /// than one solution, and are left out; not where less than two others are in the batch, so that the loss stays
  /// defined.
  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, const BatchIndices& indices,
                                        const Rng& rng) const override {
    PretextBatch batch;
    batch.images = static_cast<Index>(indices.size());
    const Index size = static_cast<Index>(options_.patches.patch) * options_.patches.patch * sampler_.channels();
    std::vector<float> cells(static_cast<std::size_t>(kJigsawPieces * size));
    std::vector<std::int32_t> labels;
    sampler_.cut_grids(
        images, indices, rng, batch.inputs, [&](std::int32_t row, std::span<const char> blank, Rng& stream) {
          labels.push_back(static_cast<std::int32_t>(stream.below(kJigsawOrders)));
          const auto order = jigsaw_order(labels.back());
          float* const shown = batch.inputs.data() + row * size;
          std::copy_n(shown, kJigsawPieces * size, cells.data());
          for (Index i = 0; i < kJigsawPieces; ++i)
            std::copy_n(cells.data() + order[static_cast<std::size_t>(i)] * size, size, shown + i * size);
          if (std::count(blank.begin(), blank.end(), 0) < kJigsawPieces - 1) {
            ++batch.skipped;
          } else {
            batch.first.push_back(row);
            batch.targets.push_back(labels.back());
          }
        });
    // One puzzle alone cannot be normalised by its batch.
    if (batch.targets.size() >= std::min<std::size_t>(2, labels.size())) return batch;
    batch.skipped = 0;
    batch.targets = labels;
    batch.first.clear();
    for (std::size_t g = 0; g < labels.size(); ++g) batch.first.push_back(static_cast<std::int32_t>(g) * kJigsawPieces);
    return batch;
  }

  /// Throws std::invalid_argument for a batch of one puzzle in training.
  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    require(batch.targets.size() >= 2 || !head_.training() || shared_norm() != nullptr, name(), ": a batch of ",
            batch.targets.size(), " puzzle, expected 2 or more");
    const Variable<T> scores = logits(encoder, batch);
    return {softmax_cross_entropy<T>(scores, batch.targets), count_correct(scores.value(), batch.targets),
            static_cast<Index>(batch.targets.size())};
  }

  /// Scores (puzzles, 24) of the orders, from once-encoded patches.
  [[nodiscard]] Variable<T> logits(Backbone<T>& encoder, const PretextBatch& batch) {
    const Variable<T> features = global_avg_pool(encoder(input_variable<T>(batch.inputs)));
    const std::size_t grids = features.shape()[0] / kJigsawPieces;
    const Variable<T> pieces = reshape(features, {grids, kJigsawPieces * features.shape()[1]});
    std::vector<std::int32_t> asked;
    for (const std::int32_t row : batch.first) asked.push_back(row / kJigsawPieces);
    return head_(asked.size() == grids ? pieces : gather_rows(pieces, asked));
  }

  [[nodiscard]] const PatchSampler& sampler() const { return sampler_; }
  [[nodiscard]] const JigsawOptions& options() const { return options_; }

 protected:
  void visit(ModuleVisitor<T>& v) override { v.child("jigsaw_head", head_); }

 private:
  PatchSampler sampler_;
  JigsawOptions options_;
  MlpHead<T> head_;
};

/// The jigsaw by name.
struct JigsawSpec {
  static constexpr std::string_view kName = "jigsaw";
  static constexpr std::string_view kHelp = "in which order are four patches of an image?";
  using Options = JigsawOptions;

  [[nodiscard]] static Options defaults(const PretextImages& images) {
    Options options = jigsaw_defaults(patch_side(images), images.channels);
    options.patches.flip = images.flip;
    return options;
  }

  [[nodiscard]] static CONTEXTURE_FUNCTION std::vector<PretextSetting> settings(Options& o);

  template <class T>
  [[nodiscard]] static std::unique_ptr<PretextTask<T>> make(const Options& options, const PretextImages& images,
                                                            const Backbone<T>& encoder, const Rng& rng) {
    return std::make_unique<Jigsaw<T>>(options, images, encoder, rng);
  }
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/jigsaw-inl.hpp"
#endif
