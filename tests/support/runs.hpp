// SPDX-License-Identifier: MIT
// What runs leave, and what of two runs has to be the same.
#pragma once

#include <algorithm>
#include <vector>

#include "contexture/optim/state_tensors.hpp"
#include "contexture/study/results.hpp"
#include "contexture/train/history.hpp"
#include "support/files.hpp"
#include "support/tensors.hpp"

namespace runs {

using namespace contexture;

using files::bytes_of, files::Folder;

inline bool same_bits(const TensorMap& a, const TensorMap& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && tensors::same_bits(x.second, y.second);
  });
}

// Everything but the clock.
inline bool same_rows(const std::vector<HistoryRow>& a, const std::vector<HistoryRow>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const HistoryRow& x, const HistoryRow& y) {
    return x.step == y.step && x.epoch == y.epoch && x.split == y.split && x.loss == y.loss &&
           x.accuracy == y.accuracy && x.macro_f1 == y.macro_f1;
  });
}

inline bool same_rows(const std::vector<PhaseRow>& a, const std::vector<PhaseRow>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PhaseRow& x, const PhaseRow& y) {
    return x.phase == y.phase && same_rows(std::vector<HistoryRow>{x}, std::vector<HistoryRow>{y});
  });
}

}  // namespace runs
