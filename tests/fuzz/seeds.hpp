// SPDX-License-Identifier: MIT
// Sound inputs for the fuzzers to begin with, small ones of every kind, by the writers of the tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "common/options.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/study/checkpoint.hpp"
#include "data/decoders.hpp"
#include "data/exif_files.hpp"
#include "data/files.hpp"
#include "data/other_images.hpp"
#include "data/tar_files.hpp"
#include "fuzz/target.hpp"

namespace fuzz {

// Writes FOLDER/target/name.
class SeedWriter {
 public:
  explicit SeedWriter(std::filesystem::path folder) : folder_(std::move(folder)) {}
  template <class Content>
  void operator()(const char* target, const char* name, const Content& content) const {
    files::write(folder_ / target / name, content);
  }

 private:
  std::filesystem::path folder_;
};

inline void write_image_seeds(const SeedWriter& write) {
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

inline void write_other_image_seeds(const SeedWriter& write) {
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

inline void write_data_seeds(const SeedWriter& write) {
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
}

inline void write_weight_seeds(const SeedWriter& write) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]},)"
      R"("b":{"dtype":"F16","shape":[16],"data_offsets":[32,64]}})";
  write("safetensors_header", "two", header);
  write("safetensors_header", "doubles", std::string(R"({"x":{"dtype":"F64","shape":[8],"data_offsets":[0,64]}})"));
  write("safetensors_header", "brain",
        std::string(R"({"x":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},)"
                    R"("y":{"dtype":"F32","shape":[0,3],"data_offsets":[2,2]},)"
                    R"("z":{"dtype":"BF16","shape":[31],"data_offsets":[2,64]}})"));
  std::string raw(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(raw.data(), &length, 8);
  write("safetensors", "two", raw + header + std::string(64, '\x3f'));
  const contexture::Tensor<float> numbers = contexture::full<float>({3}, 0.5F);
  const std::filesystem::path path = scratch() / "seed.safetensors";
  contexture::write_safetensors(path, {{"a", &numbers}}, {{"kind", "encoder"}});
  write("safetensors", "checked", content_of(path));
  for (const char* const begin :
       {"PK\3\4 and more of a zip", "\x89HDF\r\n\x1a\n", "\x93NUMPY of another kind", "GGUF of another kind"})
    write("safetensors",
          begin[1] == 'K'   ? "zip"
          : begin[1] == 'H' ? "hdf5"
          : begin[1] == 'N' ? "numpy"
                            : "gguf",
          std::string(begin));
  const std::string classes =
      R"({"classes":["cat","dog"],"height":8,"width":8,"mean":[0.5],"stddev":[0.25],"mirror":true})";
  for (const char* const network : {"resnet", "resnet18", "convnext"})
    write("classifier", network,
          R"({"network":")" + std::string(network) +
              R"(","in_channels":1,"width":2,"stages":1,"blocks_per_stage":1,"affine":true,"norm":"batch"})" + "\n" +
              classes + "\nfloat32\n");
  write("classifier", "origin",
        R"({"in_channels":1,"width":2,"stages":1,"blocks_per_stage":1,"affine":true})"
        "\n"
        R"({"classes":["a \"quoted\" cat","dog"],"mirror":true})"
        "\nbfloat16\n"
        R"({"height":8,"width":8,"channels":1,"mean":[0.5],"stddev":[0.25]})"
        "\n" +
            std::string(R"({"pretext":{"task":"SimCLR","dataset":{"name":"photos","fingerprint":"0af"}},)"
                        R"("dataset":{"name":"photos"},"accuracy":0.5,"accuracy_of":"8 test images"})") +
            "\n");
  contexture::RunState state;
  state.config = {{"epochs", "10"}, {"width", "16"}};
  state.history = {{{12, 0.3, 0.5, "validation", 2.1, 0.125, 0.25}, contexture::pretraining_phase(1)}};
  state.fit.rows = {{40, 2.5, 9.75, "train", 0.5, 0.6, 0.7}};
  state.phase = contexture::PhaseId{1, contexture::Arm::pretrained, 1};
  state.arms[{1.0, contexture::Arm::scratch, 1}] = {};
  contexture::write_checkpoint(path, state);
  write("checkpoint", "under-way", contexture::read_safetensors(path).metadata.at("state"));
  contexture::write_checkpoint(path, {});
  write("checkpoint", "empty", contexture::read_safetensors(path).metadata.at("state"));
}

inline void write_program_seeds(const SeedWriter& write) {
  write("config", "default", programs::config_file({}, "a machine"));
  write("config", "short",
        std::string("\xef\xbb\xbf# of a task\r\npretext = simclr\r\ntemperature=0.2\nfractions=1,0.5\nseeds='2'\n"));
  write("command_line", "run",
        std::string("--data\nphotos\n--time\n5m\n--pretext\nsimclr\n--temperature\n0.2\n--resume"));
  write("command_line", "equals",
        std::string("--epochs=3\n--fractions=1,0.5,0.1\n--quiet\n--seed=7\n--preset=standard"));
  write("command_line", "help", std::string("--pretext=vicreg\n--network\nconvnext\n--help"));
}

/// FOLDER/target/name for every target.
inline void write_seeds(std::string_view folder) {
  const SeedWriter write{std::filesystem::path(folder)};
  write_image_seeds(write);
  write_other_image_seeds(write);
  write_data_seeds(write);
  write_weight_seeds(write);
  write_program_seeds(write);
}

}  // namespace fuzz
