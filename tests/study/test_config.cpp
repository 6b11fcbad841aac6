// Settings and presets.
#include <stdexcept>
#include <string>
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

TEST_CASE("options of patches reach the tasks that are made of patches; the grid of jigsaw stays") {
  ExperimentConfig config = tiny_config();
  config.grid = 3;
  config.patch = 4;
  config.gap = 3;
  config.colour = "keep";
  config.colour_probability = 0.25;
  config.jitter = 2;
  config.min_scale = 1.125;
  config.max_scale = 1.25;
  config.grids_per_image = 3;
  config.readout = "flatten";
  config.head_hidden = 20;
  config.head_dropout = 0.125;
  const PretextTaskOptions options = pretext_options(config, tiny_data().train, Normalization{});
  for (const ContextOptions& patches : {options.context, options.jigsaw.patches}) {
    CHECK(patches.patch == 4);
    CHECK(patches.gap == 3);
    CHECK(patches.colour == ColourTreatment::keep);
    CHECK(patches.colour_probability == 0.25F);
    CHECK(patches.jitter == 2);
    CHECK(patches.min_scale == 1.125F);
    CHECK(patches.max_scale == 1.25F);
    CHECK(patches.grids_per_image == 3);
  }
  CHECK(options.context_prediction.readout == PatchReadout::flatten);
  CHECK(options.context_prediction.head.hidden == 20);
  CHECK(options.context_prediction.head.dropout == 0.125F);
  CHECK(options.context.grid == 3);
  CHECK(options.jigsaw.patches.grid == 2);
}
