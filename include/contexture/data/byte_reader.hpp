// SPDX-License-Identifier: MIT
// A file read front to back, plain or gzipped.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "contexture/core/error.hpp"

namespace contexture::detail {

// Reads a file front to back, through gzip where the file starts like one.
class ByteReader {
 public:
  explicit ByteReader(const std::filesystem::path& path) : path_(path), file_(std::fopen(path.c_str(), "rb"), close) {
    require_input(file_ != nullptr, path.string(), ": cannot be read: ", std::strerror(errno));
    std::error_code error;
    size_ = std::filesystem::file_size(path, error);
    require_input(!error, path.string(), ": cannot be read: ", error.message());
    refill();
    gzip_ = stream_.avail_in >= 2 && input_[0] == 0x1f && input_[1] == 0x8b;
    if (gzip_) require_state(inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK, "ByteReader: zlib cannot start");
  }
  ~ByteReader() {
    if (gzip_) inflateEnd(&stream_);
  }
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  // No more than this can come out: deflate packs at most 1032 to 1.
  [[nodiscard]] std::uint64_t most_bytes() const { return gzip_ ? size_ * 1032 : size_; }
  // Bytes handed out so far.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::string name() const { return path_.string(); }

  // Fills out[0, n). Throws InputError at the end of the file.
  void read_all(std::uint8_t* out, std::size_t n) {
    const std::size_t got = read(out, n);
    require_input(got == n, path_.string(), ": truncated: ends at byte ", offset_);
  }

  // Fills out[0, n) and returns how much of it: less than n only at the end.
  std::size_t read(std::uint8_t* out, std::size_t n) {
    std::size_t done = 0;
    while (done < n) {
      if (stream_.avail_in == 0) refill();
      const std::size_t step = gzip_ ? inflate_some(out + done, n - done) : copy_some(out + done, n - done);
      if (step == 0) break;
      done += step;
    }
    offset_ += done;
    return done;
  }

 private:
  static void close(std::FILE* file) {
    if (file != nullptr) (void)std::fclose(file);
  }

  void refill() {
    const std::size_t got = std::fread(input_.data(), 1, input_.size(), file_.get());
    require_input(std::ferror(file_.get()) == 0, path_.string(), ": reading failed");
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<unsigned>(got);
  }

  std::size_t copy_some(std::uint8_t* out, std::size_t n) {
    const std::size_t step = std::min<std::size_t>(n, stream_.avail_in);
    std::copy_n(stream_.next_in, step, out);
    stream_.next_in += step;
    stream_.avail_in -= static_cast<unsigned>(step);
    return step;
  }

  std::size_t inflate_some(std::uint8_t* out, std::size_t n) {
    const auto room = static_cast<unsigned>(std::min<std::size_t>(n, 1U << 30));
    stream_.next_out = out;
    stream_.avail_out = room;
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0) refill();
      if (ended_) {  // a gzip file may hold several members, one after the other
        if (stream_.avail_in == 0) return 0;
        require_input(*stream_.next_in == 0x1f, path_.string(), ": other data follows the ", offset_,
                      " compressed bytes");
        inflateReset(&stream_);
        ended_ = false;
      }
      require_input(stream_.avail_in > 0, path_.string(), ": truncated: its compressed data ends in the middle, after ",
                    offset_, " bytes or a little more");
      const int status = inflate(&stream_, Z_NO_FLUSH);
      ended_ = status == Z_STREAM_END;
      require_input(ended_ || status == Z_OK || status == Z_BUF_ERROR, path_.string(),
                    ": its compressed data is damaged, after ", offset_, " bytes or a little more");
    }
    return room - stream_.avail_out;
  }

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, void (*)(std::FILE*)> file_;
  std::uintmax_t size_ = 0;
  std::uint64_t offset_ = 0;
  bool gzip_ = false;
  bool ended_ = false;
  z_stream stream_{};
  std::array<std::uint8_t, 65'536> input_;
};

}  // namespace contexture::detail
