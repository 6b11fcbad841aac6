// SPDX-License-Identifier: MIT
// What to do next, from the numbers of a run, and what its test set and seeds can show at all. The same words on the
// page, in report.md and on the terminal. Pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/evaluate/metrics.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report {

namespace detail {

/// The experiment with the most labels of those with both arms; null: none.
[[nodiscard]] inline const ExperimentView* fullest(const std::vector<ExperimentView>& views) {
  const ExperimentView* out = nullptr;
  for (const ExperimentView& e : views)
    if (e.complete() && is_finite(e.difference.mean) && (out == nullptr || e.label_fraction > out->label_fraction))
      out = &e;
  return out;
}

/// The arm to use: by the verdict, and where there is none by validation accuracy, which no test image has part in.
[[nodiscard]] inline Arm better_arm(const ExperimentView& e, Verdict verdict) {
  if (verdict == Verdict::gain) return Arm::pretrained;
  if (verdict == Verdict::loss) return Arm::scratch;
  return e.pretrained.best_val_accuracy.mean > e.scratch.best_val_accuracy.mean ? Arm::pretrained : Arm::scratch;
}

/// Of an arm, its student, and from scratch the arm that had more time: the one with the best validation accuracy, and
/// its test accuracy.
[[nodiscard]] inline std::pair<Arm, double> best_of_kind(const RunSummary& run, const ExperimentView& e, Arm arm) {
  std::pair<Arm, double> out{arm, e.arm(arm).test_accuracy.mean};
  double most = e.arm(arm).best_val_accuracy.mean;
  for (const ExperimentResult& results : run.experiments) {
    if (results.label_fraction != e.label_fraction) continue;
    for (const auto& [further, of_seeds] : results.more) {
      if (begins_pretrained(further) != begins_pretrained(arm) || of_seeds.size() < e.arm(arm).seeds) continue;
      const ArmView view = view_arm(of_seeds);
      if (!(view.best_val_accuracy.mean > most)) continue;
      most = view.best_val_accuracy.mean;
      out = {further, view.test_accuracy.mean};
    }
  }
  return out;
}

/// A count as one says it: two digits, from 100 on.
[[nodiscard]] inline std::int64_t about(double count) {
  if (!(count >= 100)) return std::max<std::int64_t>(1, std::llround(count));
  const double unit = std::pow(10, std::floor(std::log10(count)) - 1);
  return std::llround(std::round(count / unit) * unit);
}

/// "about 3.4 points", "25 points".
[[nodiscard]] inline std::string points_wide(double share) {
  return fixed(100 * share, share < 0.0995 ? 1 : 0) + " points";
}

/// A class that is answered rightly far less often than the rest.
struct WeakClass {
  std::int64_t label = 0;
  double recall = 0;  ///< share of its test images that are answered rightly
  double share = 0;   ///< of all test images
};

/// The class that is missed most, if that is more than chance: even the upper end of its 95 % interval is below the
/// accuracy over all classes. Counts are over `seeds` that saw the same images, which are no more images for that.
[[nodiscard]] inline std::optional<WeakClass> weakest_class(const ConfusionMatrix& m, std::size_t seeds) {
  const double all = accuracy(m);
  double images = 0;
  for (const std::int64_t n : m.counts) images += static_cast<double>(n);
  std::optional<WeakClass> out;
  for (std::int64_t t = 0; t < m.classes && seeds > 0; ++t) {
    std::int64_t total = 0;
    for (std::int64_t p = 0; p < m.classes; ++p) total += m.counts[static_cast<std::size_t>(t * m.classes + p)];
    if (total == 0) continue;
    const std::int64_t right = m.counts[static_cast<std::size_t>(t * m.classes + t)];
    const auto n = static_cast<std::int64_t>(seeds);
    const double recall = static_cast<double>(right) / static_cast<double>(total);
    if (wilson_interval(std::min(total / n, right / n), total / n).high < all && (!out || recall < out->recall))
      out = WeakClass{t, recall, static_cast<double>(total) / images};
  }
  return out;
}

/// "Then label about 200 more images of \u201ccat\u201d, ..."; empty where nothing says which labels would help.
[[nodiscard]] inline std::string label_advice(const RunSummary& run, const std::vector<ExperimentView>& views,
                                              const ExperimentView& best, Arm arm) {
  if (best.label_fraction < 1) return {};  // there are labels that the run did not use
  if (const auto weak = weakest_class(best.arm(arm).confusion, best.arm(arm).seeds)) {
    const auto i = static_cast<std::size_t>(weak->label);
    const std::string name = i < run.class_names.size() ? "\u201c" + abridged(clean(run.class_names[i]), 40) + "\u201d"
                                                        : "class " + std::to_string(weak->label);
    return " Then label about " + grouped(about(weak->share * static_cast<double>(best.labels))) + " more images of " +
           name + ", as many as it has now: it is missed most, and only " + percent(weak->recall, 0) +
           " of its test images are right.";
  }
  const ExperimentView* before = nullptr;
  for (const ExperimentView& e : views)
    if (e.complete() && e.label_fraction < best.label_fraction &&
        (before == nullptr || e.label_fraction > before->label_fraction))
      before = &e;
  if (before == nullptr) return {};
  const double rise = best.arm(arm).test_accuracy.mean - before->arm(arm).test_accuracy.mean;
  const double told = 2 * std::hypot(test_se(best.arm(arm).test_accuracy.mean, run.test_images),
                                     test_se(before->arm(arm).test_accuracy.mean, run.test_images));
  if (!(rise > told)) return {};
  return " Then label more images of every class: from " + before->key + " % to " + best.key +
         " % of the labels test accuracy rose by " + points_wide(rise) + ".";
}

/// What would decide an open question: more test images, more seeds, or longer pre-training.
[[nodiscard]] inline std::string decision_advice(const RunSummary& run, const ExperimentView& e, const Judgement& j) {
  if (run.pretrain && run.pretrain->no_better_than_chance())
    return " Pre-train longer or on more images before judging it: the encoder is no better than chance at its own "
           "task.";
  const double images = smallest_telling(discordant_images(e, run.test_images), run.test_images);
  const double seen = std::abs(e.difference.mean);
  const auto seeds = e.difference.per_seed.size();
  const bool by_seeds = j.over_seeds && j.smallest > images;
  if (!by_seeds && images > 0.05) {
    std::string out = " To decide it, keep more test images";
    // What can be told falls with the square root of the images.
    if (seen > 0.002 && seen < images)
      out += ": about " + grouped(about(static_cast<double>(run.test_images) * std::pow(images / seen, 2))) +
             " would show a difference as large as the one seen, " + points_wide(seen);
    return out + ".";
  }
  if (seeds < 5)
    return " To decide it, repeat the run with " + std::string(seeds < 3 ? "five" : "ten") + " seeds: " +
           (seeds == 1 ? "one seed does not tell how much results vary."
                       : std::to_string(seeds) + " seeds, as they vary here, cannot show less than " +
                             points_wide(j.smallest) + ".");
  return {};
}

}  // namespace detail

/// What to do, in a sentence or a few; the first is the answer. Names weights by the stem of their file.
[[nodiscard]] inline std::string advice(const RunSummary& run, const std::vector<ExperimentView>& views) {
  using namespace detail;
  const ExperimentView* const best = fullest(views);
  if (best == nullptr)
    return "No experiment was measured with both arms, so there is nothing to compare yet: let both arms finish.";
  if (run.test_images < 1)
    return "Keep some images aside as a test set: without one, nothing can be said of how good a classifier is.";
  const Judgement judged = judge(*best, run.test_images);
  const Arm arm = better_arm(*best, judged.verdict);
  std::vector<std::string> gains, losses;
  bool by_seeds_alone = false;
  const ExperimentView* open = nullptr;  // the one with the most labels that is not decided
  for (const ExperimentView& e : views) {
    const Judgement j = judge(e, run.test_images);
    const std::string part = fixed(100 * std::abs(e.difference.mean), 1) + " points with " + e.key + " %";
    if (j.verdict == Verdict::gain) gains.push_back(part);
    if (j.verdict == Verdict::loss) losses.push_back(part);
    by_seeds_alone |= (j.verdict == Verdict::gain || j.verdict == Verdict::loss) && e.mcnemar && e.mcnemar->p >= 0.05;
    if (j.verdict == Verdict::tie && (open == nullptr || e.label_fraction > open->label_fraction)) open = &e;
  }
  const auto [used, used_accuracy] = best_of_kind(run, *best, arm);
  std::string out = "Use classifier_" + best->key + "_" + to_string(used) + ", right on " + percent(used_accuracy) +
                    " of the test images: ";
  const Judgement of_open = open != nullptr ? judge(*open, run.test_images) : Judgement{};
  const double bound = std::max(std::abs(of_open.low), std::abs(of_open.high));
  if (!gains.empty())
    out += "pre-training is worth " + listed(gains) + " of the labels" +
           (losses.empty() ? "." : ", and costs " + listed(losses) + ".");
  else if (!losses.empty())
    out += "leave pre-training out, it costs " + listed(losses) + " of the labels.";
  else if (open != nullptr && bound <= 0.01)
    out += "pre-training changes that by at most " + points_wide(bound) + ", so it can be left out.";
  else
    out += "whether pre-training helps is not decided by this run.";
  if (gains.empty() && losses.empty() && open != nullptr && bound > 0.01) out += decision_advice(run, *open, of_open);
  if (by_seeds_alone)
    out += " The seeds agree on that, but " + grouped(run.test_images) +
           " test images are too few to say so of other images: keep more.";
  return out + label_advice(run, views, *best, arm);
}

/// What the run can show at all, whatever it found: "24 test images cannot show a difference below 25 points." Empty
/// without an experiment of both arms.
[[nodiscard]] inline std::string resolution_sentence(const RunSummary& run, const std::vector<ExperimentView>& views) {
  double by_images = std::numeric_limits<double>::infinity(), by_seeds = by_images;
  std::size_t seeds = 0;
  for (const ExperimentView& e : views) {
    if (!e.complete() || run.test_images < 1 || !is_finite(e.difference.mean)) continue;
    by_images = std::min(by_images, smallest_telling(discordant_images(e, run.test_images), run.test_images));
    if (!e.difference.has_interval()) continue;
    by_seeds = std::min(by_seeds, e.difference.half_width_95);
    seeds = std::max(seeds, e.difference.per_seed.size());
  }
  if (!is_finite(by_images)) return {};
  const std::string images = grouped(run.test_images) + (run.test_images == 1 ? " test image" : " test images");
  std::string out = images + (by_images > 1 ? " cannot show any difference (exact test, p < 0.05)."
                                            : " cannot show a difference below " + detail::points_wide(by_images) +
                                                  " (exact test, p < 0.05).");
  if (is_finite(by_seeds) && by_seeds > by_images)
    out += " " + plural(seeds, "seed") + ", as they vary here, cannot show one below " + detail::points_wide(by_seeds) +
           ".";
  return out;
}

}  // namespace contexture::report
