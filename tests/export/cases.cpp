// SPDX-License-Identifier: MIT
// Networks, images and what the library answers, for other engines to be held against: a folder for each case with
//   classifier.safetensors, encoder.safetensors   weights that are nowhere 0 or 1, batch statistics included
//   images.f32                                    100 images (N,H,W,C) of 0 to 255
//   logits.f32, features.f32                      the answers (N,classes) and (N,F)
//   case.json                                     the sizes
// and, of a network that is no Backbone, model.onnx in the place of weights.
//   export_cases FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/onnx.hpp"
#include "contexture/nn/serialize.hpp"

// The example's network itself, whatever becomes of it; its main() is called by nobody.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type"
#define main vision_transformer_main
#include "../../examples/vision_transformer.cpp"
#undef main
#pragma GCC diagnostic pop

namespace {

using namespace contexture;
namespace fs = std::filesystem;

struct Case {
  std::string name;
  BackboneDescription network;
  Index height = 32, width = 32;
};

// Every network in its usual size, every normalisation, odd sizes, grey images.
std::vector<Case> cases() {
  std::vector<Case> out;
  for (const std::string_view network : network_names())
    out.push_back({std::string(network), default_description(network)});
  out.push_back({"resnet-grey", {.in_channels = 1, .width = 16, .stages = 2, .blocks_per_stage = 2}, 28, 28});
  out.push_back({"resnet-group", {.width = 16, .norm = Norm::group}, 31, 22});
  out.push_back({"resnet-layer", {.width = 8, .affine = false, .norm = Norm::layer}, 31, 22});
  out.push_back({"resnet18-odd", {.network = "resnet18", .width = 8, .stages = 3, .blocks_per_stage = 1}, 19, 26});
  out.push_back(
      {"convnext-odd",
       {.network = "convnext", .in_channels = 1, .width = 12, .stages = 4, .blocks_per_stage = 1, .affine = false},
       45,
       31});
  return out;
}

void write_floats(const fs::path& path, const float* numbers, std::size_t count) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(numbers), static_cast<std::streamsize>(count * sizeof(float)));
  require_input(out.good(), path.string(), ": cannot be written");
}

// Random images with a random shade of colour each, so that answers differ.
ImageSet random_images(const Case& c, Index count, Rng rng) {
  ImageSet set{count, c.height, c.width, c.network.in_channels, {}, {}};
  for (Index i = 0; i < count; ++i) {
    const auto shade = static_cast<int>(rng.bits64() % 156);
    for (Index k = 0; k < set.image_bytes(); ++k)
      set.pixels.push_back(static_cast<std::uint8_t>(shade + static_cast<int>(rng.bits64() % 100)));
  }
  return set;
}

// What training would do to scales, shifts and statistics, which otherwise hide mistakes behind zeros and ones.
void stir(UnaryModule<float>& network, const Tensor<float>& images, Rng rng) {
  for (NamedParameter<float>& parameter : network.parameters()) {
    const bool scale = parameter.name.ends_with("gamma");
    if (!scale && !parameter.name.ends_with("beta") && !parameter.name.ends_with("bias")) continue;
    for (float& x : parameter.variable.mutable_value())
      x = (scale ? 0.75F : -0.1F) + (scale ? 0.5F : 0.2F) * static_cast<float>(rng.bits64() % 1000) / 1000;
  }
  network.set_training(true);
  const NoGrad no_grad;
  for (int i = 0; i < 3; ++i) (void)network(Variable<float>(images));
}

const std::vector<std::string> kNames{"a \"quoted\" cat", "two\nlines", "gr\xc3\xbcn", "d", "e", "f", "g"};

void write_images(const Case& c, const ImageSet& set, std::size_t features, const fs::path& folder) {
  const std::vector<float> pixels(set.pixels.begin(), set.pixels.end());
  write_floats(folder / "images.f32", pixels.data(), pixels.size());
  std::ofstream(folder / "case.json") << nlohmann::json{{"name", c.name},      {"network", c.network.network},
                                                        {"images", set.count}, {"height", c.height},
                                                        {"width", c.width},    {"channels", c.network.in_channels},
                                                        {"classes", kNames},   {"features", features}}
                                             .dump();
}

void write_case(const Case& c, const fs::path& folder) {
  fs::create_directories(folder);
  const Rng rng(1);
  const ImageSet set = random_images(c, 100, rng.split(std::string_view("images")));
  const std::vector<Index> all = numbered(set.count);
  ImageClassifier classifier({c.height, c.width, c.network, kNames, channel_statistics(set, all)},
                             rng.split("weights"));
  Batch batch;
  make_batch(set, all, classifier.options().normalization, nullptr, Rng(0), batch);
  stir(classifier, batch.images, rng.split("stir"));
  const ImageClassifierOptions& o = classifier.options();
  classifier.save(folder / "classifier.safetensors");
  save(classifier.encoder(), folder / "encoder.safetensors",
       backbone_metadata(c.network, {.images = {o.height, o.width, o.normalization}}));
  const Tensor<float> logits = classifier.logits(batch.images);
  const Tensor<float> features = stage_features(classifier.encoder(), set, all, o.normalization).back();
  write_floats(folder / "logits.f32", logits.data(), logits.size());
  write_floats(folder / "features.f32", features.data(), features.size());
  write_images(c, set, features.shape()[1], folder);
}

void write_transformer(const fs::path& folder) {
  fs::create_directories(folder);
  const Case c{"vision_transformer", {.network = "of one's own"}};
  const Rng rng(1);
  const ImageSet set = random_images(c, 100, rng.split(std::string_view("images")));
  const std::vector<Index> all = numbered(set.count);
  const Normalization scale = channel_statistics(set, all);
  Transformer network(static_cast<Index>(kNames.size()), rng.split("weights"));
  Batch batch;
  make_batch(set, all, scale, nullptr, Rng(0), batch);
  stir(network, batch.images, rng.split("stir"));
  std::ofstream(folder / "model.onnx", std::ios::binary)
      << onnx_model(network, {.images = {c.height, c.width, scale},
                              .output = "logits",
                              .metadata = {{"classifier", nlohmann::json{{"classes", kNames}}.dump()}}});
  const Inference inference;
  const Tensor<float> logits = network(Variable<float>(batch.images)).value();
  write_floats(folder / "logits.f32", logits.data(), logits.size());
  write_images(c, set, 0, folder);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("expected a folder\n", stderr), 2;
  for (const Case& c : cases()) write_case(c, fs::path(argv[1]) / c.name);
  write_transformer(fs::path(argv[1]) / "vision_transformer");
  return 0;
}
