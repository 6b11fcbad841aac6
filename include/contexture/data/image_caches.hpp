// SPDX-License-Identifier: MIT
// Which file of a folder of caches belongs to the images below a folder: its name has a fingerprint of all files'
// names, sizes and times, and of the options that decide what is made of them.
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/ascii.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/fingerprint.hpp"
#include "contexture/core/limits.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/dataset_files.hpp"
#include "contexture/data/folder_files.hpp"
#include "contexture/data/image_cache.hpp"
#include "contexture/data/image_tree.hpp"

namespace contexture {

/// Where caches lie unless somebody says otherwise. Empty where the user has no such folder.
[[nodiscard]] inline std::filesystem::path default_cache_folder() {
  const auto variable = [](const char* name) {
    const char* const text = std::getenv(name);
    return std::filesystem::path(text == nullptr ? "" : text);
  };
  if (const std::filesystem::path caches = variable("XDG_CACHE_HOME"); caches.is_absolute())
    return caches / "contexture";
  const std::filesystem::path home = variable("HOME");
  return home.is_absolute() ? home / ".cache" / "contexture" : std::filesystem::path();
}

namespace detail {

// All files below a folder by name, size and time. Links to folders are followed, each folder once.
class TreeFingerprint {
 public:
  TreeFingerprint(const std::filesystem::path& root, std::vector<std::filesystem::path> never)
      : never_(std::move(never)) {
    add_folder(root, "");
  }
  [[nodiscard]] const Fingerprint& print() const { return print_; }

 private:
  void add_text(const std::string& text) { print_.add(text.c_str(), text.size() + 1); }

  void add_folder(const std::filesystem::path& folder, const std::string& name) {
    struct stat info {};
    if (::stat(folder.c_str(), &info) != 0 || !seen_.emplace(info.st_dev, info.st_ino).second) return;
    for (const std::filesystem::path& path : never_) {
      std::error_code error;
      if (std::filesystem::equivalent(folder, path, error)) return;
    }
    const bool results = is_results_folder(folder);
    for (const auto& entry : list_folder(folder)) {
      const std::string inside = name + "/" + entry.path().filename().string();
      std::error_code error;
      if (entry.is_directory(error)) {
        if (!is_hidden(entry.path())) add_folder(entry.path(), inside);
        continue;
      }
      if (results && is_results_file(entry.path())) continue;
      add_text(inside);
      if (::stat(entry.path().c_str(), &info) != 0) continue;
      for (const std::int64_t number :
           {static_cast<std::int64_t>(info.st_size), static_cast<std::int64_t>(info.st_mtim.tv_sec),
            static_cast<std::int64_t>(info.st_mtim.tv_nsec)})
        print_.add(&number, sizeof(number));
    }
  }

  std::vector<std::filesystem::path> never_;
  std::set<std::pair<dev_t, ino_t>> seen_;
  Fingerprint print_;
};

class ImageCaches {
 public:
  ImageCaches(const std::filesystem::path& folder, const DataOptions& options)
      : folder_(folder),
        options_(options),
        caches_(options.cache.empty() ? default_cache_folder() : std::filesystem::path(options.cache)) {
    stem_ = folder_name(folder);
    std::replace_if(
        stem_.begin(), stem_.end(),
        [](char c) { return !(is_ascii_lower(c) || is_ascii_upper(c) || is_ascii_digit(c) || c == '-' || c == '_'); },
        '_');
  }

  // The images as an earlier run decoded them.
  [[nodiscard]] std::optional<Dataset> find() const {
    if (!has_any()) return std::nullopt;
    for (const bool any_labels : {true, false})
      if (const CachePlace place = place_by(any_labels); std::filesystem::exists(place.file)) return open(place);
    return std::nullopt;
  }

  // Whether so many bytes of pixels are too many for memory.
  [[nodiscard]] bool wanted(double bytes) const {
    return bytes > (options_.memory_limit > 0 ? options_.memory_limit : default_memory_limit());
  }

  // Where the images of these files belong; the folder is there then. Throws InputError where it cannot be made.
  [[nodiscard]] CachePlace place_of(const FolderFiles& files) const {
    require_input(
        !caches_.empty(),
        "these images are more than memory is to hold, and there is no folder to decode them to; give one for "
        "the cache");
    std::error_code error, ignored;
    std::filesystem::create_directories(caches_, error);
    require_input(std::filesystem::is_directory(caches_, ignored), caches_.string(),
                  ": cannot be created: ", error ? error.message() : "a file is in the way");
    // Classes and images beside them are not the same with and without labels (refuse_stray_images()).
    const bool stray = std::any_of(files.left_out.begin(), files.left_out.end(), [](const ImageFile& file) {
      return file.state == ImageFile::State::kOutside && !is_companion(file.path);
    });
    return place_by(!files.class_folders.empty() && !stray);
  }

  [[nodiscard]] static Dataset open(const CachePlace& place) {
    std::optional<Dataset> data = open_image_cache(place);
    require_input(data.has_value(), place.file.string(), ": has disappeared");
    std::error_code error;
    const auto mb = static_cast<double>(std::filesystem::file_size(place.file, error)) / 1e6;
    data->notes.push_back(message("decoded images are in ", place.file.string(), ", ", std::ceil(mb), " MB"));
    return *std::move(data);
  }

 private:
  static constexpr const char* kExtension = ".images";

  [[nodiscard]] bool has_any() const {
    std::error_code error;
    for (std::filesystem::directory_iterator it(caches_, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (name.starts_with(stem_ + "-") && name.ends_with(kExtension)) return true;
    }
    return false;
  }

  // `any_labels`: the images are the same whether labels are needed or not.
  [[nodiscard]] CachePlace place_by(bool any_labels) const {
    if (!tree_) tree_ = TreeFingerprint(folder_, {options_.never_data, caches_}).print();
    Fingerprint print = *tree_;
#if defined(CONTEXTURE_WITH_STB_IMAGE)
    const char* const decoder = "stb";
#else
    const char* const decoder = "libraries";
#endif
    std::string kinds;  // that are read: files of others are left out
    for (const auto kind : {ImageHeader::Format::kGif, ImageHeader::Format::kWebp, ImageHeader::Format::kTiff})
      if (is_readable(kind)) kinds += message(" ", format_name(kind));
    const std::string made =
        message(decoder, " upright", kinds, " ", options_.image_size, " ", options_.seed, " ", options_.max_broken, " ",
                options_.limits.max_pixels, " ", any_labels || options_.labels, " ", any_labels);
    print.add(made.data(), made.size());
    const std::string key = print.text(16);
    return {caches_ / (stem_ + "-" + key + kExtension), key};
  }

  std::filesystem::path folder_;
  const DataOptions& options_;
  std::filesystem::path caches_;
  std::string stem_;
  mutable std::optional<Fingerprint> tree_;
};

}  // namespace detail
}  // namespace contexture
