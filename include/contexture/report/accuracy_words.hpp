// SPDX-License-Identifier: MIT
// Sentences on how good the arms are and how sure that is, generated from the numbers. Gains, losses and ties are
// worded alike soberly.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contexture/report/experiment_view.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/text.hpp"
#include "contexture/report/words.hpp"

namespace contexture::report::detail {

/// What the exact tests say: over seeds, and over test images. Empty where there is nothing to test.
[[nodiscard]] inline std::string significance_sentence(const ExperimentView& e) {
  std::string out;
  const auto pairs = static_cast<std::size_t>(e.sign.better + e.sign.worse + e.sign.ties);
  if (pairs >= 2) {
    out = "The pre-trained arm is better with " + std::to_string(e.sign.better) + " of " + plural(pairs, "seed") +
          (e.sign.ties > 0 ? ", equal with " + std::to_string(e.sign.ties) : "") +
          " (exact sign test: " + p_text(e.sign.p);
    if (e.sign.better + e.sign.worse > 0 && e.sign.smallest_p() > 0.05)
      out += "; as few as these cannot give less than " + exact(e.sign.smallest_p());
    out += ").";
  }
  if (!e.mcnemar) return out;
  if (!out.empty()) out += " ";
  if (e.mcnemar_per_seed.size() == 1)
    return out + "Of the test images that just one of the two classifiers answers rightly, the pre-trained one has " +
           grouped(e.mcnemar->pretrained) + " and the scratch one " + grouped(e.mcnemar->scratch) +
           " (exact McNemar test: " + p_text(e.mcnemar->p) + ").";
  double low = 1, high = 0;
  for (const McNemar& m : e.mcnemar_per_seed) {
    low = std::min(low, m.p);
    high = std::max(high, m.p);
  }
  return out + "Over all seeds " + grouped(e.mcnemar->pretrained) + " test images favour the pre-trained arm and " +
         grouped(e.mcnemar->scratch) +
         " the scratch arm (exact test, an image being one vote: " + p_text(e.mcnemar->p) +
         "); McNemar's test seed by seed gives " +
         (p_text(low) == p_text(high) ? p_text(low) : p_text(low) + " to " + p_text(high)) + ".";
}

/// How many labels the scratch arm needs to be as good as the pre-trained one. Empty without such a view.
[[nodiscard]] inline std::string labels_saved_sentence(const std::vector<LabelsSaved>& points) {
  if (points.empty()) return {};
  const std::int64_t most = points.back().experiment->labels;
  std::vector<std::string> parts;
  for (const LabelsSaved& p : points) {
    std::string part = "with " + grouped(p.experiment->labels);
    if (!p.scratch_labels)
      part += p.experiment->labels == most ? ", more than that" : ", more than the " + grouped(most) + " of this run";
    else if (p.factor().value_or(0) <= 1)
      part += ", " + needed_text(p, most) + ", so none are saved";
    else
      part += ", " + needed_text(p, most) + " (" + fixed(*p.factor(), 1) + " times as many)";
    parts.push_back(std::move(part));
  }
  std::string out = "Labels that the scratch arm needs to reach the pre-trained arm's test accuracy: ";
  for (std::size_t i = 0; i < parts.size(); ++i) out += (i > 0 ? "; " : "") + parts[i];
  return out + ".";
}

/// What an interval over seeds leaves out, where it matters: that all seeds answered the same test images. Begins with
/// a space; empty where the images tell the same.
[[nodiscard]] inline std::string shared_test_set_sentence(const ExperimentView& e, const Judgement& j,
                                                          std::int64_t test_images) {
  if (!j.over_seeds || (j.verdict != Verdict::gain && j.verdict != Verdict::loss)) return {};
  if (e.mcnemar)
    return e.mcnemar->p < 0.05
               ? ""
               : " The interval is over seeds that share one test set; the exact test on its " + grouped(test_images) +
                     " images (" + p_text(e.mcnemar->p) + ") does not say that other images would show the difference.";
  const double sampling = 2 * std::hypot(test_se(e.scratch.test_accuracy.mean, test_images),
                                         test_se(e.pretrained.test_accuracy.mean, test_images));
  if (std::abs(e.difference.mean) > sampling) return {};
  return " The interval is over seeds that share one test set; drawing other " + grouped(test_images) +
         " test images could move the difference by " + fixed(100 * sampling, 1) + " points.";
}

/// The best metrics of one experiment.
[[nodiscard]] inline std::string accuracy_sentence(const ExperimentView& e, std::int64_t test_images) {
  if (!e.complete())
    return e.scratch.seeds + e.pretrained.seeds == 0
               ? "Nothing was measured."
               : std::string("Only the arm ") +
                     (e.scratch.seeds > 0 ? "from scratch" : "with the pre-trained encoder") +
                     " was measured, so there is nothing to compare.";
  const std::size_t seeds = e.difference.per_seed.size();
  const std::string from = percent(e.scratch.test_accuracy.mean), to = percent(e.pretrained.test_accuracy.mean);
  const std::string change = points(e.difference.mean);
  const std::string size = fixed(100 * std::abs(e.difference.mean), 1);
  const Judgement j = judge(e, test_images);
  const std::string of_test_set = e.mcnemar ? "exact 95 % interval of " + grouped(test_images) + " test images " +
                                                  points(j.low) + " to " + points(j.high) + ", McNemar's test " +
                                                  p_text(e.mcnemar->p)
                                            : "twice the standard error of " + grouped(test_images) +
                                                  " test images is " + fixed(100 * j.smallest, 1) + " points";
  const std::string interval = j.over_seeds ? "95 % interval " + points(e.difference.low()) + " to " +
                                                  points(e.difference.high()) + " over " + plural(seeds, "seed")
                                            : "one seed; " + of_test_set;
  std::string out;
  switch (j.verdict) {
    case Verdict::gain:
      out = "Pre-training raised test accuracy from " + from + " to " + to + ": " + change + " points (" + interval +
            ").";
      break;
    case Verdict::loss:
      out = "Pre-training cost " + size + " points of test accuracy: " + from + " from scratch, " + to +
            " pre-trained (" + interval + ").";
      break;
    case Verdict::tie:
      if (e.difference.mean == 0 && !(e.difference.half_width_95 > 0)) {
        out = "Test accuracy is the same in both arms: " + from + ".";
        break;
      }
      out = "Test accuracy is " + from + " from scratch and " + to + " pre-trained. The difference of " + change +
            " points is within the noise ";
      out += (j.over_seeds ? "between seeds (" + interval : "of the test set (" + of_test_set) + ").";
      break;
    case Verdict::unknown:
      out = "Test accuracy is " + from + " from scratch and " + to +
            " pre-trained; how certain the difference is cannot be told.";
  }
  out += shared_test_set_sentence(e, j, test_images);
  return out + " Macro-F1: " + percent(e.scratch.test_macro_f1.mean) + " and " +
         percent(e.pretrained.test_macro_f1.mean) +
         "; best validation accuracy: " + percent(e.scratch.best_val_accuracy.mean) + " and " +
         percent(e.pretrained.best_val_accuracy.mean) + ".";
}

/// What was found, over all experiments: gains and losses, then what the run is too small to tell.
[[nodiscard]] inline std::string headline(const RunSummary& run, const std::vector<ExperimentView>& views) {
  std::vector<std::string> gains, ties, losses;
  std::size_t seeds = 0;
  for (const ExperimentView& e : views) {
    const Judgement j = judge(e, run.test_images);
    const std::string where = e.key + " %", size = fixed(100 * std::abs(e.difference.mean), 1);
    if (j.verdict == Verdict::gain) gains.push_back(size + " points with " + where);
    if (j.verdict == Verdict::loss) losses.push_back(size + " points with " + where);
    if (j.verdict == Verdict::tie)
      ties.push_back("with " + where + " (" + points(e.difference.mean) + " points; " +
                     (e.difference.has_interval() || e.mcnemar ? "interval " + points(j.low) + " to " + points(j.high)
                                                               : "noise \u00b1" + fixed(100 * j.smallest, 1)) +
                     ")");
    seeds = std::max(seeds, e.difference.per_seed.size());
  }
  std::vector<std::string> clauses;
  if (!gains.empty()) clauses.push_back("raised test accuracy by " + listed(gains));
  if (!losses.empty()) clauses.push_back("cost " + listed(losses));
  if (clauses.empty() && ties.empty()) return {};
  std::string out = clauses.empty() ? "" : "Pre-training " + listed(clauses) + " of the labels. ";
  if (!ties.empty()) out += "Not to be told from noise: the difference " + listed(ties) + " of the labels. ";
  if (seeds == 1) out += "This rests on one seed: how much it varies from seed to seed is not known. ";
  out.pop_back();
  return out;
}

/// The confusions that occur most, of both arms: "cat taken for dog (12 % of all cat)". Empty: no errors.
template <class Name>
[[nodiscard]] std::vector<std::string> worst_confusions(const ConfusionMatrix& m, Name name, std::size_t most = 3) {
  struct Pair {
    std::int64_t truth, answer;
    double share;
  };
  std::vector<Pair> pairs;
  for (std::int64_t t = 0; t < m.classes; ++t) {
    std::int64_t total = 0;
    for (std::int64_t p = 0; p < m.classes; ++p) total += m.counts[static_cast<std::size_t>(t * m.classes + p)];
    for (std::int64_t p = 0; p < m.classes; ++p)
      if (const std::int64_t n = m.counts[static_cast<std::size_t>(t * m.classes + p)]; t != p && n > 0)
        pairs.push_back({t, p, static_cast<double>(n) / static_cast<double>(total)});
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.share > b.share; });
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::min(most, pairs.size()); ++i)
    out.push_back(name(pairs[i].truth) + " taken for " + name(pairs[i].answer) + " (" + percent(pairs[i].share, 0) +
                  ")");
  return out;
}

}  // namespace contexture::report::detail
