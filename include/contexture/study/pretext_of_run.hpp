// The pretext task of a run: made by its configuration for its images, and a few pictures of what it sees.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/loader.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/study/config.hpp"

namespace contexture {

/// The options of the pretext task for images of this kind: the rules' defaults, and what the configuration sets.
/// Images are mirrored only where the configuration says so: the rule of Mirror::automatic looks at labels, and
/// pre-training does not. Throws std::invalid_argument for settings that make no sense together.
[[nodiscard]] inline PretextTaskOptions pretext_options(const ExperimentConfig& config, const ImageSet& images,
                                                        const Normalization& normalization) {
  PretextTaskOptions options =
      pretext_task_defaults(images.height, images.width, images.channels, normalization, config.mirror == Mirror::on);
  for (ContextOptions* patches : {&options.context, &options.jigsaw.patches}) {
    if (config.patch > 0) patches->patch = static_cast<int>(config.patch);
    if (config.gap >= 0) patches->gap = static_cast<int>(config.gap);
    if (config.jitter >= 0) patches->jitter = static_cast<int>(config.jitter);
    if (config.min_scale > 0) patches->min_scale = static_cast<float>(config.min_scale);
    if (config.max_scale > 0) patches->max_scale = static_cast<float>(config.max_scale);
    if (config.colour != "auto") patches->colour = colour_treatment(config.colour);
    if (config.colour_probability >= 0) patches->colour_probability = static_cast<float>(config.colour_probability);
    patches->grids_per_image = static_cast<int>(config.grids_per_image);
  }
  if (config.grid > 0) options.context.grid = static_cast<int>(config.grid);
  options.context_prediction.readout = patch_readout(config.readout);
  options.context_prediction.head.hidden = config.head_hidden;
  options.context_prediction.head.dropout = static_cast<float>(config.head_dropout);
  return options;
}

}  // namespace contexture
