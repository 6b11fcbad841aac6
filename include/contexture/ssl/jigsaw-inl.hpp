// SPDX-License-Identifier: MIT
// The settings of jigsaw.
#pragma once

#include <vector>

#include "contexture/ssl/jigsaw.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::vector<PretextSetting> JigsawSpec::settings(Options& o) {
  return joined(patch_settings(o.patches), mlp_head_settings(o.head));
}

}  // namespace contexture
