// SPDX-License-Identifier: MIT
// Cuts images into the patches of the context-prediction task (Doersch, Gupta and Efros, "Unsupervised
// visual representation learning by context prediction", ICCV 2015): an n x n grid with gaps, every
// patch jittered, in an image that was resized by a random factor; a colour treatment and a
// standardisation of every patch; and all ordered pairs of neighbours, labelled with the direction
// from the first to the second. Each of these closes a way to solve the task without looking at
// what the image shows; docs/context-prediction.md says which. Runs in the calling thread, on bytes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/resample.hpp"
#include "contexture/ssl/colour.hpp"
#include "contexture/ssl/neighbours.hpp"
#include "contexture/ssl/patch_options.hpp"
#include "contexture/ssl/pretext_batch.hpp"

namespace contexture {

/// Top left corner of a patch, in pixels of the resized image, and eighths of a pixel (-4..3) by which it is
/// sampled further on.
struct PatchCorner {
  Index y = 0;
  Index x = 0;
  int eighths_y = 0;
  int eighths_x = 0;
};

/// Where one grid was cut.
struct GridPlacement {
  Index height = 0;  ///< of the resized image
  Index width = 0;
  bool mirrored = false;             ///< the image was mirrored left-right before it was cut
  std::vector<PatchCorner> patches;  ///< grid * grid, row by row
};

/// One grid as pictures, for people: what was cut where, and what the network gets to see.
struct GridIllustration {
  ImageSet original;        ///< 1 image
  ImageSet scaled;          ///< 1 image: resized and mirrored as it was cut
  GridPlacement placement;  ///< corners of the patches in `scaled`
  Index patch = 0;          ///< side of a patch
  int grid = 0;             ///< patches a side
  ImageSet cut;             ///< grid * grid images, row by row: as cut
  ImageSet seen;  ///< the same after colour treatment and standardisation (0 -> 128, 2.5 deviations -> 0 or 255)
};

/// Cuts batches of patches out of images of one size. Const and thread safe: all randomness comes
/// in through the stream.
class PatchSampler {
 public:
  /// For images of this size. Throws std::invalid_argument for options that make no sense or for
  /// images in which the grid has no room.
  CONTEXTURE_FUNCTION PatchSampler(const PatchOptions& options, Index height, Index width, Index channels);
  [[nodiscard]] const PatchOptions& options() const { return options_; }
  [[nodiscard]] Index channels() const { return channels_; }
  [[nodiscard]] Index patches_per_grid() const { return static_cast<Index>(options_.grid) * options_.grid; }

  /// The pairs of one grid, before blank ones are left out.
  [[nodiscard]] const std::vector<NeighbourPair>& pairs() const { return pairs_; }

  /// Share of the most frequent direction: what always giving one answer scores at most.
  [[nodiscard]] CONTEXTURE_FUNCTION double chance() const;

  /// One weight a direction, inverse to its frequency, mean over pairs 1; all 1 unless balance_directions.
  [[nodiscard]] CONTEXTURE_FUNCTION std::array<double, kDirections> direction_weights() const;

  /// Draws where a grid is cut: factor, mirroring, origin, jitter.
  [[nodiscard]] CONTEXTURE_FUNCTION GridPlacement place(Rng& stream) const;

  /// Cuts the grids of images `indices`, treats and standardises their patches, and calls
  /// after_grid(row, blank, stream) behind each: the grid's first row in `inputs`, for each of its patches
  /// whether it is blank, and the image's stream, to draw more from. Image k of the list draws from
  /// rng.split(k) alone: give rng.split(step), and step t's image k is a pure function of the seed.
  ///   inputs (images * grids * n * n, patch, patch, channels), grids of an image one after the other.
  /// Throws std::invalid_argument for images of another size or an index out of range.
  CONTEXTURE_FUNCTION void cut_grids(
      const ImageSet& images, const BatchIndices& indices, const Rng& rng, Tensor<float>& inputs,
      const std::function<void(std::int32_t row, std::span<const char> blank, Rng& stream)>& after_grid) const;

  /// The patches and pairs of images `indices`, cut by cut_grids().
  ///   first, second: rows of inputs; targets: direction from first to second.
  CONTEXTURE_FUNCTION void sample(const ImageSet& images, const BatchIndices& indices, const Rng& rng,
                                  PretextBatch& batch) const;
  [[nodiscard]] CONTEXTURE_FUNCTION PretextBatch sample(const ImageSet& images, const BatchIndices& indices,
                                                        const Rng& rng) const;

  /// The first grid that sample() cuts from image `index` when its stream is `stream`, as pictures.
  [[nodiscard]] CONTEXTURE_FUNCTION GridIllustration illustrate(const ImageSet& images, Index index,
                                                                const Rng& stream) const;

 private:
  struct Scratch {
    GridPlacement placement;
    std::vector<float> row;
    std::vector<float> sums;
  };
  static CONTEXTURE_FUNCTION Index scaled(Index length, Index shorter, Index side);
  static CONTEXTURE_FUNCTION void clear_pairs(PretextBatch& batch);
  static CONTEXTURE_FUNCTION void add_pair(std::int32_t row, const NeighbourPair& pair, PretextBatch& batch);
  static CONTEXTURE_FUNCTION std::vector<std::uint8_t> to_bytes(const std::vector<float>& values, float scale,
                                                                float offset);
  static CONTEXTURE_FUNCTION void append(const std::vector<std::uint8_t>& bytes, Pixels& to);
  CONTEXTURE_FUNCTION void check(const ImageSet& images) const;

  // The axes of one factor, by the eighths of a pixel by which they are shifted.
  static constexpr int kEighths = 8;
  using ShiftedAxes = std::array<ResampleAxis, kEighths>;
  CONTEXTURE_FUNCTION ShiftedAxes shifted_axes(Index from, Index to) const;

  // The axis of the factor that gave this height or width; several factors may give one width.
  static CONTEXTURE_FUNCTION const ResampleAxis& axis(const std::vector<ShiftedAxes>& axes, Index to, int eighths);
  CONTEXTURE_FUNCTION void place(Rng& stream, GridPlacement& placement) const;

  // Patch p in units of 0..1. In a mirrored image it is the mirror image of the window opposite.
  CONTEXTURE_FUNCTION void cut(const std::uint8_t* image, const GridPlacement& placement, Index p, Scratch& scratch,
                               float* out) const;

  // Colours and standardisation, in place; tells whether the patch was blank before.
  CONTEXTURE_FUNCTION bool treat(bool treat_grid, Rng& stream, Scratch& scratch, float* patch) const;

  PatchOptions options_;
  Index height_;
  Index width_;
  Index channels_;
  Index smallest_ = 0;
  std::vector<ShiftedAxes> rows_;     // one a possible factor, shorter side growing by 1
  std::vector<ShiftedAxes> columns_;  // parallel to rows_
  std::vector<NeighbourPair> pairs_;
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/patch_sampler-inl.hpp"
#endif
