// Cuts images into the patches of the context-prediction task (Doersch, Gupta and Efros, "Unsupervised
// visual representation learning by context prediction", ICCV 2015): an n x n grid with gaps, every
// patch jittered, in an image that was resized by a random factor; a colour treatment and a
// standardisation of every patch; and all ordered pairs of neighbours, labelled with the direction
// from the first to the second. Each of these closes a way to solve the task without looking at
// what the image shows; docs/context-prediction.md says which. Runs in the calling thread, on bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/resample.hpp"
#include "contexture/ssl/pretext_batch.hpp"

namespace contexture {

/// Directions are numbered row by row around the first patch, as in the paper's figure 2:
///   0 1 2
///   3 . 4
///   5 6 7
/// so the opposite of direction d is 7 - d.
inline constexpr int kDirections = 8;

/// Row and column offset, each -1, 0 or 1, of the second patch from the first.
struct Direction {
  int dy = 0;
  int dx = 0;
};

[[nodiscard]] inline Direction direction(int label) {
  require(label >= 0 && label < kDirections, "direction: label ", label, ", expected 0 to 7");
  const int cell = label < 4 ? label : label + 1;  // 4 would be the patch itself
  return {cell / 3 - 1, cell % 3 - 1};
}

[[nodiscard]] inline int direction_label(Direction d) {
  require(std::abs(d.dy) <= 1 && std::abs(d.dx) <= 1 && (d.dy != 0 || d.dx != 0), "direction_label: offset (", d.dy,
          ",", d.dx, "), expected one of the eight neighbours");
  const int cell = (d.dy + 1) * 3 + d.dx + 1;
  return cell < 4 ? cell : cell - 1;
}

/// Two patches of one grid, numbered row by row, and the direction from the first to the second.
struct NeighbourPair {
  std::int32_t first = 0;
  std::int32_t second = 0;
  std::int32_t label = 0;
};

/// All ordered pairs of neighbours, diagonals included, of a grid x grid arrangement: 12 for 2 x 2,
/// 40 for 3 x 3.
[[nodiscard]] inline std::vector<NeighbourPair> neighbour_pairs(int grid) {
  require(grid >= 2, "neighbour_pairs: grid of ", grid, " x ", grid, ", expected 2 or more");
  std::vector<NeighbourPair> pairs;
  for (int y = 0; y < grid; ++y) {
    for (int x = 0; x < grid; ++x) {
      for (int label = 0; label < kDirections; ++label) {
        const Direction d = direction(label);
        const int other_y = y + d.dy;
        const int other_x = x + d.dx;
        if (other_y < 0 || other_y >= grid || other_x < 0 || other_x >= grid) continue;
        pairs.push_back({y * grid + x, other_y * grid + other_x, label});
      }
    }
  }
  return pairs;
}

/// How pairs of each direction are distributed in a grid; sums to 1.
[[nodiscard]] inline std::array<double, kDirections> direction_shares(int grid) {
  std::array<double, kDirections> share{};
  const auto pairs = neighbour_pairs(grid);
  for (const NeighbourPair& pair : pairs) {
    share[static_cast<std::size_t>(pair.label)] += 1.0 / static_cast<double>(pairs.size());
  }
  return share;
}

/// What is done to the colours of a patch, against chromatic aberration and against solving the task
/// by matching colours.
enum class ColourTreatment {
  keep,           ///< nothing
  grey,           ///< all channels become the patch's luminance (Rec. 601; other than 3 channels: their mean)
  drop_channels,  ///< one random channel stays, the others become noise of 1 % of its deviation (the paper's first way)
  project  ///< the green-magenta axis is projected out: x B, B = I - a'a / (a a'), a = [-1 2 -1] (its second way)
};

[[nodiscard]] constexpr const char* to_string(ColourTreatment treatment) {
  switch (treatment) {
    case ColourTreatment::keep: return "keep";
    case ColourTreatment::grey: return "grey";
    case ColourTreatment::drop_channels: return "drop_channels";
    case ColourTreatment::project: return "project";
  }
  return "?";
}

/// The treatment of that name. Throws std::invalid_argument for any other text.
[[nodiscard]] inline ColourTreatment colour_treatment(std::string_view name) {
  for (const auto treatment :
       {ColourTreatment::keep, ColourTreatment::grey, ColourTreatment::drop_channels, ColourTreatment::project}) {
    if (name == to_string(treatment)) return treatment;
  }
  require(false, "colour treatment '", name, "', expected keep, grey, drop_channels or project");
  return ColourTreatment::keep;
}

/// Everything about how patches are cut and treated. The values here suit 32 x 32 colour images;
/// context_defaults() adapts them to other sizes.
struct ContextOptions {
  /// Patches a side. 2 where the image has no room for three patches of 13 px or more.
  int grid = 2;
  /// Side of a patch, in pixels of the resized image. Big enough to show a part of an object.
  int patch = 12;
  /// Free pixels between neighbouring patches before jitter. Half a patch, as in the paper: edges
  /// and textures that continue across the border no longer give the answer away.
  int gap = 6;
  /// Every patch moves by -jitter..jitter pixels in both axes, independently, so that lines that
  /// run on from patch to patch do not line up. At most gap / 2: patches never overlap.
  int jitter = 1;
  /// The grid's corner is uniform over all places where no patch can leave the image; else it is centred.
  bool random_origin = true;
  /// The image is resized by a random factor before it is cut; 32 px become 34 to 46. At its own
  /// size, a JPEG image shows the position of its 8 x 8 blocks in every patch; never include 1.
  float min_scale = 1.0625F;
  float max_scale = 1.4375F;
  /// Every patch is sampled at a fraction of a pixel of its own, in both axes. Enlarging leaves a pattern of sharper
  /// and softer pixels; where all patches are cut from one enlarged image, it runs on from patch to patch and tells how
  /// far one is from the other.
  bool subpixel = true;
  /// Grids cut from an image each time it is seen, each with its own factor, origin and colours.
  int grids_per_image = 1;
  /// Mirror every second grid's image. Off: not every kind of image survives it (text, digits).
  bool flip = false;
  ColourTreatment colour = ColourTreatment::grey;
  /// Share of the grids whose colours are treated (of the patches, with drop_channels). With 2/3 grey,
  /// colours alone do not pay, but the encoder still sees them, as it will when it is used. The
  /// paper treats all of them: 1.
  float colour_probability = 0.66F;
  /// Mean 0 and deviation 1 over all pixels and channels of every patch: brightness and contrast,
  /// which vary smoothly across an image, say nothing about the direction any more. Off: (x - 0.5) * 4.
  bool standardise = true;
  /// A patch whose channels deviate less than this (of 0..1: 5 grey levels) is blank. Standardisation
  /// divides by no less, so that noise is not blown up to the size of a signal.
  float blank_deviation = 0.02F;
  /// Share of the pairs with a blank patch that are used all the same; 0 drops them: nothing can be
  /// learnt from two blanks, and from one only where objects end. A batch of nothing else keeps them.
  float blank_pair_share = 0.0F;
  /// Weigh directions by the inverse of their frequency: in a 2 x 2 grid each diagonal direction
  /// comes half as often as each straight one.
  bool balance_directions = true;

  /// Side of the smallest image, in pixels, in which the jittered grid always has room.
  [[nodiscard]] Index extent() const {
    return static_cast<Index>(grid) * patch + static_cast<Index>(grid - 1) * gap + 2 * static_cast<Index>(jitter);
  }
};

/// Options for square images of this side: 2 x 2 below 64 px, else 3 x 3, unless `grid` says otherwise; below
/// 64 px the grid takes the whole side of the unscaled image, else an eighth of the side is left free; gap
/// half a patch; jitter a twelfth of a patch, at least 1; the largest patch with which that fits. 28 px:
/// 10/5/1, 32 px: 12/6/1, 96 px: 20/10/2 (patch/gap/jitter). Colours are kept where there are not three
/// channels. For images that are not square, give the shorter side. Throws std::invalid_argument under 13 px.
[[nodiscard]] inline ContextOptions context_defaults(Index image_size, Index channels = 3, int grid = 0) {
  require(channels >= 1, "context_defaults: ", channels, " channels, expected 1 or more");
  constexpr Index kSmall = 64;
  ContextOptions options;
  options.grid = grid > 0 ? grid : image_size < kSmall ? 2 : 3;
  const Index room = image_size < kSmall ? image_size : image_size - image_size / 8;
  for (int patch = 4;; ++patch) {
    ContextOptions next = options;
    next.patch = patch;
    next.jitter = std::max(1, (patch + 6) / 12);
    next.gap = std::max(patch / 2, 2 * next.jitter + 1);
    if (next.extent() > room) {
      require(patch > 4, "context prediction: images of ", image_size, " px are too small for a ", next.grid, "x",
              next.grid, " grid of patches, expected ", next.extent(), " px or more");
      break;
    }
    options = next;
  }
  if (channels != 3) options.colour = ColourTreatment::keep;
  return options;
}

/// Throws std::invalid_argument unless the options make sense together (for whatever images).
inline void validate(const ContextOptions& o) {
  constexpr int kMost = 1 << 15;
  require(o.grid >= 2 && o.grid <= 64, "ContextOptions: grid ", o.grid, ", expected 2 to 64");
  require(o.patch >= 1 && o.patch <= kMost, "ContextOptions: patch ", o.patch, " px, expected 1 to ", kMost);
  require(o.gap >= 0 && o.gap <= kMost, "ContextOptions: gap ", o.gap, " px, expected 0 to ", kMost);
  require(o.jitter >= 0 && 2 * o.jitter <= o.gap, "ContextOptions: jitter ", o.jitter, " px with gap ", o.gap,
          " px, expected 0 to half the gap");
  require(o.min_scale > 0 && o.min_scale <= o.max_scale && o.max_scale <= 64.0F, "ContextOptions: scale ", o.min_scale,
          " to ", o.max_scale, ", expected 0 < min_scale <= max_scale <= 64");
  require(o.grids_per_image >= 1 && o.grids_per_image <= 1024, "ContextOptions: ", o.grids_per_image,
          " grids per image, expected 1 to 1024");
  require(o.colour_probability >= 0 && o.colour_probability <= 1, "ContextOptions: colour_probability ",
          o.colour_probability, ", expected 0 to 1");
  require(o.blank_deviation > 0 && o.blank_deviation < 1, "ContextOptions: blank_deviation ", o.blank_deviation,
          ", expected between 0 and 1");
  require(o.blank_pair_share >= 0 && o.blank_pair_share <= 1, "ContextOptions: blank_pair_share ", o.blank_pair_share,
          ", expected 0 to 1");
}

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
struct ContextIllustration {
  ImageSet original;        ///< 1 image
  ImageSet scaled;          ///< 1 image: resized and mirrored as it was cut
  GridPlacement placement;  ///< corners of the patches in `scaled`
  Index patch = 0;          ///< side of a patch
  int grid = 0;             ///< patches a side
  ImageSet cut;             ///< grid * grid images, row by row: as cut
  ImageSet seen;  ///< the same after colour treatment and standardisation (0 -> 128, 2.5 deviations -> 0 or 255)
};

namespace detail {

struct PatchMoments {
  double mean = 0;               // over pixels and channels
  double deviation = 0;          // over pixels and channels
  double channel_deviation = 0;  // root mean square over channels of each channel's own deviation
};

// Column sums first (they vectorise), in floats about 0.5; the few columns are added up in double.
inline PatchMoments patch_moments(const float* patch, Index side, Index channels, std::vector<float>& scratch) {
  const Index row = side * channels;
  if (static_cast<Index>(scratch.size()) < 2 * row) scratch.resize(static_cast<std::size_t>(2 * row));
  float* sum = scratch.data();
  float* square = sum + row;
  std::fill_n(sum, 2 * row, 0.0F);
  for (Index y = 0; y < side; ++y, patch += row) {
    for (Index i = 0; i < row; ++i) {
      const float v = patch[i] - 0.5F;
      sum[i] += v;
      square[i] += v * v;
    }
  }
  const auto pixels = static_cast<double>(side * side);
  PatchMoments moments;
  double mean_square = 0;
  double within = 0;
  for (Index c = 0; c < channels; ++c) {
    double s = 0;
    double q = 0;
    for (Index i = c; i < row; i += channels) {
      s += static_cast<double>(sum[i]);
      q += static_cast<double>(square[i]);
    }
    s /= pixels;
    q /= pixels;
    moments.mean += s / static_cast<double>(channels);
    mean_square += q / static_cast<double>(channels);
    within += std::max(0.0, q - s * s) / static_cast<double>(channels);
  }
  moments.deviation = std::sqrt(std::max(0.0, mean_square - moments.mean * moments.mean));
  moments.channel_deviation = std::sqrt(within);
  moments.mean += 0.5;
  return moments;
}

inline void make_grey(float* patch, Index pixels, Index channels) {
  if (channels == 3) {
    for (Index i = 0; i < pixels; ++i, patch += 3) {
      const float grey = 0.299F * patch[0] + 0.587F * patch[1] + 0.114F * patch[2];
      patch[0] = patch[1] = patch[2] = grey;
    }
    return;
  }
  for (Index i = 0; i < pixels; ++i, patch += channels) {
    float sum = 0;
    for (Index c = 0; c < channels; ++c) sum += patch[c];
    std::fill_n(patch, channels, sum / static_cast<float>(channels));
  }
}

// x - a (a.x) / (a.a) with a = (-1, 2, -1), for RGB.
inline void project_green_magenta(float* patch, Index pixels) {
  for (Index i = 0; i < pixels; ++i, patch += 3) {
    const float along = (2.0F * patch[1] - patch[0] - patch[2]) / 6.0F;
    patch[0] += along;
    patch[1] -= 2.0F * along;
    patch[2] += along;
  }
}

// Keeps one random channel; the others become its mean plus noise of 1 % of its deviation, so that
// they add nothing to the patch's mean and next to nothing to its deviation.
inline void drop_channels(float* patch, Index pixels, Index channels, Rng& rng) {
  const auto kept = static_cast<Index>(rng.below(static_cast<std::uint32_t>(channels)));
  double sum = 0;
  double square = 0;
  for (Index i = 0; i < pixels; ++i) {
    const auto v = static_cast<double>(patch[i * channels + kept]);
    sum += v;
    square += v * v;
  }
  const double mean = sum / static_cast<double>(pixels);
  const double variance = std::max(0.0, square / static_cast<double>(pixels) - mean * mean);
  // The four bytes of one draw, added up: near enough to a normal number, and a tenth of its cost.
  // Their sum has mean 510 and variance 4 * (256^2 - 1) / 12.
  const auto unit = static_cast<float>(0.01 * std::sqrt(variance) / std::sqrt(21845.0));
  const auto offset = static_cast<float>(mean);
  for (Index i = 0; i < pixels; ++i, patch += channels) {
    for (Index c = 0; c < channels; ++c) {
      if (c == kept) continue;
      const std::uint32_t bits = rng();
      const std::uint32_t bytes = (bits & 255U) + (bits >> 8 & 255U) + (bits >> 16 & 255U) + (bits >> 24);
      patch[c] = offset + unit * (static_cast<float>(bytes) - 510.0F);
    }
  }
}

}  // namespace detail

/// Cuts batches of patches out of images of one size. Const and thread safe: all randomness comes
/// in through the stream.
class PatchSampler {
 public:
  /// For images of this size. Throws std::invalid_argument for options that make no sense or for
  /// images in which the grid has no room.
  PatchSampler(const ContextOptions& options, Index height, Index width, Index channels)
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
    require(options.extent() <= smallest_, "context prediction: images of ", height, " x ", width, " px, resized to ",
            smallest_, " px at the least, are smaller than the ", options.grid, "x", options.grid, " grid, expected ",
            options.extent(), " px or more (patch ", options.patch, ", gap ", options.gap, ", jitter ", options.jitter,
            ")");
    for (Index side = smallest_; side <= largest; ++side) {
      rows_.push_back(shifted_axes(height, scaled(height, shorter, side)));
      columns_.push_back(shifted_axes(width, scaled(width, shorter, side)));
    }
    pairs_ = neighbour_pairs(options.grid);
  }

  [[nodiscard]] const ContextOptions& options() const { return options_; }
  [[nodiscard]] Index channels() const { return channels_; }
  [[nodiscard]] Index patches_per_grid() const { return static_cast<Index>(options_.grid) * options_.grid; }
  /// The pairs of one grid, before blank ones are left out.
  [[nodiscard]] const std::vector<NeighbourPair>& pairs() const { return pairs_; }

  /// Share of the most frequent direction: what always giving one answer scores at most.
  [[nodiscard]] double chance() const {
    const auto share = direction_shares(options_.grid);
    return *std::max_element(share.begin(), share.end());
  }

  /// One weight a direction, inverse to its frequency, mean over pairs 1; all 1 unless balance_directions.
  [[nodiscard]] std::array<double, kDirections> direction_weights() const {
    std::array<double, kDirections> weight{};
    weight.fill(1.0);
    if (!options_.balance_directions) return weight;
    const auto share = direction_shares(options_.grid);
    for (std::size_t d = 0; d < weight.size(); ++d) weight[d] = 1.0 / (kDirections * share[d]);
    return weight;
  }

  /// Draws where a grid is cut: factor, mirroring, origin, jitter.
  [[nodiscard]] GridPlacement place(Rng& stream) const {
    GridPlacement placement;
    place(stream, placement);
    return placement;
  }

  /// Cuts the grids of images `indices`, treats and standardises their patches, and calls
  /// after_grid(row, blank, stream) behind each: the grid's first row in `inputs`, for each of its patches
  /// whether it is blank, and the image's stream, to draw more from. Image k of the list draws from
  /// rng.split(k) alone: give rng.split(step), and step t's image k is a pure function of the seed.
  ///   inputs (images * grids * n * n, patch, patch, channels), grids of an image one after the other.
  /// Throws std::invalid_argument for images of another size or an index out of range.
  template <class AfterGrid>
  void cut_grids(const ImageSet& images, std::span<const Index> indices, const Rng& rng, Tensor<float>& inputs,
                 AfterGrid&& after_grid) const {
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
      Rng stream = rng.split(k);
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

  /// The patches and pairs of images `indices`, cut by cut_grids().
  ///   first, second: rows of inputs; targets: direction from first to second.
  void sample(const ImageSet& images, std::span<const Index> indices, const Rng& rng, PretextBatch& batch) const {
    batch.parts.clear();
    batch.images = static_cast<Index>(indices.size());
    clear_pairs(batch);
    const auto pairs_of = [&](std::int32_t row, std::span<const char> blank, Rng& stream) {
      for (const NeighbourPair& pair : pairs_) {
        const bool without =
            blank[static_cast<std::size_t>(pair.first)] || blank[static_cast<std::size_t>(pair.second)];
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

  [[nodiscard]] PretextBatch sample(const ImageSet& images, std::span<const Index> indices, const Rng& rng) const {
    PretextBatch batch;
    sample(images, indices, rng, batch);
    return batch;
  }

  /// The first grid that sample() cuts from image `index` when its stream is `stream`, as pictures.
  [[nodiscard]] ContextIllustration illustrate(const ImageSet& images, Index index, const Rng& stream) const {
    check(images);
    require(index >= 0 && index < images.count, "PatchSampler: image ", index, " of ", images.count);
    const std::uint8_t* image = images.image(index);
    ContextIllustration picture;
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
    resample_window(image, channels_, axis(rows_, height, 0), axis(columns_, width, 0), 0, 0, height, width,
                    scratch.row, whole.data());
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

 private:
  struct Scratch {
    GridPlacement placement;
    std::vector<float> row;
    std::vector<float> sums;
  };

  static Index scaled(Index length, Index shorter, Index side) {
    return length == shorter ? side
                             : std::max<Index>(1, std::llround(static_cast<double>(length) * static_cast<double>(side) /
                                                               static_cast<double>(shorter)));
  }

  static void clear_pairs(PretextBatch& batch) {
    batch.first.clear();
    batch.second.clear();
    batch.targets.clear();
    batch.skipped = 0;
  }

  static void add_pair(std::int32_t row, const NeighbourPair& pair, PretextBatch& batch) {
    batch.first.push_back(row + pair.first);
    batch.second.push_back(row + pair.second);
    batch.targets.push_back(pair.label);
  }

  static std::vector<std::uint8_t> to_bytes(const std::vector<float>& values, float scale, float offset) {
    std::vector<std::uint8_t> bytes(values.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(std::clamp(values[i] * scale + offset + 0.5F, 0.0F, 255.0F));
    }
    return bytes;
  }

  static void append(const std::vector<std::uint8_t>& bytes, std::vector<std::uint8_t>& to) {
    to.insert(to.end(), bytes.begin(), bytes.end());
  }

  void check(const ImageSet& images) const {
    require(images.height == height_ && images.width == width_ && images.channels == channels_,
            "PatchSampler: images of ", images.height, " x ", images.width, " x ", images.channels, ", expected ",
            height_, " x ", width_, " x ", channels_);
  }

  // The axes of one factor, by the eighths of a pixel by which they are shifted.
  static constexpr int kEighths = 8;
  using ShiftedAxes = std::array<ResampleAxis, kEighths>;
  ShiftedAxes shifted_axes(Index from, Index to) const {
    ShiftedAxes axes;
    for (int i = 0; i < kEighths; ++i)
      if (options_.subpixel || i == kEighths / 2)
        axes[static_cast<std::size_t>(i)] = resample_axis(from, to, (i - kEighths / 2) / static_cast<double>(kEighths));
    return axes;
  }

  // The axis of the factor that gave this height or width; several factors may give one width.
  static const ResampleAxis& axis(const std::vector<ShiftedAxes>& axes, Index to, int eighths) {
    const auto found = std::lower_bound(axes.begin(), axes.end(), to,
                                        [](const ShiftedAxes& a, Index value) { return a[kEighths / 2].to < value; });
    return (*found)[static_cast<std::size_t>(eighths + kEighths / 2)];
  }

  void place(Rng& stream, GridPlacement& placement) const {
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

  // Patch p in units of 0..1. In a mirrored image it is the mirror image of the window opposite.
  void cut(const std::uint8_t* image, const GridPlacement& placement, Index p, Scratch& scratch, float* out) const {
    const Index side = options_.patch;
    const PatchCorner corner = placement.patches[static_cast<std::size_t>(p)];
    const Index x = placement.mirrored ? placement.width - side - corner.x : corner.x;
    resample_window(image, channels_, axis(rows_, placement.height, corner.eighths_y),
                    axis(columns_, placement.width, corner.eighths_x), corner.y, x, side, side, scratch.row, out);
    if (placement.mirrored) mirror_columns(out, side, side, channels_);
  }

  // Colours and standardisation, in place; tells whether the patch was blank before.
  bool treat(bool treat_grid, Rng& stream, Scratch& scratch, float* patch) const {
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

  ContextOptions options_;
  Index height_;
  Index width_;
  Index channels_;
  Index smallest_ = 0;
  std::vector<ShiftedAxes> rows_;     // one a possible factor, shorter side growing by 1
  std::vector<ShiftedAxes> columns_;  // parallel to rows_
  std::vector<NeighbourPair> pairs_;
};

}  // namespace contexture
