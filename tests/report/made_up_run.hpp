// SPDX-License-Identifier: MIT
// A run that nobody ran: curves that rise and fall as real ones do, with known numbers, for the
// tests of the report.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "contexture/report/inputs.hpp"
#include "contexture/study/curves.hpp"
#include "contexture/study/results.hpp"

namespace made_up {

using namespace contexture;

struct Options {
  std::size_t seeds = 3;
  bool pretrain = true;
  std::vector<double> fractions = {1, 0.5, 0.1};
  std::vector<std::string> class_names = {"house", "car", "tree"};
  int evaluations = 20;
};

struct Run {
  RunSummary summary;
  ImageSet test;
  ReportInputs inputs() const {
    ReportInputs out;
    out.test = &test;
    PretextPicture picture{picture_of(test, 0), {}};
    for (Index r = 0; r < 2; ++r)
      for (Index c = 0; c < 2; ++c) {
        const Picture patch{4, 4, 3, std::vector<std::uint8_t>(48, static_cast<std::uint8_t>(60 * (r + c)))};
        picture.patches.push_back({r, c, 1 + 7 * r, 1 + 7 * c, patch, patch});
      }
    out.pretext = {picture};
    EmbeddingView view;
    view.queries = {0, 1};
    view.neighbours = 2;
    for (std::int64_t i = 0; i < test.count; ++i) view.mapped.push_back(i);
    for (const char* name : {"random weights", "trained with labels", "pre-trained"}) {
      EncoderView& e = view.encoders.emplace_back();
      e.name = name;
      e.neighbours = {3, 2, 4, 5};
      for (std::int64_t i = 0; i < test.count; ++i) {
        e.x.push_back(static_cast<float>(i % 7));
        e.y.push_back(static_cast<float>(i % 5) - 2);
      }
      e.variance_shares = {0.61, 0.2};
      e.neighbour_precision = 0.25 * static_cast<double>(view.encoders.size());
    }
    out.embedding = view;
    return out;
  }
};

inline ArmResult made_up_arm(Run& run, const Options& o, double fraction, Arm arm, std::uint64_t seed, double best,
                             double rate, std::mt19937& dice) {
  std::uniform_real_distribution<double> noise(-0.004, 0.004);
  ArmResult out;
  std::vector<CurvePoint> curve;
  const std::vector<std::int64_t> steps = evaluation_steps(1000, o.evaluations);
  for (const std::int64_t step : steps) {
    const double done = static_cast<double>(step) / 1000, left = std::exp(-rate * done);
    const double accuracy = std::clamp(best - (best - 0.3) * left + noise(dice), 0.0, 1.0), seconds = 40 * done;
    PhaseRow row{{step, 10 * done, seconds, "validation", 0.2 + 1.5 * left, accuracy, accuracy}, {fraction, arm, seed}};
    run.summary.history.push_back(row);
    row.split = "train";
    row.loss = 0.05 + 1.1 * left;
    if (step > 0) run.summary.history.push_back(row);
    curve.push_back({step, seconds, accuracy});
    out.best_val_accuracy = std::max(out.best_val_accuracy, accuracy);
    out.final_train_loss = row.loss;
  }
  fill_speed(out, curve, 500, 0.9);
  out.seconds = 40;
  out.steps = 1000;
  out.learning_rate = fraction == 0.1 && arm == Arm::scratch ? 0.2 : 0.1;
  const auto classes = static_cast<std::int64_t>(o.class_names.size());
  for (std::size_t i = 0; i < run.test.labels.size(); ++i) {
    const std::int32_t truth = run.test.labels[i];
    const bool right = static_cast<double>(i) < best * static_cast<double>(run.test.labels.size());
    out.answers.predicted.push_back(right ? truth : static_cast<std::int32_t>((truth + 1) % classes));
    out.answers.confidence.push_back(right ? 0.9F : 0.5F);
  }
  out.confusion = confusion_matrix(run.test.labels, out.answers.predicted, classes);
  out.test_accuracy = accuracy(out.confusion);
  out.test_macro_f1 = macro_f1(out.confusion);
  return out;
}

/// The pre-trained arm ends worse with all labels and better with few.
inline Run make(const Options& o = {}) {
  Run run;
  std::mt19937 dice(1);
  run.test = {40, 16, 16, 3, std::vector<std::uint8_t>(40 * 16 * 16 * 3), std::vector<std::int32_t>(40)};
  for (std::uint8_t& v : run.test.pixels) v = static_cast<std::uint8_t>(dice() & 0xFF);
  for (std::size_t i = 0; i < 40; ++i) run.test.labels[i] = static_cast<std::int32_t>(i % o.class_names.size());
  RunSummary& s = run.summary;
  s.dataset = "made-up";
  s.data.used = 210;
  s.data.leave_out("built without WebP (.webp)", "car/one.webp");
  s.data_notes = {"no test/ folder"};
  s.class_names = o.class_names;
  s.train_images = 4000;
  s.validation_images = 500;
  s.test_images = 40;
  s.test_labels = run.test.labels;
  s.height = s.width = 16;
  s.channels = 3;
  s.config = {{"data", "made-up"}, {"width", "24"}};
  s.machine = "two cores";
  s.encoder_parameters = 310'000;
  s.encoder_multiply_adds = 23'000'000;
  if (o.pretrain) {
    s.pretrain = PretrainResult{"context prediction", 90, 1.3, 0.46, 0.167, 500, 4000};
    for (std::int64_t step = 0; step <= 500; step += 50)
      for (const char* split : {"train", "validation"}) {
        const double left = std::exp(-0.006 * static_cast<double>(step));
        s.history.push_back({{step, 0, static_cast<double>(step) * 0.18, split, 1.3 + 0.7 * left, 0.46 - 0.3 * left, 0},
                             pretraining_phase(0)});
      }
  }
  for (const double fraction : o.fractions) {
    ExperimentResult e;
    e.label_fraction = fraction;
    e.labels = std::llround(4000 * fraction);
    for (std::uint64_t seed = 0; seed < o.seeds; ++seed) {
      const double wobble = 0.025 * static_cast<double>(seed), scratch = 0.75 + 0.1 * fraction + wobble;
      e.seeds.push_back(seed);
      e.scratch.push_back(made_up_arm(run, o, fraction, Arm::scratch, seed, scratch, 5, dice));
      e.pretrained.push_back(
          made_up_arm(run, o, fraction, Arm::pretrained, seed, scratch + (fraction < 0.3 ? 0.1 : -0.05), 9, dice));
    }
    s.experiments.push_back(e);
  }
  s.seconds_total = 330.25;
  s.peak_rss_mib = 900.5;
  s.images_per_second = 3900;
  return run;
}

}  // namespace made_up
