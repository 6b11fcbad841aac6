// SPDX-License-Identifier: MIT
// Images in tar files, as WebDataset has them: a sample is what follows each other under one name, 000017.jpg and
// 000017.cls; other members are passed over. Lists them as the files of a folder are listed.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "contexture/core/ascii.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/dataset_files.hpp"
#include "contexture/data/folder_files.hpp"
#include "contexture/data/folder_layout.hpp"
#include "contexture/data/image_tree.hpp"
#include "contexture/data/scan_header.hpp"
#include "contexture/data/tar.hpp"

namespace contexture::detail {

inline constexpr const char* kShardExtension = ".tar";

// The shards of a folder: in it, or in folders of parts below it.
struct ShardFolder {
  std::filesystem::path folder;
  std::map<SplitPart, std::vector<std::filesystem::path>> parts;  // none: no part by name
  std::vector<ImageFile> rest;                                    // what lies beside them

  [[nodiscard]] bool has(SplitPart part) const { return parts.find(part) != parts.end(); }
};

inline bool is_shard(const std::filesystem::path& path) {
  std::error_code ignored;
  return lower(path.extension().string()) == kShardExtension && !is_hidden(path) &&
         std::filesystem::is_regular_file(path, ignored);
}

// The shards in one folder by their names' parts (train-000000.tar), or all of the part that the folder is.
inline void add_shards(const std::filesystem::path& folder, SplitPart part, ShardFolder& out) {
  for (const auto& entry : list_folder(folder)) {
    if (is_shard(entry.path())) {
      const SplitPart of = part != SplitPart::none ? part : part_name(entry.path().stem().string()).part;
      out.parts[of].push_back(entry.path());
      continue;
    }
    ImageFile file = look_at(entry);
    std::error_code ignored;
    if (file.state == ImageFile::State::kGood && entry.is_directory(ignored)) {
      if (part == SplitPart::none) continue;  // a part, or a run's
      file.count = count_files(file.path);
    }
    if (file.state == ImageFile::State::kGood && file.path.filename() == "class_names.txt") continue;
    if (file.state == ImageFile::State::kGood) {
      file.state = is_results_file(file.path) ? ImageFile::State::kOwn : ImageFile::State::kOutside;
      file.reason = "beside the shards";
    }
    out.rest.push_back(std::move(file));
  }
}

// The folder's shards; nothing where it has none, or has folders that may be classes.
inline std::optional<ShardFolder> shard_folder(const std::filesystem::path& folder, const DataOptions& options) {
  const auto shards_in = [](const std::filesystem::path& path) {
    const auto entries = list_folder(path);
    return std::any_of(entries.begin(), entries.end(), [](const auto& entry) { return is_shard(entry.path()); });
  };
  const auto part_of = [](const std::filesystem::path& path) { return part_name(path.filename().string()).part; };
  bool any = shards_in(folder);
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : list_folder(folder)) {
    std::error_code ignored;
    if (!entry.is_directory(ignored) || is_hidden(entry.path())) continue;
    folders.push_back(entry.path());
    any = any || (part_of(entry.path()) != SplitPart::none && shards_in(entry.path()));
  }
  if (!any) return std::nullopt;
  ShardFolder out;
  out.folder = folder;
  for (const auto& path : folders) {
    std::error_code ignored;
    const bool ours = !options.never_data.empty() && std::filesystem::equivalent(path, options.never_data, ignored);
    if (ours || is_only_results(path)) continue;
    if (part_of(path) == SplitPart::none || !shards_in(path)) return std::nullopt;
    add_shards(path, part_of(path), out);
  }
  add_shards(folder, SplitPart::none, out);
  const auto unnamed = out.parts.find(SplitPart::none);
  require_input(unnamed == out.parts.end() || out.parts.size() == 1, folder.string(), ": ",
                unnamed == out.parts.end() ? "" : unnamed->second.front().filename().string(),
                " is no part of a data set by its name, as other shards are; expected train-..., test-..., or none");
  return out;
}

// What a shard holds. Labels are numbers of its own texts.
struct ShardContent {
  std::vector<ImageFile> samples;
  std::vector<std::string> texts;     // of .cls members, each once
  std::map<std::string, Index> rest;  // extension -> members passed over
  std::string unlabelled;             // first sample without .cls, if any
  Index without_label = 0;
};

// Puts the members of one shard together to samples. Throws InputError where they do not follow each other.
class ShardSamples {
 public:
  ShardSamples(const Shard& shard, const ImageLimits& limits) : shard_(shard), limits_(limits) {}

  void add(const TarMember& member, std::span<const std::uint8_t> first) {
    const std::string_view name = member.name;
    const std::size_t slash = name.rfind('/');
    const std::size_t base = slash == std::string_view::npos ? 0 : slash + 1;
    const std::size_t dot = std::min(name.find('.', base), name.size());
    const std::string_view key = name.substr(0, dot);
    const std::string extension = lower(std::string(name.substr(dot)));
    if (key.size() == base) {  // .DS_Store
      ++content_.rest["hidden"];
      return;
    }
    if (key != key_) begin(key);
    if (std::find(kImageExtensions.begin(), kImageExtensions.end(), extension) != kImageExtensions.end()) {
      require_input(!image_, shard_.path.string(), ": ", name, ": a second image of its sample, expected one");
      image_.emplace();
      image_->path = member.name;
      image_->shard = &shard_;
      image_->offset = member.offset;
      image_->bytes = member.bytes;
      scan_header(*image_, first, limits_);
    } else if (extension == ".cls") {
      require_input(label_ < 0, shard_.path.string(), ": ", name, ": a second class of its sample, expected one");
      label_ = number_of(name, member, first);
    } else {
      ++content_.rest[extension.empty() ? "no extension" : extension];
    }
  }

  ShardContent finish() {
    end();
    return std::move(content_);
  }

 private:
  void begin(std::string_view key) {
    end();
    require_input(keys_.emplace(key).second, shard_.path.string(), ": the members of sample ", key,
                  " do not follow each other (", key_,
                  " comes between); expected them side by side, as names in order are");
    key_ = key;
  }

  void end() {
    if (!image_ && label_ >= 0) {
      image_.emplace();
      image_->path = key_ + ".cls";
      image_->shard = &shard_;
      image_->set_broken(ImageFile::State::kBroken, "a class without an image (.jpg, .png or the like)");
    }
    if (image_) {
      if (label_ < 0 && content_.without_label++ == 0) content_.unlabelled = key_;
      image_->label = label_;
      content_.samples.push_back(*std::move(image_));
    }
    image_.reset();
    label_ = -1;
  }

  std::int32_t number_of(std::string_view name, const TarMember& member, std::span<const std::uint8_t> first) {
    constexpr Index kMostText = 256;
    std::string text(first.begin(), first.end());
    while (!text.empty() && is_ascii_space(text.back())) text.pop_back();
    while (!text.empty() && is_ascii_space(text.front())) text.erase(0, 1);
    const bool printable =
        std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
    require_input(member.bytes <= kMostText && !text.empty() && printable, shard_.path.string(), ": ", name, ": ",
                  member.bytes, " bytes, expected a class's number or name in one line");
    const auto [found, is_new] = numbers_.emplace(text, static_cast<std::int32_t>(content_.texts.size()));
    if (is_new) content_.texts.push_back(text);
    return found->second;
  }

  const Shard& shard_;
  const ImageLimits& limits_;
  ShardContent content_;
  std::unordered_set<std::string> keys_;
  std::map<std::string, std::int32_t> numbers_;
  std::string key_;
  std::optional<ImageFile> image_;
  std::int32_t label_ = -1;
};

// Reads the shards of a part, in parallel. Their places in `files` last as long as `files` does.
inline std::vector<ShardContent> read_shards(const std::vector<std::filesystem::path>& paths,
                                             const DataOptions& options, FolderFiles& files, Dataset& data) {
  constexpr Index kBetweenReports = 16;
  std::vector<const Shard*> shards;
  for (const auto& path : paths) {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path, error);
    require_input(!error, path.string(), ": cannot be read: ", error.message());
    shards.push_back(&files.shards.emplace_back(Shard{path, static_cast<Index>(bytes)}));
  }
  std::vector<ShardContent> contents(paths.size());
  const Index count = std::ssize(paths);
  for (Index first = 0; first < count; first += kBetweenReports) {
    const Index last = std::min(first + kBetweenReports, count);
    parallel_for(last - first, 1, [&](Index begin, Index end) {
      for (Index i = first + begin; i < first + end; ++i) {
        ShardSamples samples(*shards[static_cast<std::size_t>(i)], options.limits);
        for_each_tar_member(
            paths[static_cast<std::size_t>(i)], kFirstBytes,
            [&](const TarMember& member, std::span<const std::uint8_t> bytes) { samples.add(member, bytes); });
        contents[static_cast<std::size_t>(i)] = samples.finish();
      }
    });
    if (options.progress) options.progress({"looking through shards", last, count});
  }
  for (std::size_t i = 0; i < contents.size(); ++i) {
    if (contents[i].samples.empty())
      data.account.warnings.push_back(message("a shard without an image: ", paths[i].filename().string()));
    for (const auto& [extension, members] : contents[i].rest) {
      ImageFile file;
      file.path = paths[i] / ("*" + extension);
      file.state = ImageFile::State::kOutside;
      file.reason = "beside the images of shards (" + extension + ")";
      file.count = members;
      files.left_out.push_back(std::move(file));
    }
  }
  return contents;
}

// Classes by what .cls members say: numbers, whose names a file may give, or names.
class ShardClasses {
 public:
  ShardClasses(const std::filesystem::path& folder, const std::set<std::string>& texts) {
    const std::filesystem::path file = folder / "class_names.txt";
    names_ = read_lines(file);
    const bool given = !names_.empty();
    const auto is_number = [](const std::string& text) { return number(text).has_value(); };
    const auto numbers = static_cast<std::size_t>(std::count_if(texts.begin(), texts.end(), is_number));
    require_input(numbers == 0 || numbers == texts.size(), folder.string(), ": classes of shards are numbers (",
                  *std::find_if(texts.begin(), texts.end(), is_number), ") and names (",
                  *std::find_if_not(texts.begin(), texts.end(), is_number), "), expected one or the other");
    is_numbers_ = numbers > 0;
    if (!given && is_numbers_) {
      std::int32_t most = 0;
      for (const std::string& text : texts) most = std::max(most, *number(text));
      for (std::int32_t i = 0; i <= most; ++i) names_.push_back(std::to_string(i));
    } else if (!given) {
      names_.assign(texts.begin(), texts.end());
    }
    for (const std::string& text : texts)
      require_input(label(text) >= 0, folder.string(), ": class ", text, " of a shard, expected ",
                    is_numbers_ ? message("0 to ", names_.size() - 1) : std::string("one"), " of the ", names_.size(),
                    " in ", file.string());
  }

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  // -1 for none.
  [[nodiscard]] std::int32_t label(const std::string& text) const {
    if (is_numbers_) {
      const std::int32_t at = *number(text);
      return at < std::ssize(names_) ? at : -1;
    }
    const auto found = std::find(names_.begin(), names_.end(), text);
    return found == names_.end() ? -1 : static_cast<std::int32_t>(found - names_.begin());
  }

 private:
  static std::optional<std::int32_t> number(const std::string& text) {
    constexpr std::int32_t kMost = 99'999;
    std::int32_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || stop != text.data() + text.size() || value < 0 || value > kMost) return std::nullopt;
    return value;
  }

  std::vector<std::string> names_;
  bool is_numbers_ = false;
};

// Appends samples; their labels become those of all shards, or none.
inline void append_samples(std::vector<ShardContent>& contents, const ShardClasses* classes, FolderFiles& files,
                           std::vector<ImageFile>& to) {
  std::size_t samples = to.size();
  for (const ShardContent& content : contents) samples += content.samples.size();
  to.reserve(samples);
  for (ShardContent& content : contents) {
    std::vector<std::int32_t> labels;
    if (classes != nullptr)
      for (const std::string& text : content.texts) labels.push_back(classes->label(text));
    for (ImageFile& sample : content.samples) {
      sample.label = classes == nullptr ? -1 : labels[static_cast<std::size_t>(sample.label)];
      sample.group = classes == nullptr ? static_cast<std::int32_t>(files.groups.size()) - 1 : sample.label;
      to.push_back(std::move(sample));
    }
    content = {};
  }
}

// The samples of shards with their classes. Throws NoClasses where they do not make a data set.
inline FolderFiles list_shards(const ShardFolder& shards, const DataOptions& options, Dataset& data) {
  FolderFiles files;
  files.class_root = files.test_root = shards.folder;
  const SplitPart test = shards.has(SplitPart::test) ? SplitPart::test : SplitPart::validation;
  files.split_here = !shards.has(test);
  require_classes(shards.has(SplitPart::none) || shards.has(SplitPart::train), shards.folder.string(),
                  ": no shards to learn from, expected train-....tar");
  std::map<SplitPart, std::vector<ShardContent>> contents;
  std::set<std::string> texts;
  for (const auto& [part, paths] : shards.parts) {
    contents[part] = read_shards(paths, options, files, data);
    if (part == SplitPart::unlabeled) continue;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const ShardContent& content = contents[part][i];
      require_classes(content.without_label == 0, paths[i].string(), ": sample ", content.unlabelled, " has no .cls, ",
                      "nor have ", content.without_label - 1, " more of ", content.samples.size(),
                      "; expected a class for each image (pre-training alone needs no classes)");
      texts.insert(content.texts.begin(), content.texts.end());
    }
  }
  require_classes(!texts.empty(), shards.folder.string(), ": no image in its shards");
  const ShardClasses classes(shards.folder, texts);
  require_classes(classes.names().size() >= 2, shards.folder.string(), ": one class, ", classes.names().front(),
                  ", expected at least 2");
  data.class_names = classes.names();
  for (const std::string& name : classes.names()) {
    files.class_folders.emplace_back(message(shards.folder.string(), ": class ", name));
    files.groups.push_back(files.class_folders.back());
  }
  for (auto& [part, content] : contents) {
    const bool labelled = part != SplitPart::unlabeled;
    if (!labelled) files.groups.push_back(shards.folder);
    append_samples(content, labelled ? &classes : nullptr, files,
                   part == test ? files.test
                   : labelled   ? files.train
                                : files.unlabeled);
  }
  files.leave_out(shards.rest);
  return files;
}

// All images of the shards, without labels; but not those that are kept for testing.
inline FolderFiles list_shard_images(const ShardFolder& shards, const DataOptions& options, Dataset& data) {
  FolderFiles files;
  files.groups.push_back(shards.folder);
  for (const auto& [part, paths] : shards.parts) {
    if (part == SplitPart::test && shards.has(SplitPart::train)) {
      for (const auto& path : paths) files.leave_out(path, "kept for testing");
      continue;
    }
    std::vector<ShardContent> contents = read_shards(paths, options, files, data);
    append_samples(contents, nullptr, files, files.train);
  }
  files.leave_out(shards.rest);
  return files;
}

}  // namespace contexture::detail
