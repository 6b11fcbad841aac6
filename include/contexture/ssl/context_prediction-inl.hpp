// SPDX-License-Identifier: MIT
// The settings of context prediction.
#pragma once

#include <vector>

#include "contexture/ssl/context_prediction.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::vector<PretextSetting> ContextPredictionSpec::settings(Options& o) {
  const std::vector<PretextSetting> own{
      number_option("blank-pair-share", "share of the pairs with a blank patch that are asked about all the same",
                    o.patches.blank_pair_share, 0.0F, 1.0F),
      switch_option("balance-directions", "weigh directions by how seldom they are", o.patches.balance_directions),
      choice_option("readout", "what the pretext head gets of a patch's features", o.readout, {"average", "flatten"}),
      number_option("head-hidden", "units in the hidden layer of the pretext head", o.head.hidden, 1, 65536),
      number_option("head-dropout", "share of the pretext head's hidden units that are dropped in a step",
                    o.head.dropout, 0.0F, 0.99F),
      number_option("pretext-label-smoothing", "share of the right direction's target spread over all eight",
                    o.label_smoothing, 0.0, 0.9)};
  return joined(
      joined({number_option("grid", "patches a side, of the grid that is cut from an image", o.patches.grid, 2, 16)
                  .by_rule("by image size", "0")},
             patch_settings(o.patches)),
      own);
}

}  // namespace contexture
