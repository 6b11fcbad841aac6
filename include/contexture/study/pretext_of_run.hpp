// SPDX-License-Identifier: MIT
// The pretext task of a run: what it is made for, and a few pictures of what it sees.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_picture.hpp"
#include "contexture/ssl/pretext_settings.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/study/config.hpp"

namespace contexture {

/// What the configuration's task is made for. Images are mirrored only where the configuration says so: the rule of
/// Mirror::automatic looks at labels, and pre-training does not.
[[nodiscard]] inline PretextImages pretext_images_of(const ExperimentConfig& config, const ImageSet& images,
                                                     const Normalization& normalization) {
  return pretext_images(images, normalization, config.mirror == Mirror::on);
}

/// The first training images, at most `count`, as the run's pretext task sees them; none where an encoder is given,
/// whose task is not known. Throws std::invalid_argument for options of the task that do not fit these images.
[[nodiscard]] inline std::vector<PretextPicture> pretext_pictures(const ExperimentConfig& config, const Dataset& data,
                                                                  Index count = 3) {
  std::vector<PretextPicture> pictures;
  if (!config.encoder.empty()) return pictures;
  const ImageSet& train = data.train;
  const PretextImages images = pretext_images_of(config, train, channel_statistics(train, numbered(train.count)));
  const auto encoder = make_backbone<float>({.in_channels = train.channels, .width = 1}, Rng(0));  // only asked sizes
  const auto task = make_pretext_task<float>(config.pretext, images, config.pretext_options, *encoder, Rng(0));
  const Rng rng = Rng(config.seed).split("pictures");
  for (Index i = 0; i < std::min(count, train.count); ++i)
    pictures.push_back(task->picture(train, i, rng.split(static_cast<std::uint64_t>(i))));
  return pictures;
}

}  // namespace contexture
