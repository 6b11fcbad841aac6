// SPDX-License-Identifier: MIT
// The settings of context prediction and rotation.
#pragma once

#include <vector>

#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/context_rotation.hpp"
#include "contexture/ssl/rotation.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::vector<PretextSetting> ContextRotationSpec::settings(Options& o) {
  return joined(joined(ContextPredictionSpec::settings(o.context), RotationSpec::settings(o.rotation)),
                {number_option("rotation-weight", "weight of the rotation's loss beside context prediction's",
                               o.rotation_weight, 1e-6, 1e6)});
}

}  // namespace contexture
