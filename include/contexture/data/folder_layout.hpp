// SPDX-License-Identifier: MIT
// How a folder of images is laid out: which sub-folders are parts of a data set (train/, Testing/, seg_test/, val/) and
// which are classes. What looks like a part is never a class without a warning; what belongs to nothing is listed, so
// that it is counted.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/ascii.hpp"
#include "contexture/core/error.hpp"
#include "contexture/data/account.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/image_tree.hpp"

namespace contexture::detail {

// A folder that may hold images, but no classes to learn.
class NoClasses : public InputError {
 public:
  using InputError::InputError;
};

template <class... Parts>
void require_classes(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw NoClasses(message(parts...));
}

enum class SplitPart { none, train, validation, test, unlabeled };

// What a folder's name says of its part in a data set, and what else it says: "seg_train" is train and "seg".
struct PartName {
  SplitPart part = SplitPart::none;
  std::string rest;
};

inline SplitPart part_of_word(std::string_view word) {
  for (const std::string_view ending : {"set", "data", "images", "imgs"})
    if (word.size() > ending.size() + 2 && word.ends_with(ending)) word.remove_suffix(ending.size());
  if (word == "train" || word == "training") return SplitPart::train;
  if (word == "val" || word == "valid" || word == "validation") return SplitPart::validation;
  if (word == "test" || word == "testing") return SplitPart::test;
  if (word == "unlabeled" || word == "unlabelled") return SplitPart::unlabeled;
  return SplitPart::none;
}

// Words end at punctuation, before digits and before a capital.
inline PartName part_name(const std::string& name) {
  std::vector<std::string> words(1);
  char before = 0;
  for (const char c : name) {
    const bool letter = static_cast<unsigned char>(c) >= 0x80 || is_ascii_upper(c) || is_ascii_lower(c);
    const bool digit = is_ascii_digit(c);
    if ((is_ascii_upper(c) && is_ascii_lower(before)) || (digit && !is_ascii_digit(before)) ||
        (letter && is_ascii_digit(before)) || (!letter && !digit))
      words.emplace_back();
    if (letter || digit) words.back() += c;
    before = c;
  }
  PartName out;
  int parts = 0;
  for (const std::string& word : words) {
    const std::string text = lower(word);
    if (const SplitPart part = part_of_word(text); part != SplitPart::none) {
      out.part = part;
      ++parts;
    } else if (text != "set" && text != "data" && text != "images" && text != "imgs" && text != "split") {
      out.rest += text;
    }
  }
  if (parts != 1) out.part = SplitPart::none;
  return out;
}

inline std::string name_of(const std::filesystem::path& folder) { return folder.filename().string() + "/"; }

// "a/, b/"
inline std::string names_of_folders(const std::vector<std::filesystem::path>& folders) {
  std::string out;
  for (const auto& folder : folders) out.append(out.empty() ? "" : ", ").append(name_of(folder));
  return out;
}

// Only what runs of ours left: no image that may be someone's.
inline bool is_only_results(const std::filesystem::path& folder) {
  std::vector<ImageFile> files;
  append_files(folder, {}, {}, files);
  bool own = false;
  for (const ImageFile& file : files) {
    own = own || file.state == ImageFile::State::kOwn;
    if (file.state == ImageFile::State::kGood && !is_companion(file.path)) return false;
  }
  return own;
}

// The folders in a folder that may be classes or parts; all else that lies there.
struct Shelf {
  std::vector<std::filesystem::path> folders;
  std::vector<ImageFile> rest;

  [[nodiscard]] Index images() const {  // that may be
    return static_cast<Index>(std::count_if(rest.begin(), rest.end(), [](const ImageFile& file) {
      return file.state == ImageFile::State::kOutside && !is_companion(file.path);
    }));
  }
};

inline Shelf shelf_of(const std::filesystem::path& folder, const std::filesystem::path& never) {
  Shelf shelf;
  const bool results = is_results_folder(folder);
  for (const auto& entry : list_folder(folder)) {
    ImageFile file = look_at(entry);
    std::error_code error;
    const bool is_folder = entry.is_directory(error);
    if (is_folder && file.state != ImageFile::State::kHidden) {  // a class may be a link
      const bool ours = !never.empty() && std::filesystem::equivalent(file.path, never, error);
      if (ours && std::filesystem::is_empty(file.path, error)) continue;
      if (!ours && !is_only_results(file.path)) {
        shelf.folders.push_back(file.path);
        continue;
      }
      file.state = ImageFile::State::kOwn;
      file.count = count_files(file.path);
    } else if (file.state == ImageFile::State::kGood) {
      file.state = results && is_results_file(file.path) ? ImageFile::State::kOwn : ImageFile::State::kOutside;
      file.reason = "beside the folders of images";
    }
    shelf.rest.push_back(std::move(file));
  }
  return shelf;
}

// The parts of a data set among the folders of a shelf.
struct Parts {
  std::map<SplitPart, std::vector<std::filesystem::path>> named;
  std::vector<std::filesystem::path> others;  // without a part's name
  std::vector<std::filesystem::path> unsure;  // those of `others` whose names have a part's word in them

  [[nodiscard]] std::optional<std::filesystem::path> one(SplitPart part) const {
    const auto found = named.find(part);
    if (found == named.end()) return std::nullopt;
    return found->second.front();
  }
};

// A name is a part's when it says nothing else, or when another part is called alike (seg_train/, seg_test/).
inline Parts parts_among(const std::vector<std::filesystem::path>& folders) {
  std::map<std::string, std::map<SplitPart, int>> alike;
  for (const auto& folder : folders) {
    const PartName name = part_name(folder.filename().string());
    if (name.part != SplitPart::none) ++alike[name.rest][name.part];
  }
  Parts parts;
  for (const auto& folder : folders) {
    const PartName name = part_name(folder.filename().string());
    if (name.part != SplitPart::none && (name.rest.empty() || alike[name.rest].size() > 1)) {
      parts.named[name.part].push_back(folder);
      continue;
    }
    if (name.part != SplitPart::none) parts.unsure.push_back(folder);
    parts.others.push_back(folder);
  }
  return parts;
}

// The folder itself, or the only one in it where that has the same part's name: seg_train/seg_train/.
inline std::filesystem::path unwrapped(const std::filesystem::path& folder, const std::filesystem::path& never) {
  const Shelf shelf = shelf_of(folder, never);
  if (shelf.folders.size() != 1 || shelf.images() > 0) return folder;
  const SplitPart outer = part_name(folder.filename().string()).part;
  return part_name(shelf.folders[0].filename().string()).part == outer ? shelf.folders[0] : folder;
}

// Train images without class folders, as competitions hand them out.
inline void refuse_flat_images(const std::filesystem::path& folder, const Shelf& own, const Shelf& beside) {
  std::string table;
  for (const Shelf* here : {&own, &beside})
    for (const ImageFile& file : here->rest)
      if (table.empty() && lower(file.path.extension().string()) == ".csv") table = file.path.filename().string();
  require_classes(
      own.images() == 0 || !own.folders.empty(), folder.string(), ": ", own.images(), " files and no class folders",
      table.empty() ? "" : "; labels in a table (" + table + ") are not read", "; expected a folder for each class, ",
      name_of(folder), "<class>/..., with its images (pre-training alone needs no classes)");
}

// A part's folder that is a class by what is in it: bus/, car/, train/ with images, and no part beside it.
inline void parts_that_are_classes(Parts& parts, const std::filesystem::path& never, DataAccount& account) {
  for (const SplitPart part : {SplitPart::train, SplitPart::validation}) {
    const auto folder = parts.one(part);
    const bool alone = parts.named.size() == 1 && folder && parts.named[part].size() == 1;
    if (!alone || parts.others.empty()) continue;
    const std::string name = lower(folder->filename().string());
    const Shelf shelf = shelf_of(*folder, never);
    if ((name != "train" && name != "training" && name != "valid") || !shelf.folders.empty() || shelf.images() == 0)
      continue;
    parts.named.clear();
    parts.others.push_back(*folder);
    std::sort(parts.others.begin(), parts.others.end());
    account.warnings.push_back(
        message("taken for a class, since it has images and no class folders: ", name_of(*folder)));
  }
  if (!parts.unsure.empty() && parts.named.find(SplitPart::train) == parts.named.end())
    account.warnings.push_back(
        message("taken for classes, though named like parts of a data set: ", names_of_folders(parts.unsure)));
}

}  // namespace contexture::detail
