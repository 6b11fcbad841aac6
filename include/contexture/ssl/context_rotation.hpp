// SPDX-License-Identifier: MIT
// Context prediction and rotation on one encoder: where things are, and which way up. docs/pretext-tasks.md says what
// each of them adds.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/joint.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"
#include "contexture/ssl/rotation.hpp"

namespace contexture {

/// Options of ContextRotation.
struct ContextRotationOptions {
  ContextPredictionOptions context = {};
  RotationOptions rotation = {};
  double rotation_weight = 1;  ///< of the rotation's loss beside context prediction's
};

/// Both tasks by one name, with the settings of both.
struct ContextRotationSpec {
  static constexpr std::string_view kName = "context+rotation";
  static constexpr std::string_view kHelp = "both questions, of the same images";
  using Options = ContextRotationOptions;

  [[nodiscard]] static Options defaults(const PretextImages& images) {
    return {.context = ContextPredictionSpec::defaults(images), .rotation = RotationSpec::defaults(images)};
  }

  [[nodiscard]] static CONTEXTURE_FUNCTION std::vector<PretextSetting> settings(Options& o);

  template <class T>
  [[nodiscard]] static std::unique_ptr<PretextTask<T>> make(const Options& options, const PretextImages& images,
                                                            const Backbone<T>& encoder, const Rng& rng) {
    std::vector<JointPart<T>> parts;
    parts.push_back({ContextPredictionSpec::make<T>(options.context, images, encoder, rng), 1});
    parts.push_back({RotationSpec::make<T>(options.rotation, images, encoder, rng), options.rotation_weight});
    return std::make_unique<JointTask<T>>(std::move(parts));
  }
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/context_rotation-inl.hpp"
#endif
