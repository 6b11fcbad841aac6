// SPDX-License-Identifier: MIT
// What the data tests write to disk: temporary folders, IDX, CIFAR and STL-10 files, PNGs of any
// kind and JPEGs of flat 8 x 8 blocks (with 1, 3 or 4 components), so that no test needs a download.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/files.hpp"

namespace files {

using Bytes = std::vector<std::uint8_t>;

// A new folder that disappears with its contents at the end of the scope.
class TempFolder {
 public:
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path; }
  [[nodiscard]] std::string string() const { return path().string(); }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path() / name; }

 private:
  Folder folder_{"data"};
};

inline void write(const std::filesystem::path& path, const Bytes& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline Bytes text_bytes(const std::string& text) { return {text.begin(), text.end()}; }

inline void write(const std::filesystem::path& path, const std::string& text) { write(path, text_bytes(text)); }

inline Bytes gzip(const Bytes& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  Bytes out(deflateBound(&stream, static_cast<uLong>(bytes.size())) + 64);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<unsigned>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<unsigned>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline void append_u32(Bytes& out, std::uint32_t value) {  // big-endian
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

inline void append_png_chunk(Bytes& out, const std::string& type, const Bytes& body) {
  append_u32(out, static_cast<std::uint32_t>(body.size()));
  const std::size_t start = out.size();
  out.insert(out.end(), type.begin(), type.end());
  out.insert(out.end(), body.begin(), body.end());
  append_u32(out, static_cast<std::uint32_t>(crc32(0, out.data() + start, static_cast<unsigned>(out.size() - start))));
}

inline std::uint8_t pixel(int image, int i) { return static_cast<std::uint8_t>((image * 37 + i * 11) % 251); }

inline Bytes idx_images(int count, int height, int width) {
  Bytes out;
  append_u32(out, 0x803);
  for (const int extent : {count, height, width}) append_u32(out, static_cast<std::uint32_t>(extent));
  for (int n = 0; n < count; ++n) {
    for (int i = 0; i < height * width; ++i) out.push_back(pixel(n, i));
  }
  return out;
}

inline Bytes idx_labels(int count, int classes = 10) {
  Bytes out;
  append_u32(out, 0x801);
  append_u32(out, static_cast<std::uint32_t>(count));
  for (int n = 0; n < count; ++n) out.push_back(static_cast<std::uint8_t>(n % classes));
  return out;
}

// A complete MNIST-like folder: 30 training and 20 test images of 6 x 5.
inline void write_idx_folder(const std::filesystem::path& folder, bool gzipped) {
  const std::string end = gzipped ? ".gz" : "";
  const auto pack = [gzipped](const Bytes& bytes) { return gzipped ? gzip(bytes) : bytes; };
  write(folder / ("train-images-idx3-ubyte" + end), pack(idx_images(30, 6, 5)));
  write(folder / ("train-labels-idx1-ubyte" + end), pack(idx_labels(30)));
  write(folder / ("t10k-images-idx3-ubyte" + end), pack(idx_images(20, 6, 5)));
  write(folder / ("t10k-labels-idx1-ubyte" + end), pack(idx_labels(20)));
}

// Records of `label_bytes` labels (the last counts) and 3 planes; pixel (c,y,x) of image n is
// pixel(n, c * 1024 + y * 32 + x).
inline Bytes cifar_records(int count, int label_bytes, int classes) {
  Bytes out;
  for (int n = 0; n < count; ++n) {
    if (label_bytes == 2) out.push_back(0);
    out.push_back(static_cast<std::uint8_t>(n % classes));
    for (int i = 0; i < 3072; ++i) out.push_back(pixel(n, i));
  }
  return out;
}

struct PngOptions {
  int depth = 8;
  int color_type = 2;  // 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA
  Bytes palette = {};
  std::uint32_t claimed_width = 0;  // in the header; 0: the truth
  std::uint32_t claimed_height = 0;
};

// A PNG with the given raw rows (filter byte included), whatever the header then claims.
inline Bytes png(std::uint32_t width, std::uint32_t height, const Bytes& raw, const PngOptions& options = {}) {
  Bytes out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  Bytes header;
  append_u32(header, options.claimed_width != 0 ? options.claimed_width : width);
  append_u32(header, options.claimed_height != 0 ? options.claimed_height : height);
  for (const int v : {options.depth, options.color_type, 0, 0, 0}) header.push_back(static_cast<std::uint8_t>(v));
  append_png_chunk(out, "IHDR", header);
  if (!options.palette.empty()) append_png_chunk(out, "PLTE", options.palette);
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  Bytes packed(size);
  compress(packed.data(), &size, raw.data(), static_cast<uLong>(raw.size()));
  packed.resize(size);
  append_png_chunk(out, "IDAT", packed);
  append_png_chunk(out, "IEND", {});
  return out;
}

// Raw rows of one repeated pixel.
inline Bytes flat_rows(std::uint32_t width, std::uint32_t height, const Bytes& one_pixel) {
  Bytes raw;
  for (std::uint32_t y = 0; y < height; ++y) {
    raw.push_back(0);
    for (std::uint32_t x = 0; x < width; ++x) raw.insert(raw.end(), one_pixel.begin(), one_pixel.end());
  }
  return raw;
}

inline Bytes rgb_png(std::uint32_t width, std::uint32_t height, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  return png(width, height, flat_rows(width, height, {r, g, b}));
}

inline Bytes grey_png(std::uint32_t width, std::uint32_t height, std::uint8_t value) {
  return png(width, height, flat_rows(width, height, {value}), {.color_type = 0});
}

inline void append_jpeg_segment(Bytes& out, int marker, const Bytes& body) {
  for (const std::size_t v :
       {std::size_t{0xFF}, static_cast<std::size_t>(marker), (body.size() + 2) >> 8, body.size() + 2})
    out.push_back(static_cast<std::uint8_t>(v));
  out.insert(out.end(), body.begin(), body.end());
}

// A baseline JPEG of `blocks` x `blocks` flat 8 x 8 blocks in one colour: components as stored
// (1: grey, 3: Y Cb Cr, 4: as is, with an Adobe marker that says CMYK if `adobe`).
inline Bytes jpeg(int blocks, const Bytes& components, bool adobe = true) {
  Bytes out = {0xFF, 0xD8};
  const auto segment = [&out](int marker, const Bytes& body) { append_jpeg_segment(out, marker, body); };
  if (components.size() == 4 && adobe) segment(0xEE, {'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0});
  Bytes quantization(65, 1);  // table 0, all ones
  quantization[0] = 0;
  segment(0xDB, quantization);
  const auto count = static_cast<std::uint8_t>(components.size());
  const auto side = static_cast<std::uint8_t>(8 * blocks);
  Bytes frame = {8, 0, side, 0, side, count};
  Bytes scan = {count};
  for (std::uint8_t c = 1; c <= count; ++c) {
    for (const int v : {int{c}, 0x11, 0}) frame.push_back(static_cast<std::uint8_t>(v));
    scan.push_back(c);
    scan.push_back(0);
  }
  segment(0xC0, frame);
  // DC: the twelve categories in codes of four bits; AC: nothing but "end of block", one bit.
  segment(0xC4, {0x00, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  segment(0xC4, {0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  for (const int v : {0, 63, 0}) scan.push_back(static_cast<std::uint8_t>(v));
  segment(0xDA, scan);
  std::vector<bool> bits;
  const auto put = [&bits](int value, int length) {
    for (int i = length - 1; i >= 0; --i) bits.push_back((value >> i & 1) != 0);
  };
  std::vector<int> before(components.size(), 0);
  for (int block = 0; block < blocks * blocks; ++block) {
    for (std::size_t c = 0; c < components.size(); ++c) {
      const int dc = 8 * (components[c] - 128);
      const int difference = dc - before[c];
      before[c] = dc;
      int category = 0;
      while (std::abs(difference) >> category != 0) ++category;
      put(category, 4);
      put(difference < 0 ? difference + (1 << category) - 1 : difference, category);
      put(0, 1);
    }
  }
  while (bits.size() % 8 != 0) bits.push_back(true);
  for (std::size_t i = 0; i < bits.size(); i += 8) {
    int byte = 0;
    for (std::size_t k = 0; k < 8; ++k) byte = byte << 1 | static_cast<int>(bits[i + k]);
    out.push_back(static_cast<std::uint8_t>(byte));
    if (byte == 0xFF) out.push_back(0);
  }
  out.push_back(0xFF);
  out.push_back(0xD9);
  return out;
}

}  // namespace files
