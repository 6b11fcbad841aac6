// SPDX-License-Identifier: MIT
// Folders of image files: train/<class>/..., test/<class>/... and, if there, unlabeled/...; or
// just <class>/..., from which a fifth of every class is kept for testing; or tar shards of them; or, where no labels
// are needed, any tree. Two passes: the first reads headers only and settles the image size, whether the set is grey,
// and whether it fits into memory; the second decodes in parallel, into memory or into the file of a cache.
#pragma once

#include <algorithm>
#include <array>
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
#include "contexture/data/decode_files.hpp"
#include "contexture/data/folder_files.hpp"
#include "contexture/data/image_cache.hpp"
#include "contexture/data/image_caches.hpp"
#include "contexture/data/image_tree.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/data/scan_header.hpp"
#include "contexture/data/shards.hpp"
#include "contexture/data/split.hpp"

namespace contexture::detail {

// Fills in state and header from the first bytes of the file, of all its bytes if need be.
inline void scan_image_file(ImageFile& file, const ImageLimits& limits) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file.path, error);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(std::min<std::uintmax_t>(size, kFirstBytes)));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.path.c_str(), "rb"), std::fclose);
  if (error || in == nullptr) {
    file.set_broken(ImageFile::State::kUnreadable, error ? error.message() : std::strerror(errno));
    return;
  }
  bytes.resize(std::fread(bytes.data(), 1, bytes.size(), in.get()));
  file.bytes = static_cast<Index>(size);
  scan_header(file, bytes, limits);
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
      // Shards were read once already, to know what is in them.
      if (file.state == ImageFile::State::kGood && file.shard == nullptr) scan_image_file(file, limits);
    }
  });
}

// The files of a data set whose headers are read: classes that can be learnt, or, where no labels are needed, all
// images there are. `split`: test images are taken from the training images where there are no others.
inline FolderFiles scan_image_folder(const std::filesystem::path& folder, const DataOptions& options, Dataset& data,
                                     bool split = true) {
  const std::optional<ShardFolder> shards = shard_folder(folder, options);
  try {
    FolderFiles files = shards ? list_shards(*shards, options, data) : list_classes(folder, options, data);
    for (std::vector<ImageFile>* part : files.parts()) scan_files(*part, options.limits);
    check_broken(folder, files, options.max_broken);
    // One to learn from, one to validate on, one to test on where we make the split.
    check_class_sizes(files, files.is_split_here() ? 3 : 2);
    check_losses(files, options.max_broken);
    if (files.is_split_here() && split) split_off_test(files, options.seed, data.notes);
    require_classes(any_good(files.test) || !split, files.test_root.string(), ": no image for testing");
    if (!shards)
      for (const auto& path : files.class_folders) data.class_names.push_back(path.filename().string());
    return files;
  } catch (const NoClasses& error) {
    if (options.labels) throw;
    data.account = {};
    data.class_names.clear();
    data.notes = {message("used without labels: ", error.what())};
  }
  FolderFiles files = shards ? list_shard_images(*shards, options, data) : list_tree(folder, options);
  scan_files(files.train, options.limits);
  check_broken(folder, files, options.max_broken);
  require_input(any_good(files.train), folder.string(), ": no image", what_else(files, -1));
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

// What is still to be checked once all images of a folder are decoded: some of what looked well could not be.
inline void check_decoded(const std::filesystem::path& folder, const FolderFiles& files, const DataOptions& options) {
  check_broken(folder, files, options.max_broken);
  check_class_sizes(files, 2);
  check_losses(files, options.max_broken);
  require_input(any_good(files.train), folder.string(), ": no image can be decoded");
  require_input(files.class_folders.empty() || any_good(files.test), files.test_root.string(),
                ": no image for testing can be decoded");
}

inline constexpr const char* kAllGrey = "all images are grey, though stored in colour: one channel is used";

// Decodes into memory.
inline void decode_parts(const std::filesystem::path& folder, FolderFiles& files, const ImageSet& empty,
                         const DataOptions& options, Dataset& data) {
  data.train = decode_files(files.train, empty, options);
  data.test = decode_files(files.test, empty, options);
  data.unlabeled = decode_files(files.unlabeled, empty, options);
  check_decoded(folder, files, options);
  make_account(folder, files, data.account);
  const auto has_colour = [](const ImageSet& set) { return set.count > 0 && !is_grey(set); };
  if (empty.channels == 1 || has_colour(data.train) || has_colour(data.test) || has_colour(data.unlabeled)) return;
  for (ImageSet* set : {&data.train, &data.test, &data.unlabeled}) *set = with_channels(*set, 1);
  data.notes.emplace_back(kAllGrey);
}

// Decodes into the file of a cache.
inline void decode_parts(const std::filesystem::path& folder, FolderFiles& files, ImageCacheWriter& cache,
                         const DataOptions& options, Dataset& data) {
  data.train = cache.decode(0, files.train);
  data.test = cache.decode(1, files.test);
  data.unlabeled = cache.decode(2, files.unlabeled);
  check_decoded(folder, files, options);
  make_account(folder, files, data.account);
  const bool to_grey = data.train.channels == 3 && cache.all_grey();
  if (to_grey) data.notes.emplace_back(kAllGrey);
  cache.publish(data, to_grey);
}

inline Dataset load_image_folder(const std::filesystem::path& folder, const DataOptions& options) {
  const ImageCaches caches(folder, options);
  if (std::optional<Dataset> cached = caches.find()) return *std::move(cached);
  Dataset data;
  data.name = folder_name(folder);
  FolderFiles files = scan_image_folder(folder, options, data);
  const auto [empty, fitted] = common_format(files.parts(), options.image_size);
  if (fitted)
    data.notes.push_back(
        message("images of other sizes were resized and cropped to ", empty.height, " x ", empty.width));
  std::array<Index, kCacheParts> images{};
  for (std::size_t part = 0; part < kCacheParts; ++part) images[part] = std::ssize(good_files(*files.parts()[part]));
  const Index all = images[0] + images[1] + images[2];
  if (!caches.wanted(static_cast<double>(all) * static_cast<double>(empty.image_bytes()))) {
    decode_parts(folder, files, empty, options, data);
    return data;
  }
  const CachePlace place = caches.place_of(files);
  ImageCacheWriter cache(place, empty, images, options);
  if (!cache.is_there()) decode_parts(folder, files, cache, options, data);
  data = ImageCaches::open(place);
  if (cache.kept() > 0) data.notes.push_back(message(cache.kept(), " of them were decoded by a run that was stopped"));
  return data;
}

}  // namespace contexture::detail

namespace contexture {

/// Paths of the image files below a folder, broken ones too, in the order of their names; what else lies there
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
