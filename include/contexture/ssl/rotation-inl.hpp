// SPDX-License-Identifier: MIT
// The settings of rotation.
#pragma once

#include <vector>

#include "contexture/ssl/rotation.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::vector<PretextSetting> RotationSpec::settings(Options& o) {
  return joined(
      {number_option("rotation-crop-padding", "pixels by which an image is shifted at most before it is turned",
                     o.augmentation.crop_padding, 0, 512)
           .by_rule("an eighth of the shorter side"),
       choice_option("rotation-border", "what a shifted image leaves free is mirrored from it, or black",
                     o.augmentation.border, {"reflect", "zero"}),
       flip_option(o.augmentation.flip),
       switch_option("all-rotations", "turn every image all four ways in a step, not one of them", o.all_rotations)},
      mlp_head_settings(o.head, "rotation-"));
}

}  // namespace contexture
