// SPDX-License-Identifier: MIT
// Every network of the list: sizes, names, counted weights and work, gradients, clones, files; and what is special to
// each.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <type_traits>

#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/convnext.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/models/resnet18.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/nn/summary.hpp"
#include "contexture/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/tensors.hpp"

using namespace contexture;
using tensors::random_tensor;
namespace fs = std::filesystem;

static_assert(!std::is_copy_constructible_v<ResNet<float>> && !std::is_copy_constructible_v<ImageClassifier>);
static_assert(!std::is_copy_constructible_v<ConvNext<float>> && !std::is_copy_constructible_v<ResNet18<float>>);

namespace {

// Small ones of every network, with every option.
std::vector<BackboneDescription> small_descriptions() {
  std::vector<BackboneDescription> list;
  for (const std::string_view name : network_names())
    for (const Index blocks : {1, 2})
      for (const Index stages : {1, 3})
        for (const bool affine : {true, false})
          for (const Norm norm : {Norm::batch, Norm::group, Norm::layer})
            list.push_back({std::string(name), 2, 4, stages, blocks, affine, norm});
  return list;
}

template <class T>
std::vector<Tensor<T>> state_of(Module<T>& module) {
  std::vector<Tensor<T>> state;
  for (const auto& p : module.parameters()) state.push_back(p.variable.value());
  for (const auto& b : module.buffers()) state.push_back(*b.tensor);
  return state;
}

void train(Backbone<float>& encoder, const Variable<float>& x) {
  Sgd<float> optimizer(encoder.parameters(), {});
  const Variable<float> y = encoder(x);
  mean(mul(y, y)).backward();
  optimizer.step(0.1);
  optimizer.zero_grad();
}

bool all_numbers(const Tensor<float>& t) {
  for (std::size_t i = 0; i < t.size(); ++i)
    if (!std::isfinite(t.data()[i])) return false;
  return true;
}

std::string refusal(const TensorFile& file) {
  return errors::refusal_of([&] { return backbone_description(file, "file"); });
}

using Catch::Matchers::ContainsSubstring;

}  // namespace

TEST_CASE("every network says what it is: weights, maps, extents, stages") {
  for (const BackboneDescription& d : small_descriptions()) {
    CAPTURE(d.network, d.stages, d.blocks_per_stage, d.affine, to_string(d.norm));
    const auto encoder = make_backbone<float>(d, Rng(1));
    CHECK(encoder->description() == d);
    CHECK(static_cast<double>(encoder->parameter_count()) == weight_count(d));
    for (const std::size_t extent : {1U, 7U, 8U}) {
      const auto maps = encoder->forward_stages(Variable<float>(random_tensor<float>({2, extent, 8, 2}, 1)));
      const std::vector<Index> channels = encoder->stage_channels();
      REQUIRE(maps.size() == channels.size());
      REQUIRE(maps.size() == static_cast<std::size_t>(d.stages) + 1);
      for (std::size_t i = 0; i < maps.size(); ++i) CHECK(dim(maps[i].value(), -1) == channels[i]);
      CHECK(channels.back() == encoder->feature_channels());
      CHECK(dim(maps.back().value(), 1) == encoder->feature_extent(static_cast<Index>(extent)));
      CHECK(dim(maps.back().value(), 2) == encoder->feature_extent(8));
    }
    std::map<Index, int> parameters_of;
    for (const auto& p : encoder->parameters()) ++parameters_of[encoder->stage_of(p.name)];
    CHECK(parameters_of.size() == static_cast<std::size_t>(d.stages) + 1);  // each stage, the stem, and no other
    CHECK(parameters_of.rbegin()->first == d.stages);
    const Variable<float> x(random_tensor<float>({2, 9, 9, 2}, 1));
    encoder->set_training(false);
    CHECK((encoder->forward_stages(x).back().value() == (*encoder)(x).value()));
  }
}

TEST_CASE("every network has the right gradients, of weights and input") {
  for (const std::string_view name : network_names()) {
    for (const Norm norm : {Norm::batch, Norm::group, Norm::layer}) {
      CAPTURE(name, to_string(norm));
      const BackboneDescription d{std::string(name), 2, 3, 2, 1, true, norm};
      const auto encoder = make_backbone<double>(d, Rng(1));
      ClassifierHead<double> head(encoder->feature_channels(), 3, {}, Rng(2));
      const std::vector<std::int32_t> labels{0, 2, 1};
      std::vector<Variable<double>> inputs{Variable<double>(random_tensor<double>({3, 6, 5, 2}, 3), true)};
      for (const auto& p : encoder->parameters()) inputs.push_back(p.variable);
      for (const auto& p : head.parameters()) inputs.push_back(p.variable);
      const auto f = [&](std::span<const Variable<double>> in) {
        return softmax_cross_entropy(head((*encoder)(in[0])), std::span<const std::int32_t>(labels));
      };
      CHECK(gradcheck(f, inputs, {.step = 1e-6, .tolerance = 2e-5, .directions = 2}) == "");
    }
  }
}

TEST_CASE("every network's clone has its state and its own weights, statistics and modes") {
  const Variable<float> x(random_tensor<float>({4, 8, 8, 2}, 1));
  for (const BackboneDescription& d : small_descriptions()) {
    if (d.stages == 1) continue;
    CAPTURE(d.network, d.blocks_per_stage, d.affine, to_string(d.norm));
    const auto encoder = make_backbone<float>(d, Rng(1));
    train(*encoder, x);
    const std::vector<Tensor<float>> before = state_of(*encoder);
    const auto clone = encoder->clone();
    REQUIRE((state_of(*clone) == before));
    CHECK(clone->description() == d);
    train(*clone, x);
    CHECK((state_of(*clone) != before));
    clone->set_training(false);
    CHECK((state_of(*encoder) == before));
    CHECK(encoder->training());
  }
}

TEST_CASE("every network goes into a file and comes back through its description") {
  const files::Folder folder;
  const fs::path file = folder.path / "network.safetensors";
  for (const std::string_view name : network_names()) {
    CAPTURE(name);
    BackboneDescription d = default_description(name);
    CHECK(d.network == name);
    CHECK_FALSE(network_help(name).empty());
    d.width = 4;
    d.norm = Norm::group;
    const auto encoder = make_backbone<float>(d, Rng(1));
    save(*encoder, file, backbone_metadata(d));
    const TensorFile read = read_safetensors(file);
    const auto again = make_backbone<float>(backbone_description(read, "file"), Rng(2));
    load(*again, read, "file");
    CHECK(again->description() == d);
    CHECK((state_of(*again) == state_of(*encoder)));

    ImageClassifier classifier({8, 8, d, {"a", "b"}, {{0, 0, 0}, {1, 1, 1}}}, Rng(3));
    classifier.save(file);
    ImageClassifier loaded = ImageClassifier::load(file);
    CHECK((state_of<float>(loaded) == state_of<float>(classifier)));
    ImageClassifier clone = classifier.clone();
    CHECK((state_of<float>(clone) == state_of<float>(classifier)));
    clone.parameters()[0].variable.mutable_value().data()[0] += 1;
    CHECK((state_of<float>(clone) != state_of<float>(classifier)));
  }
}

TEST_CASE("a weight file tells the precision that it was trained in, and holds float") {
  const files::Folder folder;
  const fs::path path = folder.path / "weights.safetensors";
  const BackboneDescription d{.width = 2, .stages = 1};
  const auto write = [&](Precision precision) {
    const PrecisionGuard guard(precision);
    ImageClassifier({8, 8, d, {"a", "b"}, {{0, 0, 0}, {1, 1, 1}}}, Rng(3)).save(path);
  };
  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    write(precision);
    CHECK(read_safetensors(path).metadata.at("precision") == to_string(precision));
    ImageClassifier loaded = ImageClassifier::load(path);  // under another guard: it keeps what it was trained in
    CHECK(loaded.options().precision == precision);
    CHECK(loaded.clone().options().precision == precision);
    loaded.save(path);
    TensorFile again = read_safetensors(path);
    CHECK(trained_precision(again, "file") == precision);
    again.metadata["precision"] = "float8";
    CHECK_THROWS_WITH(trained_precision(again, "file"),
                      Catch::Matchers::Equals("file: metadata 'precision': 'float8', expected float32 or bfloat16"));
    again.metadata.erase("precision");
    CHECK(trained_precision(again, "file") == Precision::float32);  // of earlier versions
  }
}

TEST_CASE("a file of earlier versions holds a resnet; a damaged description is one line") {
  TensorFile file;
  file.tensors.emplace("weights", zeros<float>({2000}));
  const auto describe = [&](const std::string& text) { file.metadata["encoder"] = text; };
  CHECK_THAT(refusal(file), ContainsSubstring("lacks 'encoder'"));
  const std::string sizes = R"("in_channels":1,"width":2,"stages":2,"blocks_per_stage":1,"affine":false)";
  describe("{" + sizes + "}");
  CHECK(backbone_description(file, "file") == BackboneDescription{"resnet", 1, 2, 2, 1, false, Norm::batch});
  describe("{" + sizes + R"(,"network":"lenet"})");
  CHECK_THAT(refusal(file), ContainsSubstring("file: ") && ContainsSubstring("network 'lenet', expected one of") &&
                                ContainsSubstring("resnet18"));
  describe("{" + sizes + R"(,"norm":"none"})");
  CHECK_THAT(refusal(file), ContainsSubstring("norm 'none'"));
  describe("{" + sizes + R"(,"network":7})");
  CHECK_THAT(refusal(file), ContainsSubstring("damaged metadata 'encoder'"));
  describe("nonsense");
  CHECK_THAT(refusal(file), ContainsSubstring("damaged metadata 'encoder'"));
  for (const std::string_view name : network_names())
    for (const char* large : {R"("width":64,"stages":8)", R"("width":4096,"stages":8)", R"("width":4000,"stages":1)"}) {
      CAPTURE(name, large);
      describe(
          message(R"({"in_channels":3,"blocks_per_stage":64,"affine":true,"network":")", name, R"(",)", large, "}"));
      CHECK_THAT(refusal(file), ContainsSubstring("2000 weights, too few for its metadata 'encoder'"));
    }
  describe(R"({"in_channels":3,"blocks_per_stage":1,"affine":true,"width":0,"stages":3})");
  CHECK_THAT(refusal(file), ContainsSubstring("width 0"));
  describe(R"({"in_channels":3,"blocks_per_stage":1,"affine":true,"width":2,"stages":60})");
  CHECK_THAT(refusal(file), ContainsSubstring("stages 60"));
}

TEST_CASE("an unknown network is refused with the names there are") {
  CHECK_THROWS_WITH(make_backbone<float>({.network = "vgg"}, Rng(1)),
                    ContainsSubstring("'vgg', expected one of resnet, resnet18, convnext"));
  CHECK_THROWS_AS(default_description(""), std::invalid_argument);
  CHECK_THROWS_AS(check_description({.network = "convnext", .blocks_per_stage = 0}), std::invalid_argument);
}

TEST_CASE("resnet18 is the network that papers mean") {
  const BackboneDescription d = default_description("resnet18");
  CHECK(weight_count(d) == 11'173'962 - 5'130);  // the well-known count for 10 classes, less its linear layer
  ResNet18<float> encoder({.network = "resnet18", .width = 2, .stages = 4, .blocks_per_stage = 2}, Rng(1));
  const auto parameters = encoder.parameters();
  CHECK(parameters[0].name == "stem.weight");
  CHECK(parameters[3].name == "stage1.block0.conv1.weight");
  CHECK(parameters.size() == 3 + 8 * 6 + 3 * 3);
  CHECK(encoder.feature_extent(32) == 4);
  CHECK(encoder.stage_channels() == std::vector<Index>{2, 2, 4, 8, 16});
  // 0.56 billion multiply-adds an image, as published for this form.
  const auto published = make_backbone<float>(d, Rng(1))->multiply_adds(32, 32);
  CHECK(published > 550'000'000);
  CHECK(published < 560'000'000);
}

TEST_CASE("the small depthwise network costs 10 to 45 million multiply-adds at 32x32, as the default does") {
  const auto encoder = make_backbone<float>(default_description("convnext"), Rng(1));
  CHECK(encoder->multiply_adds(32, 32) >= 10'000'000);
  CHECK(encoder->multiply_adds(32, 32) <= 45'000'000);
  CHECK(encoder->feature_extent(32) == 4);
  CHECK(encoder->feature_extent(8) == 1);
}

TEST_CASE("what networks say of their multiply-adds and weights is what their graphs do") {
  for (BackboneDescription description : small_descriptions()) {
    description.in_channels = 3;
    CAPTURE(description.network, description.stages, to_string(description.norm), description.affine);
    const auto encoder = make_backbone<float>(description, Rng(1));
    const ModuleSummary summary = summarize(*encoder, {2, 16, 16, 3});
    CHECK(summary.multiply_adds == 2 * encoder->multiply_adds(16, 16));
    CHECK(static_cast<double>(summary.parameters) == weight_count(description));
  }
}

TEST_CASE("in the depthwise network no image depends on the others of its batch") {
  const auto encoder = make_backbone<float>({.network = "convnext", .width = 8, .stages = 2}, Rng(1));
  const Tensor<float> images = random_tensor<float>({3, 9, 7, 3}, 1);
  Tensor<float> one = empty<float>({1, 9, 7, 3});
  std::copy_n(images.data() + one.size(), one.size(), one.data());
  const Tensor<float> together = (*encoder)(Variable<float>(images)).value();
  const Tensor<float> alone = (*encoder)(Variable<float>(one)).value();
  for (std::size_t i = 0; i < alone.size(); ++i)
    CHECK(alone.data()[i] == Approx(together.data()[alone.size() + i]).margin(1e-5));
}

TEST_CASE("every network learns from black images and from a single one without leaving the numbers") {
  for (const BackboneDescription& description : small_descriptions())
    for (const Shape& shape : {Shape{3, 9, 9, 2}, Shape{1, 17, 17, 2}}) {
      CAPTURE(description.network, description.stages, to_string(description.norm), description.affine, shape[0]);
      const auto encoder = make_backbone<float>(description, Rng(1));
      const Variable<float> black(zeros<float>(shape));
      for (int step = 0; step < 3; ++step) train(*encoder, black);
      for (const Tensor<float>& tensor : state_of<float>(*encoder)) CHECK(all_numbers(tensor));
      encoder->set_training(false);
      CHECK(all_numbers((*encoder)(black).value()));
      // All images of the batch are alike, and so are the answers.
      const Tensor<float> answers = (*encoder)(black).value();
      for (std::size_t i = 0; i < answers.size(); ++i)
        REQUIRE(answers.data()[i] == Approx(answers.data()[i % (answers.size() / shape[0])]).margin(1e-6));
    }
}
