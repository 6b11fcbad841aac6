// SPDX-License-Identifier: MIT
// What a report needs beyond the numbers: pictures. Plain 8-bit data, so that whoever trains can
// fill it without knowing how it will be drawn.
#pragma once

#include <optional>
#include <vector>

#include "contexture/data/dataset.hpp"
#include "contexture/evaluate/embedding_data.hpp"
#include "contexture/ssl/pretext_picture.hpp"

namespace contexture {

/// The pictures' raw material for write_report. Every part may be missing: its figure is then left out.
struct ReportInputs {
  const ImageSet* test = nullptr;       ///< the labelled test split, in the order of TestAnswers; must outlive the call
  std::vector<PretextPicture> pretext;  ///< a few examples (the first three are drawn)
  std::optional<EmbeddingView> embedding = std::nullopt;  ///< of the test images, by several encoders
};

}  // namespace contexture
