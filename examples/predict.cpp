// SPDX-License-Identifier: MIT
// What a trained classifier says about image files and folders of them: class and probabilities of each.
//
//   predict --weights results-experiments/classifier_100_pretrained.safetensors cat.png holiday/ > answers.csv
//
// A table (CSV) on stdout: path, class, and the probability of every class, 0 to 1. A file that cannot be read is
// named on stderr; the others are answered all the same, and the exit status is 1.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/commands.hpp"
#include "common/common_options.hpp"
#include "common/program.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/data/image_folder.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/report/predictions.hpp"

namespace {

using contexture::Index;

constexpr std::size_t kBatch = 256;

// The files named, and those in the folders named.
std::vector<std::string> files_of(const std::vector<std::string>& paths, const contexture::ImageLimits& limits) {
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) {
      out.push_back(path);
      continue;
    }
    contexture::DataAccount account;
    for (const std::filesystem::path& file : contexture::image_files_below(path, limits, account))
      out.push_back(file.string());
    for (const std::string& line : account.lines()) std::fprintf(stderr, "predict: warning: %s\n", line.c_str());
    contexture::require_input(account.used > 0, path, ": no PNG or JPEG image, expected a folder of them");
  }
  return out;
}

// Files that became images of one size, in their order, and why the others did not.
struct Loaded {
  contexture::ImageSet images;
  std::vector<std::string> paths, trouble;
};

Loaded load(const std::vector<std::string>& paths, const contexture::ImageClassifierOptions& options,
            const contexture::ImageLimits& limits) {
  Loaded out{{0, options.height, options.width, options.encoder.in_channels, {}, {}}, {}, {}};
  std::vector<contexture::ImageSet> images(paths.size());
  std::vector<std::string> trouble(paths.size());
  contexture::parallel_for(static_cast<Index>(paths.size()), 4, [&](Index begin, Index end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) try {
        // As the data sets do it: resized until it covers the classifier's size, the rest cut off.
        images[i] = contexture::resize_and_crop(
            contexture::with_channels(contexture::read_image_file(paths[i], limits, {options.height, options.width}),
                                      options.encoder.in_channels),
            options.height, options.width);
      } catch (const contexture::InputError& error) {
        trouble[i] = error.what();
      }
  });
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (!trouble[i].empty()) {
      out.trouble.push_back(std::move(trouble[i]));
      continue;
    }
    out.images.pixels.insert(out.images.pixels.end(), images[i].pixels.begin(), images[i].pixels.end());
    ++out.images.count;
    out.paths.push_back(paths[i]);
  }
  return out;
}

int run_predict(int argc, char** argv) {
  CLI::App app("Says what is on image files, with a classifier trained by the experiments or by classify.", "predict");
  std::string weights = "results-experiments/classifier_100_pretrained.safetensors";
  std::vector<std::string> named;
  app.add_option("--weights", weights, "classifier*.safetensors of an experiment or of classify")
      ->capture_default_str();
  contexture::ImageLimits limits;
  programs::add_max_pixels(app, limits);
  app.add_option("IMAGE", named, "PNG or JPEG files, or folders of them")->required();
  std::string precision = "auto";
  programs::add_precision_option(app, precision);
  if (const std::optional<int> status = programs::parse(app, argc, argv)) return *status;

  const contexture::PrecisionGuard guard(programs::precision_of(precision));
  const contexture::ImageClassifier classifier = contexture::ImageClassifier::load(weights);
  const std::vector<std::string>& classes = classifier.options().class_names;
  const std::vector<std::string> paths = files_of(named, limits);
  std::printf("%s", contexture::report::predictions_header(classes).c_str());
  int status = 0;
  for (std::size_t begin = 0; begin < paths.size(); begin += kBatch) {
    const auto first = paths.begin() + static_cast<std::ptrdiff_t>(begin);
    const Loaded batch = load({first, first + static_cast<std::ptrdiff_t>(std::min(kBatch, paths.size() - begin))},
                              classifier.options(), limits);
    const contexture::Tensor<float> p =
        contexture::class_probabilities(classifier, batch.images, contexture::numbered(batch.images.count));
    for (std::size_t i = 0; i < batch.paths.size(); ++i) {
      const float* const row = p.data() + i * classes.size();
      // Of weights that are finite and huge, sums need not be.
      contexture::require_input(std::all_of(row, row + classes.size(), contexture::is_finite<float>), weights,
                                ": gives no number for ", batch.paths[i],
                                ", expected the weights of a training that went well");
      std::printf("%s", contexture::report::predictions_line(batch.paths[i], classes, row).c_str());
    }
    std::fflush(stdout);
    for (const std::string& line : batch.trouble) std::fprintf(stderr, "predict: %s\n", line.c_str());
    if (!batch.trouble.empty()) status = 1;
  }
  return status;
}

}  // namespace

int programs::predict(int argc, char** argv) { return run_program("predict", argc, argv, run_predict); }
