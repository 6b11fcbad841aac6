// SPDX-License-Identifier: MIT
// The settings of VICReg.
#pragma once

#include <vector>

#include "contexture/ssl/vicreg.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::vector<PretextSetting> VicregSpec::settings(Options& o) {
  return joined(
      {number_option("invariance-weight", "weight of the difference between two views' embeddings", o.invariance_weight,
                     0.0, 1e6),
       number_option("variance-weight", "weight of the term that keeps embeddings from being constant",
                     o.variance_weight, 0.0, 1e6),
       number_option("covariance-weight", "weight of the term that keeps their numbers from repeating each other",
                     o.covariance_weight, 0.0, 1e6)},
      joined(projection_head_settings(o.head), view_settings(o.views)));
}

}  // namespace contexture
