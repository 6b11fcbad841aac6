// Folders of PNG and JPEG files: train/<class>/..., test/<class>/... and, if there, unlabeled/...; or
// just <class>/..., from which a fifth of every class is kept for testing. Two passes: the first reads
// headers only and settles the image size and whether the set is grey, the second decodes in parallel,
// each image straight into its place.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
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
#include "contexture/data/image_format.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/data/split.hpp"

namespace contexture::detail {

struct ImageFile {
  enum class State { kGood, kOther, kBroken };
  std::filesystem::path path;
  std::int32_t label = -1;
  State state = State::kGood;
  ImageHeader header;
  std::string reason;  // why broken
};

inline bool is_hidden(const std::filesystem::path& path) { return path.filename().string().starts_with('.'); }

// Sub-folders by name, hidden ones left out.
inline std::vector<std::filesystem::path> list_folders(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored) && !is_hidden(it->path())) folders.push_back(it->path());
  }
  require_input(!error, folder.string(), ": cannot be listed: ", error.message());
  std::sort(folders.begin(), folders.end());
  return folders;
}

// All files below the folder in the order of their paths, hidden ones left out.
inline void append_files(const std::filesystem::path& folder, std::int32_t label, std::vector<ImageFile>& files) {
  const std::size_t first = files.size();
  std::error_code error;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (Walk it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (is_hidden(it->path())) {
      if (it->is_directory(ignored)) it.disable_recursion_pending();
    } else if (it->is_regular_file(ignored)) {
      ImageFile file;
      file.path = it->path();
      file.label = label;
      files.push_back(std::move(file));
    }
  }
  require_input(!error, folder.string(), ": cannot be listed: ", error.message());
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end(),
            [](const ImageFile& a, const ImageFile& b) { return a.path < b.path; });
}

// Fills in state and header from the first bytes of the file, of all its bytes if need be.
inline void scan_image_file(ImageFile& file, const ImageLimits& limits) {
  constexpr std::size_t kFirstBytes = 16'384;
  try {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(file.path, error);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(std::min<std::uintmax_t>(size, kFirstBytes)));
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.path.c_str(), "rb"), std::fclose);
    require_input(!error && in != nullptr, "cannot be opened for reading");
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
  set.pixels.resize(good.size() * static_cast<std::size_t>(set.image_bytes()));
  parallel_for(static_cast<Index>(good.size()), 16, [&](Index begin, Index end) {
    std::optional<Fitter> fit;  // kept for as long as the images have the same size
    Index fit_height = 0;
    Index fit_width = 0;
    for (Index i = begin; i < end; ++i) {
      ImageFile& file = *good[static_cast<std::size_t>(i)];
      try {
        ImageSet image = decode_image(read_bytes(file.path, kMostImageBytes), limits);
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

// Notes what was left out; throws InputError when more than 1 % of the images are broken.
inline void report_left_out(const std::filesystem::path& folder, const std::vector<std::vector<ImageFile>*>& parts,
                            std::vector<std::string>* notes) {
  constexpr std::size_t kNamed = 10;
  std::size_t images = 0;
  std::size_t others = 0;
  std::vector<const ImageFile*> broken;
  const ImageFile* other = nullptr;
  for (const std::vector<ImageFile>* part : parts) {
    for (const ImageFile& file : *part) {
      images += file.state != ImageFile::State::kOther;
      if (file.state == ImageFile::State::kBroken) broken.push_back(&file);
      if (file.state == ImageFile::State::kOther) {
        ++others;
        if (other == nullptr) other = &file;
      }
    }
  }
  const auto reason = [](const ImageFile& file) {  // a reading error names the file already
    const std::string name = file.path.string();
    return file.reason.starts_with(name) ? file.reason : name + ": " + file.reason;
  };
  require_input(broken.size() * 100 <= images, folder.string(), ": ", broken.size(), " of ", images,
                " images are broken, expected at most 1 %; the first: ", broken.empty() ? "" : reason(*broken[0]));
  if (notes == nullptr) return;
  for (std::size_t i = 0; i < std::min(kNamed, broken.size()); ++i) {
    notes->push_back(message("skipped a broken image: ", reason(*broken[i])));
  }
  if (broken.size() > kNamed) notes->push_back(message("and ", broken.size() - kNamed, " more broken images"));
  if (others > 0) {
    notes->push_back(message("skipped ", others, others == 1 ? " file that is" : " files that are",
                             " neither PNG nor JPEG: ", other->path.string(), others > 1 ? ", ..." : ""));
  }
}

// True when every pixel of a colour set is grey.
inline bool is_grey(const ImageSet& set) {
  if (set.channels != 3) return false;
  for (std::size_t i = 0; i < set.pixels.size(); i += 3) {
    if (set.pixels[i] != set.pixels[i + 1] || set.pixels[i] != set.pixels[i + 2]) return false;
  }
  return true;
}

inline std::optional<std::filesystem::path> find_folder(const std::filesystem::path& folder,
                                                        std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::error_code ignored;
    if (std::filesystem::is_directory(folder / name, ignored)) return folder / name;
  }
  return std::nullopt;
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

// The files of a folder of classes, by what they are for.
struct FolderFiles {
  std::filesystem::path class_root;                  // holds a folder for each class
  std::optional<std::filesystem::path> test_folder;  // none: the test images are taken from the training images
  std::vector<std::filesystem::path> class_folders;  // in the order of their labels
  std::vector<ImageFile> train, test, unlabeled;

  // A folder with test/ alone has been refused.
  [[nodiscard]] bool is_split_here() const { return !test_folder.has_value(); }
  [[nodiscard]] std::vector<std::vector<ImageFile>*> parts() { return {&train, &test, &unlabeled}; }
};

// Finds the class folders and lists what lies in them. Throws InputError where they do not make a data set.
inline FolderFiles list_image_folder(const std::filesystem::path& folder, std::vector<std::string>& notes) {
  FolderFiles files;
  const auto train_folder = find_folder(folder, {"train"});
  const auto unlabeled_folder = find_folder(folder, {"unlabeled", "unlabelled"});
  files.test_folder = find_folder(folder, {"test", "val", "validation"});
  require_input(train_folder || !files.test_folder, folder.string(), ": has ",
                files.test_folder ? files.test_folder->filename().string() : "", "/ but no train/");
  if (files.test_folder && *files.test_folder == folder / "test")
    if (const auto other = find_folder(folder, {"val", "validation"}))
      notes.push_back(
          message("not looked at: ", other->filename().string(), "/ (validation images are held out of train/)"));

  files.class_root = train_folder.value_or(folder);
  files.class_folders = list_folders(files.class_root);
  if (!train_folder && unlabeled_folder) std::erase(files.class_folders, *unlabeled_folder);
  require_input(!files.class_folders.empty(), folder.string(),
                ": expected IDX, CIFAR or STL-10 files, or folders of PNG or JPEG images, one for each class");
  std::map<std::string, std::int32_t> numbers;
  for (const auto& path : files.class_folders) {
    const auto label = static_cast<std::int32_t>(numbers.size());
    numbers.emplace(path.filename().string(), label);
    append_files(path, label, files.train);
  }
  require_input(files.class_folders.size() >= 2, files.class_root.string(), ": one class folder, ",
                files.class_folders[0].filename().string(), "/, expected at least 2");
  if (files.test_folder) {
    for (const auto& path : list_folders(*files.test_folder)) {
      const auto found = numbers.find(path.filename().string());
      require_input(found != numbers.end(), path.string(), ": a class that ", files.class_root.string(),
                    " does not have");
      append_files(path, found->second, files.test);
    }
  }
  if (unlabeled_folder) append_files(*unlabeled_folder, -1, files.unlabeled);
  return files;
}

// Throws InputError where a class has fewer than `least` good images to train on.
inline void check_class_sizes(const FolderFiles& files, Index least) {
  std::vector<Index> counts(files.class_folders.size(), 0);
  for (const ImageFile& file : files.train) {
    if (file.state == ImageFile::State::kGood) ++counts[static_cast<std::size_t>(file.label)];
  }
  for (std::size_t c = 0; c < counts.size(); ++c) {
    require_input(counts[c] >= least, files.class_folders[c].string(), ": ", counts[c],
                  counts[c] == 1 ? " image" : " images", " (PNG or JPEG), expected at least ", least, " in a class");
  }
}

// Moves a fifth of every class from the training images to the test images, and notes it.
inline void split_off_test(FolderFiles& files, std::uint64_t seed, std::vector<std::string>& notes) {
  std::erase_if(files.train, [](const ImageFile& file) { return file.state == ImageFile::State::kOther; });
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

inline bool any_good(const std::vector<ImageFile>& files) {
  return std::any_of(files.begin(), files.end(), [](const ImageFile& f) { return f.state == ImageFile::State::kGood; });
}

inline Dataset load_image_folder(const std::filesystem::path& folder, const DataOptions& options) {
  Dataset data;
  data.name = folder_name(folder);
  FolderFiles files = list_image_folder(folder, data.notes);
  for (const auto& path : files.class_folders) data.class_names.push_back(path.filename().string());
  const std::vector<std::vector<ImageFile>*> parts = files.parts();
  for (std::vector<ImageFile>* part : parts) {
    parallel_for(static_cast<Index>(part->size()), 16, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) scan_image_file((*part)[static_cast<std::size_t>(i)], options.limits);
    });
  }
  report_left_out(folder, parts, nullptr);
  // One to learn from, one to validate on, one to test on where we make the split.
  check_class_sizes(files, files.is_split_here() ? 3 : 2);
  if (files.is_split_here()) split_off_test(files, options.seed, data.notes);
  const std::string test_root = files.test_folder.value_or(folder).string();
  require_input(any_good(files.test), test_root, ": no PNG or JPEG image for testing");

  bool grey = true;
  bool fitted = false;
  const auto [height, width] = choose_size(parts, options.image_size);
  for (const auto* part : parts) {
    for (const ImageFile& file : *part) {
      if (file.state != ImageFile::State::kGood) continue;
      grey = grey && file.header.grey;
      fitted = fitted || file.header.height != height || file.header.width != width;
    }
  }
  ImageSet empty;
  empty.height = height;
  empty.width = width;
  empty.channels = grey ? 1 : 3;
  data.train = decode_files(files.train, empty, options.limits);
  data.test = decode_files(files.test, empty, options.limits);
  data.unlabeled = decode_files(files.unlabeled, empty, options.limits);
  report_left_out(folder, parts, &data.notes);
  check_class_sizes(files, 2);  // some of what looked well could not be decoded
  require_input(any_good(files.test), test_root, ": no image for testing can be decoded");
  if (fitted) data.notes.push_back(message("images of other sizes were resized and cropped to ", height, " x ", width));
  if (is_grey(data.train) && is_grey(data.test) && is_grey(data.unlabeled)) {
    data.train = with_channels(data.train, 1);
    data.test = with_channels(data.test, 1);
    data.unlabeled = with_channels(data.unlabeled, 1);
    data.notes.emplace_back("all images are grey, though stored in colour: one channel is used");
  }
  return data;
}

}  // namespace contexture::detail
