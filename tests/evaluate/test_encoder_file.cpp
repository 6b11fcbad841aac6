// SPDX-License-Identifier: MIT
// An encoder's file alone, in another folder, suffices for features; one of an earlier version says what it lacks.
#include <filesystem>

#include "contexture/data/builtin.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/evaluate/features.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

using namespace contexture;
namespace fs = std::filesystem;

TEST_CASE("an encoder's file gives the same features in another folder") {
  const Dataset data = builtin_dataset(24, 0, 16);
  const std::vector<Index> all = numbered(24);
  const Normalization normalization = channel_statistics(data.train, all);
  const BackboneDescription description{.width = 4, .stages = 2};
  const auto encoder = make_backbone<float>(description, Rng(3));
  const files::Folder made, other;
  save(*encoder, made.path / "encoder.safetensors",
       backbone_metadata(description, {.images = {16, 16, normalization}, .origin = {.pretext = "SimCLR"}}));
  fs::rename(made.path / "encoder.safetensors", other.path / "moved.safetensors");
  const EncoderFile moved = read_encoder(other.path / "moved.safetensors");
  CHECK(moved.kind == "encoder");
  CHECK(moved.origin.pretext == "SimCLR");
  const Normalization wrong{{0, 0, 0}, {1, 1, 1}};
  const Tensor<float> before = stage_features(*encoder, data.train, all, normalization).back();
  const Tensor<float> after = stage_features(*moved.encoder, data.train, all, moved.normalization_or(wrong)).back();
  CHECK((before == after));
  CHECK(moved.note(16, 16).empty());
  CHECK(moved.note(16, 32) == "learned from images of 16 x 16, these have 16 x 32");
}

TEST_CASE("an encoder's file of an earlier version says what it lacks") {
  const BackboneDescription description{.in_channels = 1, .width = 2, .stages = 1};
  const files::Folder folder;
  Metadata metadata = backbone_metadata(description);
  metadata.erase("images");
  metadata.erase("origin");
  save(*make_backbone<float>(description, Rng(3)), folder.path / "encoder.safetensors", metadata);
  const EncoderFile file = read_encoder(folder.path / "encoder.safetensors");
  CHECK(file.normalization_or({{0.5F}, {2.0F}}).stddev == std::vector<float>{2.0F});
  CHECK_THAT(file.note(8, 8), Catch::Matchers::StartsWith("tells no image size and normalisation"));
}
