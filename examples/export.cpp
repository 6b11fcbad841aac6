// SPDX-License-Identifier: MIT
// Weights for other engines: an encoder or classifier as an ONNX file, with the normalisation of its images inside.
//
//   export --model results-experiments/classifier_100_pretrained.safetensors
//
// writes classifier_100_pretrained.onnx beside it. docs/deploy.md shows how to ask it. PyTorch reads the weights by
// scripts/to_pytorch.py.
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include "common/commands.hpp"
#include "common/program.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/models/onnx.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/model_card.hpp"

namespace {

using contexture::Index;

struct ExportCommandLine {
  std::string model, what = "auto", layout = "nchw", out, card;
  Index image_size = 0;
  bool fold_norm = false;
};

std::optional<ExportCommandLine> parse_export(int argc, char** argv) {
  CLI::App app("Writes an encoder or classifier as an ONNX file.", "export");
  ExportCommandLine o;
  app.add_option("--model", o.model, "encoder or classifier weights (*.safetensors)")->required();
  app.add_option("--what", o.what,
                 "features of an encoder or logits of a classifier, auto meaning what the file holds: auto, encoder or "
                 "classifier")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--out", o.out, "file to write")->default_str("the model's name with .onnx");
  app.add_option("--image-size", o.image_size, "side of the square images in pixels; 0: as the file tells")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
  app.add_option("--layout", o.layout, "order of the images' axes: nchw or nhwc")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--model-card", o.card,
                 "file to write what the model's file says of itself to, for people (README.md)")
      ->default_str("none");
  app.add_flag("--fold-norm", o.fold_norm, "fold batch normalisation into the convolutions");
  if (programs::parse(app, argc, argv)) return std::nullopt;
  try {
    (void)contexture::parse_choice("what", o.what, {"auto", "encoder", "classifier"});
    (void)contexture::parse_choice("layout", o.layout, {"nchw", "nhwc"});
  } catch (const contexture::SettingError& error) {
    throw programs::UsageError(error);
  }
  if (o.out.empty()) o.out = std::filesystem::path(o.model).replace_extension(".onnx").string();
  return o;
}

int run_export(int argc, char** argv) {
  const std::optional<ExportCommandLine> options = parse_export(argc, argv);
  if (!options) return 0;
  const ExportCommandLine& o = *options;
  const contexture::OnnxOptions how{.fold_norm = o.fold_norm, .channels_last = o.layout == "nhwc"};
  contexture::EncoderFile file = contexture::read_encoder(o.model);
  const bool classifier = o.what == "classifier" || (o.what == "auto" && file.kind == "classifier");
  contexture::require_input(!classifier || file.kind == "classifier", o.model, ": an encoder, expected a classifier");
  contexture::ImageInput images = file.images;
  if (o.image_size > 0) images.height = images.width = o.image_size;
  if (images.height == 0 || images.width == 0)
    throw programs::UsageError(o.model +
                               ": does not tell its image size, as files of earlier versions; expected --image-size");
  contexture::report::ModelCard card{.file = std::filesystem::path(o.model).filename().string(),
                                     .network = file.encoder->description(),
                                     .images = file.images,
                                     .origin = file.origin,
                                     .precision = file.precision};
  const Index channels = file.encoder->description().in_channels;
  std::string answer;
  if (classifier) {
    contexture::ImageClassifier model = contexture::ImageClassifier::load(o.model);
    contexture::export_onnx(model, images, o.out, how);
    card.class_names = model.options().class_names;
    answer = contexture::message("logits (batch,", model.options().class_names.size(), ")");
  } else {
    contexture::export_onnx(*file.encoder, {.images = images, .origin = file.origin, .precision = file.precision},
                            o.out, how);
    answer = contexture::message("features (batch,", file.encoder->feature_channels(), ")");
  }
  card.usage = (classifier ? "predict --weights " + card.file + " photo.png\n"
                           : "predict --features --weights " + card.file + " photo.png\n") +
               "scripts/to_pytorch.py " + card.file + "\n";
  if (!o.card.empty()) contexture::report::write_file(o.card, contexture::report::model_card(card));
  if (!images.has_normalization())
    std::fprintf(stderr,
                 "export: note: %s: tells no normalisation; the graph takes images that are normalised already\n",
                 o.model.c_str());
  const std::string shape = how.channels_last
                                ? contexture::message("(batch,", images.height, ",", images.width, ",", channels, ")")
                                : contexture::message("(batch,", channels, ",", images.height, ",", images.width, ")");
  std::printf("%s: images %s, %s -> %s\n", o.out.c_str(), shape.c_str(),
              images.has_normalization() ? "0 to 255" : "normalised", answer.c_str());
  return 0;
}

}  // namespace

int programs::export_model(int argc, char** argv) { return run_program("export", argc, argv, run_export); }
