// SPDX-License-Identifier: MIT
// Fuzz targets of files with weights: safetensors, classifiers, checkpoints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/models/image_classifier.hpp"
#include "contexture/nn/safetensors.hpp"
#include "contexture/study/checkpoint.hpp"
#include "fuzz/target.hpp"

namespace fuzz {

inline void run_safetensors(Bytes bytes) {
  const std::filesystem::path path = file_of("raw.safetensors", bytes);
  try_on([&] { (void)contexture::read_safetensors(path); });
}

// A file: a header behind its length, and the data.
inline std::string safetensors_file(std::string_view header, std::string_view data) {
  const std::uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file.append(header).append(data);
}

// The header alone, behind its true length and before 64 bytes of data: what a length that lies would hide.
inline void run_safetensors_header(Bytes bytes) {
  run_safetensors(bytes_of(safetensors_file(text_of(bytes), std::string(64, '\x3f'))));
}

// A sound file of one tensor (4 numbers) with such metadata, as those of earlier versions are: without a checksum.
// Empty where they are no text.
inline std::string sound_file(const std::string& tensor, const contexture::Metadata& metadata) {
  nlohmann::json header{{"__metadata__", metadata}};
  header[tensor] = {{"dtype", "F32"}, {"shape", {4}}, {"data_offsets", {0, 16}}};
  try {
    return safetensors_file(header.dump(), std::string(16, '\x3f'));
  } catch (const nlohmann::json::type_error&) {
    return {};
  }
}

// The texts in a sound file's metadata, one a line.
inline std::string line_of(Bytes bytes, int number) {
  std::string text = text_of(bytes);
  for (; number > 0; --number) {
    const std::size_t end = text.find('\n');
    text = end == std::string::npos ? std::string() : text.substr(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// What a classifier's file says of itself: its encoder, its classes, its precision, and, where it does, its images and
// its origin.
inline void run_classifier(Bytes bytes) {
  contexture::Metadata said{
      {"encoder", line_of(bytes, 0)}, {"classifier", line_of(bytes, 1)}, {"precision", line_of(bytes, 2)}};
  for (const auto& [key, line] : {std::pair{"images", 3}, {"origin", 4}})
    if (std::string text = line_of(bytes, line); !text.empty()) said[key] = std::move(text);
  const std::string file = sound_file("head.output.weight", said);
  if (file.empty()) return;
  const std::filesystem::path path = file_of("classifier.safetensors", bytes_of(file));
  try_on([&] { (void)contexture::ImageClassifier::load(path); });
}

// What a checkpoint says of its run.
inline void run_checkpoint(Bytes bytes) {
  const std::string file = sound_file("best/head.bias", {{"state", text_of(bytes)}});
  if (file.empty()) return;
  const std::filesystem::path path = file_of("checkpoint.safetensors", bytes_of(file));
  try_on([&] { (void)contexture::read_checkpoint(path); });
}

inline std::vector<Target> weight_targets() {
  return {{"safetensors", run_safetensors},
          {"safetensors_header", run_safetensors_header},
          {"classifier", run_classifier},
          {"checkpoint", run_checkpoint}};
}

}  // namespace fuzz
