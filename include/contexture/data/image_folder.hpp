// SPDX-License-Identifier: MIT
// Folders of PNG and JPEG files: train/<class>/..., test/<class>/... and, if there, unlabeled/...; or
// just <class>/..., from which a fifth of every class is kept for testing; or, where no labels are needed, any tree.
// Two passes: the first reads headers only and settles the image size and whether the set is grey, the second decodes
// in parallel, each image straight into its place.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/dataset_files.hpp"
#include "contexture/data/folder_files.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/image_tree.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/data/split.hpp"

namespace contexture::detail {

// Fills in state and header from the first bytes of the file, of all its bytes if need be.
inline void scan_image_file(ImageFile& file, const ImageLimits& limits) {
  constexpr std::size_t kFirstBytes = 16'384;
  try {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(file.path, error);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(std::min<std::uintmax_t>(size, kFirstBytes)));
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.path.c_str(), "rb"), std::fclose);
    if (error || in == nullptr) {
      file.state = ImageFile::State::kUnreadable;
      file.reason = error ? error.message() : std::strerror(errno);
      return;
    }
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), in.get()));
    switch (image_format(bytes)) {
      case ImageHeader::Format::kPng: file.header = png_header(bytes, limits); break;
      case ImageHeader::Format::kJpeg: try { file.header = jpeg_header(bytes, limits);
        } catch (const InputError&) {  // a camera's preview may push the frame header far back
          if (size <= bytes.size()) throw;
          file.header = jpeg_header(read_bytes(file.path, kMostImageBytes), limits);
        }
        break;
      case ImageHeader::Format::kOther: {
        const std::string extension = file.path.extension().string();
        const bool claims = contains_ignoring_case(extension, ".png") || contains_ignoring_case(extension, ".jpg") ||
                            contains_ignoring_case(extension, ".jpeg");
        require_input(!claims, "neither PNG nor JPEG inside");
        file.state = ImageFile::State::kOther;
        break;
      }
    }
  } catch (const InputError& error) {
    file.state = ImageFile::State::kBroken;
    file.reason = error.what();
  }
}

// Decodes the good files among `files` into the empty `set`, which says the size that images get; files that turn out
// broken are marked, and have no place in the result.
inline ImageSet decode_files(std::vector<ImageFile>& files, ImageSet set, const ImageLimits& limits) {
  const Index height = set.height, width = set.width, channels = set.channels;
  std::vector<ImageFile*> good;
  for (ImageFile& file : files) {
    if (file.state == ImageFile::State::kGood) good.push_back(&file);
  }
  make_room(set, static_cast<Index>(good.size()));
  parallel_for(static_cast<Index>(good.size()), 16, [&](Index begin, Index end) {
    std::optional<Fitter> fit;  // kept for as long as the images have the same size
    Index fit_height = 0;
    Index fit_width = 0;
    for (Index i = begin; i < end; ++i) {
      ImageFile& file = *good[static_cast<std::size_t>(i)];
      try {
        ImageSet image = decode_image(read_bytes(file.path, kMostImageBytes), limits, {height, width});
        if (image.channels != channels) image = with_channels(image, channels);
        if (image.height == height && image.width == width) {
          std::copy(image.pixels.begin(), image.pixels.end(), set.image(i));
          continue;
        }
        if (!fit || image.height != fit_height || image.width != fit_width) {
          fit.emplace(image.height, image.width, channels, height, width);
          fit_height = image.height;
          fit_width = image.width;
        }
        (*fit)(image.image(0), set.image(i));
      } catch (const InputError& error) {
        file.state = ImageFile::State::kBroken;
        file.reason = error.what();
      }
    }
  });
  // Close the gaps that broken files left.
  for (std::size_t i = 0; i < good.size(); ++i) {
    if (good[i]->state != ImageFile::State::kGood) continue;
    if (set.count != static_cast<Index>(i)) {
      std::copy_n(set.image(static_cast<Index>(i)), set.image_bytes(), set.image(set.count));
    }
    if (good[i]->label >= 0) set.labels.push_back(good[i]->label);
    ++set.count;
  }
  set.pixels.resize(static_cast<std::size_t>(set.count * set.image_bytes()));
  return set;
}

// True when every pixel of a colour set is grey.
inline bool is_grey(const ImageSet& set) {
  if (set.channels != 3) return false;
  for (std::size_t i = 0; i < set.pixels.size(); i += 3) {
    if (set.pixels[i] != set.pixels[i + 1] || set.pixels[i] != set.pixels[i + 2]) return false;
  }
  return true;
}

// Images of at most this side are used as stored; larger or mixed ones become squares of at most
// kUsualSide, which a CPU trains on in reasonable time.
inline constexpr Index kMostStoredSide = 128;
inline constexpr Index kUsualSide = 64;

// Height and width for all images: what was asked for; else the size that all but 1 % of them have
// (a stray or lying file must not change everybody's size); else a square of the median shorter side.
inline std::pair<Index, Index> choose_size(const std::vector<std::vector<ImageFile>*>& parts, Index image_size) {
  if (image_size > 0) return {image_size, image_size};
  std::vector<Index> sides;
  std::map<std::pair<Index, Index>, std::size_t> sizes;
  for (const auto* part : parts) {
    for (const ImageFile& file : *part) {
      if (file.state != ImageFile::State::kGood) continue;
      sides.push_back(std::min(file.header.height, file.header.width));
      ++sizes[{file.header.height, file.header.width}];
    }
  }
  for (const auto& [size, count] : sizes) {
    if (count * 100 >= sides.size() * 99 && std::max(size.first, size.second) <= kMostStoredSide) return size;
  }
  const auto middle = sides.begin() + static_cast<std::ptrdiff_t>(sides.size() / 2);
  std::nth_element(sides.begin(), middle, sides.end());
  const Index side = std::min(*middle, kUsualSide);
  return {side, side};
}

// Moves a fifth of every class from the training images to the test images, and notes it.
inline void split_off_test(FolderFiles& files, std::uint64_t seed, std::vector<std::string>& notes) {
  const auto first = std::stable_partition(files.train.begin(), files.train.end(), [](const ImageFile& file) {
    return file.state == ImageFile::State::kGood || is_broken(file);
  });
  std::move(first, files.train.end(), std::back_inserter(files.left_out));
  files.train.erase(first, files.train.end());
  std::vector<std::int32_t> labels;
  for (const ImageFile& file : files.train) labels.push_back(file.label);
  const Split split = stratified_split(labels, 0.2, Rng(seed).split("test split"));
  std::vector<ImageFile> kept;
  for (const Index i : split.train) kept.push_back(std::move(files.train[static_cast<std::size_t>(i)]));
  for (const Index i : split.validation) files.test.push_back(std::move(files.train[static_cast<std::size_t>(i)]));
  files.train = std::move(kept);
  notes.push_back(message("no test/ folder: ", files.test.size(), " of ", labels.size(),
                          " images (a fifth of every class, by seed) are kept for testing"));
}

inline void scan_files(std::vector<ImageFile>& files, const ImageLimits& limits) {
  parallel_for(static_cast<Index>(files.size()), 16, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      ImageFile& file = files[static_cast<std::size_t>(i)];
      if (file.state == ImageFile::State::kGood) scan_image_file(file, limits);
    }
  });
}

// The files of a data set whose headers are read: classes that can be learnt, or, where no labels are needed, all
// images there are.
inline FolderFiles scan_image_folder(const std::filesystem::path& folder, const DataOptions& options, Dataset& data) {
  try {
    FolderFiles files = list_classes(folder, options, data);
    for (std::vector<ImageFile>* part : files.parts()) scan_files(*part, options.limits);
    check_broken(folder, files, options.max_broken);
    // One to learn from, one to validate on, one to test on where we make the split.
    check_class_sizes(files, files.is_split_here() ? 3 : 2);
    check_losses(files, options.max_broken);
    if (files.is_split_here()) split_off_test(files, options.seed, data.notes);
    require_classes(any_good(files.test), files.test_root.string(), ": no PNG or JPEG image for testing");
    for (const auto& path : files.class_folders) data.class_names.push_back(path.filename().string());
    return files;
  } catch (const NoClasses& error) {
    if (options.labels) throw;
    data.account = {};
    data.notes = {message("used without labels: ", error.what())};
  }
  FolderFiles files = list_tree(folder, options);
  scan_files(files.train, options.limits);
  check_broken(folder, files, options.max_broken);
  require_input(any_good(files.train), folder.string(), ": no PNG or JPEG image", what_else(files, -1));
  check_losses(files, options.max_broken);
  return files;
}

// What all images of some files become: a set without images, of one size, grey where all of them are; and whether one
// has to be fitted to it.
struct CommonFormat {
  ImageSet empty;
  bool fitted = false;
};

inline CommonFormat common_format(const std::vector<std::vector<ImageFile>*>& parts, Index image_size) {
  const auto [height, width] = choose_size(parts, image_size);
  CommonFormat out;
  bool grey = true;
  for (const auto* part : parts)
    for (const ImageFile& file : *part) {
      if (file.state != ImageFile::State::kGood) continue;
      grey = grey && file.header.grey;
      out.fitted = out.fitted || file.header.height != height || file.header.width != width;
    }
  out.empty.height = height;
  out.empty.width = width;
  out.empty.channels = grey ? 1 : 3;
  return out;
}

inline Dataset load_image_folder(const std::filesystem::path& folder, const DataOptions& options) {
  Dataset data;
  data.name = folder_name(folder);
  FolderFiles files = scan_image_folder(folder, options, data);
  const bool tree = files.class_folders.empty();
  const std::vector<std::vector<ImageFile>*> parts = files.parts();
  const auto [empty, fitted] = common_format(parts, options.image_size);
  data.train = decode_files(files.train, empty, options.limits);
  data.test = decode_files(files.test, empty, options.limits);
  data.unlabeled = decode_files(files.unlabeled, empty, options.limits);
  check_broken(folder, files, options.max_broken);
  check_class_sizes(files, 2);  // some of what looked well could not be decoded
  check_losses(files, options.max_broken);
  require_input(any_good(files.train), folder.string(), ": no image can be decoded");
  require_input(tree || any_good(files.test), files.test_root.string(), ": no image for testing can be decoded");
  make_account(folder, files, data.account);
  if (fitted)
    data.notes.push_back(
        message("images of other sizes were resized and cropped to ", empty.height, " x ", empty.width));
  const auto has_colour = [](const ImageSet& set) { return set.count > 0 && !is_grey(set); };
  if (empty.channels == 3 && !has_colour(data.train) && !has_colour(data.test) && !has_colour(data.unlabeled)) {
    data.train = with_channels(data.train, 1);
    data.test = with_channels(data.test, 1);
    data.unlabeled = with_channels(data.unlabeled, 1);
    data.notes.emplace_back("all images are grey, though stored in colour: one channel is used");
  }
  return data;
}

}  // namespace contexture::detail

namespace contexture {

/// Paths of the PNG and JPEG files below a folder, broken ones too, in the order of their names; what else lies there
/// is told in the account. Throws InputError where it cannot be listed.
[[nodiscard]] inline std::vector<std::filesystem::path> image_files_below(const std::filesystem::path& folder,
                                                                          const ImageLimits& limits,
                                                                          DataAccount& account) {
  std::vector<detail::ImageFile> files;
  detail::append_files(folder, {}, {}, files);
  detail::scan_files(files, limits);
  std::vector<std::filesystem::path> out;
  for (const detail::ImageFile& file : files) {
    if (file.state == detail::ImageFile::State::kGood || detail::is_broken(file)) {
      out.push_back(file.path);
      ++account.used;
    } else {
      account.leave_out(detail::reason_of(file), file.path.string(), file.count);
    }
  }
  return out;
}

}  // namespace contexture
