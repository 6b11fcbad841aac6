// SPDX-License-Identifier: MIT
// The pretext tasks as programs see them: every setting of every task by its name, effective values that make the same
// task again, refusals that name the setting, the names of the parameters, chance and pictures.
#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/models/networks.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/pretext_task_list.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/ssl/simclr.hpp"
#include "made_up_images.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;

// Of every setting, a value that is not the one it has in base_values().
const std::map<std::string, std::string>& other_values() {
  static const std::map<std::string, std::string> values{
      {"grid", "3"},
      {"patch", "9"},
      {"gap", "5"},
      {"jitter", "2"},
      {"min-scale", "1.2"},
      {"max-scale", "1.25"},
      {"random-origin", "off"},
      {"subpixel", "off"},
      {"grids-per-image", "2"},
      {"pretext-flip", "on"},
      {"colour", "keep"},
      {"colour-probability", "0.1"},
      {"standardise", "off"},
      {"blank-deviation", "0.4"},
      {"blank-pair-share", "1"},
      {"balance-directions", "off"},
      {"readout", "flatten"},
      {"head-hidden", "9"},
      {"head-layers", "3"},
      {"head-output", "9"},
      {"head-dropout", "0.1"},
      {"pretext-label-smoothing", "0.2"},
      {"rotation-crop-padding", "2"},
      {"rotation-border", "zero"},
      {"all-rotations", "on"},
      {"rotation-head-hidden", "9"},
      {"rotation-head-layers", "2"},
      {"rotation-weight", "3"},
      {"temperature", "0.2"},
      {"invariance-weight", "3"},
      {"variance-weight", "3"},
      {"covariance-weight", "3"},
      {"view-height", "20"},
      {"view-width", "20"},
      {"view-min-area", "0.5"},
      {"view-max-area", "0.6"},
      {"view-aspect", "2"},
      {"view-colour-probability", "0.1"},
      {"view-brightness", "0.1"},
      {"view-contrast", "0.1"},
      {"view-saturation", "0.1"},
      {"view-hue", "0.2"},
      {"view-grey-probability", "0.9"},
  };
  return values;
}

bool has_setting(std::string_view task, std::string_view name) {
  const auto settings = pretext_settings(task);
  return std::any_of(settings.begin(), settings.end(), [&](const auto& s) { return s.name == name; });
}

// Under which every setting does something: small patches, so that others fit, and a rotation head with hidden units.
PretextValues base_values(std::string_view task) {
  PretextValues given;
  for (const auto& [name, text] :
       PretextValues{{"patch", "8"}, {"gap", "4"}, {"jitter", "1"}, {"rotation-head-layers", "1"}})
    if (has_setting(task, name)) given[name] = text;
  return given;
}

// Noise with blank halves.
ImageSet images_40() {
  ImageSet images = made_up::noise(10, 40, 40, 3);
  for (Index i = 0; i < 4; ++i) std::fill_n(images.image(i), images.image_bytes() / 2, std::uint8_t{90});
  return images;
}

PretextImages kind_40(bool flip = false) {
  const ImageSet images = images_40();
  return pretext_images(images, channel_statistics(images, made_up::first(images.count)), flip);
}

void add_tensor(const Tensor<float>& tensor, std::vector<float>& numbers) {
  for (const std::size_t extent : tensor.shape()) numbers.push_back(static_cast<float>(extent));
  numbers.insert(numbers.end(), tensor.data(), tensor.data() + tensor.size());
}

void add_batch(const PretextBatch& batch, std::vector<float>& numbers) {
  if (batch.parts.empty()) add_tensor(batch.inputs, numbers);
  numbers.push_back(static_cast<float>(batch.skipped));
  for (const auto* list : {&batch.first, &batch.second, &batch.targets})
    for (const std::int32_t value : *list) numbers.push_back(static_cast<float>(value));
  for (const PretextBatch& part : batch.parts) add_batch(part, numbers);
}

// All numbers that a task starts from and makes of some images.
std::vector<float> numbers_of(std::string_view name, const PretextValues& given) {
  static const ImageSet images = images_40();
  static const PretextImages kind = kind_40();
  ResNet<float> encoder({.width = 2, .stages = 2}, Rng(1));
  const auto task = make_pretext_task<float>(name, kind, given, encoder, Rng(2));
  task->reseed(Rng(3));
  std::vector<float> numbers;
  for (const auto& p : task->parameters()) add_tensor(p.variable.value(), numbers);
  const PretextBatch batch = task->make_batch(images, made_up::first(images.count), Rng(4));
  add_batch(batch, numbers);
  numbers.push_back(task->loss(encoder, batch).loss.item());
  return numbers;
}

std::string refusal(std::string_view task, const PretextValues& given, const std::string& name) {
  try {
    (void)pretext_values(task, kind_40(), given);
  } catch (const SettingError& error) {
    CHECK(error.name() == name);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("every setting of every task is set by its name, has an effect, and makes the same task again", "[ssl]") {
  for (const std::string_view task : pretext_task_names()) {
    const PretextValues base = base_values(task);
    const PretextValues usual = pretext_values(task, kind_40(), base);
    const std::vector<float> before = numbers_of(task, base);
    CHECK(usual.size() == pretext_settings(task).size());
    CHECK(pretext_values(task, kind_40(), usual) == usual);
    CHECK(numbers_of(task, usual) == before);
    for (const PretextSettingInfo& setting : pretext_settings(task)) {
      CAPTURE(std::string(task), setting.name);
      REQUIRE(other_values().contains(setting.name));
      const std::string& text = other_values().at(setting.name);
      REQUIRE(usual.at(setting.name) != text);
      PretextValues given = base;
      given[setting.name] = text;
      PretextValues expected = usual;
      expected[setting.name] = text;
      const PretextValues all = pretext_values(task, kind_40(), given);
      CHECK(all == expected);
      const std::vector<float> after = numbers_of(task, given);
      CHECK(after != before);
      CHECK(numbers_of(task, all) == after);
    }
  }
}

TEST_CASE("floats among the settings read back to the last bit", "[ssl]") {
  for (const char* const text : {"0.1", "0.33333334", "1e-06", "0.9999999"}) {
    const PretextValues all = pretext_values("context", kind_40(), {{"colour-probability", text}});
    CHECK(all.at("colour-probability") == text);
    CHECK(pretext_options<ContextPredictionSpec>(kind_40(), all).patches.colour_probability == std::stof(text));
  }
  const PretextValues all = pretext_values("simclr", kind_40(), {{"temperature", "0.30000000000000004"}});
  CHECK(pretext_options<SimclrSpec>(kind_40(), all).temperature == 0.1 + 0.2);
  CHECK(pretext_options<SimclrSpec>(kind_40(), all).views.aspect == ViewOptions{}.aspect);
}

TEST_CASE("every setting refuses rubbish and numbers out of range with its name", "[ssl]") {
  for (const std::string_view task : pretext_task_names())
    for (const PretextSettingInfo& setting : pretext_settings(task)) {
      CAPTURE(std::string(task), setting.name);
      for (const char* const text : {"rubbish", "nan", "", "-7", "1e30", "2 "})
        CHECK_THAT(refusal(task, {{setting.name, text}}, setting.name),
                   Catch::Matchers::StartsWith(setting.name + ": '" + text + "', expected "));
    }
  CHECK(refusal("context", {{"patch", "x"}}, "patch") == "patch: 'x', expected a whole number from 1 to 1024");
  CHECK(refusal("context", {{"colour", "pink"}}, "colour") ==
        "colour: 'pink', expected keep, grey, drop_channels or project");
}

TEST_CASE("a setting that is none of the task's is refused, telling whose it is", "[ssl]") {
  CHECK(refusal("context", {{"temperature", "0.2"}}, "temperature") ==
        "temperature: a setting of the pretext task simclr, not of context");
  CHECK(refusal("vicreg", {{"readout", "flatten"}}, "readout") ==
        "readout: a setting of the pretext task context, context+rotation, not of vicreg");
  CHECK(refusal("jigsaw", {{"grid", "2"}}, "grid") ==
        "grid: a setting of the pretext task context, context+rotation, not of jigsaw");
  CHECK(refusal("context", {{"frobnicate", "1"}}, "frobnicate") ==
        "frobnicate: no setting of the pretext task context");
  const ResNet<float> encoder({.width = 2, .stages = 2}, Rng(1));
  CHECK_THROWS_AS(make_pretext_task<float>("context", kind_40(), {{"temperature", "1"}}, encoder, Rng(1)),
                  SettingError);
  CHECK_THROWS_AS(pretext_settings("contexts"), std::invalid_argument);
  CHECK_THROWS_AS(pretext_values("contexts", kind_40(), {}), std::invalid_argument);
}

TEST_CASE("values by rule are concrete, and can be asked for by the text that stands for the rule", "[ssl]") {
  const PretextValues by_rule{{"grid", "0"},      {"patch", "0"},     {"gap", "-1"},      {"jitter", "-1"},
                              {"min-scale", "0"}, {"max-scale", "0"}, {"colour", "auto"}, {"colour-probability", "-1"}};
  const PretextValues all = pretext_values("context", {.height = 96, .width = 120, .channels = 3}, by_rule);
  CHECK(all == pretext_values("context", {.height = 96, .width = 120, .channels = 3}, {}));
  CHECK(all.at("grid") == "3");
  CHECK(all.at("patch") == "20");
  CHECK(all.at("gap") == "10");
  CHECK(all.at("jitter") == "2");
  CHECK(all.at("min-scale") == "1.0625");
  CHECK(all.at("max-scale") == "1.4375");
  CHECK(all.at("colour") == "grey");
  CHECK(all.at("colour-probability") == "0.66");
  CHECK(all.at("pretext-flip") == "off");
  CHECK(all.at("head-hidden") == "512");
  CHECK(all.at("head-dropout") == "0.5");
  const PretextImages grey{.height = 28, .width = 28, .channels = 1, .flip = true};
  CHECK(pretext_values("jigsaw", grey, {}).at("patch") == "10");
  CHECK(pretext_values("jigsaw", grey, {}).at("colour") == "keep");
  CHECK(pretext_values("jigsaw", grey, {}).at("pretext-flip") == "on");
  CHECK(pretext_values("rotation", grey, {}).at("rotation-crop-padding") == "3");
  CHECK(pretext_values("simclr", grey, {}).at("view-height") == "18");
  CHECK(pretext_values("simclr", grey, {}).at("view-saturation") == "0");
  CHECK(pretext_values("vicreg", grey, {{"pretext-flip", "off"}}).at("pretext-flip") == "off");
  const auto default_of = [](std::string_view task, std::string_view name) {
    for (const PretextSettingInfo& setting : pretext_settings(task))
      if (setting.name == name) return setting.default_text;
    return std::string("none");
  };
  CHECK(default_of("context", "patch") == "by image size");
  CHECK(default_of("context", "min-scale") == "1.0625");
  CHECK(default_of("simclr", "temperature") == "0.5");
  CHECK(default_of("simclr", "view-hue") == "0.1 of colour images, else 0");
}

TEST_CASE("a name that several tasks have is of one kind, and every setting has its help", "[ssl]") {
  std::map<std::string, std::string> kinds;
  for (const std::string_view task : pretext_task_names()) {
    CHECK_FALSE(pretext_task_help(task).empty());
    for (const PretextSettingInfo& setting : pretext_settings(task)) {
      CAPTURE(std::string(task), setting.name);
      CHECK(kinds.emplace(setting.name, setting.value).first->second == setting.value);
      CHECK(setting.help.size() > 10);
      CHECK_FALSE(setting.default_text.empty());
    }
  }
  CHECK(kinds.size() == other_values().size());
}

TEST_CASE("a task is the module of its head, under the names that files have", "[ssl]") {
  ResNet<float> encoder({.width = 2, .stages = 2}, Rng(1));
  const auto names = [&](std::string_view task) {
    std::vector<std::string> all;
    for (const auto& p : make_pretext_task<float>(task, kind_40(), {}, encoder, Rng(2))->parameters())
      all.push_back(p.name);
    return all;
  };
  using Names = std::vector<std::string>;
  CHECK(names("context") == Names{"context_head.first.weight", "context_head.second.weight",
                                  "context_head.output.weight", "context_head.output.bias"});
  CHECK(names("rotation") == Names{"rotation_head.output.weight", "rotation_head.output.bias"});
  CHECK(names("context+rotation") == Names{"part0.context_head.first.weight", "part0.context_head.second.weight",
                                           "part0.context_head.output.weight", "part0.context_head.output.bias",
                                           "part1.rotation_head.output.weight", "part1.rotation_head.output.bias"});
  CHECK(names("jigsaw").front() == "jigsaw_head.hidden0.weight");
  CHECK(names("simclr").front() == "projection_head.hidden0.weight");
  CHECK(names("vicreg").front() == "expander.hidden0.weight");
}

TEST_CASE("chance depends on the batch where views look for their partner, and else not", "[ssl]") {
  ResNet<float> encoder({.width = 2, .stages = 2}, Rng(1));
  for (const std::string_view name : pretext_task_names()) {
    CAPTURE(std::string(name));
    const auto task = make_pretext_task<float>(name, kind_40(), {}, encoder, Rng(2));
    if (name == "simclr" || name == "vicreg") {
      CHECK(task->chance(64) == 1.0 / 127);
      CHECK(task->chance(2) == 1.0 / 3);
    } else {
      CHECK(task->chance(64) == task->chance(2));
    }
  }
}

TEST_CASE("pictures: where patches are cut, or what a batch of the image is made of", "[ssl]") {
  const ImageSet images = images_40();
  ResNet<float> encoder({.width = 2, .stages = 2}, Rng(1));
  const auto picture = [&](std::string_view name, const PretextValues& given) {
    return make_pretext_task<float>(name, kind_40(), given, encoder, Rng(2))->picture(images, 7, Rng(5));
  };
  for (const char* const name : {"context", "context+rotation"}) {
    const PretextPicture shown = picture(name, {{"grid", "3"}, {"patch", "8"}, {"gap", "4"}});
    REQUIRE(shown.patches.size() == 9);
    CHECK(shown.image.height > 40);  // as it was resized
    for (std::size_t p = 0; p < 9; ++p) {
      const PatchPicture& patch = shown.patches[p];
      CHECK(patch.row == static_cast<Index>(p / 3));
      CHECK(patch.column == static_cast<Index>(p % 3));
      CHECK(patch.cut.height == 8);
      CHECK(patch.treated.pixels.size() == 8 * 8 * 3);
      CHECK(patch.top >= 12 * patch.row);
      CHECK(patch.left + 8 <= shown.image.width);
    }
  }
  const PretextPicture views = picture("simclr", {});
  REQUIRE(views.patches.size() == 2);
  CHECK(views.image.pixels == picture_of(images, 7).pixels);
  const Tensor<float> seen = make_pretext_task<float>("simclr", kind_40(), {}, encoder, Rng(2))
                                 ->make_batch(images, std::vector<Index>{7}, Rng(5))
                                 .inputs;
  for (std::size_t v = 0; v < 2; ++v) {
    CHECK(views.patches[v].cut.height == 0);
    CHECK(views.patches[v].column == static_cast<Index>(v));
    CHECK(views.patches[v].treated.pixels == picture_of(seen.data() + v * 25 * 25 * 3, 25, 25, 3).pixels);
  }
  CHECK(picture("jigsaw", {}).patches.size() == 4);
  CHECK(picture("rotation", {{"all-rotations", "on"}}).patches.size() == 4);
}
