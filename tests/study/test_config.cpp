// SPDX-License-Identifier: MIT
// Settings and presets.
#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "study/tiny_run.hpp"

using namespace tiny;

TEST_CASE("settings: every value is read back exactly, nonsense is refused in one line") {
  const std::vector<ExperimentSetting> settings = experiment_settings();
  for (const Preset& p : kPresets) {
    const ExperimentConfig config = preset_config(p, "builtin");
    ExperimentConfig copy;
    for (const ExperimentSetting& setting : settings) setting.set(copy, setting.get(config));
    CHECK(describe(copy) == describe(config));
  }
  CHECK_THROWS_AS(preset("fast"), std::invalid_argument);
  for (const ExperimentSetting& setting : settings) {
    if (setting.name == "data" || setting.name == "encoder" || setting.name == "scratch-from") continue;
    for (const char* text :
         {"", "nan", "-nan", "inf", "1e999", "-1e999", "x", "1x", " 1", "99999999999999999999999", "-7"}) {
      ExperimentConfig config;
      CAPTURE(setting.name, text);
      try {
        setting.set(config, text);
        FAIL("accepted");
      } catch (const std::invalid_argument& error) {
        CHECK(std::string(error.what()).find(setting.name + ": ") == 0);
      }
    }
  }
}

TEST_CASE("settings: a precision is written as what was computed in, so that it is the same elsewhere") {
  const std::vector<ExperimentSetting> settings = experiment_settings();
  const auto found =
      std::find_if(settings.begin(), settings.end(), [](const auto& s) { return s.name == "precision"; });
  REQUIRE(found != settings.end());
  ExperimentConfig config;
  CHECK(found->get(config) == "float32");
  found->set(config, "bfloat16");
  CHECK(found->get(config) == "bfloat16");
  found->set(config, "auto");
  CHECK(found->get(config) == to_string(fastest_precision()));
  CHECK_THROWS_WITH(found->set(config, "half"),
                    Catch::Matchers::Equals("precision: 'half', expected auto, float32 or bfloat16"));
}

TEST_CASE("settings: label fractions as a list") {
  ExperimentConfig config;
  const auto setting = [&](const std::string& text) {
    for (const ExperimentSetting& s : experiment_settings())
      if (s.name == "fractions") {
        s.set(config, text);
        return s.get(config);
      }
    return std::string();
  };
  CHECK(setting("0.01 0.1,1") == "0.01,0.1,1");
  CHECK(config.fractions == std::vector<double>{0.01, 0.1, 1});
  CHECK(setting("none") == "none");
  CHECK(config.fractions.empty());
  for (const char* text : {"0", "1.5", "0.5,", ",0.5", "0.5,,1", "0.5,0.5"})
    CHECK_THROWS_WITH(setting(text), Catch::Matchers::StartsWith("fractions: '"));
}

TEST_CASE("settings of the experiments and of the pretext tasks have no name in common") {
  std::set<std::string> names;
  for (const ExperimentSetting& setting : experiment_settings()) CHECK(names.insert(setting.name).second);
  for (const std::string_view task : pretext_task_names())
    for (const PretextSettingInfo& setting : pretext_settings(task)) {
      CAPTURE(task, setting.name);
      CHECK_FALSE(names.contains(setting.name));
    }
}

TEST_CASE("a preset's width is the default network's; another has its own usual size") {
  CHECK(preset_config(preset("thorough"), "builtin").width == 32);
  CHECK(preset_config(preset("thorough"), "builtin").network == ExperimentConfig{}.network);
  for (const std::string_view name : network_names().subspan(1)) {
    const std::string network(name);
    const ExperimentConfig config = preset_config(preset("thorough"), "builtin", network);
    CHECK(backbone_of(config, 3) == default_description(network));
    CHECK(config.epochs == preset("thorough").epochs);
  }
  CHECK_THROWS_WITH(preset_config(preset("quick"), "builtin", "vgg"), Catch::Matchers::StartsWith("network: "));
  CHECK_THROWS_WITH(preset("fast"), Catch::Matchers::StartsWith("preset: 'fast'"));
}
