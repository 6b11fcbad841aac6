// What a report needs beyond the numbers: pictures. Plain 8-bit data, so that whoever trains can
// fill it without knowing how it will be drawn.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/evaluate/embedding_data.hpp"

namespace contexture {

/// One image, (H,W,C) row-major; 1 channel is grey, 3 are RGB.
struct Picture {
  Index height = 0;
  Index width = 0;
  Index channels = 0;
  std::vector<std::uint8_t> pixels;
};

/// A patch of the pretext task: where it was cut, and what became of it.
struct PatchPicture {
  Index row = 0, column = 0;  ///< place in the grid
  Index top = 0, left = 0;    ///< corner in PretextPicture::image, pixels
  Picture cut;                ///< as cut; its size is the patch size. Empty: a view of the image, cut from no place
  Picture treated;            ///< after colour treatment and standardisation: what the encoder sees
};

/// One image as the pretext task sees it.
struct PretextPicture {
  Picture image;  ///< the image the patches were cut from (after the random scaling), or that views were made of
  std::vector<PatchPicture> patches;
};

/// The pictures' raw material for write_report. Every part may be missing: its figure is then left out.
struct ReportInputs {
  const ImageSet* test = nullptr;       ///< the labelled test split, in the order of TestAnswers; must outlive the call
  std::vector<PretextPicture> pretext;  ///< a few examples (the first three are drawn)
  std::optional<EmbeddingView> embedding = std::nullopt;  ///< of the test images, by several encoders
};

/// Image `i` of a set as a picture.
[[nodiscard]] inline Picture picture_of(const ImageSet& set, Index i) {
  require(i >= 0 && i < set.count, "picture_of: image ", i, " of a set of ", set.count);
  return {set.height, set.width, set.channels, {set.image(i), set.image(i) + set.image_bytes()}};
}

/// A float image (H,W,C) as a picture: `low` becomes black, `high` white. The defaults show
/// standardised values from -2.5 to +2.5 standard deviations.
[[nodiscard]] inline Picture picture_of(const float* values, Index height, Index width, Index channels,
                                        float low = -2.5F, float high = 2.5F) {
  require(high > low, "picture_of: low ", low, " is not below high ", high);
  Picture out{height, width, channels, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels))};
  for (std::size_t i = 0; i < out.pixels.size(); ++i) {
    const float v = std::isfinite(values[i]) ? (values[i] - low) / (high - low) : 0.0F;
    out.pixels[i] = static_cast<std::uint8_t>(std::clamp(v, 0.0F, 1.0F) * 255.0F + 0.5F);
  }
  return out;
}

}  // namespace contexture
