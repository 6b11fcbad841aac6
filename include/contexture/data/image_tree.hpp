// SPDX-License-Identifier: MIT
// What lies below a folder of images: every file is found, and what cannot be an image of the set (links, hidden files,
// what a run of ours left there) is listed with its reason, so that it is counted.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/ascii.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/image_format.hpp"

namespace contexture::detail {

// A tar file of images.
struct Shard {
  std::filesystem::path path;
  Index bytes = 0;
};

struct ImageFile {
  enum class State {
    kGood,
    kOther,       // no image, or of a kind that this build does not read
    kBroken,      // should be one, and is not
    kUnreadable,  // permissions, disk
    kDangling,    // a link to nothing
    kLinked,      // a link to a folder, which is not followed
    kHidden,
    kOwn,      // left by a run of this library
    kSpecial,  // a pipe, a device
    kOutside,  // beside what the layout knows
  };
  std::filesystem::path path;
  std::int32_t label = -1;
  std::int32_t group = -1;  // the listed folder that it is of; -1: none
  State state = State::kGood;
  ImageHeader header;
  std::string reason;            // why broken
  Index count = 1;               // files that a folder stands for
  const Shard* shard = nullptr;  // that it is a member of; `path` is then its name there, and short: there are millions
  Index offset = 0;              // of its first byte in the shard
  Index bytes = 0;               // likewise, how many

  void set_broken(State how, std::string why) {
    state = how;
    reason = std::move(why);
    if (shard != nullptr) path = shard->path / path;
    shard = nullptr;
  }
};

inline bool is_hidden(const std::filesystem::path& path) { return path.filename().string().starts_with('.'); }

inline std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), ascii_lower);
  return text;
}

// Whether a file is called as images are.
inline bool is_image_name(const std::filesystem::path& path) {
  const std::string extension = lower(path.extension().string());
  return std::find(kImageExtensions.begin(), kImageExtensions.end(), extension) != kImageExtensions.end();
}

// Entries by name. Throws InputError where the folder cannot be listed.
inline std::vector<std::filesystem::directory_entry> list_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::directory_entry> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    entries.push_back(*it);
  require_input(!error, folder.string(), ": cannot be listed: ", error.message());
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.path() < b.path(); });
  return entries;
}

// Files below a folder, at least 1; links below it are not followed.
inline Index count_files(const std::filesystem::path& folder) {
  Index files = 0;
  std::error_code error;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (Walk it(folder, std::filesystem::directory_options::skip_permission_denied, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    files += !it->is_directory(ignored);
  }
  return std::max<Index>(files, 1);
}

// A folder into which one of our programs wrote: its settings and what it computed, or a program's one result.
inline bool is_results_folder(const std::filesystem::path& folder) {
  const auto has = [&](const char* name) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(folder / name, ignored);
  };
  if (has("checkpoint.safetensors") || has("probe.json") || has("diagnostics.json")) return true;
  if (has("summary.json") && has("report.md")) return true;
  std::ifstream file(folder / "config.ini");
  std::string line;
  return std::getline(file, line) && line.starts_with("# Effective configuration.");
}

// Names that runs give to their files.
inline bool is_results_file(const std::filesystem::path& path) {
  constexpr std::array<std::string_view, 10> kFigures = {
      "loss_curves", "accuracy_curves", "label_efficiency", "pretrain_curves", "predictions",
      "confusion",   "patches",         "neighbours",       "embedding",       "filters"};
  constexpr std::array<std::string_view, 7> kTexts = {"config.ini",  "history.csv", "summary.json",    "report.md",
                                                      "report.html", "probe.json",  "diagnostics.json"};
  const std::string name = path.filename().string();
  const std::string stem = path.stem().string();
  const std::string extension = path.extension().string();
  if (extension == ".safetensors") return true;
  if (extension == ".png" || extension == ".svg")
    return std::find(kFigures.begin(), kFigures.end(), stem) != kFigures.end();
  return std::find(kTexts.begin(), kTexts.end(), name) != kTexts.end();
}

// What is not followed: hidden things, links to nothing or to a folder, pipes. The state of all else is kGood.
inline ImageFile look_at(const std::filesystem::directory_entry& entry) {
  using State = ImageFile::State;
  ImageFile file;
  file.path = entry.path();
  std::error_code error;
  const std::filesystem::file_status status = entry.status(error);
  const bool link = entry.is_symlink(error);
  if (is_hidden(file.path)) {
    file.state = State::kHidden;
    if (std::filesystem::is_directory(status) && !link) file.count = count_files(file.path);
  } else if (status.type() == std::filesystem::file_type::not_found ||
             status.type() == std::filesystem::file_type::none) {
    file.state = link ? State::kDangling : State::kUnreadable;
  } else if (std::filesystem::is_directory(status)) {
    if (link) {
      file.state = State::kLinked;
      file.count = count_files(file.path);
    }
  } else if (!std::filesystem::is_regular_file(status)) {
    file.state = State::kSpecial;
  }
  return file;
}

// All files below the folder in the order of their paths, those that are not followed with their reasons; the folder
// `never` is a run's own.
inline void append_files(const std::filesystem::path& folder, const ImageFile& like, const std::filesystem::path& never,
                         std::vector<ImageFile>& files) {
  const std::size_t first = files.size();
  std::vector<std::filesystem::path> open = {folder};
  while (!open.empty()) {
    const std::filesystem::path at = std::move(open.back());
    open.pop_back();
    const bool results = is_results_folder(at);
    for (const auto& entry : list_folder(at)) {
      ImageFile file = look_at(entry);
      file.label = like.label;
      file.group = like.group;
      std::error_code ignored;
      if (file.state == ImageFile::State::kGood && entry.is_directory(ignored)) {
        if (never.empty() || !std::filesystem::equivalent(file.path, never, ignored)) {
          open.push_back(file.path);
          continue;
        }
        if (std::filesystem::is_empty(file.path, ignored)) continue;
        file.state = ImageFile::State::kOwn;
        file.count = count_files(file.path);
      } else if (file.state == ImageFile::State::kGood && results && is_results_file(file.path)) {
        file.state = ImageFile::State::kOwn;
      }
      files.push_back(std::move(file));
    }
  }
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end(),
            [](const ImageFile& a, const ImageFile& b) { return a.path < b.path; });
}

// Files that lie beside images and are none of them: annotations, lists, notes.
inline bool is_companion(const std::filesystem::path& path) {
  constexpr std::array<std::string_view, 17> kCompanions = {"",     ".txt",  ".md",  ".csv",  ".tsv",  ".json",
                                                            ".xml", ".yaml", ".yml", ".html", ".htm",  ".ini",
                                                            ".db",  ".log",  ".pdf", ".py",   ".names"};
  return std::find(kCompanions.begin(), kCompanions.end(), lower(path.extension().string())) != kCompanions.end();
}

// Counts as a loss of images: not what is hidden, a run's, or beside images by its nature.
inline bool is_loss(const ImageFile& file) {
  switch (file.state) {
    case ImageFile::State::kGood:
    case ImageFile::State::kHidden:
    case ImageFile::State::kOwn:
    case ImageFile::State::kOutside: return false;
    case ImageFile::State::kOther: return !is_companion(file.path);
    default: return true;
  }
}

// Why a file is not used, in the words of the account.
inline std::string reason_of(const ImageFile& file) {
  switch (file.state) {
    case ImageFile::State::kGood: return "";
    case ImageFile::State::kOther: {
      const std::string extension = lower(file.path.extension().string());
      const bool known = file.header.format != ImageHeader::Format::kOther;
      return (known ? std::string("built without ") + format_name(file.header.format)
                    : std::string("not ") + kImageKinds) +
             " (" + (extension.empty() ? "no extension" : extension) + ")";
    }
    case ImageFile::State::kBroken: return "broken";
    case ImageFile::State::kUnreadable: return "cannot be read";
    case ImageFile::State::kDangling: return "a link to nothing";
    case ImageFile::State::kLinked: return "in a linked folder, which is not followed";
    case ImageFile::State::kHidden: return "hidden";
    case ImageFile::State::kOwn: return "results of a run";
    case ImageFile::State::kSpecial: return "no regular file";
    case ImageFile::State::kOutside: return file.reason;
  }
  return "";
}

}  // namespace contexture::detail
