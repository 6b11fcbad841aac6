// SPDX-License-Identifier: MIT
// What a trained classifier says about image files and folders of them: class and probabilities of each.
//
//   predict --weights results-experiments/classifier_100_pretrained.safetensors cat.png holiday/ > answers.csv
//
// A table (CSV) on stdout: path, class, and the probability of every class, 0 to 1. With --features instead the
// encoder's features, of an encoder's file too. A file that cannot be read is named on stderr; the others are answered
// all the same, and the exit status is 1.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/commands.hpp"
#include "common/common_options.hpp"
#include "common/program.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/data/image_folder.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/npy.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/report/files.hpp"
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
    contexture::require_input(account.used > 0, path, ": no image, expected a folder of them");
  }
  return out;
}

// Files that became images of one size, in their order, and why the others did not.
struct Loaded {
  contexture::ImageSet images;
  std::vector<std::string> paths, trouble;
};

Loaded load(const std::vector<std::string>& paths, const contexture::ImageInput& input, Index channels,
            const contexture::ImageLimits& limits) {
  Loaded out{{0, input.height, input.width, channels, {}, {}}, {}, {}};
  std::vector<contexture::ImageSet> images(paths.size());
  std::vector<std::string> trouble(paths.size());
  contexture::parallel_for(static_cast<Index>(paths.size()), 4, [&](Index begin, Index end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) try {
        // As the data sets do it: resized until it covers the classifier's size, the rest cut off.
        images[i] = contexture::resize_and_crop(
            contexture::with_channels(contexture::read_image_file(paths[i], limits, {input.height, input.width}),
                                      channels),
            input.height, input.width);
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

// What is asked: a classifier for probabilities, or an encoder for features.
struct Asked {
  contexture::ImageInput input;
  Index channels = 0;
  std::size_t columns = 0;  // numbers an image
  std::string header;
  std::function<contexture::Tensor<float>(const contexture::ImageSet&)> numbers;
  std::function<std::string(const std::string&, const float*)> line;
};

Asked ask_classifier(const std::string& weights) {
  const auto classifier =
      std::make_shared<const contexture::ImageClassifier>(contexture::ImageClassifier::load(weights));
  const contexture::ImageClassifierOptions& o = classifier->options();
  return {{o.height, o.width, o.normalization},
          o.encoder.in_channels,
          o.class_names.size(),
          contexture::report::predictions_header(o.class_names),
          [classifier](const contexture::ImageSet& images) {
            return contexture::class_probabilities(*classifier, images, contexture::numbered(images.count));
          },
          [classifier](const std::string& path, const float* row) {
            return contexture::report::predictions_line(path, classifier->options().class_names, row);
          }};
}

Asked ask_encoder(const std::string& weights) {
  const auto file = std::make_shared<const contexture::EncoderFile>(contexture::read_encoder(weights));
  contexture::require_input(file->images.height > 0 && file->images.has_normalization(), weights,
                            ": tells no image size and normalisation, as files of earlier versions");
  const auto features = static_cast<std::size_t>(file->encoder->feature_channels());
  return {file->images,
          file->encoder->description().in_channels,
          features,
          contexture::report::features_header(features),
          [file](const contexture::ImageSet& images) {
            return std::move(contexture::stage_features(*file->encoder, images, contexture::numbered(images.count),
                                                        file->images.normalization)
                                 .back());
          },
          [features](const std::string& path, const float* row) {
            return contexture::report::features_line(path, {row, features});
          }};
}

int run_predict(int argc, char** argv) {
  CLI::App app("Says what is on image files, with a classifier trained by the experiments or by classify.", "predict");
  std::string weights = "results-experiments/classifier_100_pretrained.safetensors", npy;
  std::vector<std::string> named;
  bool features = false;
  app.add_option("--weights", weights, "classifier*.safetensors of an experiment or of classify")
      ->capture_default_str();
  app.add_flag("--features", features, "the encoder's features instead; --weights may then be an encoder's");
  app.add_option("--npy", npy, "file to write the table's numbers to as well, for NumPy (*.npy)")->default_str("none");
  contexture::ImageLimits limits;
  programs::add_max_pixels(app, limits);
  app.add_option("IMAGE", named, "image files, or folders of them")->required();
  std::string precision = "auto";
  programs::add_precision_option(app, precision);
  if (const std::optional<int> status = programs::parse(app, argc, argv)) return *status;

  const contexture::PrecisionGuard guard(programs::precision_of(precision));
  const Asked asked = features ? ask_encoder(weights) : ask_classifier(weights);
  const std::vector<std::string> paths = files_of(named, limits);
  std::printf("%s", asked.header.c_str());
  std::vector<float> kept;  // for --npy
  int status = 0;
  for (std::size_t begin = 0; begin < paths.size(); begin += kBatch) {
    const auto first = paths.begin() + static_cast<std::ptrdiff_t>(begin);
    const Loaded batch = load({first, first + static_cast<std::ptrdiff_t>(std::min(kBatch, paths.size() - begin))},
                              asked.input, asked.channels, limits);
    const contexture::Tensor<float> numbers = asked.numbers(batch.images);
    for (std::size_t i = 0; i < batch.paths.size(); ++i) {
      const float* const row = numbers.data() + i * asked.columns;
      // Of weights that are finite and huge, sums need not be.
      contexture::require_input(std::all_of(row, row + asked.columns, contexture::is_finite<float>), weights,
                                ": gives no number for ", batch.paths[i],
                                ", expected the weights of a training that went well");
      std::printf("%s", asked.line(batch.paths[i], row).c_str());
      if (!npy.empty()) kept.insert(kept.end(), row, row + asked.columns);
    }
    std::fflush(stdout);
    for (const std::string& line : batch.trouble) std::fprintf(stderr, "predict: %s\n", line.c_str());
    if (!batch.trouble.empty()) status = 1;
  }
  if (!npy.empty())
    contexture::report::write_file(npy, contexture::npy_of(kept.size() / asked.columns, asked.columns, kept));
  return status;
}

}  // namespace

int programs::predict(int argc, char** argv) { return run_program("predict", argc, argv, run_predict); }
