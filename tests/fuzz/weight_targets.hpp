// SPDX-License-Identifier: MIT
// Fuzz targets of files with weights: safetensors, classifiers, checkpoints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
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

// The header alone, behind its true length and before 64 bytes of data: what a length that lies would hide.
inline void run_safetensors_header(Bytes bytes) {
  const std::uint64_t length = bytes.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  file.append(64, '\x3f');
  run_safetensors(bytes_of(file));
}

// The texts in a sound file's metadata, one a line.
inline std::string line_of(Bytes bytes, int number) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (; number > 0; --number) {
    const std::size_t end = text.find('\n');
    text = end == std::string::npos ? std::string() : text.substr(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// What a classifier's file says of itself: its encoder, its classes, its precision, and, where it does, its images and
// its origin.
inline void run_classifier(Bytes bytes) {
  const contexture::Tensor<float> numbers = contexture::full<float>({4096}, 0.5F);
  const std::filesystem::path path = scratch() / "classifier.safetensors";
  try_on([&] {
    contexture::Metadata said{
        {"encoder", line_of(bytes, 0)}, {"classifier", line_of(bytes, 1)}, {"precision", line_of(bytes, 2)}};
    for (const auto& [key, line] : {std::pair{"images", 3}, {"origin", 4}})
      if (std::string text = line_of(bytes, line); !text.empty()) said[key] = std::move(text);
    contexture::write_safetensors(path, {{"head.output.weight", &numbers}}, said);
    (void)contexture::ImageClassifier::load(path);
  });
}

// What a checkpoint says of its run.
inline void run_checkpoint(Bytes bytes) {
  const contexture::Tensor<float> numbers = contexture::full<float>({4}, 0.5F);
  const std::filesystem::path path = scratch() / "checkpoint.safetensors";
  const std::string state(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  try_on([&] {
    contexture::write_safetensors(path, {{"best/head.bias", &numbers}}, {{"state", state}});
    (void)contexture::read_checkpoint(path);
  });
}

inline std::vector<Target> weight_targets() {
  return {{"safetensors", run_safetensors},
          {"safetensors_header", run_safetensors_header},
          {"classifier", run_classifier},
          {"checkpoint", run_checkpoint}};
}

}  // namespace fuzz
