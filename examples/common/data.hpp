// SPDX-License-Identifier: MIT
// What the programs do before and after they compute: load the images, make sure that results can be written, write
// them. Light to include: image decoders are compiled once, in data.cpp.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "contexture/data/dataset.hpp"

namespace programs {

/// What becomes of images that are more than memory.
struct MemoryChoice {
  std::string limit = {};            ///< such as 500M or 8G; empty: half of what this process can have
  std::filesystem::path cache = {};  ///< folder; empty: contexture::default_cache_folder()
};

/// Which images a program works on.
struct DataChoice {
  std::string data = "builtin-64";      ///< what contexture::load_dataset takes
  contexture::Index image_size = 0;     ///< 0: as stored (builtin: 32, builtin-64: 64)
  contexture::Index train_images = 0;   ///< a random part of so many, always the same; 0: all (built-in: 10,000)
  contexture::Index test_images = 0;    ///< likewise; 0: all (built-in: 2,000)
  double max_broken = 0.01;             ///< share of the images that may be broken
  contexture::ImageLimits limits = {};  ///< of an image file
  bool labels = true;                   ///< needed; without, any tree of images will do
  std::filesystem::path out = {};       ///< where results go: never data
  MemoryChoice memory = {};
  bool quiet = false;  ///< nothing is said while images are decoded
};

/// What of a folder is not used is told on stderr, whatever else is quiet. Throws contexture::InputError with one line
/// where the data cannot be used.
contexture::Dataset load_data(const std::string& program, const DataChoice& choice);

/// Bytes by a text such as 500M or 8G (powers of 1024). Throws UsageError that names --memory-limit.
double parse_bytes(const std::string& text);

/// Shows how far something is: on a terminal one line that is rewritten, elsewhere one every ten seconds.
std::function<void(const contexture::LoadProgress&)> progress_line(bool quiet);

/// The folder exists and takes files, or contexture::InputError says why not: before anything is computed.
void prepare_folder(const std::filesystem::path& out);

/// Writes a file that appears complete under its name or not at all.
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace programs
