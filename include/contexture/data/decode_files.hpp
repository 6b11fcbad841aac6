// SPDX-License-Identifier: MIT
// From the files of images, or members of tar files, to pixels of one size: in parallel, each image straight into its
// place.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/decode.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/image_tree.hpp"
#include "contexture/data/resize.hpp"

namespace contexture::detail {

// A shard is no longer what it was when its members were listed: nothing that it holds can be trusted.
class ShardChanged : public InputError {
 public:
  using InputError::InputError;
};

// The bytes of images, one after the other; the shard of the last one stays open.
class EncodedImages {
 public:
  EncodedImages() = default;
  EncodedImages(const EncodedImages&) = delete;
  EncodedImages& operator=(const EncodedImages&) = delete;
  ~EncodedImages() { close(); }

  // Throws InputError where it cannot be read, ShardChanged where all of its shard cannot.
  std::vector<std::uint8_t> bytes_of(const ImageFile& image) {
    if (image.shard == nullptr) return read_bytes(image.path, kMostImageBytes);
    if (image.shard != open_) open(*image.shard);
    require_input(static_cast<std::uintmax_t>(image.bytes) <= kMostImageBytes, image.bytes, " bytes, expected at most ",
                  kMostImageBytes);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(image.bytes));
    for (std::size_t got = 0; got < bytes.size();) {
      const ssize_t n = ::pread(file_, bytes.data() + got, bytes.size() - got, image.offset + static_cast<off_t>(got));
      if (n < 0 && errno == EINTR) continue;
      require_input(n > 0, "reading stopped at byte ", got, " of ", bytes.size(),
                    n < 0 ? message(": ", std::strerror(errno)) : std::string());
      got += static_cast<std::size_t>(n);
    }
    return bytes;
  }

 private:
  void open(const Shard& shard) {
    close();
    file_ = ::open(shard.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0)
      throw ShardChanged(message(shard.path.string(), ": was listed, and now cannot be read: ", std::strerror(errno),
                                 "; has somebody moved it?"));
    struct stat info {};
    if (::fstat(file_, &info) != 0 || info.st_size != shard.bytes)
      throw ShardChanged(message(shard.path.string(), ": has changed while it was read: ", info.st_size,
                                 " bytes, when it was listed ", shard.bytes));
    open_ = &shard;
  }
  void close() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
    open_ = nullptr;
  }

  int file_ = -1;
  const Shard* open_ = nullptr;
};

// Decodes images into `out`, images of the size and channels of `like` one after the other. Those that turn out broken
// are marked, and their places are of no use. Throws ShardChanged.
inline void decode_into(std::span<ImageFile* const> images, const ImageSet& like, const ImageLimits& limits,
                        std::uint8_t* out) {
  parallel_for(std::ssize(images), 16, [&](Index begin, Index end) {
    EncodedImages encoded;
    std::optional<Fitter> fit;  // kept for as long as the images have the same size
    ImageExtent fitted;
    for (Index i = begin; i < end; ++i) {
      ImageFile& file = *images[static_cast<std::size_t>(i)];
      std::uint8_t* const place = out + i * like.image_bytes();
      try {
        ImageSet image = decode_image(encoded.bytes_of(file), limits, {like.height, like.width});
        if (image.channels != like.channels) image = with_channels(image, like.channels);
        if (image.height == like.height && image.width == like.width) {
          std::copy(image.pixels.begin(), image.pixels.end(), place);
          continue;
        }
        if (!fit || image.height != fitted.height || image.width != fitted.width) {
          fit.emplace(image.height, image.width, like.channels, like.height, like.width);
          fitted = {image.height, image.width};
        }
        (*fit)(image.image(0), place);
      } catch (const ShardChanged&) {
        throw;
      } catch (const InputError& error) {
        file.set_broken(ImageFile::State::kBroken, error.what());
      }
    }
  });
}

inline std::vector<ImageFile*> good_files(std::vector<ImageFile>& files) {
  std::vector<ImageFile*> good;
  for (ImageFile& file : files)
    if (file.state == ImageFile::State::kGood) good.push_back(&file);
  return good;
}

// Decodes the good files among `files` into memory, as images like those of the empty `set`; files that turn out broken
// are marked, and have no place in the result.
inline ImageSet decode_files(std::vector<ImageFile>& files, ImageSet set, const DataOptions& options) {
  constexpr Index kBetweenReports = 4096;
  const std::vector<ImageFile*> good = good_files(files);
  const Index images = std::ssize(good);
  make_room(set, images);
  for (Index first = 0; first < images; first += kBetweenReports) {
    const Index count = std::min(kBetweenReports, images - first);
    decode_into(std::span(good).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), set,
                options.limits, set.image(first));
    if (options.progress) options.progress({"decoding images", first + count, images});
  }
  // Close the gaps that broken files left.
  for (Index i = 0; i < images; ++i) {
    const ImageFile& file = *good[static_cast<std::size_t>(i)];
    if (file.state != ImageFile::State::kGood) continue;
    if (set.count != i) std::copy_n(set.image(i), set.image_bytes(), set.image(set.count));
    if (file.label >= 0) set.labels.push_back(file.label);
    ++set.count;
  }
  set.pixels.resize(static_cast<std::size_t>(set.count * set.image_bytes()));
  return set;
}

// True when every pixel of these is grey.
inline bool is_grey(std::span<const std::uint8_t> rgb) {
  for (std::size_t i = 0; i < rgb.size(); i += 3)
    if (rgb[i] != rgb[i + 1] || rgb[i] != rgb[i + 2]) return false;
  return true;
}
inline bool is_grey(const ImageSet& set) {
  return set.channels == 3 && is_grey({set.pixels.data(), set.pixels.size()});
}

}  // namespace contexture::detail
