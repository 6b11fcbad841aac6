// SPDX-License-Identifier: MIT
// Writes and opens the file that holds a data set decoded, for sets that are larger than memory: its pages come and go
// as they are read. A process that ends while it writes one leaves FILE.part, and the next goes on from there.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/mapped_file.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/decode_files.hpp"
#include "contexture/data/folder_files.hpp"
#include "contexture/data/image_cache_format.hpp"

namespace contexture::detail {

// A cache by its file and what it has to be of.
struct CachePlace {
  std::filesystem::path file;
  std::string key;
};

// The data set in the cache, whose pixels are mapped; nothing where there is no such file. Throws InputError, naming
// the file, where it is of other data or damaged: every byte is checked.
inline std::optional<Dataset> open_image_cache(const CachePlace& place) {
  std::error_code error;
  if (!std::filesystem::exists(place.file, error)) return std::nullopt;
  const std::string name = place.file.string();
  constexpr const char* kRemove = "; remove it, and it is made again";
  const auto file = std::make_shared<const MappedFile>(place.file);
  const std::span<const std::uint8_t> all(file->data(), file->size());
  Dataset data;
  try {
    require_input(all.size() >= static_cast<std::size_t>(kCachePage), "cut off at byte ", all.size());
    CacheEnd end;
    const CacheLayout layout = parse_cache_header(all.first(static_cast<std::size_t>(kCachePage)), end);
    require_input(layout.key == place.key, "a cache of other data (", layout.key, ", expected ", place.key, ")");
    const Index size = layout.end() + end.bytes;
    require_input(std::ssize(all) == size, all.size(), " bytes, expected ", size);
    file->expect_sequential();
    const auto at = [&](Index offset, Index bytes) {
      return all.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(bytes));
    };
    Fingerprint sum;
    sum.add(at(layout.end(), end.bytes).data(), static_cast<std::size_t>(end.bytes));
    require_input(sum.text() == end.sum, "its end is damaged");
    std::size_t part = 0;
    for (ImageSet* set : {&data.train, &data.test, &data.unlabeled}) {
      const Index count = layout.count[part], block = layout.block(), bytes = layout.image_bytes();
      const Index pixels = layout.pixels_at(part);
      parallel_for(layout.blocks(count), 1, [&](Index begin, Index last) {
        for (Index b = begin; b < last; ++b) {
          const Index first = b * block, images = std::min(block, count - first);
          std::uint64_t stored = 0;
          std::memcpy(&stored, at(layout.sums_at(part) + 8 * b, 8).data(), 8);
          require_input(cache_sum(at(pixels + first * bytes, images * bytes),
                                  at(layout.states_at(part) + first, images)) == stored,
                        "damaged near byte ", pixels + first * bytes);
        }
      });
      *set = {count,
              layout.height,
              layout.width,
              layout.channels,
              Pixels(file, static_cast<std::size_t>(pixels), static_cast<std::size_t>(count * bytes)),
              {}};
      ++part;
    }
    parse_cache_end(at(layout.end(), end.bytes), data);
  } catch (const InputError& fault) {
    throw InputError(message(name, ": ", fault.what(), kRemove));
  } catch (const nlohmann::json::exception&) {
    throw InputError(message(name, ": its end is damaged", kRemove));
  }
  file->forget();
  file->expect_random();
  return data;
}

// Fills a cache. One process at a time: another that wants the same file waits.
class ImageCacheWriter {
 public:
  // For so many images of the size of `like` in each part. Throws InputError where the folder cannot be written to or
  // has no room. Waits for a process that fills the same cache; is_there() then.
  ImageCacheWriter(CachePlace place, const ImageSet& like, const std::array<Index, kCacheParts>& images,
                   const DataOptions& options)
      : place_(std::move(place)), part_file_(place_.file.string() + ".part"), options_(options) {
    grey_ = like.channels == 3;
    layout_ = {place_.key, like.height, like.width, like.channels, like.channels, images, {}};
    take();
    if (!is_there()) prepare();
  }
  ImageCacheWriter(const ImageCacheWriter&) = delete;
  ImageCacheWriter& operator=(const ImageCacheWriter&) = delete;
  ~ImageCacheWriter() {
    if (file_ >= 0) ::close(file_);
  }

  [[nodiscard]] bool is_there() const { return std::filesystem::exists(place_.file); }
  // Images that were decoded by a process before.
  [[nodiscard]] Index kept() const { return kept_; }
  [[nodiscard]] bool all_grey() const { return grey_; }

  // Decodes the good ones of a part's files; those that turn out broken are marked. Returns the set without pixels.
  ImageSet decode(std::size_t part, std::vector<ImageFile>& files) {
    std::vector<ImageFile*> good = good_files(files);
    require_state(std::ssize(good) == layout_.capacity[part], "ImageCacheWriter: ", good.size(), " images, expected ",
                  layout_.capacity[part]);
    for (Index first = 0; first < std::ssize(good); first += layout_.block()) {
      const Index images = std::min(layout_.block(), std::ssize(good) - first);
      fill_block(part, first,
                 std::span(good).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(images)));
      done_ += images;
      if (options_.progress) options_.progress({"decoding images into " + place_.file.string(), done_, total()});
    }
    ImageSet set{0, layout_.height, layout_.width, layout_.channels, {}, {}};
    for (const ImageFile* file : good) {
      if (file->state != ImageFile::State::kGood) continue;
      if (file->label >= 0) set.labels.push_back(file->label);
      ++set.count;
    }
    layout_.count[part] = set.count;
    return set;
  }

  // All parts are decoded: closes the gaps of broken images, keeps one channel of grey ones if asked, adds what else
  // the data set has, and gives the file its name.
  void publish(const Dataset& data, bool to_grey) {
    layout_.channels = to_grey ? 1 : layout_.channels;
    const bool gaps = layout_.count != layout_.capacity;
    if (gaps || to_grey) {  // from here on blocks are not those of their numbers: nothing to go on from
      write(0, Bytes(static_cast<std::size_t>(kCachePage), 0));
      require_file(::fsync(file_) == 0);
      for (std::size_t part = 0; part < kCacheParts; ++part) close_gaps(part);
    }
    const std::vector<std::uint8_t> end = cache_end(data);
    Fingerprint sum;
    sum.add(end.data(), end.size());
    write(layout_.end(), end);
    require_file(::ftruncate(file_, layout_.end() + std::ssize(end)) == 0);
    require_file(::fsync(file_) == 0);
    write(0, cache_header(layout_, {std::ssize(end), sum.text()}));
    require_file(::fsync(file_) == 0);
    std::error_code error;
    std::filesystem::rename(part_file_, place_.file, error);
    require_input(!error, place_.file.string(), ": cannot be written: ", error.message());
    (void)sync_to_disk(folder_of(place_.file));
  }

 private:
  using Bytes = std::vector<std::uint8_t>;

  [[nodiscard]] Index total() const { return layout_.capacity[0] + layout_.capacity[1] + layout_.capacity[2]; }

  void require_file(bool ok) const {
    require_input(ok, part_file_.string(), ": writing failed: ", std::strerror(errno),
                  errno == ENOSPC || errno == EFBIG || errno == EDQUOT
                      ? "; give another folder for the cache, or make room: the same command goes on from here"
                      : "");
  }
  void write(Index at, std::span<const std::uint8_t> bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(file_, bytes.data(), bytes.size(), at);
      if (n < 0 && errno == EINTR) continue;
      if (n == 0) errno = ENOSPC;
      require_file(n > 0);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      at += n;
    }
  }
  // Fewer bytes where the file ends.
  [[nodiscard]] Bytes read(Index at, Index size) const {
    Bytes bytes(static_cast<std::size_t>(size));
    std::size_t got = 0;
    while (got < bytes.size()) {
      const ssize_t n = ::pread(file_, bytes.data() + got, bytes.size() - got, at + static_cast<off_t>(got));
      if (n < 0 && errno == EINTR) continue;
      require_input(n >= 0, part_file_.string(), ": cannot be read: ", std::strerror(errno));
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    bytes.resize(got);
    return bytes;
  }

  // Opens FILE.part and locks it. Who had it before may have given it its final name meanwhile.
  void take() {
    for (bool waited = false;;) {
      file_ = ::open(part_file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
      require_input(file_ >= 0, part_file_.string(), ": cannot write here: ", std::strerror(errno));
      if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        if (!waited && options_.progress)
          options_.progress({"waiting for another process that fills " + part_file_.string(), 0, 0});
        waited = true;
        while (::flock(file_, LOCK_EX) != 0 && errno == EINTR) {
        }
      }
      struct stat ours {
      }, there{};
      if (::fstat(file_, &ours) == 0 && ::stat(part_file_.c_str(), &there) == 0 && ours.st_ino == there.st_ino) {
        if (is_there()) ::unlink(part_file_.c_str());  // made by our open()
        return;
      }
      ::close(std::exchange(file_, -1));
    }
  }

  // Goes on with what an earlier process left, if it was of the same; else begins anew.
  void prepare() {
    const Bytes header = cache_header(layout_, {});
    if (read(0, kCachePage) == header) return;
    const bool emptied = ::ftruncate(file_, 0) == 0 && ::ftruncate(file_, layout_.end()) == 0;
    // All room is taken now, so that a disk that is too small is noticed before hours are spent.
    const int reason = emptied ? ::posix_fallocate(file_, 0, layout_.end()) : errno;
    if (reason != 0 && reason != EOPNOTSUPP && reason != EINVAL) {
      ::unlink(part_file_.c_str());
      const auto gib = [](double bytes) { return std::ceil(bytes / 107374182.4) / 10; };
      std::error_code error;
      const auto free = static_cast<double>(std::filesystem::space(folder_of(part_file_), error).available);
      throw InputError(message(place_.file.string(), ": needs ", gib(static_cast<double>(layout_.end())),
                               " GiB: ", std::strerror(reason),
                               error ? "" : message(", ", std::floor(free / 107374182.4) / 10, " GiB are free there"),
                               "; give another folder for the cache, or make room"));
    }
    write(0, header);
  }

  // Decodes a block unless it is there already, sound.
  void fill_block(std::size_t part, Index first, std::span<ImageFile* const> images) {
    const Index bytes = layout_.image_bytes(), sum_at = layout_.sums_at(part) + 8 * (first / layout_.block());
    const Index pixels_at = layout_.pixels_at(part) + first * bytes, states_at = layout_.states_at(part) + first;
    std::uint64_t sum = 0;
    std::memcpy(&sum, read(sum_at, 8).data(), 8);
    Bytes pixels, states;
    bool there = false;
    if (sum != 0) {
      pixels = read(pixels_at, std::ssize(images) * bytes);
      states = read(states_at, std::ssize(images));
      there = cache_sum(pixels, states) == sum && still_broken(images, states);
    }
    const ImageSet like{0, layout_.height, layout_.width, layout_.channels, {}, {}};
    if (there) {
      kept_ += std::ssize(images);
    } else {
      pixels.assign(images.size() * static_cast<std::size_t>(bytes), 0);
      decode_into(images, like, options_.limits, pixels.data());
      states.clear();
      for (const ImageFile* file : images)
        states.push_back(static_cast<std::uint8_t>(file->state == ImageFile::State::kGood ? CachedImage::good
                                                                                          : CachedImage::broken));
      sum = cache_sum(pixels, states);
      write(pixels_at, pixels);
      write(states_at, states);
      write(sum_at, {reinterpret_cast<const std::uint8_t*>(&sum), 8});
    }
    for (std::size_t i = 0; grey_ && i < images.size(); ++i)
      if (images[i]->state == ImageFile::State::kGood)
        grey_ =
            is_grey(std::span(pixels).subspan(i * static_cast<std::size_t>(bytes), static_cast<std::size_t>(bytes)));
  }

  // Looks again at the images of a block that were broken, for the reasons; false where one no longer is.
  bool still_broken(std::span<ImageFile* const> images, const Bytes& states) const {
    std::vector<ImageFile*> broken;
    for (std::size_t i = 0; i < images.size(); ++i)
      if (states[i] != static_cast<std::uint8_t>(CachedImage::good)) broken.push_back(images[i]);
    const ImageSet like{0, layout_.height, layout_.width, layout_.channels, {}, {}};
    Bytes unused(broken.size() * static_cast<std::size_t>(layout_.image_bytes()));
    decode_into(broken, like, options_.limits, unused.data());
    return std::none_of(broken.begin(), broken.end(),
                        [](const ImageFile* file) { return file->state == ImageFile::State::kGood; });
  }

  // Moves a part's good images together, to the front, with the first of their channels alone where those are fewer
  // now.
  void close_gaps(std::size_t part) {
    const Index block = layout_.block(), from_bytes = layout_.height * layout_.width * layout_.stored_channels;
    const Index to_bytes = layout_.image_bytes(), step = layout_.stored_channels / layout_.channels;
    const Bytes states = read(layout_.states_at(part), layout_.capacity[part]);
    Bytes out;
    Index written = 0;
    const auto flush = [&] {
      const Bytes good(out.size() / static_cast<std::size_t>(to_bytes), static_cast<std::uint8_t>(CachedImage::good));
      const std::uint64_t sum = cache_sum(out, good);
      write(layout_.pixels_at(part) + written * to_bytes, out);
      write(layout_.states_at(part) + written, good);
      write(layout_.sums_at(part) + 8 * (written / block), {reinterpret_cast<const std::uint8_t*>(&sum), 8});
      written += std::ssize(good);
      out.clear();
    };
    for (Index first = 0; first < layout_.capacity[part]; first += block) {
      const Index images = std::min(block, layout_.capacity[part] - first);
      const Bytes in = read(layout_.pixels_at(part) + first * from_bytes, images * from_bytes);
      for (Index i = 0; i < images; ++i) {
        if (states[static_cast<std::size_t>(first + i)] != static_cast<std::uint8_t>(CachedImage::good)) continue;
        for (Index j = 0; j < from_bytes; j += step) out.push_back(in[static_cast<std::size_t>(i * from_bytes + j)]);
        if (std::ssize(out) == block * to_bytes) flush();
      }
    }
    if (!out.empty()) flush();
  }

  CachePlace place_;
  std::filesystem::path part_file_;
  const DataOptions& options_;
  CacheLayout layout_;
  int file_ = -1;
  bool grey_ = false;  // stored in colour, and all so far are grey
  Index done_ = 0, kept_ = 0;
};

}  // namespace contexture::detail
