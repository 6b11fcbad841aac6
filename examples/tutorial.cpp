// The program of docs/tutorial.md, from its first #include on: tests/checks/doc_snippet.sh holds the two together, and
// case_tutorial of tests/programs/run.sh runs it.
//
// Expected (10 seconds on 2 cores): about 63 % of the held-out images are named rightly; chance is 8 %.
#include <cstdio>

#include "contexture/contexture.hpp"
#include "contexture/evaluate/score.hpp"
using namespace contexture;

template <class Loss>  // Loss: step -> scalar
void train(std::vector<NamedParameter<float>> parameters, int steps, const Loss& loss) {
  Sgd<float> sgd(std::move(parameters));
  const Schedule rate{.peak = 0.1, .total_steps = steps};  // one-cycle
  for (int step = 0; step < steps; ++step, sgd.zero_grad()) {
    loss(step).backward();
    sgd.step(rate(step));
  }
}

int main() {
  const Rng rng(1);
  const Dataset data = builtin_dataset(6000, 0);  // or load_dataset("folder") of contexture/data/load.hpp
  const Split split = stratified_split(data.train.labels, 0.1, rng.split("split"));
  const Normalization scale = channel_statistics(data.train, split.train);
  ImageClassifier model({32, 32, BackboneDescription{.width = 16}, data.class_names, scale}, rng.split("model"));

  // Without labels: in which direction does one patch lie from another?
  ContextPrediction<float> pretext({.patches = patch_defaults(32)}, {32, 32}, model.encoder(), rng.split("pretext"));
  const EpochSampler images(split.train, 64, rng.split("images"));
  auto parameters = model.encoder().parameters();
  for (auto& head_parameter : pretext.parameters()) parameters.push_back(head_parameter);
  train(parameters, 200, [&](int step) {
    const Rng stream = rng.split("patches").split(step);
    return pretext.loss(model.encoder(), pretext.make_batch(data.train, images.batch(step), stream)).loss;
  });

  // With a tenth of the labels: what is it?
  const EpochSampler labelled(label_subset(data.train.labels, split.train, 0.1, rng), 64, rng.split("labelled"));
  train(model.parameters(), 200, [&](int step) {
    Batch batch;
    const Augmentation crop_and_mirror;
    const Rng stream = rng.split("augmentation").split(step);
    make_batch(data.train, labelled.batch(step), scale, &crop_and_mirror, stream, batch);
    return softmax_cross_entropy<float>(model(Variable<float>(batch.images)), batch.labels);
  });
  std::printf("%.1f %%\n", 100 * score(model, data.train, split.validation).evaluation.accuracy);
  model.save("classifier.safetensors");
}
