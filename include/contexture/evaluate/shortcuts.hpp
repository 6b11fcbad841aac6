// SPDX-License-Identifier: MIT
// Runs the shortcut checks of evaluate/diagnostics.hpp: for each a short training of context prediction from the same
// random weights, on the same images in the same order, validated on images that were held out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/evaluate/diagnostics.hpp"
#include "contexture/evaluate/linear_probe.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/pretraining.hpp"
#include "contexture/train/progress.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

/// Options of the test for shortcuts.
struct ShortcutOptions {
  Index width = 16;            ///< of the encoder's first stage
  std::int64_t steps = 300;    ///< of each training
  Index batch_size = 128;      ///< images
  double learning_rate = 0.1;  ///< peak, at a batch of 128 images
  double validation = 0.2;     ///< share of the images held out, at most 2,000 of them
  std::uint64_t seed = 1;
};

namespace detail {

// Features of the patches of some images, labelled with their place in the grid.
inline LabelledFeatures placed_patches(Backbone<float>& encoder, const PatchSampler& sampler, const ImageSet& images,
                                       std::span<const Index> indices, const Rng& rng) {
  const Inference inference;
  const auto features = static_cast<std::size_t>(encoder.feature_channels());
  LabelledFeatures out;
  std::vector<float> values;
  constexpr std::size_t kBatch = 128;
  for (std::size_t begin = 0; begin < indices.size(); begin += kBatch) {
    const auto part = indices.subspan(begin, std::min(kBatch, indices.size() - begin));
    const PretextBatch batch = sampler.sample(images, part, rng.split(begin));
    const Variable<float> averages = global_avg_pool(encoder(Variable<float>(batch.inputs)));
    values.insert(values.end(), averages.value().data(), averages.value().data() + averages.value().size());
    for (Index row = 0; row < dim(batch.inputs, 0); ++row)
      out.labels.push_back(static_cast<std::int32_t>(row % sampler.patches_per_grid()));
  }
  out.values = empty<float>({out.labels.size(), features});
  std::copy(values.begin(), values.end(), out.values.data());
  return out;
}

// How often a linear classifier on a single patch's features tells its place in the grid.
inline double position_accuracy(Backbone<float>& encoder, const PatchSampler& sampler, const ImageSet& images,
                                std::span<const Index> train, std::span<const Index> validation, const Rng& rng) {
  const auto few = train.first(std::min<std::size_t>(train.size(), 2000));
  const std::size_t half = validation.size() / 2;
  const LabelledFeatures fitted = placed_patches(encoder, sampler, images, few, rng.split("train"));
  const LabelledFeatures chosen = placed_patches(encoder, sampler, images, validation.first(half), rng.split("choose"));
  const LabelledFeatures tested = placed_patches(encoder, sampler, images, validation.subspan(half), rng.split("test"));
  const LinearProbe probe = fit_linear_probe(fitted, chosen, sampler.patches_per_grid());
  return agreement(predict(probe, tested.values), tested.labels);
}

}  // namespace detail

/// Measures all checks on context prediction with these options. The images need no labels. Throws what
/// shortcut_checks() and PatchSampler throw for options that do not fit, InputError for too few images, Stopped after a
/// stop request.
[[nodiscard]] inline ShortcutMeasurements measure_shortcuts(const ContextPredictionOptions& context,
                                                            const ImageSet& images, const ShortcutOptions& options,
                                                            Progress& progress, const StopToken* stop = nullptr) {
  require(options.steps >= 1 && options.batch_size >= 2 && options.validation > 0 && options.validation < 1,
          "measure_shortcuts: ", options.steps, " steps of ", options.batch_size, " images, validation ",
          options.validation);
  // The checks enlarge images until the widest gap fits; a task that does not fit itself is refused all the same.
  (void)PatchSampler(context.patches, images.height, images.width, images.channels);
  const Rng rng(options.seed);
  std::vector<Index> order = numbered(images.count);
  Rng shuffle = rng.split("held out");
  shuffle.shuffle(order);
  const auto held_out =
      static_cast<std::size_t>(std::min(2000.0, std::max(4.0, options.validation * static_cast<double>(images.count))));
  require_input(order.size() >= 2 * held_out, images.count, " images are too few to hold ", held_out,
                " of them out and train on the rest");
  const std::vector<Index> validation(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(held_out));
  const std::vector<Index> train(order.begin() + static_cast<std::ptrdiff_t>(held_out), order.end());
  const Index batch = std::min(options.batch_size, static_cast<Index>(train.size()));

  ShortcutMeasurements out;
  out.images = static_cast<Index>(validation.size());
  const std::vector<ShortcutCheck> checks = shortcut_checks(context.patches, images.height, images.width);
  const BackboneDescription architecture{.in_channels = images.channels, .width = options.width};
  for (std::size_t i = 0; i < checks.size(); ++i) {
    const ShortcutCheck& check = checks[i];
    const std::unique_ptr<Backbone<float>> network = make_backbone<float>(architecture, rng.split("encoder"));
    Backbone<float>& encoder = *network;
    ContextPredictionOptions changed = context;
    changed.patches = check.options;
    ContextPrediction<float> pretext(changed, pretext_images(images, {}, changed.patches.flip), encoder,
                                     rng.split("head"));
    const bool as_trained = i == static_cast<std::size_t>(Check::task);
    if (as_trained) {  // before training: the control
      const Rng patches = rng.split("statistics");
      recalibrate_batch_norm<float>(encoder, 8, [&](Index k) {  // an eighth of the images each
        const auto total = static_cast<Index>(train.size());
        const auto part = std::span(train).subspan(static_cast<std::size_t>(k * total / 8),
                                                   static_cast<std::size_t>(std::min<Index>((total + 7) / 8, 128)));
        const PretextBatch some = pretext.make_batch(images, part, patches.split(static_cast<std::uint64_t>(k)));
        (void)encoder(Variable<float>(some.inputs));
      });
      out.random_position_accuracy =
          detail::position_accuracy(encoder, pretext.sampler(), images, train, validation, rng.split("position"));
    }
    TamperedTask<float> tampered(pretext, check.tampering);
    const TrainingOptions training{.steps = options.steps,
                                   .batch = batch,
                                   .learning_rate = options.learning_rate * static_cast<double>(batch) / 128,
                                   .optimizer = optimizer_factory<Muon>(MuonOptions{.weight_decay = 5e-4}),
                                   .evaluate_at = {options.steps},
                                   .phase = message("diagnose, ", check.name, ", seed ", options.seed),
                                   .dropout = rng.split("dropout")};
    const PhaseInfo info{.title = message(check.name, ": ", check.question, ", seed ", options.seed),
                         .number = static_cast<int>(i) + 1,
                         .of = static_cast<int>(checks.size()),
                         .steps = options.steps,
                         .images_per_step = batch};
    progress.begin(info);
    const FitState state =
        pretrain(encoder, tampered, {.set = images, .indices = train, .validation = validation, .recalibrate = false},
                 training, rng.split("training"), {.progress = &progress, .stop = stop});
    if (state.step < options.steps) throw Stopped(message("stopped in the check '", check.name, "'"));
    progress.end(info);
    out.names.push_back(check.name);
    out.accuracy.push_back(state.best_accuracy);
    if (!as_trained) continue;
    out.chance = pretext.chance(batch);
    out.suspicious_accuracy = pretext.suspicious_accuracy();
    const auto seen = std::span(train).first(std::min(train.size(), validation.size()));
    out.train_accuracy = evaluate_pretext<float>(pretext, encoder, images, seen, 256, rng.split("seen again")).accuracy;
    out.position_chance = 1.0 / static_cast<double>(pretext.sampler().patches_per_grid());
    out.position_accuracy =
        detail::position_accuracy(encoder, pretext.sampler(), images, train, validation, rng.split("position"));
  }
  return out;
}

}  // namespace contexture
