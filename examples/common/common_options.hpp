// SPDX-License-Identifier: MIT
// Options that the programs around the experiments (probe, diagnose) have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "common/data.hpp"
#include "common/program.hpp"
#include "contexture/core/parallel.hpp"

namespace programs {

inline constexpr int kMany = 1'000'000'000;

/// --max-pixels of the programs that read image files.
inline void add_max_pixels(CLI::App& app, contexture::ImageLimits& limits) {
  app.add_option("--max-pixels", limits.max_pixels, "pixels that an image file may have, height x width")
      ->capture_default_str()
      ->check(CLI::Range(contexture::Index{1}, contexture::ImageLimits::kMostPixels));
}

/// --memory-limit and --cache of the programs that load data sets.
inline void add_memory_options(CLI::App& app, MemoryChoice& memory) {
  app.add_option("--memory-limit", memory.limit,
                 "pixels that are kept in memory, such as 500M or 8G; images beyond it are decoded once to --cache")
      ->type_name("SIZE")
      ->default_str("half of the memory there is");
  app.add_option("--cache", memory.cache, "folder for decoded images that are more than --memory-limit; may be deleted")
      ->type_name("FOLDER")
      ->default_str("~/.cache/contexture");
}

/// --threads as given; 0: as many as processors.
inline void use_threads(int threads) {
  // More threads than processors only get into each other's way.
  if (threads > 0)
    contexture::set_num_threads(std::min(threads, static_cast<int>(contexture::detail::available_processors())));
}

/// What is done with the machine and the results.
struct CommonOptions {
  std::string program;
  DataChoice choice;
  std::uint64_t seed = 1;
  int threads = 0;
  std::string precision = "auto";
  std::string out;
  bool quiet = false;
};

/// `out` is the default of --out, `file` what is written there; `tests`: test images are used too.
inline void add_common_options(CLI::App& app, CommonOptions& o, const std::string& file, bool tests) {
  o.program = app.get_name();
  app.add_option("--data", o.choice.data,
                 "builtin-64, builtin, or a path: IDX, CIFAR or STL-10 files, or a folder of images or of tar shards")
      ->capture_default_str();
  app.add_option("--image-size", o.choice.image_size, "side of the square images in pixels; 0: as stored")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  app.add_option("--train-images", o.choice.train_images,
                 "training images used; 0: all, or 10,000 of the built-in ones")
      ->capture_default_str()
      ->check(CLI::Range(0, kMany));
  if (tests)
    app.add_option("--test-images", o.choice.test_images, "test images used; 0: all, or 2,000 of the built-in ones")
        ->capture_default_str()
        ->check(CLI::Range(0, kMany));
  app.add_option("--max-broken", o.choice.max_broken,
                 "share of a folder's images that may be broken; above 0.1 also of a class's files not used")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  add_max_pixels(app, o.choice.limits);
  add_memory_options(app, o.choice.memory);
  app.add_option("--seed", o.seed, "seed of everything random")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  app.add_option("--threads", o.threads, "threads of the library; 0: all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  add_precision_option(app, o.precision);
  app.add_option("--out", o.out, "folder for " + file + ", created when missing")->capture_default_str();
  app.add_flag("--quiet", o.quiet, "print the last line only");
}

/// After parsing: threads are set, the images are loaded, the folder is there. Throws UsageError without a folder.
inline contexture::Dataset prepare(const CommonOptions& o) {
  if (o.out.empty()) throw UsageError("--out: empty, expected a folder");
  use_threads(o.threads);
  DataChoice choice = o.choice;
  choice.out = o.out;
  choice.quiet = o.quiet;
  contexture::Dataset data = load_data(o.program, choice);
  prepare_folder(o.out);  // not before: it may lie in the data
  return data;
}

}  // namespace programs
