// What pre-training takes its batches from.
#include <cstring>
#include <set>

#include "contexture/data/builtin.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/train/pretraining.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("unlabelled images take part in pre-training, in their share of the steps") {
  Dataset data = builtin_dataset(240, 48, 16);
  data.unlabeled = builtin_dataset(480, 0, 16, 9).train;
  data.unlabeled.labels.clear();
  ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
  ContextPrediction<float> pretext({.patches = patch_defaults(16)}, {16, 16}, encoder, Rng(2));
  detail::PretrainTask task(encoder, pretext, data.train, numbered(240), data.unlabeled, {0, 1, 2, 3}, 32, Rng(3));
  CHECK(task.images() == 720);
  std::int64_t labelled_steps = 0;
  const auto same = [](const Tensor<float>& a, const Tensor<float>& b) {
    return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  };
  for (std::int64_t step = 0; step < 30; ++step) {
    const Tensor<float> inputs = task.make_batch(step).inputs;
    CHECK(same(inputs, task.make_batch(step).inputs));
    // Where the step reads labelled images, it draws them and their patches as a run without others does.
    const Rng patches = Rng(3).split("patches").split(static_cast<std::uint64_t>(step));
    const EpochSampler order(numbered(240), 32, Rng(3).split("order"));
    if (same(inputs, pretext.make_batch(data.train, order.batch(labelled_steps), patches).inputs)) ++labelled_steps;
  }
  CHECK(labelled_steps == 10);
}

TEST_CASE("pre-training trains the encoder and the head, and knows by how many images chance goes") {
  const Dataset data = builtin_dataset(240, 48, 16);
  const auto images = pretext_images(data.train, channel_statistics(data.train, numbered(240)), false);
  ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
  const auto simclr = make_pretext_task<float>("simclr", images, {}, encoder, Rng(2));
  const auto chance_of = [&](Index held_out) {
    return detail::PretrainTask(encoder, *simclr, data.train, numbered(240), data.unlabeled, numbered(held_out), 32,
                                Rng(3))
        .chance();
  };
  CHECK(chance_of(24) == Approx(1.0 / 47));
  CHECK(chance_of(1) == Approx(1.0 / 3));  // a view of one image has no other to be told from
  detail::PretrainTask task(encoder, *simclr, data.train, numbered(240), data.unlabeled, numbered(24), 32, Rng(3));
  std::size_t of_encoder = 0, of_head = 0;
  for (const auto& parameter : task.module().parameters()) {
    of_encoder += parameter.name.starts_with("encoder.") ? 1U : 0U;
    of_head += parameter.name.starts_with("head.") ? 1U : 0U;
  }
  CHECK(of_encoder == encoder.parameters().size());
  CHECK(of_head == simclr->parameters().size());
}

TEST_CASE("few unlabelled images are not repeated within a batch") {
  Dataset data = builtin_dataset(240, 48, 16);
  data.unlabeled = builtin_dataset(12, 0, 16).train;
  data.unlabeled.labels.clear();
  ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
  ContextPrediction<float> pretext({.patches = patch_defaults(16)}, {16, 16}, encoder, Rng(2));
  const detail::PretrainTask task(encoder, pretext, data.train, numbered(240), data.unlabeled, {0, 1, 2, 3}, 32,
                                  Rng(3));
  std::set<Index> sizes;
  for (std::int64_t step = 0; step < 30; ++step) sizes.insert(task.make_batch(step).images);
  CHECK(sizes == std::set<Index>{12, 32});
}
