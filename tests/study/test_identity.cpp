// SPDX-License-Identifier: MIT
// What has to be the same for a run to go on.
#include <map>
#include <string>

#include "contexture/study/identity.hpp"
#include "study/tiny_run.hpp"

using namespace tiny;

TEST_CASE("identity: settings, what the rules make of them, images and given weights; not threads") {
  const ExperimentConfig config = tiny_config();
  const RunIdentity identity = identity_of(plan_run(config, tiny_data()), {});
  CHECK(identity.at("width") == "2");
  CHECK(identity.at("training with 50 %").find(" steps of 32 images, rate 0.3, shift 1") != std::string::npos);
  CHECK(identity.contains(kImagesName));
  CHECK_FALSE(identity.contains(kGivenWeightsName));
  for (const char* name : kNotOfIdentity) CHECK_FALSE(identity.contains(name));

  ExperimentConfig other = config;
  other.threads = 7;
  other.data = "elsewhere/";
  CHECK(identity_of(plan_run(other, tiny_data()), {}) == identity);
  // Each setting that decides something is in it.
  for (const auto& [name, value] : std::map<std::string, std::string>{{"epochs", "3"}, {"pretext", "rotation"}}) {
    other = config;
    for (const ExperimentSetting& setting : experiment_settings())
      if (setting.name == name) setting.set(other, value);
    CAPTURE(name);
    CHECK(identity_of(plan_run(other, tiny_data()), {}) != identity);
  }
  Dataset changed = tiny_data();
  changed.train.pixels[5] ^= 1;
  CHECK(identity_of(plan_run(config, changed), {}).at(kImagesName) != identity.at(kImagesName));
  changed = tiny_data();
  changed.train.labels[0] = (changed.train.labels[0] + 1) % 12;
  CHECK(identity_of(plan_run(config, changed), {}).at(kImagesName) != identity.at(kImagesName));

  TensorMap weights;
  weights["stem.weight"] = full<float>({3, 3, 3, 2}, 0.5F);
  const std::string print = identity_of(plan_run(config, tiny_data()), weights).at(kGivenWeightsName);
  weights["stem.weight"].data()[7] = 0.25F;
  CHECK(identity_of(plan_run(config, tiny_data()), weights).at(kGivenWeightsName) != print);
}

TEST_CASE("another configuration is refused, naming the option and both values") {
  const std::map<std::string, std::string> stored{{"epochs", "10"}, {"width", "16"}};
  CHECK_NOTHROW(require_same_identity("c", stored, stored));
  CHECK_THROWS_WITH(require_same_identity("c", stored, {{"epochs", "10"}, {"width", "24"}}),
                    Catch::Matchers::ContainsSubstring("width 16") && Catch::Matchers::ContainsSubstring("24"));
  CHECK_THROWS_AS(require_same_identity("c", stored, {{"epochs", "10"}}), InputError);
  std::map<std::string, std::string> earlier = stored;  // by a version that compared the path too
  earlier["data"] = "base";
  CHECK_NOTHROW(require_same_identity("c", earlier, stored));  // NOLINT(readability-suspicious-call-argument)
  CHECK_THROWS_AS(require_same_identity("c", stored, {{"epochs", "10"}, {"width", "16"}, {"new", "1"}}), InputError);
}
