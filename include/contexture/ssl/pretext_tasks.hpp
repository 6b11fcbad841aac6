// The pretext tasks by name, with options that follow from the images: what a program needs to offer them
// as a choice.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/jigsaw.hpp"
#include "contexture/ssl/joint.hpp"
#include "contexture/ssl/patch_sampler.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/rotation.hpp"
#include "contexture/ssl/simclr.hpp"
#include "contexture/ssl/vicreg.hpp"
#include "contexture/ssl/views.hpp"

namespace contexture {

/// Options of all tasks; each reads its own.
struct PretextTaskOptions {
  Normalization normalization;  ///< of whole images and views, as the classifier's
  ContextOptions context;
  ContextPredictionOptions context_prediction;
  RotationOptions rotation;
  double rotation_weight = 1;  ///< of the rotation's loss beside context prediction's
  JigsawOptions jigsaw;
  ViewOptions views;
  SimclrOptions simclr;
  VicregOptions vicreg;
};

/// Options for images of this size and these channels. `flip`: mirrored images are as good as the others. Images
/// too small for patches (under 13 px) get options of patches that the tasks made of them refuse.
[[nodiscard]] inline PretextTaskOptions pretext_task_defaults(Index height, Index width, Index channels,
                                                              const Normalization& normalization, bool flip) {
  PretextTaskOptions options;
  options.normalization = normalization;
  const Index patch_side = std::max<Index>(std::min(height, width), 13);
  options.context = context_defaults(patch_side, channels);
  options.context.flip = flip;
  options.rotation.augmentation.crop_padding = static_cast<int>(std::min(height, width) / 8);
  options.rotation.augmentation.flip = flip;
  options.jigsaw = jigsaw_defaults(patch_side, channels);
  options.jigsaw.patches.flip = flip;
  options.views = view_defaults(channels, flip);
  // Five eighths of the side, 20 of 32 px: two of them cost 0.8 of what the image does.
  options.views.height = (5 * height + 4) / 8;
  options.views.width = (5 * width + 4) / 8;
  return options;
}

/// The names that make_pretext_task() knows.
[[nodiscard]] inline std::span<const std::string_view> pretext_task_names() {
  static constexpr std::array<std::string_view, 6> names{"context", "rotation", "context+rotation",
                                                         "jigsaw",  "simclr",   "vicreg"};
  return names;
}

/// The task of that name, for images of this size and an encoder like this one (only its sizes are used).
/// Throws std::invalid_argument, listing the names, for any other name, and what the task throws for options
/// that do not fit.
template <class T>
[[nodiscard]] std::unique_ptr<PretextTask<T>> make_pretext_task(std::string_view name,
                                                                const PretextTaskOptions& options, Index height,
                                                                Index width, const Backbone<T>& encoder,
                                                                const Rng& rng) {
  const auto context = [&] {
    return std::make_unique<ContextPrediction<T>>(options.context, height, width, encoder, options.context_prediction,
                                                  rng);
  };
  const auto rotation = [&] {
    return std::make_unique<RotationPrediction<T>>(options.normalization, encoder, options.rotation, rng);
  };
  if (name == "context") return context();
  if (name == "rotation") return rotation();
  if (name == "context+rotation") {
    std::vector<JointPart<T>> parts;
    parts.push_back({context(), 1});
    parts.push_back({rotation(), options.rotation_weight});
    return std::make_unique<JointTask<T>>(std::move(parts));
  }
  if (name == "jigsaw") return std::make_unique<Jigsaw<T>>(options.jigsaw, height, width, encoder, rng);
  if (name == "simclr") {
    return std::make_unique<Simclr<T>>(options.views, height, width, options.normalization, encoder, options.simclr,
                                       rng);
  }
  if (name == "vicreg") {
    return std::make_unique<Vicreg<T>>(options.views, height, width, options.normalization, encoder, options.vicreg,
                                       rng);
  }
  std::string known;
  for (const std::string_view other : pretext_task_names()) known += (known.empty() ? "" : ", ") + std::string(other);
  require(false, "pretext task '", name, "', expected one of ", known);
  return nullptr;
}

}  // namespace contexture
