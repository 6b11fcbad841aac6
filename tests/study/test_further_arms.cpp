// SPDX-License-Identifier: MIT
// Students and the arm of the same time: what they are made of, when they are left out, stopped, resumed and taken
// over.
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "contexture/evaluate/score.hpp"
#include "contexture/train/self_training.hpp"
#include "study/tiny_run.hpp"

using namespace tiny;
using runs::Folder, runs::same_rows;

namespace {

constexpr double kFew = 0.25;

// Images without labels beside the others: of the second half of a larger set.
const Dataset& with_unlabelled() {
  static const Dataset data = [] {
    Dataset out = tiny_data();
    const Dataset larger = builtin_dataset(300, 1, 16);
    out.unlabeled.count = 60;
    out.unlabeled.pixels.assign(larger.train.image(240), larger.train.image(240) + 60 * larger.train.image_bytes());
    return out;
  }();
  return data;
}

ExperimentConfig few_labels_config() {
  ExperimentConfig config = tiny_config();
  config.fractions = {kFew};
  config.self_training = true;
  return config;
}

}  // namespace

TEST_CASE("self-training adds students where few images have labels, and changes no other arm") {
  const Folder with("students"), without("no_students");
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0, kFew};
  const RunSummary plain = run(config, without.path);
  config.self_training = true;
  const RunSummary summary = run(config, with.path);
  auto files = weights_in(with.path);
  CHECK(files.erase("classifier_25_scratch_selftrained.safetensors") == 1);
  CHECK(files.erase("classifier_25_pretrained_selftrained.safetensors") == 1);
  CHECK(files == weights_in(without.path));

  CHECK(summary.experiments[0].more.empty());
  const ExperimentResult& few = summary.experiments[1];
  REQUIRE(few.more.size() == 2);
  for (const Arm arm : {Arm::scratch_selftrained, Arm::pretrained_selftrained}) {
    REQUIRE(few.more.at(arm).size() == 1);
    CHECK(few.more.at(arm)[0].steps == 3 * few.scratch[0].steps);
    CHECK(few.more.at(arm)[0].steps_to.size() == 4);
    CHECK(rows_of(summary, {kFew, arm, 1}, "validation").size() == 5);
    CHECK(rows_of(summary, {kFew, arm, 1}, "test").size() == 1);
  }
  for (const ExperimentResult& e : plain.experiments) CHECK(e.more.empty());
}

TEST_CASE(
    "a student learns from its own arm's answers, from labels and all images but those held out, from the encoder") {
  const Folder folder("student");
  const ExperimentConfig config = few_labels_config();
  const Dataset& data = with_unlabelled();
  const RunSummary summary = run(config, folder.path, data);
  const RunPlan plan = plan_run(config, data);
  const Split split = plan.split(1);
  const std::vector<Index> labelled = plan.labels(1, split, kFew);
  const Arm arm = GENERATE(Arm::scratch_selftrained, Arm::pretrained_selftrained);
  const PhaseId phase{kFew, arm, 1};

  const ImageClassifier teacher = ImageClassifier::load(weights_path(folder.path, {kFew, *teacher_of(arm), 1}, 1));
  const std::size_t classes = data.class_names.size();
  Tensor<float> targets = zeros<float>({300, classes});
  std::vector<Index> learnt = split.train;
  for (Index i = 0; i < 60; ++i) learnt.push_back(240 + i);
  const Tensor<float> known = class_probabilities(teacher, data.train, split.train);
  const Tensor<float> more = class_probabilities(teacher, data.unlabeled, numbered(60));
  for (std::size_t k = 0; k < learnt.size(); ++k)
    for (std::size_t c = 0; c < classes; ++c)
      targets(static_cast<std::size_t>(learnt[k]), c) =
          k < split.train.size() ? known(k, c) : more(k - split.train.size(), c);
  set_label_targets(targets, labelled, data.train.labels, config.label_smoothing);

  const Rng rng(1);
  ImageClassifier student(plan.classifier, rng.split("initialisation"));
  if (begins_pretrained(arm))
    restore_tensors(read_safetensors(folder.path / "encoder.safetensors").tensors, state_tensors(student.encoder()),
                    "");
  const ArmPlan how = plan.arm(phase, std::ssize(split.train), std::ssize(labelled));
  const FitState fitted =
      train_on_soft_targets(student,
                            {.set = data.train,
                             .targets = targets,
                             .labelled = labelled,
                             .labelled_share = 0.125,
                             .augmentation = {.crop_padding = how.padding,
                                              .flip = plan.classifier.mirror,
                                              .rand_augment = {.operations = 3, .magnitude = 0.5F}},
                             .indices = learnt,
                             .more = &data.unlabeled,
                             .evaluate = [&] { return score(student, data.train, split.validation).evaluation; }},
                            {.steps = how.steps,
                             .batch = 32,
                             .learning_rate = how.learning_rate * 32 / 128,
                             .warmup = config.warmup,
                             .optimizer = optimizer_factory<Muon>(MuonOptions{.weight_decay = config.weight_decay}),
                             .evaluate_at = evaluation_steps(how.steps, 4),
                             .averaging = config.averaging,
                             .dropout = rng.split("dropout").split("25")},
                            rng.split("student").split("25"));
  CHECK(fitted.best_step == rows_of(summary, phase, "test").at(0).step);
  const Folder mine("student_by_hand");
  student.save(mine.path / "student.safetensors");
  TensorMap expected, found;
  copy_tensors(state_tensors(student), expected);
  ImageClassifier saved = ImageClassifier::load(weights_path(folder.path, phase, 1));
  copy_tensors(state_tensors(saved), found);
  CHECK(runs::same_bits(expected, found));
}

TEST_CASE("further arms: stopped in any phase and resumed, they give the same files and rows") {
  const Folder whole("further_whole"), parts("further_parts");
  const ExperimentConfig config = few_labels_config();
  const RunSummary expected = run(config, whole.path);
  Progress silent;
  for (const auto& [steps, arm] :
       {std::pair{9, Arm::scratch}, {12, Arm::scratch_selftrained}, {24, Arm::pretrained_selftrained}}) {
    StopToken token;
    StopAfter progress(token, steps);
    const RunFiles files{.out = parts.path, .resume = arm != Arm::scratch};
    CHECK_THROWS_AS(run_experiments(config, tiny_data(), files, progress, &token), Stopped);
    CHECK(read_checkpoint(checkpoint_path(parts.path)).phase == PhaseId{kFew, arm, 1});
  }
  const RunSummary resumed = run_experiments(config, tiny_data(), {.out = parts.path, .resume = true}, silent);
  CHECK(same_rows(expected.history, resumed.history));
  CHECK(weights_in(whole.path) == weights_in(parts.path));
  CHECK(expected.experiments[0].more.at(Arm::scratch_selftrained)[0].test_accuracy ==
        resumed.experiments[0].more.at(Arm::scratch_selftrained)[0].test_accuracy);

  ExperimentConfig other = config;
  other.self_training = false;
  const auto not_resumed = [&](const std::string& why) {
    CHECK_THROWS_WITH(run_experiments(other, tiny_data(), {.out = parts.path, .resume = true}, silent),
                      Catch::Matchers::ContainsSubstring(why));
  };
  not_resumed("made with self-training on");
  other = config;
  other.same_time = true;
  not_resumed("knows no same-time");
  other = config;
  other.strong_augmentation = true;
  not_resumed("strong augmentation");

  // A version whose students were trained otherwise did not say how.
  RunState older = read_checkpoint(checkpoint_path(parts.path));
  REQUIRE(older.config.erase("training of students with 25 %") == 1);
  write_checkpoint(checkpoint_path(parts.path), older);
  other = config;
  not_resumed("training of students");
}

TEST_CASE("the arm of the same time: scratch's length and pre-training's, strongly augmented; from the same numbers") {
  const Folder folder("same_time"), basic("same_time_basic");
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  config.same_time = true;
  const RunSummary summary = run(config, folder.path);
  const ArmResult& scratch = summary.experiments[0].scratch[0];
  const ArmResult& longer = summary.experiments[0].more.at(Arm::scratch_same_time).at(0);
  const double step = scratch.training_seconds / static_cast<double>(scratch.steps);
  CHECK(longer.steps == scratch.steps + std::llround(summary.pretrain->seconds / step));
  CHECK(longer.steps > scratch.steps);
  CHECK(longer.confusion.counts.size() == scratch.confusion.counts.size());
  const PhaseId phase{1.0, Arm::scratch_same_time, 1};
  // Before the first step both are the same network.
  CHECK(rows_of(summary, phase, "validation").at(0).loss ==
        rows_of(summary, {1.0, Arm::scratch, 1}, "validation").at(0).loss);
  CHECK(plan_run(config, tiny_data()).arm(phase, 216, 216).strong);

  // A resumed run takes the times that were measured, not others.
  Progress silent;
  RunState state = read_checkpoint(checkpoint_path(folder.path));
  const std::int64_t steps = state.arms.at(phase).steps;
  state.arms.erase(phase);
  std::erase_if(state.history, [&](const PhaseRow& row) { return row.phase == phase; });
  write_checkpoint(checkpoint_path(folder.path), state);
  const RunSummary again = run_experiments(config, tiny_data(), {.out = folder.path, .resume = true}, silent);
  CHECK(again.experiments[0].more.at(Arm::scratch_same_time).at(0).steps == steps);
  CHECK(same_rows(again.history, summary.history));

  // The time of a given encoder has to be known.
  std::filesystem::copy_file(folder.path / "encoder.safetensors", basic.path / "encoder.safetensors");
  config.encoder = basic.path / "encoder.safetensors";
  CHECK_THROWS_WITH(run(config), Catch::Matchers::ContainsSubstring("how long it was pre-trained is not known"));
}

TEST_CASE("strong augmentation changes both arms, and their texts") {
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  const Folder basic("basic"), strong("strong");
  (void)run(config, basic.path);
  config.strong_augmentation = true;
  const RunSummary summary = run(config, strong.path);
  auto a = weights_in(basic.path), b = weights_in(strong.path);
  CHECK(a.at("encoder.safetensors") == b.at("encoder.safetensors"));
  for (const char* name : {"classifier_100_scratch.safetensors", "classifier_100_pretrained.safetensors"})
    CHECK(a.at(name) != b.at(name));
  CHECK(summary.config.at("augmentation") == "strong");
  // Strong or not, a student sees no easier images.
  const Augmentation student = strong_augmentation(student_augmentation({}));
  CHECK(student.rand_augment.operations == 3);
  CHECK(student.rand_augment.magnitude == 0.5F);
  CHECK(student.mixing.cutmix == 0.5F);
  config.strong_augmentation = false;
  config.scratch_from = strong.path;
  CHECK_THROWS_WITH(run(config), Catch::Matchers::ContainsSubstring("strong augmentation, this run has"));
}

TEST_CASE("further arms of another run: the student from scratch is taken over with its teacher, or asked for") {
  const Folder first("donor"), second("taker"), poor("poor_donor");
  ExperimentConfig config = few_labels_config();
  const RunSummary donor = run(config, first.path);
  config.pretext = "rotation";
  config.scratch_from = first.path;
  const RunSummary summary = run(config, second.path);
  const std::string student = "classifier_25_scratch_selftrained.safetensors";
  CHECK(weights_in(first.path).at(student) == weights_in(second.path).at(student));
  CHECK(summary.experiments[0].more.at(Arm::scratch_selftrained)[0].test_accuracy ==
        donor.experiments[0].more.at(Arm::scratch_selftrained)[0].test_accuracy);
  CHECK(summary.experiments[0].more.contains(Arm::pretrained_selftrained));

  ExperimentConfig plain = few_labels_config();
  plain.self_training = false;
  (void)run(plain, poor.path);
  config.scratch_from = poor.path;
  CHECK_THROWS_WITH(run(config), Catch::Matchers::ContainsSubstring("no arm from scratch, self-training, with 25 %"));
}

TEST_CASE("an arm that diverges has no student; that of the other is there") {
  ExperimentConfig config = few_labels_config();
  config.epochs = 20;
  config.finetune_learning_rate = 1e9;
  const RunSummary summary = run(config);
  REQUIRE(summary.diverged.size() == 1);
  CHECK(summary.experiments[0].pretrained.empty());
  CHECK(summary.experiments[0].more.contains(Arm::scratch_selftrained));
  CHECK_FALSE(summary.experiments[0].more.contains(Arm::pretrained_selftrained));
}
