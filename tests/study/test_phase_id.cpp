// SPDX-License-Identifier: MIT
// Phases as values, and the names made of them.
#include <limits>
#include <map>
#include <stdexcept>

#include "contexture/study/phase_id.hpp"
#include "contexture/study/results_json.hpp"
#include "contexture/study/run_files.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("a label fraction is named by its percentage") {
  CHECK(percent_name(1) == "100");
  CHECK(percent_name(.5) == "50");
  CHECK(percent_name(.1) == "10");
  CHECK(percent_name(.125) == "12.5");
  CHECK(percent_name(.07) == "7");
  CHECK_THROWS_AS(percent_name(std::numeric_limits<double>::quiet_NaN()), std::invalid_argument);
}

TEST_CASE("a phase in words, and the files that it leaves") {
  const PhaseText arm = text_of({.125, Arm::pretrained, 18446744073709551615U});
  CHECK(arm.experiment == "12.5");
  CHECK(arm.arm == "pretrained");
  CHECK(arm.seed == "18446744073709551615");
  const PhaseText pretraining = text_of(pretraining_phase(3));
  CHECK(pretraining.experiment == "pretrain");
  CHECK(pretraining.arm == "pretext");
  CHECK(pretraining.seed == "3");
  CHECK(weights_path("out", {.1, Arm::scratch, 7}, 7) == "out/classifier_10_scratch.safetensors");
  CHECK(weights_path("out", {.1, Arm::pretrained, 8}, 7) == "out/classifier_10_pretrained_seed8.safetensors");
  CHECK(weights_path("out", pretraining_phase(7), 7) == "out/encoder.safetensors");
  CHECK(weights_path("out", pretraining_phase(8), 7) == "out/encoder_seed8.safetensors");
}

TEST_CASE("phases are told apart by fraction, arm and seed, and come back from JSON as they went in") {
  std::map<PhaseId, int> all;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    all[pretraining_phase(seed)] = 1;
    for (const double fraction : {1.0, 0.1, 1.0 / 3, 1e-6})
      for (const Arm arm : {Arm::scratch, Arm::pretrained}) all[{fraction, arm, seed}] = 2;
  }
  CHECK(all.size() == 27);
  for (const auto& [phase, kind] : all) {
    const auto text = nlohmann::json(phase).dump();
    CHECK(nlohmann::json::parse(text).get<PhaseId>() == phase);
    CHECK(phase.pretraining() == (kind == 1));
  }
  CHECK(nlohmann::json::parse(nlohmann::json(all).dump()).get<std::map<PhaseId, int>>() == all);
  CHECK_THROWS_AS(nlohmann::json::parse(R"({"label_fraction":1,"arm":"both","seed":1})").get<PhaseId>(),
                  nlohmann::json::exception);
}
