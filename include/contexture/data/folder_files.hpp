// SPDX-License-Identifier: MIT
// The files of an image folder by what they are for, and the rules that stop a run which would learn from half of its
// images: too many broken, a class that loses too much, a class with too few.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/account.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/folder_layout.hpp"
#include "contexture/data/image_tree.hpp"

namespace contexture::detail {

struct FolderFiles {
  std::filesystem::path class_root;                  // holds a folder for each class
  std::filesystem::path test_root;                   // likewise, or the folder whose images are split
  bool split_here = false;                           // the test images are taken from the training images
  std::vector<std::filesystem::path> class_folders;  // in the order of their labels; none: images without labels
  std::vector<std::filesystem::path> groups;         // folders that were listed, as classes or alone
  std::vector<ImageFile> train, test, unlabeled, left_out;
  std::deque<Shard> shards;  // that the files are members of, if they are

  [[nodiscard]] bool is_split_here() const { return split_here; }
  [[nodiscard]] std::vector<std::vector<ImageFile>*> parts() { return {&train, &test, &unlabeled}; }
  // The good ones as they come, then the others by name.
  [[nodiscard]] std::vector<const ImageFile*> all() const {
    std::vector<const ImageFile*> out;
    for (const auto* part : {&train, &test, &unlabeled, &left_out})
      for (const ImageFile& file : *part) out.push_back(&file);
    const auto others = std::stable_partition(
        out.begin(), out.end(), [](const ImageFile* file) { return file->state == ImageFile::State::kGood; });
    std::sort(others, out.end(), [](const ImageFile* a, const ImageFile* b) { return a->path < b->path; });
    return out;
  }
  void append(const std::filesystem::path& folder, std::int32_t label, const std::filesystem::path& never,
              std::vector<ImageFile>& to) {
    ImageFile like;
    like.label = label;
    like.group = static_cast<std::int32_t>(groups.size());
    groups.push_back(folder);
    append_files(folder, like, never, to);
  }
  void leave_out(std::vector<ImageFile> files) { std::move(files.begin(), files.end(), std::back_inserter(left_out)); }
  void leave_out(const std::filesystem::path& folder, std::string reason) {
    ImageFile file;
    file.path = folder;
    file.state = ImageFile::State::kOutside;
    file.reason = std::move(reason);
    file.count = count_files(folder);
    left_out.push_back(std::move(file));
  }
};

inline bool is_broken(const ImageFile& file) {
  return file.state == ImageFile::State::kBroken || file.state == ImageFile::State::kUnreadable;
}

inline bool any_good(const std::vector<ImageFile>& files) {
  return std::any_of(files.begin(), files.end(), [](const ImageFile& f) { return f.state == ImageFile::State::kGood; });
}

// Goes down where the data set is in the only folder of the folder.
inline std::filesystem::path data_root(std::filesystem::path folder, const DataOptions& options, Dataset& data) {
  for (int depth = 0; depth < 3; ++depth) {
    const Shelf shelf = shelf_of(folder, options.never_data);
    if (shelf.folders.size() != 1 || shelf.images() > 0) break;
    const Parts here = parts_among(shelf.folders);
    const Parts inside = parts_among(shelf_of(shelf.folders[0], options.never_data).folders);
    if (!here.named.empty() || !inside.one(SplitPart::train)) break;
    data.notes.push_back(message("the data set is in ", name_of(shelf.folders[0])));
    folder = shelf.folders[0];
  }
  return folder;
}

// Without labels, classes are no reason to leave out the images beside them.
inline void refuse_stray_images(const std::filesystem::path& folder, const Shelf& shelf, const DataOptions& options) {
  require_classes(options.labels || shelf.images() == 0, folder.string(), ": ", shelf.images(),
                  " files beside the folders");
}

// Appends the class folders of one more part; its classes are those of the training images.
inline void append_part(const std::filesystem::path& folder, const std::map<std::string, std::int32_t>& numbers,
                        const DataOptions& options, FolderFiles& files, std::vector<ImageFile>& to) {
  Shelf shelf = shelf_of(folder, options.never_data);
  refuse_flat_images(folder, shelf, {});
  for (const auto& path : shelf.folders) {
    const auto found = numbers.find(path.filename().string());
    require_classes(found != numbers.end(), path.string(), ": a class that ", files.class_root.string(),
                    " does not have");
    files.append(path, found->second, options.never_data, to);
  }
  files.leave_out(std::move(shelf.rest));
}

// Finds the class folders and lists what lies in them. Throws NoClasses where they do not make a data set.
inline FolderFiles list_classes(const std::filesystem::path& folder, const DataOptions& options, Dataset& data) {
  FolderFiles files;
  const std::filesystem::path& never = options.never_data;
  const std::filesystem::path root = data_root(folder, options, data);
  if (root != folder) files.leave_out(shelf_of(folder, never).rest);
  Shelf shelf = shelf_of(root, never);
  Parts parts = parts_among(shelf.folders);
  parts_that_are_classes(parts, never, data.account);
  for (const auto& [part, folders] : parts.named)
    require_classes(folders.size() == 1, root.string(), ": ", names_of_folders(folders),
                    " look like the same part of a data set, expected one of them");
  const auto train = parts.one(SplitPart::train), validation = parts.one(SplitPart::validation),
             test = parts.one(SplitPart::test);
  const auto unlabeled = parts.one(SplitPart::unlabeled);
  const auto test_folder = test ? test : validation;
  require_classes(train || !test_folder, root.string(), ": has ", test_folder ? name_of(*test_folder) : "",
                  " but no train/; a class of that name needs another one");
  files.class_root = train ? unwrapped(*train, never) : root;
  if (train) {
    if (test_folder && (validation || train->filename() != "train" || test_folder->filename() != "test"))
      data.notes.push_back(
          message("layout: ", name_of(*train), " to learn from, ", name_of(*test_folder), " to test on",
                  test && validation ? ", " + name_of(*validation) + " joins the training images" : ""));
    for (const auto& path : parts.others) files.leave_out(path, "beside " + name_of(*train));
    Shelf classes = shelf_of(files.class_root, never);
    refuse_flat_images(files.class_root, classes, shelf);
    refuse_stray_images(files.class_root, classes, options);
    files.class_folders = std::move(classes.folders);
    files.leave_out(std::move(classes.rest));
  } else {
    refuse_flat_images(root, shelf, {});
    refuse_stray_images(root, shelf, options);
    files.class_folders = parts.others;
  }
  require_classes(!files.class_folders.empty(), folder.string(),
                  ": expected IDX, CIFAR or STL-10 files, or folders of images, one for each class");
  files.leave_out(std::move(shelf.rest));
  std::map<std::string, std::int32_t> numbers;
  for (const auto& path : files.class_folders) {
    const auto label = static_cast<std::int32_t>(numbers.size());
    numbers.emplace(path.filename().string(), label);
    files.append(path, label, never, files.train);
  }
  require_classes(files.class_folders.size() >= 2, files.class_root.string(), ": one class folder, ",
                  name_of(files.class_folders[0]), ", expected at least 2");
  files.split_here = !test_folder;
  files.test_root = folder;
  if (test_folder) {
    files.test_root = unwrapped(*test_folder, never);
    append_part(files.test_root, numbers, options, files, files.test);
  }
  if (test && validation) append_part(unwrapped(*validation, never), numbers, options, files, files.train);
  if (unlabeled) files.append(*unlabeled, -1, never, files.unlabeled);
  return files;
}

// All images below the folder, without labels; but not those that a data set keeps for testing.
inline FolderFiles list_tree(const std::filesystem::path& folder, const DataOptions& options) {
  FolderFiles files;
  files.append(folder, -1, options.never_data, files.train);
  const Parts parts = parts_among(shelf_of(folder, options.never_data).folders);
  const auto test = parts.one(SplitPart::test);
  if (!test || !parts.one(SplitPart::train)) return files;
  const std::string below = test->string() + "/";
  for (ImageFile& file : files.train)
    if (file.state == ImageFile::State::kGood && file.path.string().starts_with(below)) {
      file.state = ImageFile::State::kOutside;
      file.reason = "kept for testing";
    }
  return files;
}

// What of a group (-1: of all) was not used, to be added to a message: "; not used: 200 built without WebP (.webp)".
inline std::string what_else(const FolderFiles& files, std::int32_t group) {
  DataAccount account;
  for (const ImageFile* file : files.all())
    if (file->state != ImageFile::State::kGood && (group < 0 || file->group == group))
      account.leave_out(reason_of(*file), "", file->count);
  std::string out;
  for (const LeftOut& entry : account.left_out)
    out += message(out.empty() ? "; not used: " : ", ", entry.count, " ", entry.reason);
  return out;
}

inline std::string with_reason(const ImageFile& file, const std::string& name) {  // which a reading error begins with
  const std::string path = file.path.string();
  if (file.reason.starts_with(path)) return name + file.reason.substr(path.size());
  return file.reason.empty() ? name : name + ": " + file.reason;
}

// Throws InputError that names the first ten where more than the share `most` of the images is broken.
inline void check_broken(const std::filesystem::path& folder, const FolderFiles& files, double most) {
  std::size_t images = 0;
  std::size_t broken = 0;
  std::string named;
  for (const ImageFile* file : files.all()) {
    images += file->state == ImageFile::State::kGood || is_broken(*file);
    if (!is_broken(*file)) continue;
    if (++broken <= LeftOut::kMostNames)
      named.append(broken == 1 ? "" : "; ").append(with_reason(*file, file->path.string()));
  }
  if (broken > LeftOut::kMostNames) named += message("; and ", broken - LeftOut::kMostNames, " more");
  require_input(static_cast<double>(broken) <= most * static_cast<double>(images) + 1e-9, folder.string(), ": ", broken,
                " of ", images, " images are broken, expected at most ", 100 * most,
                " % (the setting max-broken allows more): ", named);
}

// Throws InputError for a folder of images that loses more than a tenth of its files, or the share `most` if that is
// more: of what a person took for images.
inline void check_losses(const FolderFiles& files, double most) {
  const double allowed = std::max(0.1, most);
  std::vector<Index> good(files.groups.size(), 0), lost(files.groups.size(), 0);
  for (const ImageFile* file : files.all()) {
    if (file->group < 0) continue;
    const auto group = static_cast<std::size_t>(file->group);
    if (file->state == ImageFile::State::kGood) ++good[group];
    if (is_loss(*file)) lost[group] += file->count;
  }
  for (std::size_t g = 0; g < files.groups.size(); ++g)
    require_input(static_cast<double>(lost[g]) <= allowed * static_cast<double>(good[g] + lost[g]) + 1e-9,
                  files.groups[g].string(), ": ", lost[g], " of ", good[g] + lost[g],
                  " files cannot be used, expected ", "at most ", 100 * allowed,
                  " % of a folder (the setting max-broken allows more)",
                  what_else(files, static_cast<std::int32_t>(g)));
}

// Throws NoClasses where a class has fewer than `least` good images to train on.
inline void check_class_sizes(const FolderFiles& files, Index least) {
  std::vector<Index> counts(files.class_folders.size(), 0);
  for (const ImageFile& file : files.train)
    if (file.state == ImageFile::State::kGood && file.label >= 0) ++counts[static_cast<std::size_t>(file.label)];
  for (std::size_t c = 0; c < counts.size(); ++c)  // a class folder is the group of its number
    require_classes(counts[c] >= least, files.class_folders[c].string(), ": ", counts[c],
                    counts[c] == 1 ? " image" : " images", ", expected at least ", least, " in a class",
                    what_else(files, static_cast<std::int32_t>(c)));
}

inline void make_account(const std::filesystem::path& folder, const FolderFiles& files, DataAccount& account) {
  for (const ImageFile* file : files.all()) {
    if (file->state == ImageFile::State::kGood) {
      ++account.used;
      continue;
    }
    const std::string name = file->path.lexically_relative(folder).string();
    account.leave_out(reason_of(*file), is_broken(*file) ? with_reason(*file, name) : name, file->count);
  }
}

}  // namespace contexture::detail
