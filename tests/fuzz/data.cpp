// SPDX-License-Identifier: MIT
// The fuzz targets of data/, and what they begin with.
#include <string>

#include "contexture/core/rng.hpp"
#include "data/decoders.hpp"
#include "data/exif_files.hpp"
#include "data/files.hpp"
#include "data/other_images.hpp"
#include "data/tar_files.hpp"
#include "fuzz/data_targets.hpp"
#include "fuzz/fuzz.hpp"

namespace fuzz {
namespace {

void write_image_seeds(const SeedWriter& write) {
  using files::flat_rows, files::png;
  write("png", "rgb", files::rgb_png(5, 4, 10, 200, 30));
  write("png", "grey", files::grey_png(5, 4, 90));
  write("png", "grey16", png(3, 3, flat_rows(3, 3, {0x80, 0x12}), {.depth = 16, .color_type = 0}));
  write("png", "rgb16", png(3, 3, flat_rows(3, 3, {9, 9, 99, 9, 200, 9}), {.depth = 16}));
  write("png", "alpha", png(3, 3, flat_rows(3, 3, {10, 20, 30, 128}), {.color_type = 6}));
  write("png", "grey-alpha", png(3, 3, flat_rows(3, 3, {10, 128}), {.color_type = 4}));
  write("png", "palette", png(2, 2, flat_rows(2, 2, {1}), {.color_type = 3, .palette = {1, 2, 3, 200, 100, 50}}));
  write("png", "one-bit", png(8, 2, flat_rows(1, 2, {0xA5}), {.depth = 1, .color_type = 0}));
  write("jpeg", "grey", files::jpeg(2, {90}));
  write("jpeg", "colour", files::jpeg(2, {90, 100, 200}));
  write("jpeg", "cmyk", files::jpeg(1, {255, 100, 30, 128}));
  write("jpeg", "four", files::jpeg(1, {255, 100, 30, 128}, false));
  write("jpeg", "on-its-side", files::held(files::jpeg(2, {90, 100, 200}), 6));
  write("jpeg", "exif-little",
        files::with_segment(files::jpeg(1, {90}), 0xE1, files::exif({.value = 8, .big_endian = false})));
#if !defined(CONTEXTURE_WITH_STB_IMAGE)
  const contexture::Rng rng(1);
  write("jpeg", "camera", files::written_jpeg(11, 13, {.quality = 40}, rng));
  write("jpeg", "progressive", files::written_jpeg(11, 13, {.progressive = true, .quality = 40}, rng));
  write("jpeg", "restart", files::written_jpeg(17, 13, {.restart = 1, .sampling = 1, .quality = 40}, rng));
#endif
}

void write_other_image_seeds(const SeedWriter& write) {
  write("bmp", "24-bits", files::bmp(5, 4, 24));
  write("bmp", "palette", files::bmp(5, 4, 8));
  write("bmp", "one-bit", files::bmp(9, 3, 1));
  write("bmp", "opacity", files::bmp(3, 3, 32, {.masks = {0xFF0000, 0xFF00, 0xFF, 0xFF000000}}));
  write("bmp", "os2", files::bmp(3, 3, 4, {.header_bytes = 12}));
  write("gif", "plain", files::gif(5, 4));
  write("gif", "inside", files::gif(9, 9, {.left = 2, .top = 3, .width = 4, .height = 5, .transparent = 1}));
  write("gif", "interlaced", files::gif(5, 9, {.interlaced = true}));
  write("tiff", "little", files::tiff(5, 4));
  write("tiff", "big", files::tiff(5, 4, {.big_endian = true, .orientation = 6}));
  write("tiff", "grey16", files::tiff(5, 4, {.samples = 1, .bits = 16}));
#if defined(CONTEXTURE_WITH_TIFF)
  for (const auto& [name, coding] : files::tiff_codings()) write("tiff", name, files::coded_tiff(16, 16, coding));
#endif
#if defined(CONTEXTURE_WITH_WEBP)
  write("webp", "lossless", files::webp(5, 4, {}));
  write("webp", "lossy", files::webp(17, 12, {.lossy = true}));
  write("webp", "opacity", files::webp(5, 4, {.opacity = true}));
  write("webp", "camera", files::webp(5, 4, {.orientation = 6}));
#endif
}

void write_data_seeds(const SeedWriter& write) {
  write("idx", "images", files::idx_images(30, 6, 5));
  write("idx", "labels", files::idx_labels(30));
  write("idx", "packed-images", files::gzip(files::idx_images(30, 6, 5)));
  files::Bytes members = files::gzip(files::idx_labels(20));
  write("gzip", "one", members);
  const files::Bytes second = files::gzip(files::idx_images(2, 6, 5));
  members.insert(members.end(), second.begin(), second.end());
  write("gzip", "two", members);
  write("gzip", "zeros", files::gzip(files::Bytes(100'000, 0)));
  write("gzip", "plain", files::idx_labels(3));
  write("cifar", "ten", files::cifar_records(1, 1, 10));
  write("cifar", "hundred", files::cifar_records(1, 2, 100));
  write("stl10", "image", files::Bytes(27'648, 7));
  write("stl10", "labels", files::Bytes{1, 2, 10, 3});
  write("shard", "numbers", files::tar(files::samples(0, 6, 2)));
  write("shard", "names", files::tar({{"a/1.jpg", files::jpeg(1, {90})}, {"a/1.cls", files::text_bytes("cat")}}));
  write("shard", "empty", files::tar({}));
  write("class_names", "lines", std::string("cat\nred fox \n\nb\u00fccher\n"));
  write("class_names", "windows",
        std::string("\xef\xbb\xbf"
                    "cat\r\ndog\r\n"));
  write("class_names", "utf-16",
        std::string("\xff\xfe"
                    "c\0a\0t\0\n\0",
                    10));
  write("csv", "table", std::string("file,label\r\n\"a \"\"cat\"\"\",1\n\nb,\n"));
  write("csv", "marked", std::string("\xEF\xBB\xBFx,\"two\nlines\"\n,,\n"));
  using namespace contexture::detail;
  for (const contexture::Index side : {1, 96}) {
    const CacheLayout layout{.key = "a key",
                             .height = side,
                             .width = side,
                             .channels = 1,
                             .stored_channels = 3,
                             .capacity = {4, 2, 0},
                             .count = {3, 2, 0}};
    write("cache_header", side == 1 ? "small" : "photos", cache_header(layout, {200, "0af"}));
  }
  contexture::Dataset set;
  write("cache_end", "empty", cache_end(set));
  set.name = "photos";
  set.class_names = {"cat", "red fox"};
  set.notes = {"a note"};
  set.train.count = 3;
  set.train.labels = {0, 1, 1};
  set.account.left_out = {{"broken", 1, {"a.jpg"}, 1}};
  write("cache_end", "labels", cache_end(set));
}

void write_dictionaries(const SeedWriter& write) {
  write.dictionary("png", {"IHDR", "IDAT", "IEND", "PLTE", "tRNS", "gAMA", "\x89PNG\r\n\x1a\n"});
  write.dictionary("jpeg", {"\xff\xd8", "\xff\xc0", "\xff\xc2", "\xff\xc4", "\xff\xda", "\xff\xdb", "\xff\xdd",
                            "\xff\xd9", "\xff\xe0", "\xff\xee", "JFIF", "Adobe"});
  write.dictionary("idx", {std::string("\0\0\x08\x01", 4), std::string("\0\0\x08\x03", 4), "\x1f\x8b\x08"});
  write.dictionary("gzip", {"\x1f\x8b\x08"});
  write.dictionary("class_names", {"\xEF\xBB\xBF", "\xff\xfe", "\r\n"});
  write.dictionary("csv", {"\"\"", "\",\"", "\r\n", "\xEF\xBB\xBF"});
  write.dictionary("shard", {"ustar", ".jpg", ".png", ".cls", ".txt", ".json"});
  write.dictionary("cache_header",
                   {std::string(contexture::detail::kCacheMagic),
                    "\"key\":", "\"byte order\":", "\"height\":", "\"width\":", "\"channels\":", "\"stored channels\":",
                    "\"capacity\":", "\"count\":", "\"end bytes\":", "\"end sum\":", "9223372036854775807"});
  write.dictionary("cache_end", {"\"name\":", "\"classes\":", "\"notes\":", "\"used\":", "\"left out\":",
                                 "\"warnings\":", "\"labels\":", "\"reason\":", "\"names\":", "\"named\":"});
}

}  // namespace

std::vector<Target> targets() { return data_targets(); }

void write_seeds(const SeedWriter& write) {
  write_image_seeds(write);
  write_other_image_seeds(write);
  write_data_seeds(write);
  write_dictionaries(write);
}

}  // namespace fuzz
