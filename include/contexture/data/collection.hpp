// SPDX-License-Identifier: MIT
// The images of somebody who has few labels: those that have one, by class folders or by tables, and those that have
// none, in any tree. All are brought to one size, and every image keeps the path of its file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/csv.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/dataset_files.hpp"
#include "contexture/data/folder_files.hpp"
#include "contexture/data/folder_layout.hpp"
#include "contexture/data/image_folder.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/image_tree.hpp"

namespace contexture {

/// Where a collection's images and labels are.
struct CollectionSource {
  std::filesystem::path labelled = {};             ///< holds a folder for each class; none: the tables name them
  std::vector<std::filesystem::path> tables = {};  ///< CSV files with columns path and label; others are passed over
  std::filesystem::path unlabelled = {};           ///< any tree of images
};

/// Images of one size, those with labels first.
struct Collection {
  static constexpr std::int32_t kUnknown = -1;

  std::string name;  ///< of the folder of images without labels
  std::vector<std::string> class_names;
  ImageSet images;                 ///< labels: one an image, kUnknown from `labelled` on
  std::vector<std::string> paths;  ///< one an image, as the source names its folder
  Index labelled = 0;              ///< images that have a label
  std::vector<std::string> notes;
  DataAccount account;

  [[nodiscard]] Index unlabelled() const { return images.count - labelled; }
  /// Numbers of the images without a label.
  [[nodiscard]] std::vector<Index> unknown() const {
    std::vector<Index> out;
    for (Index i = labelled; i < images.count; ++i) out.push_back(i);
    return out;
  }
};

namespace detail {

// What a table says of an image.
struct LabelRow {
  std::string path, label;
  std::string place;  // "labels.csv: line 7"
};

// The rows that have a label; those without are still to be labelled.
inline std::vector<LabelRow> read_label_table(const std::filesystem::path& file) {
  const std::vector<std::uint8_t> bytes = read_bytes(file, std::uintmax_t{1} << 28);
  const std::string name = file.string();
  const std::vector<CsvRow> rows = parse_csv({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name);
  require_input(!rows.empty(), name, ": empty, expected a first line with the columns path and label");
  const std::vector<std::string>& header = rows[0].fields;
  const auto column = [&](const char* wanted) {
    const auto found = std::find(header.begin(), header.end(), wanted);
    require_input(found != header.end(), name, ": line ", rows[0].line, ": no column '", wanted,
                  "', expected a first line with the columns path and label");
    return static_cast<std::size_t>(found - header.begin());
  };
  const std::size_t path = column("path"), label = column("label");
  std::vector<LabelRow> out;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    const std::string place = message(name, ": line ", rows[r].line);
    require_input(rows[r].fields.size() == header.size(), place, ": ", rows[r].fields.size(), " fields, expected ",
                  header.size(), " as in the first line");
    if (rows[r].fields[label].empty()) continue;
    require_input(!rows[r].fields[path].empty(), place, ": a label without a path");
    out.push_back({rows[r].fields[path], rows[r].fields[label], place});
  }
  return out;
}

inline std::string real_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? path.string() : real.string();
}

// The files of a collection: train holds those with labels, unlabeled the others.
class CollectionFiles {
 public:
  CollectionFiles(const CollectionSource& source, const DataOptions& options) : source_(source), options_(options) {
    if (!source.labelled.empty()) list_classes();
    for (const ImageFile& file : files_.train) labelled_.emplace(real_path(file.path), "by the folder of its class");
    if (!source.unlabelled.empty()) list_unlabelled();
    for (const std::filesystem::path& table : source.tables) add_table(table);
    std::erase_if(files_.unlabeled, [](const ImageFile& file) { return file.label >= 0; });
  }

  [[nodiscard]] FolderFiles& files() { return files_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const { return class_names_; }
  [[nodiscard]] Index overlap() const { return overlap_; }

 private:
  static void require_folder(const char* what, const std::filesystem::path& folder) {
    std::error_code ignored;
    require_input(std::filesystem::is_directory(folder, ignored), what, " '", folder.string(),
                  "': no such folder, expected ",
                  what == kLabelled ? "one that holds a folder for each class" : "a folder of images");
  }

  void list_classes() {
    require_folder(kLabelled, source_.labelled);
    Shelf shelf = shelf_of(source_.labelled, options_.never_data);
    const Parts parts = parts_among(shelf.folders);
    if (const auto train = parts.one(SplitPart::train))
      require_input(parts.named.size() == 1 && !parts.others.empty(), source_.labelled.string(), ": has ",
                    name_of(*train), ", the labelled images of a data set; expected that folder itself");
    std::error_code ignored;
    std::erase_if(shelf.folders, [&](const std::filesystem::path& folder) {
      return std::filesystem::equivalent(folder, source_.unlabelled, ignored);
    });
    require_input(!shelf.folders.empty(), source_.labelled.string(),
                  ": no folders, expected one for each class with its images in it");
    for (const std::filesystem::path& folder : shelf.folders) {
      const auto label = static_cast<std::int32_t>(class_names_.size());
      class_names_.push_back(folder.filename().string());
      files_.class_folders.push_back(folder);
      files_.append(folder, label, options_.never_data, files_.train);
    }
    files_.leave_out(std::move(shelf.rest));
  }

  void list_unlabelled() {
    require_folder("unlabelled images", source_.unlabelled);
    std::vector<ImageFile> found;
    files_.append(source_.unlabelled, -1, options_.never_data, found);
    for (ImageFile& file : found) {
      if (file.state == ImageFile::State::kGood && labelled_.contains(real_path(file.path))) {
        ++overlap_;
        continue;
      }
      files_.unlabeled.push_back(std::move(file));
    }
    for (std::size_t i = 0; i < files_.unlabeled.size(); ++i) places_.emplace(real_path(files_.unlabeled[i].path), i);
  }

  std::int32_t class_of(const LabelRow& row) {
    const auto found = std::find(class_names_.begin(), class_names_.end(), row.label);
    if (found != class_names_.end()) return static_cast<std::int32_t>(found - class_names_.begin());
    require_input(source_.labelled.empty(), row.place, ": class '", row.label, "', expected one of the folders of ",
                  source_.labelled.string(), " (", first_names(), "); a new class needs a folder there, empty or not");
    class_names_.push_back(row.label);
    return static_cast<std::int32_t>(class_names_.size()) - 1;
  }

  [[nodiscard]] std::string first_names() const {
    constexpr std::size_t kMost = 10;
    std::string out;
    for (std::size_t i = 0; i < std::min(class_names_.size(), kMost); ++i)
      out.append(i == 0 ? "" : ", ").append(class_names_[i]);
    return class_names_.size() > kMost ? message(out, " and ", class_names_.size() - kMost, " more") : out;
  }

  // Below the unlabelled images, or from where the program runs.
  [[nodiscard]] std::filesystem::path file_of(const LabelRow& row) const {
    std::error_code ignored;
    if (!source_.unlabelled.empty() && std::filesystem::is_regular_file(source_.unlabelled / row.path, ignored))
      return source_.unlabelled / row.path;
    require_input(std::filesystem::is_regular_file(row.path, ignored), row.place, ": '", row.path,
                  "': no such file, expected a path ",
                  source_.unlabelled.empty() ? "" : "in " + source_.unlabelled.string() + " or ",
                  "from the current folder");
    return row.path;
  }

  void add_table(const std::filesystem::path& table) {
    std::vector<LabelRow> rows = read_label_table(table);
    if (source_.labelled.empty()) {  // classes in the order of their names, whichever image comes first
      std::vector<std::string> names = class_names_;
      for (const LabelRow& row : rows) names.push_back(row.label);
      std::sort(names.begin(), names.end());
      names.erase(std::unique(names.begin(), names.end()), names.end());
      require_input(class_names_.empty() || names == class_names_, "labels in several tables: ", table.string(),
                    " has classes that the one before does not have, expected the same or a folder for each class");
      class_names_ = names;
    }
    for (const LabelRow& row : rows) {
      const std::int32_t label = class_of(row);
      const std::filesystem::path path = file_of(row);
      const std::string real = real_path(path);
      const auto [before, is_new] = labelled_.emplace(real, "in " + row.place);
      require_input(is_new, row.place, ": '", row.path, "' has a label already, ", before->second,
                    "; expected every image once");
      ImageFile file;
      file.path = path;
      if (const auto found = places_.find(real); found != places_.end()) {
        ImageFile& listed = files_.unlabeled[found->second];
        file = listed;
        listed.label = label;  // taken
      }
      file.label = label;
      files_.train.push_back(std::move(file));
    }
  }

  static constexpr const char* kLabelled = "labelled images";

  const CollectionSource& source_;
  const DataOptions& options_;
  FolderFiles files_;
  std::vector<std::string> class_names_;
  std::map<std::string, std::string> labelled_;  // real path -> how it got its label
  std::map<std::string, std::size_t> places_;    // real path -> place among the unlabelled
  Index overlap_ = 0;
};

// Throws InputError for classes that cannot be learnt and checked.
inline void check_collection_classes(const Collection& collection) {
  const std::size_t classes = collection.class_names.size();
  require_input(classes >= 2, "labelled images: ", classes, classes == 1 ? " class" : " classes",
                classes == 1 ? " ('" + collection.class_names[0] + "')" : "", ", expected at least 2");
  std::vector<Index> counts(classes, 0);
  for (Index i = 0; i < collection.labelled; ++i)
    ++counts[static_cast<std::size_t>(collection.images.labels[static_cast<std::size_t>(i)])];
  std::string few;
  for (std::size_t c = 0; c < classes; ++c)
    if (counts[c] < 2) few += message(few.empty() ? "" : ", ", "'", collection.class_names[c], "' has ", counts[c]);
  require_input(few.empty(), "labelled images: ", few,
                "; expected at least 2 of every class, so that one can check what was learnt from the other");
}

}  // namespace detail

/// Reads a collection. Throws InputError with one line for folders, tables and files that cannot be used, for fewer
/// than two classes, a class with fewer than two labelled images, and no image without a label.
[[nodiscard]] inline Collection load_collection(const CollectionSource& source, const DataOptions& options = {}) {
  require_input(!source.labelled.empty() || !source.tables.empty(),
                "labelled images: none, expected a folder for each class or a table of labels");
  require_input(!source.unlabelled.empty(), "unlabelled images: none, expected a folder of images");
  detail::CollectionFiles listed(source, options);
  detail::FolderFiles& files = listed.files();
  const std::filesystem::path& root = source.labelled.empty() ? source.unlabelled : source.labelled;
  Collection out;
  out.name = detail::folder_name(source.unlabelled);
  out.class_names = listed.class_names();
  const std::vector<std::vector<detail::ImageFile>*> parts{&files.train, &files.unlabeled};
  for (std::vector<detail::ImageFile>* part : parts) detail::scan_files(*part, options.limits);
  detail::check_broken(root, files, options.max_broken);
  detail::check_losses(files, options.max_broken);
  require_input(detail::any_good(files.unlabeled), source.unlabelled.string(), ": no image without a label",
                detail::what_else(files, -1));
  const auto [empty, fitted] = detail::common_format(parts, options.image_size);
  out.images = detail::decode_files(files.train, empty, options);
  const ImageSet rest = detail::decode_files(files.unlabeled, empty, options);
  detail::check_broken(root, files, options.max_broken);
  detail::check_losses(files, options.max_broken);
  out.labelled = out.images.count;
  out.images.count += rest.count;
  out.images.pixels.insert(out.images.pixels.end(), rest.pixels.begin(), rest.pixels.end());
  out.images.labels.resize(static_cast<std::size_t>(out.images.count), Collection::kUnknown);
  detail::check_collection_classes(out);
  require_input(rest.count > 0, source.unlabelled.string(), ": no image without a label can be decoded");
  for (const auto* part : parts)
    for (const detail::ImageFile& file : *part)
      if (file.state == detail::ImageFile::State::kGood) out.paths.push_back(file.path.string());
  detail::make_account({}, files, out.account);
  if (fitted)
    out.notes.push_back(
        message("images of other sizes were resized and cropped to ", empty.height, " x ", empty.width));
  if (listed.overlap() > 0)
    out.notes.push_back(message(listed.overlap(), " of the unlabelled images are among the labelled ones"));
  if (empty.channels == 3 && detail::is_grey(out.images)) {
    out.images = with_channels(out.images, 1);
    out.notes.emplace_back("all images are grey, though stored in colour: one channel is used");
  }
  return out;
}

}  // namespace contexture
