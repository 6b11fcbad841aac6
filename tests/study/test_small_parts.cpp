// SPDX-License-Identifier: MIT
// What a run hands from one part to another, in the small.
#include <mutex>
#include <vector>

#include "contexture/evaluate/embedding.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/identity.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/summary.hpp"
#include "study/tiny_run.hpp"
#include "support/catch.hpp"
#include "support/processes.hpp"
#include "support/tensors.hpp"

namespace small_parts {

using namespace contexture;

TEST_CASE("a configuration's network has the images' channels, and its own width and blocks") {
  ExperimentConfig config;
  config.width = 12;
  config.blocks = 2;
  const BackboneDescription description = backbone_of(config, 1);
  CHECK(description.in_channels == 1);
  CHECK(description.width == 12);
  CHECK(description.blocks_per_stage == 2);
}

TEST_CASE("what the processes of a run must agree on has what decides how they share a batch") {
  const ExperimentConfig config;
  const RunIdentity identity = identity_in_group({{"width", "8"}, {"threads", "2"}}, config);
  CHECK(identity.at("width") == "8");
  for (const char* name : {"sync-batch-norm", "gradients"}) {
    REQUIRE(identity.contains(name));
    CHECK(identity.at(name) == describe(config).at(name));
  }
  CHECK_FALSE(identity.contains("threads"));
}

TEST_CASE("all processes go on from the first one's state, whose tensors keep names and shapes") {
  RunState first;
  first.seconds = 12.5;
  first.scratch_from = "elsewhere";
  first.model["head.bias"] = tensors::random_tensor<float>({4}, 3);
  first.encoder["stem.weight"] = tensors::random_tensor<float>({3, 3, 1, 2}, 1);
  first.optimizer["velocity.head.bias"] = tensors::random_tensor<float>({4}, 4);
  std::mutex mutex;
  int same = 0;
  processes::run(3, [&](ProcessGroup& group) {
    const RunState taken = state_of_first(group, group.rank() == 0 ? first : RunState{});
    const std::lock_guard lock(mutex);
    same += taken.seconds == first.seconds && taken.scratch_from == first.scratch_from && taken.model == first.model &&
            taken.encoder == first.encoder && taken.optimizer == first.optimizer;
  });
  CHECK(same == 3);
}

TEST_CASE("a class of one training image is refused, one of none at all is a name") {
  Dataset data = tiny::tiny_data();
  data.class_names.emplace_back("rare");
  CHECK_NOTHROW(plan_run(tiny::tiny_config(), data));
  data.train.labels[0] = static_cast<std::int32_t>(data.class_names.size() - 1);
  CHECK_THROWS_WITH(plan_run(tiny::tiny_config(), data),
                    Catch::Matchers::ContainsSubstring("class rare has 1 training images, expected at least 2"));
}

TEST_CASE("of several pre-trainings their means are reported") {
  RunState state;
  state.pretraining[pretraining_phase(1)] = {"rotation", 10, 1.0, 0.5, 0.25, 120, 100, 0.65};
  state.pretraining[pretraining_phase(2)] = {"rotation", 20, 2.0, 0.75, 0.25, 120, 300, 0.65};
  const PretrainResult mean = detail::mean_pretraining(state);
  CHECK(mean.seconds == 15);
  CHECK(mean.loss == 1.5);
  CHECK(mean.accuracy == 0.625);
  CHECK(mean.images_per_second == 200);
  CHECK(mean.steps == 120);
}

TEST_CASE("a map shows the second component as well, where there is one") {
  const auto squares = [](const std::vector<float>& values) {
    double sum = 0;
    for (const float v : values) sum += static_cast<double>(v) * static_cast<double>(v);
    return sum;
  };
  EncoderView plane, line;
  detail::fill_map(tensors::random_tensor<float>({40, 2}, 5), plane);
  CHECK(squares(plane.y) / squares(plane.x) ==
        Approx(plane.variance_shares[1] / plane.variance_shares[0]).epsilon(1e-3));
  CHECK(plane.variance_shares[0] + plane.variance_shares[1] == Approx(1));
  detail::fill_map(tensors::random_tensor<float>({40, 1}, 5), line);
  CHECK(line.y == std::vector<float>(40, 0.0F));
}

}  // namespace small_parts
