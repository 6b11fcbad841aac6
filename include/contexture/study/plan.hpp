// SPDX-License-Identifier: MIT
// What a run is going to do, decided before anything is computed: the split and the label subsets of every seed, how
// long and at which rate an arm is trained, the network, and that configuration and data fit together.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/mirror_rule.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/split.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/phase_id.hpp"
#include "contexture/study/pretext_of_run.hpp"

namespace contexture {

/// Steps of a classifier with a fraction of the labels, as a share of those with all labels.
[[nodiscard]] inline double classifier_share(double fraction) { return std::max(std::pow(fraction, 0.75), 0.5); }

/// Optimiser steps of a classifier trained on `fraction` of `images` labelled images:
///   epochs * images / min(batch, images) * max(fraction^(3/4), 1/2),
/// so fewer labels are passed over more often: 1.2 times as many epochs with half of them, 5 times with a
/// tenth. Without the bound, the scratch arm at a tenth of the labels would be far from its plateau
/// (built-in images, SGD: 63 % after 222 steps, 75 % after 489).
[[nodiscard]] inline std::int64_t classifier_steps(const ExperimentConfig& config, std::int64_t images,
                                                   double fraction) {
  const double steps =
      config.epochs * std::max(1.0, static_cast<double>(images) / static_cast<double>(config.batch_size));
  return std::max<std::int64_t>(1, std::llround(steps * classifier_share(fraction)));
}

/// A student takes so many times its teacher's steps.
inline constexpr std::int64_t kStudentSteps = 3;

/// Pixels by which training images are shifted at most, for their side and the passes over them: a sixteenth of the
/// side, or an eighth where an image is seen more than 20 times. Few passes lose by more variation (CIFAR copy, 8
/// passes: -0.6 points with an eighth), many need it (built-in images, 900 labels, 56 passes: +5.4 points;
/// docs/research.md).
[[nodiscard]] inline int default_crop_padding(Index side, double passes) {
  return static_cast<int>(passes > 20 ? side / 8 : (side + 8) / 16);
}

/// Peak learning rate of a classifier, at a batch of 128 images: 0.1, or 0.2 where an image is seen more than 20 times,
/// or 0.3 in fewer than 1,000 steps. Where there are few images, large steps keep them from being learnt by heart
/// (CIFAR copy, 4,500 labels, from scratch: 74.8 -> 77.7 %; built-in images, 900: 87.1 -> 96.2 %); where there are few
/// steps, small ones do not arrive (CIFAR copy, 4,500 labels, 703 steps at 0.1 and 0.4: 71.0 and 76.3 %;
/// docs/research.md).
[[nodiscard]] inline double default_learning_rate(std::int64_t steps, double passes) {
  if (steps < 1000) return 0.3;
  return passes > 20 ? 0.2 : 0.1;
}

/// Has at most a third of the images a label, with this fraction of those of the training images?
[[nodiscard]] inline bool few_labels(double fraction, Index training_images, Index unlabeled_images) {
  return 3 * fraction * static_cast<double>(training_images) <= static_cast<double>(training_images + unlabeled_images);
}

/// How an arm is trained, by the settings and the rules.
struct ArmPlan {
  std::int64_t batch = 0, steps = 0;
  int padding = 0;           ///< pixels of random shift
  double learning_rate = 0;  ///< peak, at a batch of 128 images
  bool strong = false;       ///< its augmentation is strong_augmentation()
  bool student = false;      ///< it sees student_augmentation(), strong or not

  /// For people, and to be compared.
  [[nodiscard]] std::string text() const {
    return message(steps, " steps of ", batch, " images, rate ", learning_rate, ", shift ", padding,
                   student ? ", RandAugment" : "", strong ? ", strong augmentation" : "");
  }
};

/// A run whose configuration and data fit together; both must outlive it.
struct RunPlan {
  const ExperimentConfig& config;
  const Dataset& data;
  ImageClassifierOptions classifier = {};  ///< of the arms; `mirror`: training images are mirrored at random
  PretextImages pretext_images = {};       ///< what the pretext task is made for
  PretextValues pretext = {};              ///< its settings, all with their effective values

  /// One a repetition.
  [[nodiscard]] std::vector<std::uint64_t> seeds() const {
    std::vector<std::uint64_t> out;
    for (std::int64_t i = 0; i < config.seeds; ++i) out.push_back(config.seed + static_cast<std::uint64_t>(i));
    return out;
  }

  /// Training images of a seed, and those held out. Images without labels are as of one class.
  [[nodiscard]] Split split(std::uint64_t seed) const {
    const Rng rng = Rng(seed).split("validation");
    if (!data.train.labels.empty()) return stratified_split(data.train.labels, config.validation, rng);
    const std::vector<std::int32_t> one_class(static_cast<std::size_t>(data.train.count), 0);
    return stratified_split(one_class, config.validation, rng);
  }

  /// Those of a split's training images whose labels the arms with this fraction see.
  [[nodiscard]] std::vector<Index> labels(std::uint64_t seed, const Split& split, double fraction) const {
    return label_subset(data.train.labels, split.train, fraction, Rng(seed).split("labels"), data.class_names);
  }

  /// Images in a step of pre-training.
  [[nodiscard]] std::int64_t pretraining_batch() const {
    return std::min<std::int64_t>(config.pretrain_batch_size, data.train.count);
  }

  /// Steps of pre-training, on all training and unlabelled images.
  [[nodiscard]] std::int64_t pretraining_steps() const {
    const auto images = static_cast<double>(data.train.count + data.unlabeled.count);
    return std::llround(config.pretrain_epochs * (images / static_cast<double>(pretraining_batch())));
  }

  /// Have the arms with this fraction of the labels students? Where at most a third of the images has a label: there
  /// it was measured to pay.
  [[nodiscard]] bool self_trains(double fraction) const {
    return config.self_training && few_labels(fraction, data.train.count, data.unlabeled.count);
  }

  /// How an arm is trained on `subset` of `training_images` images, a student on all of these and those without labels,
  /// for kStudentSteps times its teacher's steps; `more` steps than by the rule.
  [[nodiscard]] ArmPlan arm(const PhaseId& phase, std::int64_t training_images, std::int64_t subset,
                            std::int64_t more = 0) const {
    ArmPlan out;
    out.student = teacher_of(phase.arm).has_value();
    const std::int64_t images = out.student ? training_images + data.unlabeled.count : subset;
    out.batch = std::min(config.batch_size, images);
    out.steps =
        classifier_steps(config, training_images, phase.label_fraction) * (out.student ? kStudentSteps : 1) + more;
    out.strong = config.strong_augmentation || phase.arm == Arm::scratch_same_time;
    const double passes = static_cast<double>(out.steps * out.batch) / static_cast<double>(images);
    out.padding = config.crop_padding >= 0
                      ? static_cast<int>(config.crop_padding)
                      : default_crop_padding(std::min(data.train.height, data.train.width), passes);
    const bool tuned = begins_pretrained(phase.arm) && config.finetune_learning_rate > 0;
    const double given = tuned ? config.finetune_learning_rate : config.learning_rate;
    out.learning_rate = given > 0 ? given : default_learning_rate(out.steps, passes);
    return out;
  }

  /// The phases in their order: for every seed pre-training, unless an encoder is given, and for every fraction both
  /// arms, each with its student behind it, and the one of the same time. Where those from scratch are another run's,
  /// that one and its student are left out.
  [[nodiscard]] std::vector<PhaseId> phases(bool arms_from_scratch) const {
    std::vector<PhaseId> out;
    for (const std::uint64_t seed : seeds()) {
      if (config.encoder.empty()) out.push_back(pretraining_phase(seed));
      for (const double fraction : config.fractions) {
        const auto add = [&](Arm arm) {
          out.push_back({fraction, arm, seed});
          if (self_trains(fraction)) out.push_back({fraction, *student_of(arm), seed});
        };
        if (arms_from_scratch) add(Arm::scratch);
        add(Arm::pretrained);
        if (config.same_time) out.push_back({fraction, Arm::scratch_same_time, seed});
      }
    }
    return out;
  }
};

/// Every setting's effective value, those of the pretext task too: what a report lists.
[[nodiscard]] inline std::map<std::string, std::string> describe(const RunPlan& plan) {
  std::map<std::string, std::string> out = describe(plan.config);
  out.insert(plan.pretext.begin(), plan.pretext.end());
  return out;
}

namespace detail {

// What the arms learn from and are tested on. Throws InputError for images that do not belong together, labels that are
// missing or out of range, and a class with too few training images to be learnt and validated.
inline void check_labelled(const Dataset& data) {
  const std::size_t classes = data.class_names.size();
  require_input(classes >= 2, "data set ", data.name, ": ", classes, " classes, expected at least 2");
  require_input(data.test.count > 0, "data set ", data.name, ": no test images");
  std::vector<Index> trained(classes, 0), tested(classes, 0);
  const auto count = [&](const ImageSet& set, const char* which, std::vector<Index>& counts) {
    require_input(!set.labels.empty(), "data set ", data.name, ": ", which, " images without labels");
    for (const std::int32_t label : set.labels) {
      require_input(label >= 0 && static_cast<std::size_t>(label) < classes, "data set ", data.name, ": label ", label,
                    " of a ", which, " image, expected 0 to ", classes - 1);
      ++counts[static_cast<std::size_t>(label)];
    }
  };
  count(data.train, "training", trained);
  count(data.test, "test", tested);
  for (std::size_t c = 0; c < classes; ++c)  // a name may be of no image at all, as class 0 of EMNIST's letters
    require_input(trained[c] >= 2 || (trained[c] == 0 && tested[c] == 0), "data set ", data.name, ": class ",
                  data.class_names[c], " has ", trained[c], " training images, expected at least 2");
}

// Images of one size, of which there are some to train with.
inline void check_images(const Dataset& data) {
  require_input(data.train.count > 0, "run_experiments: data set ", data.name, " has no training images");
  for (const ImageSet* set : {&data.train, &data.test, &data.unlabeled}) {
    if (set->count == 0) continue;
    check_image_set("run_experiments", *set);
    require_input(
        set->height == data.train.height && set->width == data.train.width && set->channels == data.train.channels,
        "data set ", data.name, ": images of ", set->height, " x ", set->width, " x ", set->channels,
        ", the training images are ", data.train.height, " x ", data.train.width, " x ", data.train.channels);
  }
}

inline void check_fractions(const std::vector<double>& fractions) {
  std::set<std::string> names;
  for (const double fraction : fractions) {
    require(fraction > 0 && fraction <= 1, "run_experiments: label fraction ", fraction,
            ", expected more than 0 and at most 1");
    require(names.insert(percent_name(fraction)).second, "run_experiments: label fraction ", fraction, " twice (both ",
            percent_name(fraction), " %)");
  }
}

}  // namespace detail

/// The plan of a run. Every split and label subset is made once. Throws InputError for data that cannot be used,
/// std::invalid_argument for a configuration that makes no sense.
[[nodiscard]] inline RunPlan plan_run(const ExperimentConfig& config, const Dataset& data) {
  detail::check_images(data);
  detail::check_fractions(config.fractions);
  RunPlan plan{config, data};
  ImageClassifierOptions& options = plan.classifier;
  if (!config.fractions.empty()) {
    detail::check_labelled(data);
    options.mirror =
        config.mirror == Mirror::automatic ? mirror_test(data.train).keeps_classes() : config.mirror == Mirror::on;
  }
  options.height = data.train.height;
  options.width = data.train.width;
  options.class_names = data.class_names;
  options.normalization = channel_statistics(data.train, numbered(data.train.count));
  options.encoder = backbone_of(config, data.train.channels);
  options.precision = config.precision;
  plan.pretext_images = pretext_images_of(config, data.train, options.normalization);
  plan.pretext = pretext_values(config.pretext, plan.pretext_images, config.pretext_options);
  for (const std::uint64_t seed : plan.seeds()) {
    const Split split = plan.split(seed);
    require_input(!split.validation.empty(), "data set ", data.name, ": ", data.train.count,
                  " training images are too few to hold out ", config.validation, " of them for validation");
    for (const double fraction : config.fractions) (void)plan.labels(seed, split, fraction);
  }
  return plan;
}

}  // namespace contexture
