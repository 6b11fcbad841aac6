// SPDX-License-Identifier: MIT
// How ssl/patch_sampler.hpp cuts and treats patches.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/resample.hpp"
#include "contexture/ssl/colour.hpp"
#include "contexture/ssl/neighbours.hpp"
#include "contexture/ssl/patch_options.hpp"
#include "contexture/ssl/patch_sampler.hpp"
#include "contexture/ssl/pretext_batch.hpp"

namespace contexture {

CONTEXTURE_FUNCTION void PatchSampler::cut_grids(
    const ImageSet& images, const BatchIndices& indices, const Rng& rng, Tensor<float>& inputs,
    const std::function<void(std::int32_t row, std::span<const char> blank, Rng& stream)>& after_grid) const {
  check(images);
  const Index side = options_.patch;
  const Index count = patches_per_grid();
  const Index patch_size = side * side * channels_;
  const Index grids = static_cast<Index>(indices.size()) * options_.grids_per_image;
  const auto extent = static_cast<std::size_t>(side);
  const Shape shape = {static_cast<std::size_t>(grids * count), extent, extent, static_cast<std::size_t>(channels_)};
  if (inputs.shape() != shape) inputs = empty<float>(shape);
  Scratch scratch;
  std::vector<char> blank(static_cast<std::size_t>(count));
  float* out = inputs.data();
  std::int32_t row = 0;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    require(indices[k] >= 0 && indices[k] < images.count, "PatchSampler: image ", indices[k], " of ", images.count);
    const std::uint8_t* image = images.image(indices[k]);
    Rng stream = indices.stream(rng, k);
    for (int g = 0; g < options_.grids_per_image; ++g) {
      place(stream, scratch.placement);
      const bool treat_grid = stream.bernoulli(options_.colour_probability);
      for (Index p = 0; p < count; ++p, out += patch_size) {
        cut(image, scratch.placement, p, scratch, out);
        blank[static_cast<std::size_t>(p)] = treat(treat_grid, stream, scratch, out);
      }
      after_grid(row, std::span<const char>(blank), stream);
      row += static_cast<std::int32_t>(count);
    }
  }
}

CONTEXTURE_FUNCTION PatchSampler::PatchSampler(const PatchOptions& options, Index height, Index width, Index channels)
    : options_(options), height_(height), width_(width), channels_(channels) {
  validate(options);
  require(height >= 1 && width >= 1 && channels >= 1, "PatchSampler: images of ", height, " x ", width, " x ",
          channels);
  require(options.colour != ColourTreatment::project || channels == 3,
          "PatchSampler: colour projection of images with ", channels, " channels, expected 3");
  const Index shorter = std::min(height, width);
  smallest_ = std::max<Index>(1, std::llround(static_cast<double>(options.min_scale) * static_cast<double>(shorter)));
  const Index largest =
      std::max<Index>(1, std::llround(static_cast<double>(options.max_scale) * static_cast<double>(shorter)));
  require(options.extent() <= smallest_, "patches: images of ", height, " x ", width, " px, resized to ", smallest_,
          " px at the least, are smaller than the ", options.grid, "x", options.grid, " grid, expected ",
          options.extent(), " px or more (patch ", options.patch, ", gap ", options.gap, ", jitter ", options.jitter,
          ")");
  for (Index side = smallest_; side <= largest; ++side) {
    rows_.push_back(shifted_axes(height, scaled(height, shorter, side)));
    columns_.push_back(shifted_axes(width, scaled(width, shorter, side)));
  }
  pairs_ = neighbour_pairs(options.grid);
}

CONTEXTURE_FUNCTION double PatchSampler::chance() const {
  const auto share = direction_shares(options_.grid);
  return *std::max_element(share.begin(), share.end());
}

CONTEXTURE_FUNCTION std::array<double, kDirections> PatchSampler::direction_weights() const {
  std::array<double, kDirections> weight{};
  weight.fill(1.0);
  if (!options_.balance_directions) return weight;
  const auto share = direction_shares(options_.grid);
  for (std::size_t d = 0; d < weight.size(); ++d) weight[d] = 1.0 / (kDirections * share[d]);
  return weight;
}

CONTEXTURE_FUNCTION GridPlacement PatchSampler::place(Rng& stream) const {
  GridPlacement placement;
  place(stream, placement);
  return placement;
}

CONTEXTURE_FUNCTION void PatchSampler::sample(const ImageSet& images, const BatchIndices& indices, const Rng& rng,
                                              PretextBatch& batch) const {
  batch.parts.clear();
  batch.images = static_cast<Index>(indices.size());
  clear_pairs(batch);
  const auto pairs_of = [&](std::int32_t row, std::span<const char> blank, Rng& stream) {
    for (const NeighbourPair& pair : pairs_) {
      const bool without = blank[static_cast<std::size_t>(pair.first)] || blank[static_cast<std::size_t>(pair.second)];
      if (without && !(options_.blank_pair_share > 0 && stream.bernoulli(options_.blank_pair_share))) {
        ++batch.skipped;
        continue;
      }
      add_pair(row, pair, batch);
    }
  };
  cut_grids(images, indices, rng, batch.inputs, pairs_of);
  if (!batch.targets.empty()) return;
  clear_pairs(batch);  // blank patches only: keep all pairs, so that the loss stays defined
  const auto rows = static_cast<std::int32_t>(batch.inputs.shape()[0]);
  for (std::int32_t row = 0; row < rows; row += static_cast<std::int32_t>(patches_per_grid())) {
    for (const NeighbourPair& pair : pairs_) add_pair(row, pair, batch);
  }
}

CONTEXTURE_FUNCTION PretextBatch PatchSampler::sample(const ImageSet& images, const BatchIndices& indices,
                                                      const Rng& rng) const {
  PretextBatch batch;
  sample(images, indices, rng, batch);
  return batch;
}

CONTEXTURE_FUNCTION GridIllustration PatchSampler::illustrate(const ImageSet& images, Index index,
                                                              const Rng& stream) const {
  check(images);
  require(index >= 0 && index < images.count, "PatchSampler: image ", index, " of ", images.count);
  const std::uint8_t* image = images.image(index);
  GridIllustration picture;
  picture.patch = options_.patch;
  picture.grid = options_.grid;
  picture.original = {1, height_, width_, channels_, {image, image + height_ * width_ * channels_}, {}};
  Rng rng = stream;
  Scratch scratch;
  place(rng, scratch.placement);
  picture.placement = scratch.placement;
  const Index height = scratch.placement.height;
  const Index width = scratch.placement.width;
  std::vector<float> whole(static_cast<std::size_t>(height * width * channels_));
  resample_window(image, channels_, axis(rows_, height, 0), axis(columns_, width, 0), 0, 0, height, width, scratch.row,
                  whole.data());
  if (scratch.placement.mirrored) mirror_columns(whole.data(), height, width, channels_);
  picture.scaled = {1, height, width, channels_, to_bytes(whole, 255.0F, 0.0F), {}};
  const Index side = options_.patch;
  const Index count = patches_per_grid();
  picture.cut = picture.seen = {count, side, side, channels_, {}, {}};
  const bool treat_grid = rng.bernoulli(options_.colour_probability);
  std::vector<float> patch(static_cast<std::size_t>(side * side * channels_));
  for (Index p = 0; p < count; ++p) {
    cut(image, scratch.placement, p, scratch, patch.data());
    append(to_bytes(patch, 255.0F, 0.0F), picture.cut.pixels);
    treat(treat_grid, rng, scratch, patch.data());
    append(to_bytes(patch, 127.5F / 2.5F, 127.5F), picture.seen.pixels);
  }
  return picture;
}

CONTEXTURE_FUNCTION Index PatchSampler::scaled(Index length, Index shorter, Index side) {
  return length == shorter ? side
                           : std::max<Index>(1, std::llround(static_cast<double>(length) * static_cast<double>(side) /
                                                             static_cast<double>(shorter)));
}

CONTEXTURE_FUNCTION void PatchSampler::clear_pairs(PretextBatch& batch) {
  batch.first.clear();
  batch.second.clear();
  batch.targets.clear();
  batch.skipped = 0;
}

CONTEXTURE_FUNCTION void PatchSampler::add_pair(std::int32_t row, const NeighbourPair& pair, PretextBatch& batch) {
  batch.first.push_back(row + pair.first);
  batch.second.push_back(row + pair.second);
  batch.targets.push_back(pair.label);
}

CONTEXTURE_FUNCTION std::vector<std::uint8_t> PatchSampler::to_bytes(const std::vector<float>& values, float scale,
                                                                     float offset) {
  std::vector<std::uint8_t> bytes(values.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(std::clamp(values[i] * scale + offset + 0.5F, 0.0F, 255.0F));
  }
  return bytes;
}

CONTEXTURE_FUNCTION void PatchSampler::append(const std::vector<std::uint8_t>& bytes, Pixels& to) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

CONTEXTURE_FUNCTION void PatchSampler::check(const ImageSet& images) const {
  require(images.height == height_ && images.width == width_ && images.channels == channels_,
          "PatchSampler: images of ", images.height, " x ", images.width, " x ", images.channels, ", expected ",
          height_, " x ", width_, " x ", channels_);
}

CONTEXTURE_FUNCTION PatchSampler::ShiftedAxes PatchSampler::shifted_axes(Index from, Index to) const {
  ShiftedAxes axes;
  for (int i = 0; i < kEighths; ++i)
    if (options_.subpixel || i == kEighths / 2)
      axes[static_cast<std::size_t>(i)] = resample_axis(from, to, (i - kEighths / 2) / static_cast<double>(kEighths));
  return axes;
}

CONTEXTURE_FUNCTION const ResampleAxis& PatchSampler::axis(const std::vector<ShiftedAxes>& axes, Index to,
                                                           int eighths) {
  const auto found = std::lower_bound(axes.begin(), axes.end(), to,
                                      [](const ShiftedAxes& a, Index value) { return a[kEighths / 2].to < value; });
  return (*found)[static_cast<std::size_t>(eighths + kEighths / 2)];
}

CONTEXTURE_FUNCTION void PatchSampler::place(Rng& stream, GridPlacement& placement) const {
  const auto factor = stream.below(static_cast<std::uint32_t>(rows_.size()));
  placement.height = rows_[factor][kEighths / 2].to;
  placement.width = columns_[factor][kEighths / 2].to;
  placement.mirrored = options_.flip && stream.bernoulli(0.5F);
  const Index room_y = placement.height - options_.extent();
  const Index room_x = placement.width - options_.extent();
  Index y0 = room_y / 2;
  Index x0 = room_x / 2;
  if (options_.random_origin) {
    y0 = stream.below(static_cast<std::uint32_t>(room_y + 1));
    x0 = stream.below(static_cast<std::uint32_t>(room_x + 1));
  }
  const Index pitch = static_cast<Index>(options_.patch) + options_.gap;
  const int jitter = options_.jitter;
  placement.patches.clear();
  for (Index row = 0; row < options_.grid; ++row) {
    for (Index column = 0; column < options_.grid; ++column) {
      PatchCorner corner{y0 + jitter + row * pitch, x0 + jitter + column * pitch};
      if (jitter > 0) {
        corner.y += stream.between(-jitter, jitter);
        corner.x += stream.between(-jitter, jitter);
      }
      if (options_.subpixel) {
        corner.eighths_y = static_cast<int>(stream.below(kEighths)) - kEighths / 2;
        corner.eighths_x = static_cast<int>(stream.below(kEighths)) - kEighths / 2;
      }
      placement.patches.push_back(corner);
    }
  }
}

CONTEXTURE_FUNCTION void PatchSampler::cut(const std::uint8_t* image, const GridPlacement& placement, Index p,
                                           Scratch& scratch, float* out) const {
  const Index side = options_.patch;
  const PatchCorner corner = placement.patches[static_cast<std::size_t>(p)];
  const Index x = placement.mirrored ? placement.width - side - corner.x : corner.x;
  resample_window(image, channels_, axis(rows_, placement.height, corner.eighths_y),
                  axis(columns_, placement.width, corner.eighths_x), corner.y, x, side, side, scratch.row, out);
  if (placement.mirrored) mirror_columns(out, side, side, channels_);
}

CONTEXTURE_FUNCTION bool PatchSampler::treat(bool treat_grid, Rng& stream, Scratch& scratch, float* patch) const {
  const Index side = options_.patch;
  const Index pixels = side * side;
  detail::PatchMoments moments = detail::patch_moments(patch, side, channels_, scratch.sums);
  const bool blank = moments.channel_deviation < static_cast<double>(options_.blank_deviation);
  bool changed = false;
  switch (options_.colour) {
    case ColourTreatment::keep: break;
    case ColourTreatment::grey:
      if ((changed = treat_grid && channels_ > 1)) detail::make_grey(patch, pixels, channels_);
      break;
    case ColourTreatment::project:
      if ((changed = treat_grid)) detail::project_green_magenta(patch, pixels);
      break;
    case ColourTreatment::drop_channels:  // every patch decides for itself
      if ((changed = channels_ > 1 && stream.bernoulli(options_.colour_probability))) {
        detail::drop_channels(patch, pixels, channels_, stream);
      }
      break;
  }
  float mean = 0.5F;
  float scale = 4.0F;
  if (options_.standardise) {
    if (changed) moments = detail::patch_moments(patch, side, channels_, scratch.sums);
    mean = static_cast<float>(moments.mean);
    scale = static_cast<float>(1.0 / std::max(moments.deviation, static_cast<double>(options_.blank_deviation)));
  }
  const Index size = pixels * channels_;
  for (Index i = 0; i < size; ++i) patch[i] = (patch[i] - mean) * scale;
  return blank;
}

}  // namespace contexture
