// SPDX-License-Identifier: MIT
// What a weight file says of its network besides the weights.
#include <filesystem>
#include <string>
#include <vector>

#include "contexture/core/version.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/nn/serialize.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

const BackboneDescription kSmall{.in_channels = 1, .width = 2, .stages = 1};

WeightsInfo some_info() {
  return {.images = {24, 32, Normalization{{0.123456789F}, {0.25F}}},
          .origin = {.pretext = "context prediction",
                     .pretext_data = {"photos of \"friends\"\n", "0123abc"},
                     .data = {"fotos ü", "ff"},
                     .accuracy = 0.9795,
                     .accuracy_of = "2000 test images"},
          .precision = Precision::bfloat16};
}

TensorFile encoder_file(const WeightsInfo& info) {
  const files::Folder folder;
  const auto encoder = make_backbone<float>(kSmall, Rng(1));
  save(*encoder, folder.path / "encoder.safetensors", backbone_metadata(kSmall, info));
  return read_safetensors(folder.path / "encoder.safetensors");
}

std::string info_refusal(const TensorFile& file) {
  return errors::refusal_of([&] { return weights_info(file, kSmall, "file"); });
}

}  // namespace

TEST_CASE("an encoder's file says what it was trained on and where it comes from") {
  const WeightsInfo info = some_info();
  const TensorFile file = encoder_file(info);
  const WeightsInfo read = weights_info(file, kSmall, "file");
  CHECK(read.images.height == 24);
  CHECK(read.images.width == 32);
  REQUIRE(read.images.has_normalization());
  CHECK(read.images.normalization.mean == info.images.normalization.mean);
  CHECK(read.images.normalization.stddev == info.images.normalization.stddev);
  CHECK(read.origin.pretext == "context prediction");
  CHECK(read.origin.pretext_data.name == info.origin.pretext_data.name);
  CHECK(read.origin.pretext_data.fingerprint == "0123abc");
  CHECK(read.origin.data.name == info.origin.data.name);
  CHECK(read.origin.data.fingerprint == "ff");
  CHECK(read.origin.accuracy == 0.9795);
  CHECK(read.origin.accuracy_of == "2000 test images");
  CHECK(read.precision == Precision::bfloat16);
  CHECK(file.metadata.at("library") ==
        message("contexture ", CONTEXTURE_VERSION_MAJOR, ".", CONTEXTURE_VERSION_MINOR, ".", CONTEXTURE_VERSION_PATCH));
}

TEST_CASE("class names of any kind, and all a classifier says of itself, survive its file") {
  const files::Folder folder;
  const fs::path path = folder.path / "classifier.safetensors";
  const std::vector<std::string> names{"a \"quoted\" cat",
                                       "two\nlines",
                                       "back\\slash",
                                       "\xd0\xba\xd0\xbe\xd1\x82 \xf0\x9f\x90\xb1",
                                       "",
                                       "contexture_checksum\":\"0000000000000000\""};
  ImageClassifier classifier({.height = 8,
                              .width = 10,
                              .encoder = kSmall,
                              .class_names = names,
                              .normalization = {{0.1F}, {0.2F}},
                              .mirror = true},
                             Rng(1));
  classifier.set_origin(some_info().origin);
  classifier.save(path);
  const ImageClassifier loaded = ImageClassifier::load(path);
  CHECK(loaded.options().class_names == names);
  CHECK(loaded.options().height == 8);
  CHECK(loaded.options().width == 10);
  CHECK(loaded.options().mirror);
  CHECK(loaded.options().normalization.mean == std::vector<float>{0.1F});
  CHECK(loaded.options().normalization.stddev == std::vector<float>{0.2F});
  CHECK(loaded.options().origin.accuracy == 0.9795);
  CHECK(loaded.options().origin.data.name == some_info().origin.data.name);
  // Bytes that are no text are replaced; the rest stays.
  ImageClassifier odd({8, 8, kSmall, {"caf\xe9", "dog"}, {{0.1F}, {0.2F}}}, Rng(1));
  odd.set_origin({.data = {"\xff folder", ""}});
  odd.save(path);
  CHECK(ImageClassifier::load(path).options().class_names == std::vector<std::string>{"caf\xef\xbf\xbd", "dog"});
  CHECK(ImageClassifier::load(path).options().origin.data.name == "\xef\xbf\xbd folder");
}

TEST_CASE("files of earlier versions load with what they have") {
  TensorFile file = encoder_file(some_info());
  for (const char* key : {"images", "origin", "library", "precision"}) file.metadata.erase(key);
  const WeightsInfo info = weights_info(file, kSmall, "file");
  CHECK(info.images.height == 0);
  CHECK_FALSE(info.images.has_normalization());
  CHECK(info.origin.pretext.empty());
  CHECK_FALSE(info.origin.accuracy.has_value());
  CHECK(info.precision == Precision::float32);

  const files::Folder folder;
  const fs::path path = folder.path / "classifier.safetensors";
  ImageClassifier classifier({8, 8, kSmall, {"a", "b"}, {{0.1F}, {0.2F}}}, Rng(1));
  Metadata metadata = backbone_metadata(kSmall);
  metadata.erase("images");
  metadata.erase("origin");
  metadata["classifier"] = R"({"classes":["a","b"],"height":8,"width":9,"mean":[0.5],"stddev":[0.25]})";
  save<float>(classifier, path, metadata);
  const ImageClassifier loaded = ImageClassifier::load(path);
  CHECK(loaded.options().width == 9);
  CHECK(loaded.options().normalization.stddev == std::vector<float>{0.25F});
}

TEST_CASE("images and origins that make no sense are refused in a line") {
  TensorFile file = encoder_file(some_info());
  const auto images = [&](const std::string& text) {
    file.metadata["images"] = text;
    return info_refusal(file);
  };
  CHECK_THAT(images("nonsense"), ContainsSubstring("file: damaged metadata 'images'"));
  CHECK_THAT(images(R"({"height":8})"), ContainsSubstring("damaged metadata 'images'"));
  CHECK_THAT(images(R"({"height":-1,"width":8})"), ContainsSubstring("'images' does not fit together"));
  CHECK_THAT(images(R"({"height":8,"width":5000})"), ContainsSubstring("'images' does not fit together"));
  for (const char* values : {R"("mean":[0.5,0.5],"stddev":[1,1])", R"("mean":[0.5],"stddev":[])",
                             R"("mean":[0.5],"stddev":[0])", R"("mean":[1e39],"stddev":[1])"})
    CHECK_THAT(images(message(R"({"height":8,"width":8,)", values, "}")),
               ContainsSubstring("'images' does not fit together"));
  file.metadata.erase("images");
  for (const char* text : {"[", R"({"accuracy":"high"})", R"({"pretext":{}})", R"({"dataset":7})"}) {
    file.metadata["origin"] = text;
    CHECK_THAT(info_refusal(file), ContainsSubstring("file: damaged metadata 'origin'"));
  }
}
