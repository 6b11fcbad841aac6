// SPDX-License-Identifier: MIT
// A folder of images as tar shards, which are read as well and copied faster; and back.
//
//   pack --data photos --out shards
//   pack --data shards --out photos --unpack
//   pack --data builtin --train-images 1000000 --out shards
//
// Image files go into shards as they are. A shard gets its name once it has been read back from the disk; the same
// command again goes on with those that are missing.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/commands.hpp"
#include "common/common_options.hpp"
#include "common/data.hpp"
#include "common/program.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/folder_lock.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/image_folder.hpp"
#include "contexture/data/png.hpp"
#include "contexture/data/shard_writer.hpp"

namespace {

using contexture::Index, contexture::message, contexture::require_input;
using contexture::detail::ImageFile;
using Bytes = std::vector<std::uint8_t>;
namespace fs = std::filesystem;

struct PackCommandLine {
  std::string data, out;
  Index shard_images = 10'000, train_images = 10'000, test_images = 2'000, image_size = 0;
  contexture::DataOptions reading;
  int threads = 0;
  bool unpack = false, quiet = false;
};

std::optional<PackCommandLine> parse_pack_line(int argc, char** argv) {
  CLI::App app("Puts a folder of images into tar shards (WebDataset), or takes them out again.", "pack");
  PackCommandLine o;
  app.add_option("--data", o.data, "folder of images, builtin or builtin-64; with --unpack folder of shards")
      ->required();
  app.add_option("--out", o.out, "folder for the shards or the images, created when missing")->required();
  app.add_flag("--unpack", o.unpack, "from shards to a folder of images");
  const auto number = [&app](const char* name, Index& value, const char* help, Index least, Index most) {
    app.add_option(name, value, help)->capture_default_str()->check(CLI::Range(least, most));
  };
  number("--shard-images", o.shard_images, "images in a shard", 1, 1'000'000);
  number("--train-images", o.train_images, "of built-in data: training images", 1, programs::kMany);
  number("--test-images", o.test_images, "of built-in data: test images; 0: none", 0, programs::kMany);
  number("--image-size", o.image_size, "of built-in data: side in pixels; 0: 32, or 64 of builtin-64", 0, 1024);
  app.add_option("--max-broken", o.reading.max_broken, "share of the images that may be broken, and is left out")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  programs::add_max_pixels(app, o.reading.limits);
  app.add_option("--threads", o.threads, "threads of the library; 0: all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  app.add_flag("--quiet", o.quiet, "print the last line only");
  if (programs::parse(app, argc, argv)) return std::nullopt;
  if (o.out.empty()) throw programs::UsageError("--out: empty, expected a folder");
  if (o.unpack && contexture::builtin_set(o.data))
    throw programs::UsageError("--unpack: builtin images are in no shards");
  return o;
}

void stop_if_asked() {
  if (programs::stop_token().requested()) throw contexture::Stopped("stopped; the same command goes on where it was");
}

// An image to be put into a shard.
struct Sample {
  std::string name;         // of its member
  std::int32_t label = -1;  // -1: none
  Bytes bytes;
};

// What is put into the shards of one part.
struct Source {
  std::string part;  // train, test, unlabeled, shard
  Index count = 0;
  std::function<std::string(Index)> name;
  std::function<std::vector<Sample>(Index first, Index last)> read;
};

// A member's name, whose only dot is before its extension: cat/img.1.JPG becomes cat/img_1.jpg.
class Names {
 public:
  std::string operator()(const fs::path& path, const char* extension) {
    std::string base = path.stem().string();
    std::replace(base.begin(), base.end(), '.', '_');
    const std::string key = (path.parent_path() / base).generic_string();
    std::string name = key;
    for (int again = 2; !taken_.insert(name).second; ++again) name = message(key, "-", again);
    return name + extension;
  }

 private:
  std::set<std::string> taken_;
};

Source source_of(const char* part, const std::vector<ImageFile>& files, const fs::path& root) {
  Source source{part, 0, {}, {}};
  std::vector<const ImageFile*> good;
  std::vector<std::string> names;
  Names name;
  for (const ImageFile& file : files) {
    if (file.state != ImageFile::State::kGood) continue;
    good.push_back(&file);
    names.push_back(name(file.path.lexically_relative(root), contexture::detail::format_extension(file.header.format)));
  }
  source.count = std::ssize(good);
  source.read = [good, names](Index first, Index last) {
    std::vector<Sample> samples(static_cast<std::size_t>(last - first));
    contexture::parallel_for(last - first, 16, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const auto at = static_cast<std::size_t>(first + i);
        samples[static_cast<std::size_t>(i)] = {
            names[at], good[at]->label,
            contexture::detail::read_bytes(good[at]->path, contexture::detail::kMostImageBytes)};
      }
    });
    return samples;
  };
  source.name = [names](Index i) { return names[static_cast<std::size_t>(i)]; };
  return source;
}

contexture::BuiltinOptions builtin_options(const PackCommandLine& o) {
  return {*contexture::builtin_set(o.data), o.image_size, 0};
}

Source drawn(bool test, const PackCommandLine& o) {
  Source source{test ? "test" : "train", test ? o.test_images : o.train_images, {}, {}};
  source.name = [](Index i) {
    char name[32];
    std::snprintf(name, sizeof(name), "%09lld.png", static_cast<long long>(i));
    return std::string(name);
  };
  source.read = [test, options = builtin_options(o), name = source.name](Index first, Index last) {
    const contexture::ImageSet images = contexture::builtin_images(test, first, last - first, options);
    std::vector<Sample> samples(static_cast<std::size_t>(images.count));
    contexture::parallel_for(images.count, 16, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        samples[static_cast<std::size_t>(i)] = {
            name(first + i), images.labels[static_cast<std::size_t>(i)],
            contexture::encode_png(images.image(i), images.height, images.width, 3)};
    });
    return samples;
  };
  return source;
}

// Whether the shard has these images by their names: it was read back before it got its own.
void require_same_names(const fs::path& path, const Source& source, Index first, Index last) {
  Index at = first;
  contexture::detail::for_each_tar_member(
      path, 0, [&](const contexture::detail::TarMember& member, std::span<const std::uint8_t>) {
        if (member.name.ends_with(".cls")) return;
        require_input(at < last && member.name == source.name(at), path.string(), ": has ", member.name, ", expected ",
                      at < last ? source.name(at) : "its end", ": it is of other images; give another folder");
        ++at;
      });
  require_input(at == last, path.string(), ": has ", at - first, " images, expected ", last - first,
                ": it is of other images; give another folder");
}

void write_shard(const fs::path& path, const Source& source, Index first, Index last,
                 const std::function<void(Index)>& written) {
  constexpr Index kAtOnce = 256;  // that are in memory
  contexture::ShardWriter shard(path);
  for (Index at = first; at < last; at += kAtOnce) {
    stop_if_asked();
    for (const Sample& sample : source.read(at, std::min(at + kAtOnce, last))) {
      shard.add(sample.name, sample.bytes);
      if (sample.label < 0) continue;
      const std::string label = std::to_string(sample.label);
      shard.add(sample.name.substr(0, sample.name.rfind('.')) + ".cls", Bytes(label.begin(), label.end()));
    }
    written(std::min(at + kAtOnce, last));
  }
  shard.close();
}

struct Packed {
  Index images = 0, shards = 0, kept = 0;
};

Packed write_shards(const std::vector<Source>& sources, const PackCommandLine& o) {
  const auto progress = programs::progress_line(o.quiet);
  Packed packed;
  for (const Source& source : sources) {
    for (Index first = 0, shard = 0; first < source.count; first += o.shard_images, ++shard) {
      stop_if_asked();
      const Index last = std::min(first + o.shard_images, source.count);
      char number[32];
      std::snprintf(number, sizeof(number), "-%06lld", static_cast<long long>(shard));
      const fs::path path = fs::path(o.out) / (source.part + number + contexture::detail::kShardExtension);
      if (fs::exists(path)) {
        require_same_names(path, source, first, last);
        ++packed.kept;
      } else {
        write_shard(path, source, first, last, [&](Index done) {
          if (progress) progress({"writing " + source.part + " shards", done, source.count});
        });
      }
      ++packed.shards;
    }
    packed.images += source.count;
  }
  return packed;
}

void print_left_out(const contexture::DataAccount& account) {
  for (const std::string& line : account.lines()) std::fprintf(stderr, "pack: warning: %s\n", line.c_str());
}

int to_shards(const PackCommandLine& o) {
  std::vector<Source> sources;
  contexture::Dataset data;
  contexture::detail::FolderFiles files;
  if (contexture::builtin_set(o.data)) {
    data = contexture::builtin_dataset(0, 0, builtin_options(o));
    sources = {drawn(false, o), drawn(true, o)};
  } else {
    const fs::path folder = o.data;
    require_input(fs::is_directory(folder), "data '", o.data, "': no such folder");
    require_input(!contexture::detail::shard_folder(folder, o.reading), "data '", o.data,
                  "': has shards already (--unpack takes the images out)");
    files = contexture::detail::scan_image_folder(folder, o.reading, data, false);
    contexture::detail::make_account(folder, files, data.account);
    print_left_out(data.account);
    const fs::path& root = files.class_folders.empty() ? folder : files.class_root;
    sources.push_back(source_of(files.test.empty() && files.unlabeled.empty() ? "shard" : "train", files.train, root));
    sources.push_back(source_of("test", files.test, files.test_root));
    sources.push_back(source_of("unlabeled", files.unlabeled, folder));
  }
  programs::prepare_folder(o.out);
  const contexture::FolderLock lock{fs::path(o.out)};
  std::string names;
  for (const std::string& name : data.class_names) names += name + "\n";
  if (!names.empty()) programs::write_text(fs::path(o.out) / "class_names.txt", names);
  const Packed packed = write_shards(sources, o);
  std::printf("%lld images in %lld shards, each read back as written", static_cast<long long>(packed.images),
              static_cast<long long>(packed.shards));
  if (packed.kept > 0) std::printf(" (%lld were there)", static_cast<long long>(packed.kept));
  std::printf(": %s\n", o.out.c_str());
  return 0;
}

// Where an image goes below the folder of its part: a name from a file is not trusted.
fs::path place_of(const ImageFile& image, const std::vector<std::string>& classes) {
  fs::path path = image.path;
  if (image.label >= 0) {
    const std::string& name = classes[static_cast<std::size_t>(image.label)];
    require_input(!name.empty() && name.front() != '.' && name.find('/') == std::string::npos, "class '", name,
                  "': cannot be the name of a folder");
    if (*path.begin() != fs::path(name)) path = name / path;
  }
  for (const fs::path& part : path)
    require_input(part != ".." && part != "." && !path.is_absolute(), image.shard->path.string(), ": ",
                  image.path.string(), ": leads out of the folder that is written to");
  return path;
}

// Writes a file that appears whole, and reads it back. One that is there has to be the same; true if it is.
bool write_image(const fs::path& path, const Bytes& bytes) {
  const auto is_written = [&bytes](const fs::path& file) {
    return contexture::detail::read_bytes(file, contexture::detail::kMostImageBytes) == bytes;
  };
  if (fs::exists(path)) {
    require_input(is_written(path), path.string(), ": is there, and is another image; give another folder");
    return true;
  }
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path temporary = contexture::detail::temporary_beside(path);
  std::ofstream file(temporary, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  file.close();
  const bool whole = file.good() && is_written(temporary);
  if (whole) fs::rename(temporary, path, error);
  if (whole && !error) return false;
  std::error_code ignored;
  fs::remove(temporary, ignored);
  throw contexture::InputError(
      message(path.string(), ": cannot be written: ", error ? error.message() : "no room, or no access"));
}

int to_folder(const PackCommandLine& o) {
  const auto shards = contexture::detail::shard_folder(o.data, o.reading);
  require_input(shards.has_value(), "data '", o.data, "': no shards (.tar) there");
  contexture::Dataset data;
  contexture::DataOptions reading = o.reading;
  reading.progress = programs::progress_line(o.quiet);
  const auto files = contexture::detail::scan_image_folder(o.data, reading, data, false);
  contexture::DataAccount account;
  contexture::detail::make_account(o.data, files, account);
  print_left_out(account);
  programs::prepare_folder(o.out);
  const contexture::FolderLock lock{fs::path(o.out)};
  const auto progress = programs::progress_line(o.quiet);
  std::atomic<Index> images{0}, there{0};
  const bool parts = !files.test.empty() || !files.unlabeled.empty();
  for (const auto& named :
       {std::pair("train", &files.train), std::pair("test", &files.test), std::pair("unlabeled", &files.unlabeled)}) {
    constexpr Index kAtOnce = 1024;
    const std::vector<ImageFile>& part = *named.second;
    const fs::path root = parts ? fs::path(o.out) / named.first : fs::path(o.out);
    for (Index first = 0; first < std::ssize(part); first += kAtOnce) {
      stop_if_asked();
      const Index count = std::min(kAtOnce, std::ssize(part) - first);
      contexture::parallel_for(count, 32, [&](Index begin, Index end) {
        contexture::detail::EncodedImages encoded;
        for (Index i = first + begin; i < first + end; ++i) {
          const ImageFile& image = part[static_cast<std::size_t>(i)];
          if (image.state != ImageFile::State::kGood) continue;
          there += write_image(root / place_of(image, data.class_names), encoded.bytes_of(image));
          ++images;
        }
      });
      if (progress) progress({std::string("writing ") + named.first + " images", first + count, std::ssize(part)});
    }
  }
  std::printf("%lld images, each read back as written", static_cast<long long>(images.load()));
  if (there > 0) std::printf(" (%lld were there)", static_cast<long long>(there.load()));
  std::printf(": %s\n", o.out.c_str());
  return 0;
}

int run_pack(int argc, char** argv) {
  std::optional<PackCommandLine> options = parse_pack_line(argc, argv);
  if (!options) return 0;
  programs::use_threads(options->threads);
  programs::stop_on_signals();
  options->reading.labels = false;  // images without classes are packed as well
  options->reading.never_data = options->out;
  return options->unpack ? to_folder(*options) : to_shards(*options);
}

}  // namespace

int programs::pack(int argc, char** argv) { return run_program("pack", argc, argv, run_pack); }
