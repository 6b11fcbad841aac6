// SPDX-License-Identifier: MIT
// From few labels and many images to an answer for each: a head on a frozen encoder, fine-tuning, or self-training,
// whichever cross-validation on the labels prefers. What is told here: the methods, what was measured of them, and how
// long they are trained.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/evaluate/label_errors.hpp"
#include "contexture/evaluate/label_next.hpp"
#include "contexture/evaluate/metrics.hpp"
#include "contexture/evaluate/near_duplicates.hpp"
#include "contexture/models/image_classifier.hpp"

namespace contexture {

/// How a classifier is made of an encoder and few labels, the cheapest first.
enum class ClassifyMethod {
  head,      ///< logistic regression on frozen features
  finetune,  ///< head and encoder are trained
  selftrain  ///< the same, also on all images without labels, by a teacher's probabilities
};

/// Their names, by their values.
inline constexpr std::array<std::string_view, 3> kClassifyMethods{"head", "finetune", "selftrain"};

/// The name, as options and files have it.
[[nodiscard]] inline std::string_view to_string(ClassifyMethod method) {
  return kClassifyMethods.at(static_cast<std::size_t>(method));
}

/// Options of classify().
struct ClassifyOptions {
  std::optional<ClassifyMethod> method = {};  ///< the only one; without: cross-validation chooses
  std::int64_t steps = 0;                     ///< of fine-tuning; 0: by rule, see classify_steps()
  double seconds = 0;                         ///< that all of it may take; 0: as long as it takes
  Index label_next = 50;                      ///< images to suggest
  std::uint64_t seed = 1;
};

/// Optimiser steps of fine-tuning on so many labelled images, in batches of 64: 35 passes, but at least 300 steps,
/// below which weights do not move far enough to tell, and at most 1,200. Self-training takes twice as many.
[[nodiscard]] inline std::int64_t classify_steps(Index labelled) {
  return std::clamp<std::int64_t>(std::llround(35.0 * static_cast<double>(labelled) / 64), 300, 1200);
}

/// Folds of the cross-validation: 5, or as many as there are labels. A class with fewer labels is left out of some
/// folds' answers, never of what a fold learns from, as long as it has two.
[[nodiscard]] inline int classify_folds(Index labelled) { return static_cast<int>(std::clamp<Index>(labelled, 2, 5)); }

/// What is tried, and for how long.
struct ClassifyPlan {
  std::vector<ClassifyMethod> methods;
  int folds = 0;
  std::int64_t steps = 0;                  ///< of fine-tuning; self-training takes twice as many
  double seconds = 0;                      ///< estimated, of all
  std::vector<std::string> left_out = {};  ///< what the time does not suffice for, a line each
};

/// Seconds that the parts take.
struct ClassifyCosts {
  double spent = 0;    ///< until now: images were read, the head is done
  double answers = 0;  ///< a classifier's, for all images
  double finetune_step = 0;
  double selftrain_step = 0;
};

/// What fits into options.seconds. Fine-tuning and self-training get fewer steps where they have to, but no fewer than
/// half of the rule's; what does not fit then is left out. Throws SettingError, with a time that would do, where the
/// method that is asked for does not fit.
[[nodiscard]] inline ClassifyPlan plan_classify(const ClassifyOptions& options, Index labelled, int folds,
                                                const ClassifyCosts& costs) {
  const std::int64_t usual = options.steps > 0 ? options.steps : classify_steps(labelled);
  const std::int64_t least = options.steps > 0 ? options.steps : std::max<std::int64_t>(1, usual / 2);
  const auto trainings = static_cast<double>(folds + 1);  // one a fold, and one on all labels
  ClassifyPlan plan{{}, folds, usual, costs.spent};
  double step = 0;                             // of all that is trained, for a step of fine-tuning
  double fixed = costs.spent + costs.answers;  // whatever the steps
  for (const ClassifyMethod method : {ClassifyMethod::head, ClassifyMethod::finetune, ClassifyMethod::selftrain}) {
    if (options.method && *options.method != method) continue;
    const double more = method == ClassifyMethod::head       ? 0
                        : method == ClassifyMethod::finetune ? trainings * costs.finetune_step
                                                             : trainings * 2 * costs.selftrain_step;
    // Where both are trained, the fine-tuned ones may teach: they are asked about all images.
    const bool may_be_taught =
        method == ClassifyMethod::selftrain &&
        std::find(plan.methods.begin(), plan.methods.end(), ClassifyMethod::finetune) != plan.methods.end();
    const double teaching = may_be_taught ? trainings * costs.answers : 0;
    const double shortest = fixed + teaching + static_cast<double>(least) * (step + more);
    if (more > 0 && options.seconds > 0 && shortest > options.seconds) {
      const std::string enough = time_text(1.1 * shortest);
      if (options.method)
        throw SettingError("time", message(time_text(options.seconds), " is too short: ", to_string(method), " of ",
                                           least, " steps, ", folds + 1, " times, takes ", enough));
      plan.left_out.push_back(message(to_string(method), " is left out, with ", enough, " it would be tried"));
      continue;
    }
    plan.methods.push_back(method);
    step += more;
    fixed += teaching;
  }
  if (options.seconds > 0 && step > 0)
    plan.steps = std::clamp(static_cast<std::int64_t>((options.seconds - fixed) / step), least, usual);
  plan.seconds = fixed + static_cast<double>(plan.steps) * step;
  return plan;
}

/// What cross-validation says of a method.
struct MethodResult {
  ClassifyMethod method = ClassifyMethod::head;
  Tensor<float> held_out = {};  ///< (labelled,classes): probabilities by classifiers that did not see the image
  std::int64_t right = 0;       ///< of the labelled images
  double accuracy = 0;          ///< 0..1
  ShareInterval interval = {};  ///< 95 %
  double log_loss = 0;          ///< nats an image
};

/// What is said of a collection, whose image numbers are used throughout.
struct ClassifyResult {
  std::vector<MethodResult> methods;              ///< that were tried
  std::size_t chosen = 0;                         ///< the most accurate; of equals the cheapest
  ClassifyMethod teacher = ClassifyMethod::head;  ///< who teaches in self-training: the better of the other two
  ImageClassifier classifier;                     ///< the chosen method, on all labels
  Tensor<float> probabilities;                    ///< (unlabelled,classes), its
  std::vector<LabelNext> next;                    ///< image: place among the unlabelled
  std::vector<SuspectedLabel> suspected;
  std::vector<NearDuplicate> duplicates;  ///< across labelled and unlabelled, and among the labelled

  [[nodiscard]] const MethodResult& best() const { return methods[chosen]; }
};

}  // namespace contexture
