// SPDX-License-Identifier: MIT
// How many image files one core decodes and brings to the size of training, from memory. items_per_second counts
// images.
//   scripts/bench.sh decode
// With --write FOLDER it writes the same files for benchmarks/pillow_decode.py, and measures nothing.
#include <benchmark/benchmark.h>
#include <jpeglib.h>
#include <stddef.h>
#include <stdio.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/decode.hpp"
#include "contexture/data/png.hpp"
#include "contexture/data/resize.hpp"

namespace {

using contexture::Index, contexture::ImageSet;
using Bytes = std::vector<std::uint8_t>;

constexpr Index kFiles = 48;

struct Case {
  std::string_view format;
  Index width, height, side;  // of the file, of training

  [[nodiscard]] std::string stored() const { return contexture::message(format, "-", width, "x", height); }
  [[nodiscard]] std::string name() const { return contexture::message(stored(), "-to-", side); }
};

constexpr std::array<Case, 6> kCases{{{"jpeg", 32, 32, 32},
                                      {"png", 32, 32, 32},
                                      {"jpeg", 500, 375, 64},
                                      {"jpeg", 500, 375, 224},
                                      {"jpeg", 1600, 1200, 64},
                                      {"png", 500, 375, 64}}};

// Baseline, 4:2:0, of quality 90: as most cameras and sites have it.
Bytes encode_jpeg(const std::uint8_t* pixels, Index height, Index width) {
  jpeg_compress_struct info{};
  jpeg_error_mgr manager{};
  info.err = jpeg_std_error(&manager);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 90, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(pixels + static_cast<Index>(info.next_scanline) * width * 3);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  Bytes bytes(out, out + size);
  std::free(out);
  return bytes;
}

// Drawings, always the same.
const std::vector<Bytes>& files_of(const Case& c) {
  static std::map<std::string, std::vector<Bytes>> all;
  std::vector<Bytes>& files = all[c.stored()];
  if (!files.empty()) return files;
  const Index drawn = std::min<Index>(c.width, 512);
  const ImageSet images = contexture::resize_and_crop(
      contexture::builtin_images(false, 0, kFiles, {.image_size = drawn}), c.height, c.width);
  for (Index i = 0; i < kFiles; ++i)
    files.push_back(c.format == "jpeg" ? encode_jpeg(images.image(i), c.height, c.width)
                                       : contexture::encode_png(images.image(i), c.height, c.width, 3));
  return files;
}

void decode(benchmark::State& state, const Case& c) {
  const std::vector<Bytes>& files = files_of(c);
  std::size_t next = 0;
  std::optional<contexture::detail::Fitter> fit;  // as the loader keeps it
  Bytes out(static_cast<std::size_t>(c.side * c.side * 3));
  for (auto _ : state) {
    const ImageSet image = contexture::detail::decode_image(files[next], {}, {c.side, c.side});
    if (!fit) fit.emplace(image.height, image.width, 3, c.side, c.side);
    if (image.height == c.side && image.width == c.side)
      std::copy(image.pixels.begin(), image.pixels.end(), out.begin());
    else
      (*fit)(image.image(0), out.data());
    benchmark::DoNotOptimize(out.data());
    next = (next + 1) % files.size();
  }
  state.SetItemsProcessed(state.iterations());
}

void write_files(const std::filesystem::path& folder) {
  for (const Case& c : kCases) {
    std::filesystem::create_directories(folder / c.name());
    int number = 0;
    for (const Bytes& bytes : files_of(c)) {
      std::ofstream file(folder / c.name() / std::to_string(number++), std::ios::binary);
      file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      contexture::require_input(file.good(), (folder / c.name()).string(), ": cannot be written");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--write") {
    write_files(argv[2]);
    return 0;
  }
  contexture::set_num_threads(1);
  for (const Case& c : kCases)
    benchmark::RegisterBenchmark(c.name().c_str(), [&c](benchmark::State& state) { decode(state, c); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
