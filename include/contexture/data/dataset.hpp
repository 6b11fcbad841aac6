// SPDX-License-Identifier: MIT
// A data set: 8-bit images, in memory or in a mapped file, their class numbers and the classes' names. Plain structs:
// loaders fill them, splits and batches read them, nothing else is promised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/limits.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/account.hpp"
#include "contexture/data/pixels.hpp"

namespace contexture {

/// Images of one size, (N,H,W,C) row-major, 0 = black, 255 = white; 1 channel is grey, 3 are RGB.
struct ImageSet {
  Index count = 0;
  Index height = 0;
  Index width = 0;
  Index channels = 0;
  Pixels pixels;                     ///< (N,H,W,C)
  std::vector<std::int32_t> labels;  ///< one class number an image, from 0; empty: unlabelled

  [[nodiscard]] Index image_bytes() const { return height * width * channels; }
  [[nodiscard]] const std::uint8_t* image(Index i) const {
    return pixels.part(first_byte(i), static_cast<std::size_t>(image_bytes()));
  }
  [[nodiscard]] std::uint8_t* image(Index i) {
    return pixels.part(first_byte(i), static_cast<std::size_t>(image_bytes()));
  }

 private:
  [[nodiscard]] std::size_t first_byte(Index i) const { return static_cast<std::size_t>(i * image_bytes()); }
};

/// What a loader returns. Train and test are labelled (but see DataOptions::labels) and of one image size;
/// `unlabeled` may be empty and is for pre-training only.
struct Dataset {
  std::string name;
  std::vector<std::string> class_names;
  ImageSet train;
  ImageSet test;
  ImageSet unlabeled;
  std::vector<std::string> notes;  ///< what a person should know: how a folder was read, resized images
  DataAccount account;             ///< of a folder's files: how many were used, what was not
};

/// What an image file may ask for. Its decoding takes at most about 20 bytes of memory a pixel, once per thread.
struct ImageLimits {
  static constexpr Index kMostPixels = Index{1} << 28;

  Index max_pixels = Index{1} << 26;  ///< height x width; never more than kMostPixels
};

/// A size in pixels.
struct ImageExtent {
  Index height = 0;
  Index width = 0;
};

/// How far the images of a folder are read.
struct LoadProgress {
  std::string what;  ///< "decoding images"
  Index done = 0;
  Index of = 0;  ///< 0: nobody knows
};

/// What load_dataset and builtin_dataset can be told.
struct DataOptions {
  Index image_size = 0;          ///< side of the square images in pixels; 0: as stored (builtin: 32, builtin-64: 64)
  std::uint64_t seed = 0;        ///< of the built-in sets, and of the test split of folders without one
  Index builtin_train = 10'000;  ///< images of a built-in training set
  Index builtin_test = 2'000;    ///< images of a built-in test set
  ImageLimits limits = {};       ///< of the files in folders of images
  /// Share of the images that may be broken. A class (or a folder without classes) may lose a tenth of its files for
  /// any reason, or this share if it is more.
  double max_broken = 0.01;
  bool labels = true;  ///< needed; without, a folder of images needs no classes: Dataset::train is then unlabelled
  std::string never_data = {};  ///< a folder that results go to: not read where it lies in the data
  /// Bytes of pixels up to which a folder's images are kept in memory. More are decoded once into a file of the folder
  /// `cache`, which is mapped. 0: half of the memory that this process can have.
  double memory_limit = 0;
  std::string cache = {};  ///< created where it is needed; empty: contexture/ in the user's folder for caches
  std::function<void(const LoadProgress&)> progress = {};  ///< is called now and then while a folder is read
};

/// Bytes of pixels that are kept in memory unless somebody says otherwise: half of what this process can have.
[[nodiscard]] inline double default_memory_limit() { return detail::memory_limit().bytes / 2; }

/// 0, 1, ... count - 1: all images of a set, for what takes indices.
[[nodiscard]] inline std::vector<Index> numbered(Index count) {
  std::vector<Index> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), Index{0});
  return all;
}

/// Images per class, `classes` entries. Throws std::invalid_argument for a label outside [0, classes).
[[nodiscard]] inline std::vector<Index> class_counts(std::span<const std::int32_t> labels, std::size_t classes) {
  std::vector<Index> counts(classes, 0);
  for (const std::int32_t label : labels) {
    require(label >= 0 && static_cast<std::size_t>(label) < classes, "class_counts: label ", label, ", expected 0 to ",
            static_cast<Index>(classes) - 1);
    ++counts[static_cast<std::size_t>(label)];
  }
  return counts;
}

namespace detail {

// Room for so many images, whose size the set tells. Throws InputError where this process can't have it.
inline void make_room(ImageSet& set, Index images) {
  const double bytes = static_cast<double>(images) * static_cast<double>(set.image_bytes());
  require_memory(message(images, " images of ", set.height, " x ", set.width, " x ", set.channels), bytes);
  set.pixels.resize(static_cast<std::size_t>(images * set.image_bytes()));
}

// Sizes that everything downstream relies on. The fault is the caller's: loaders check their files.
inline void check_image_set(const char* who, const ImageSet& set) {
  require(set.count >= 0 && set.height > 0 && set.width > 0 && set.channels > 0, who, ": image set of ", set.count,
          " images of ", set.height, " x ", set.width, " x ", set.channels);
  require(set.pixels.size() == static_cast<std::size_t>(set.count * set.image_bytes()), who, ": ", set.pixels.size(),
          " bytes of pixels for ", set.count, " images of ", set.image_bytes(), " bytes");
  require(set.labels.empty() || set.labels.size() == static_cast<std::size_t>(set.count), who, ": ", set.labels.size(),
          " labels for ", set.count, " images");
}

}  // namespace detail
}  // namespace contexture
