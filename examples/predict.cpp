// SPDX-License-Identifier: MIT
// What a trained classifier says about image files: label and confidence of each.
//
//   predict --weights results-experiments/classifier_100_pretrained.safetensors cat.png dog.jpg
//
// One line an image on stdout: path, label, confidence, separated by tabs. A file that cannot be read is
// named on stderr; the others are answered all the same, and the exit status is 1.
#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "common/common_options.hpp"
#include "common/program.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/evaluate/score.hpp"

namespace {

// A name without what would end a field or a line.
std::string one_field(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  return text;
}

int predict(int argc, char** argv) {
  CLI::App app("Says what is on image files, with a classifier trained by the experiments.", "predict");
  std::string weights = "results-experiments/classifier_100_pretrained.safetensors";
  std::vector<std::string> paths;
  app.add_option("--weights", weights, "classifier_*.safetensors of an experiment")->capture_default_str();
  contexture::ImageLimits limits;
  programs::add_max_pixels(app, limits);
  app.add_option("IMAGE", paths, "PNG or JPEG files")->required();
  std::string precision = "auto";
  programs::add_precision_option(app, precision);
  if (const std::optional<int> status = programs::parse(app, argc, argv)) return *status;

  const contexture::PrecisionGuard guard(programs::precision_of(precision));
  const contexture::ImageClassifier classifier = contexture::ImageClassifier::load(weights);
  const contexture::ImageClassifierOptions& options = classifier.options();
  int status = 0;
  for (const std::string& path : paths) {
    try {
      // As the data sets do it: resized until it covers the classifier's size, the rest cut off.
      const contexture::ImageExtent size{options.height, options.width};
      const contexture::ImageSet image = contexture::resize_and_crop(
          contexture::with_channels(contexture::read_image_file(path, limits, size), options.encoder.in_channels),
          size.height, size.width);
      const std::vector<contexture::Index> only{0};
      const contexture::TestAnswers answer = contexture::score(classifier, image, only).answers;
      // Of weights that are finite and huge, sums need not be.
      contexture::require_input(contexture::is_finite(answer.confidence[0]), weights, ": gives no number for ", path,
                                ", expected the weights of a training that went well");
      std::printf("%s\t%s\t%.1f %%\n", one_field(path).c_str(),
                  one_field(options.class_names[static_cast<std::size_t>(answer.predicted[0])]).c_str(),
                  100 * static_cast<double>(answer.confidence[0]));
    } catch (const contexture::InputError& error) {
      std::fflush(stdout);
      std::fprintf(stderr, "predict: %s\n", error.what());
      status = 1;
    }
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) { return programs::run_program("predict", argc, argv, predict); }
