// SPDX-License-Identifier: MIT
// Random views of an image, for tasks that learn what two views of one image have in common (SimCLR:
// Chen et al., arXiv 2002.05709, appendix A): a part of the image resized to the view's size, mirrored,
// colours shifted, or grey. Straight from bytes to normalised floats, in the calling thread. Every colour
// change is an affine map of a pixel's channels, so that all of them together are one pass over the view.
// docs/pretext-tasks.md says where this departs from the paper.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/resample.hpp"
#include "contexture/ssl/pretext_batch.hpp"
#include "contexture/ssl/view_options.hpp"

namespace contexture {

/// The part of an image that a view shows, and how.
struct ViewPlacement {
  Index y = 0;
  Index x = 0;
  Index height = 0;
  Index width = 0;
  bool mirrored = false;
};

/// An affine map of RGB: y = matrix x + offset, colours in units of 0..1.
struct ColourMap {
  std::array<float, 9> matrix{1, 0, 0, 0, 1, 0, 0, 0, 1};  ///< row by row
  std::array<float, 3> offset{};
};

namespace detail {

inline constexpr std::array<float, 3> kLuminance{0.299F, 0.587F, 0.114F};  // Rec. 601

// map = after * map, for a 3 x 3 matrix.
inline void compose(const std::array<float, 9>& after, ColourMap& map) {
  ColourMap result;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      result.matrix[3 * i + j] =
          after[3 * i] * map.matrix[j] + after[3 * i + 1] * map.matrix[3 + j] + after[3 * i + 2] * map.matrix[6 + j];
    }
    result.offset[i] =
        after[3 * i] * map.offset[0] + after[3 * i + 1] * map.offset[1] + after[3 * i + 2] * map.offset[2];
  }
  map = result;
}

// share * x + (1 - share) * luminance(x): 1 leaves the colours, 0 makes them grey.
inline std::array<float, 9> saturation_matrix(float share) {
  std::array<float, 9> m{};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) m[3 * i + j] = (1 - share) * kLuminance[j] + (i == j ? share : 0.0F);
  return m;
}

// Turns the plane of the two colour differences of YIQ by `turn` of the circle; luminance and greys stay.
inline std::array<float, 9> hue_matrix(float turn) {
  constexpr std::array<float, 3> kI{0.595716F, -0.274453F, -0.321263F};
  constexpr std::array<float, 3> kQ{0.211456F, -0.522591F, 0.311135F};
  constexpr std::array<float, 3> kFromI{0.9563F, -0.2721F, -1.1070F};  // columns of the inverse
  constexpr std::array<float, 3> kFromQ{0.6210F, -0.6474F, 1.7046F};
  const float angle = 2 * std::numbers::pi_v<float> * turn;
  const float cosine = std::cos(angle);
  const float sine = std::sin(angle);
  std::array<float, 9> m{};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      m[3 * i + j] =
          (1 - cosine) * kLuminance[j] + (i == j ? cosine : 0.0F) + sine * (kFromQ[i] * kI[j] - kFromI[i] * kQ[j]);
    }
  }
  return m;
}

}  // namespace detail

/// Makes views of images of one size. Const and thread safe: all randomness comes in through the stream.
class ViewSampler {
 public:
  /// For images of this size; a view holds (value - mean) / stddev, as batches of a classifier do. Throws
  /// std::invalid_argument for options that make no sense, or a normalisation of other channels.
  ViewSampler(const ViewOptions& options, Index height, Index width, Index channels, const Normalization& normalization)
      : options_(options), height_(height), width_(width), channels_(channels) {
    validate(options);
    require(height >= 1 && width >= 1 && channels >= 1, "ViewSampler: images of ", height, " x ", width, " x ",
            channels);
    require(static_cast<Index>(normalization.mean.size()) == channels &&
                static_cast<Index>(normalization.stddev.size()) == channels,
            "ViewSampler: ", normalization.mean.size(), " means and ", normalization.stddev.size(),
            " deviations for images of ", channels, " channels");
    if (options_.height == 0) options_.height = height;
    if (options_.width == 0) options_.width = width;
    for (Index c = 0; c < channels; ++c) {
      const float stddev = normalization.stddev[static_cast<std::size_t>(c)];
      require(stddev > 0, "ViewSampler: standard deviation ", stddev, ", expected more than 0");
      scale_.push_back(1.0F / stddev);
      offset_.push_back(-normalization.mean[static_cast<std::size_t>(c)] / stddev);
    }
    for (Index from = 1; from <= height; ++from) rows_.push_back(resample_axis(from, options_.height));
    for (Index from = 1; from <= width; ++from) columns_.push_back(resample_axis(from, options_.width));
  }

  /// As given, with the view's size filled in.
  [[nodiscard]] const ViewOptions& options() const { return options_; }

  /// Draws which part of the image a view shows. A part that would not fit is drawn again, ten times at the
  /// most; then it is the whole image.
  [[nodiscard]] ViewPlacement place(Rng& stream) const {
    ViewPlacement placement{0, 0, height_, width_, false};
    const float log_aspect = std::log(options_.aspect);
    for (int attempt = 0; attempt < 10; ++attempt) {
      const float side = std::sqrt(stream.uniform(options_.min_area, options_.max_area));
      const float stretch = std::exp(0.5F * stream.uniform(-log_aspect, log_aspect));
      const auto h = static_cast<Index>(std::lround(side / stretch * static_cast<float>(height_)));
      const auto w = static_cast<Index>(std::lround(side * stretch * static_cast<float>(width_)));
      if (h > height_ || w > width_) continue;
      placement.height = std::max<Index>(h, 1);
      placement.width = std::max<Index>(w, 1);
      placement.y = stream.below(static_cast<std::uint32_t>(height_ - placement.height + 1));
      placement.x = stream.below(static_cast<std::uint32_t>(width_ - placement.width + 1));
      break;
    }
    placement.mirrored = options_.flip && stream.bernoulli(0.5F);
    return placement;
  }

  /// One view (height, width, channels) of `image`, from `stream` alone.
  void view(const std::uint8_t* image, Rng& stream, std::vector<float>& scratch, float* out) const {
    const ViewPlacement placement = place(stream);
    resample_window(image + (placement.y * width_ + placement.x) * channels_, channels_,
                    rows_[static_cast<std::size_t>(placement.height - 1)],
                    columns_[static_cast<std::size_t>(placement.width - 1)], 0, 0, options_.height, options_.width,
                    scratch, out, width_ * channels_);
    if (placement.mirrored) mirror_columns(out, options_.height, options_.width, channels_);
    const bool change = stream.bernoulli(options_.colour_probability);
    if (channels_ == 3) {
      const bool grey = stream.bernoulli(options_.grey_probability);
      ColourMap map;
      if (change) map = colour_map(mean_colour(out), stream);
      if (grey) detail::compose(detail::saturation_matrix(0), map);
      finish_rgb(change || grey, map, out);
    } else {
      finish(change, stream, out);
    }
  }

  /// Two views of each of the images `indices`; view v of a batch's image k draws from rng.split(k).split(v)
  /// alone.
  ///   inputs (2N, height, width, channels): first views, then second views; first, second: rows of inputs.
  /// Throws std::invalid_argument for images of another size or an index out of range.
  [[nodiscard]] PretextBatch pairs(const ImageSet& images, const BatchIndices& indices, const Rng& rng) const {
    require(images.height == height_ && images.width == width_ && images.channels == channels_,
            "ViewSampler: images of ", images.height, " x ", images.width, " x ", images.channels, ", expected ",
            height_, " x ", width_, " x ", channels_);
    const std::size_t count = indices.size();
    PretextBatch batch;
    batch.inputs = empty<float>({2 * count, static_cast<std::size_t>(options_.height),
                                 static_cast<std::size_t>(options_.width), static_cast<std::size_t>(channels_)});
    batch.images = static_cast<Index>(count);
    const Index size = options_.height * options_.width * channels_;
    std::vector<float> scratch;
    for (std::size_t k = 0; k < count; ++k) {
      require(indices[k] >= 0 && indices[k] < images.count, "ViewSampler: image ", indices[k], " of ", images.count);
      for (std::size_t v = 0; v < 2; ++v) {
        Rng stream = indices.stream(rng, k).split(v);
        view(images.image(indices[k]), stream, scratch, batch.inputs.data() + static_cast<Index>(v * count + k) * size);
      }
      batch.first.push_back(static_cast<std::int32_t>(k));
      batch.second.push_back(static_cast<std::int32_t>(count + k));
    }
    return batch;
  }

 private:
  [[nodiscard]] Index pixels() const { return options_.height * options_.width; }

  [[nodiscard]] std::array<float, 3> mean_colour(const float* view) const {
    std::array<float, 3> sum{};
    for (Index i = 0; i < pixels(); ++i, view += 3)
      for (std::size_t c = 0; c < 3; ++c) sum[c] += view[c];
    for (float& s : sum) s /= static_cast<float>(pixels());
    return sum;
  }

  // Brightness, contrast, saturation and hue in random order.
  [[nodiscard]] ColourMap colour_map(const std::array<float, 3>& mean, Rng& stream) const {
    std::array<int, 4> order{0, 1, 2, 3};
    stream.shuffle(order);
    ColourMap map;
    for (const int change : order) {
      if (change == 0) {
        const float factor = stream.uniform(1 - options_.brightness, 1 + options_.brightness);
        for (float& m : map.matrix) m *= factor;
        for (float& o : map.offset) o *= factor;
      } else if (change == 1) {
        const float factor = stream.uniform(1 - options_.contrast, 1 + options_.contrast);
        float grey = 0;  // mean luminance of the view as it is by now
        for (std::size_t i = 0; i < 3; ++i) {
          grey += detail::kLuminance[i] * (map.matrix[3 * i] * mean[0] + map.matrix[3 * i + 1] * mean[1] +
                                           map.matrix[3 * i + 2] * mean[2] + map.offset[i]);
        }
        for (float& m : map.matrix) m *= factor;
        for (float& o : map.offset) o = factor * o + (1 - factor) * grey;
      } else if (change == 2) {
        const float factor = stream.uniform(1 - options_.saturation, 1 + options_.saturation);
        detail::compose(detail::saturation_matrix(factor), map);
      } else {
        detail::compose(detail::hue_matrix(stream.uniform(-options_.hue, options_.hue)), map);
      }
    }
    return map;
  }

  // Colours, clamped to 0..1, and normalisation.
  void finish_rgb(bool change, const ColourMap& map, float* view) const {
    const std::array<float, 9> m = map.matrix;
    const std::array<float, 3> o = map.offset;
    const std::array<float, 3> scale{scale_[0], scale_[1], scale_[2]};
    const std::array<float, 3> offset{offset_[0], offset_[1], offset_[2]};
    const Index count = pixels();
    if (!change) {
      for (Index i = 0; i < count; ++i, view += 3)
        for (std::size_t c = 0; c < 3; ++c) view[c] = view[c] * scale[c] + offset[c];
      return;
    }
    const auto unit = [](float x) { return std::min(std::max(x, 0.0F), 1.0F); };
    for (Index i = 0; i < count; ++i, view += 3) {
      const float r = view[0];
      const float g = view[1];
      const float b = view[2];
      view[0] = unit(m[0] * r + m[1] * g + m[2] * b + o[0]) * scale[0] + offset[0];
      view[1] = unit(m[3] * r + m[4] * g + m[5] * b + o[1]) * scale[1] + offset[1];
      view[2] = unit(m[6] * r + m[7] * g + m[8] * b + o[2]) * scale[2] + offset[2];
    }
  }

  // The same for any other number of channels, which brightness and contrast change alike.
  void finish(bool change, Rng& stream, float* view) const {
    const Index size = pixels() * channels_;
    float factor = 1;
    float shift = 0;
    if (change) {
      const float mean = std::accumulate(view, view + size, 0.0F) / static_cast<float>(size);
      const float brightness = stream.uniform(1 - options_.brightness, 1 + options_.brightness);
      const float contrast = stream.uniform(1 - options_.contrast, 1 + options_.contrast);
      // contrast * x + (1 - contrast) * mean, times the brightness; in the other order it is the same.
      factor = brightness * contrast;
      shift = brightness * (1 - contrast) * mean;
    }
    for (Index i = 0; i < size; i += channels_) {
      for (Index c = 0; c < channels_; ++c) {
        float& x = view[i + c];
        if (change) x = std::min(std::max(x * factor + shift, 0.0F), 1.0F);
        x = x * scale_[static_cast<std::size_t>(c)] + offset_[static_cast<std::size_t>(c)];
      }
    }
  }

  ViewOptions options_;
  Index height_;
  Index width_;
  Index channels_;
  std::vector<float> scale_;  // one a channel: 1 / stddev
  std::vector<float> offset_;
  std::vector<ResampleAxis> rows_;     // from 1, 2, ... height_ samples
  std::vector<ResampleAxis> columns_;  // from 1, 2, ... width_ samples
};

}  // namespace contexture
