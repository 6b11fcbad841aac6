// SPDX-License-Identifier: MIT
// The settings of SimCLR.
#pragma once

#include <vector>

#include "contexture/ssl/simclr.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::vector<PretextSetting> SimclrSpec::settings(Options& o) {
  return joined(
      {number_option("temperature", "temperature of the softmax over similarities", o.temperature, 0.001, 1000.0)},
      joined(projection_head_settings(o.head), view_settings(o.views)));
}

}  // namespace contexture
