// The report's sentences: what the numbers say, generated from the numbers, with the uncertainty that
// they have. Gains, losses and ties are worded alike soberly.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/statistics.hpp"
#include "contexture/report/text.hpp"

namespace contexture::detail::report {

/// "a", "a and b", "a, b and c".
[[nodiscard]] inline std::string listed(const std::vector<std::string>& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i)
    out += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return out;
}

[[nodiscard]] inline std::string plural(std::size_t n, std::string_view word) {
  return std::to_string(n) + " " + std::string(word) + (n == 1 ? "" : "s");
}

/// A moment with its unit by `show`: "1,145"; "1,145 (2/3)" where 2 of 3 seeds reached it; "never"; an en dash without
/// seeds.
template <class Show>
[[nodiscard]] std::string moment_text(const Moment& m, Show show) {
  if (m.per_seed.empty()) return "\u2013";
  if (!m.mean_reached) return "never";
  if (m.mean) return show(*m.mean);
  return show(*m.mean_reached) + " (" + std::to_string(m.reached()) + "/" + std::to_string(m.per_seed.size()) + ")";
}
[[nodiscard]] inline std::string steps_text(const Moment& m) {
  return moment_text(m, [](double v) { return grouped(std::llround(v)); });
}
[[nodiscard]] inline std::string seconds_text(const Moment& m, double offset = 0) {
  return moment_text(m, [&](double v) { return duration(v + offset); });
}

/// How the pre-trained moment compares with the scratch moment: "3.4 times sooner", "1.2 times later", "no difference".
/// Empty where one of them is not known for every seed.
[[nodiscard]] inline std::string sooner(const std::optional<double>& scratch, const std::optional<double>& pretrained) {
  if (!scratch || !pretrained) return {};
  const double a = std::max(*scratch, 0.0), b = std::max(*pretrained, 0.0);
  if (a == b) return "no difference";
  if (b == 0) return "from the start";
  if (a == 0) return "later";
  const double ratio = b < a ? a / b : b / a;
  if (ratio < 1.05) return "about the same";
  return fixed(ratio, ratio < 10 ? 1 : 0) + (b < a ? " times sooner" : " times later");
}

/// "after 410 steps from scratch and after 120 pre-trained (3.4 times sooner)".
[[nodiscard]] inline std::string after_steps(const Moment& scratch, const Moment& pretrained) {
  const auto when = [](const Moment& m, const char* unit) {
    if (m.per_seed.empty()) return std::string("not measured");
    if (!m.mean_reached) return std::string("never");
    return "after " + grouped(std::llround(*m.mean_reached)) + unit +
           (m.mean ? "" : " in " + std::to_string(m.reached()) + " of " + plural(m.per_seed.size(), "seed"));
  };
  const std::string ratio = sooner(scratch.mean, pretrained.mean);
  return when(scratch, " steps") + " from scratch and " + when(pretrained, "") + " pre-trained" +
         (ratio.empty() ? "" : " (" + ratio + ")");
}

/// "12 s from scratch and 1 min 42 s pre-trained (8.5 times later)", with `cost` seconds added to the pre-trained
/// moment. Empty where one of the arms has no such moment.
[[nodiscard]] inline std::string time_pair(const Moment& scratch, const Moment& pretrained, double cost) {
  if (!scratch.mean_reached || !pretrained.mean_reached) return {};
  const std::string ratio =
      sooner(scratch.mean, pretrained.mean ? std::optional(*pretrained.mean + cost) : std::nullopt);
  return seconds_text(scratch) + " from scratch and " + seconds_text(pretrained, cost) + " pre-trained" +
         (ratio.empty() ? "" : " (" + ratio + ")");
}

/// One moment in wall time; see in_time().
struct TimedMoment {
  std::string what;  ///< "half of the fall"
  const Moment& scratch;
  const Moment& pretrained;
};

/// The same moments in wall time, so that no count of steps stands alone: " In time, with the 90 s of pre-training
/// counted: half of the fall took 3.0 s from scratch and 93 s pre-trained (31 times later)." Begins with a space; empty
/// where nothing was timed.
[[nodiscard]] inline std::string in_time(const std::vector<TimedMoment>& moments,
                                         const std::optional<PretrainResult>& pretrain) {
  std::vector<std::string> parts;
  for (const TimedMoment& m : moments)
    if (const std::string pair = time_pair(m.scratch, m.pretrained, pretrain ? pretrain->seconds : 0); !pair.empty())
      parts.push_back(m.what + " took " + pair);
  if (parts.empty()) return {};
  return (pretrain ? " In time, with the " + duration(pretrain->seconds) + " of pre-training counted: "
                   : std::string(" In time, without the pre-training of the encoder, which was given: ")) +
         listed(parts) + ".";
}

/// "p = 0.03", "p < 0.001".
[[nodiscard]] inline std::string p_text(double p) {
  if (!std::isfinite(p)) return "p unknown";
  if (p < 0.001) return "p < 0.001";
  return "p = " + fixed(p, p < 0.0995 ? 3 : 2);
}

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

/// Labels that scratch needs: "9,800", "at most 450", "more than 45,000".
[[nodiscard]] inline std::string needed_text(const LabelsSaved& p, std::int64_t most_labels) {
  if (!p.scratch_labels) return "more than " + grouped(most_labels);
  return (p.at_most ? "at most " : "") + grouped(std::llround(*p.scratch_labels));
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
  const std::string of_test_set =
      e.mcnemar ? "McNemar's exact test on " + grouped(test_images) + " test images: " + p_text(e.mcnemar->p)
                : "twice the standard error of " + grouped(test_images) + " test images is " + fixed(100 * j.noise, 1) +
                      " points";
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
  const double sampling = 2 * std::hypot(test_se(e.scratch.test_accuracy.mean, test_images),
                                         test_se(e.pretrained.test_accuracy.mean, test_images));
  if (j.over_seeds && (j.verdict == Verdict::gain || j.verdict == Verdict::loss) &&
      std::abs(e.difference.mean) <= sampling)
    out += " The interval is over seeds that share one test set; drawing other " + grouped(test_images) +
           " test images could move the difference by " + fixed(100 * sampling, 1) + " points.";
  return out + " Macro-F1: " + percent(e.scratch.test_macro_f1.mean) + " and " +
         percent(e.pretrained.test_macro_f1.mean) +
         "; best validation accuracy: " + percent(e.scratch.best_val_accuracy.mean) + " and " +
         percent(e.pretrained.best_val_accuracy.mean) + ".";
}

/// How fast the training loss fell. Empty without a history.
[[nodiscard]] inline std::string loss_sentence(const ExperimentView& e, const std::optional<PretrainResult>& pretrain) {
  if (!std::isfinite(e.loss_start) || !(e.loss_start > e.loss_end)) return {};
  const double half = 0.5 * (e.loss_start + e.loss_end), ninety = e.loss_start - 0.9 * (e.loss_start - e.loss_end);
  std::string out = "The training loss passed " + fixed(half, 2) +
                    " nats (half of the fall that the scratch arm makes in all) " +
                    after_steps(e.scratch.loss_half, e.pretrained.loss_half) + ", and " + fixed(ninety, 2) +
                    " nats (nine tenths) " + after_steps(e.scratch.loss_ninety, e.pretrained.loss_ninety) + "." +
                    in_time({{"half of the fall", e.scratch.loss_half_seconds, e.pretrained.loss_half_seconds},
                             {"nine tenths", e.scratch.loss_ninety_seconds, e.pretrained.loss_ninety_seconds}},
                            pretrain);
  if (std::isfinite(e.scratch.mean_train_loss.mean) && std::isfinite(e.pretrained.mean_train_loss.mean))
    out += " Averaged over the whole training it was " + fixed(e.scratch.mean_train_loss.mean, 3) +
           " from scratch and " + fixed(e.pretrained.mean_train_loss.mean, 3) + " pre-trained; at the end " +
           fixed(e.scratch.final_train_loss.mean, 3) + " and " + fixed(e.pretrained.final_train_loss.mean, 3) + ".";
  return out;
}

/// How fast the metrics rose.
[[nodiscard]] inline std::string rise_sentence(const ExperimentView& e, const std::optional<PretrainResult>& pretrain) {
  if (!e.complete()) return {};
  return "The validation accuracy reached 90 % of the scratch arm's best " +
         after_steps(e.scratch.steps_to.at("90"), e.pretrained.steps_to.at("90")) + ", and 99 % of it " +
         after_steps(e.scratch.steps_to.at("99"), e.pretrained.steps_to.at("99")) + "." +
         in_time({{"90 %", e.scratch.seconds_to.at("90"), e.pretrained.seconds_to.at("90")},
                  {"99 %", e.scratch.seconds_to.at("99"), e.pretrained.seconds_to.at("99")}},
                 pretrain);
}

/// Which arm reached its plateau first.
[[nodiscard]] inline std::string plateau_sentence(const ExperimentView& e,
                                                  const std::optional<PretrainResult>& pretrain) {
  if (!e.complete()) return {};
  const std::string timed =
      in_time({{"reaching the plateau", e.scratch.plateau_seconds, e.pretrained.plateau_seconds}}, pretrain);
  const Moment &a = e.scratch.plateau_step, &b = e.pretrained.plateau_step;
  const auto step = [](const Moment& m) { return grouped(std::llround(*m.mean_reached)); };
  if (!a.mean_reached && !b.mean_reached) return "Neither arm had settled on a plateau when training ended.";
  if (!a.mean_reached)
    return "Only the pre-trained arm settled, at step " + step(b) + "; the scratch arm had not when training ended.";
  if (!b.mean_reached)
    return "Only the scratch arm settled, at step " + step(a) + "; the pre-trained arm had not when training ended.";
  const auto partly = [](const Moment& m) {
    return m.mean ? std::string()
                  : " (in " + std::to_string(m.reached()) + " of " + plural(m.per_seed.size(), "seed") + ")";
  };
  if (std::llround(*a.mean_reached) == std::llround(*b.mean_reached))
    return "Both arms reached their plateau at step " + step(a) + partly(a) + "." + timed;
  const bool pretrained_first = *b.mean_reached < *a.mean_reached;
  const std::string ratio = sooner(a.mean, b.mean);
  return std::string(pretrained_first ? "The pre-trained arm" : "The scratch arm") +
         " reached its plateau first, at step " + step(pretrained_first ? b : a) + partly(pretrained_first ? b : a) +
         " against " + step(pretrained_first ? a : b) + partly(pretrained_first ? a : b) +
         (pretrained_first && !ratio.empty() ? " (" + ratio + ")" : "") + "." + timed;
}

/// The same with the time of pre-training counted.
[[nodiscard]] inline std::string time_sentence(const ExperimentView& e, const std::optional<PretrainResult>& pretrain) {
  if (!e.complete()) return {};
  const Moment &a = e.scratch.seconds_to.at("90"), &b = e.pretrained.seconds_to.at("90");
  const std::string level = "90 % of the scratch arm's best";
  if (!pretrain) {
    std::string out = "The encoder was given, so this run cannot count the time of its pre-training.";
    if (a.mean && b.mean)
      out += " Without it, " + level + " took " + duration(*a.mean) + " from scratch and " + duration(*b.mean) +
             " pre-trained.";
    return out;
  }
  const double cost = pretrain->seconds;
  if (!a.mean || !b.mean)
    return "Pre-training took " + duration(cost) + " before the first of these steps; " + level + " was reached " +
           (b.mean_reached ? "after " + seconds_text(b, cost) : "never") + " with it and " +
           (a.mean_reached ? "after " + seconds_text(a) : "never") + " from scratch.";
  const double with = *b.mean + cost;
  std::string out = "With the " + duration(cost) + " of pre-training counted, the pre-trained arm reached " + level +
                    " after " + duration(with) + ", the scratch arm after " + duration(*a.mean) + ": " +
                    (with < *a.mean   ? "pre-training was ahead"
                     : with > *a.mean ? "scratch was ahead"
                                      : "the same") +
                    ".";
  const double saved = *a.mean - *b.mean;
  if (with > *a.mean && saved > 0)
    out += " Each training saves " + duration(saved) +
           " up to that level, so the encoder pays for its time when it serves " +
           grouped(static_cast<std::int64_t>(std::min(1e9, std::ceil(cost / saved)))) + " of them.";
  else if (with > *a.mean)
    out += " It saves no time up to that level.";
  return out;
}

/// The answer in one sentence, over all experiments.
[[nodiscard]] inline std::string headline(const RunSummary& run, const std::vector<ExperimentView>& views) {
  std::vector<std::string> gains, ties, losses;
  std::size_t seeds = 0;
  for (const ExperimentView& e : views) {
    const Judgement j = judge(e, run.test_images);
    const std::string where = e.key + " %", size = fixed(100 * std::abs(e.difference.mean), 1);
    if (j.verdict == Verdict::gain) gains.push_back(size + " points with " + where);
    if (j.verdict == Verdict::loss) losses.push_back(size + " points with " + where);
    if (j.verdict == Verdict::tie) ties.push_back(where);
    seeds = std::max(seeds, e.difference.per_seed.size());
  }
  std::vector<std::string> clauses;
  if (!gains.empty()) clauses.push_back("raised test accuracy by " + listed(gains));
  if (!ties.empty()) clauses.push_back("made no difference that can be told from noise with " + listed(ties));
  if (!losses.empty()) clauses.push_back("cost " + listed(losses));
  if (clauses.empty()) return "No experiment was measured with both arms, so there is nothing to compare yet.";
  return "Pre-training " + listed(clauses) + " of the labels." +
         (seeds == 1 ? " This rests on one seed: how much it varies from seed to seed is not known." : "");
}

/// What the pretext accuracy says.
[[nodiscard]] inline std::string pretext_sentence(const PretrainResult& p) {
  std::string out = "The encoder was pre-trained by " + (p.task.empty() ? std::string("a pretext task") : p.task) +
                    " for " + grouped(p.steps) + " steps (" + duration(p.seconds) +
                    "). It ended at a validation loss of " + fixed(p.loss, 3) + " and answered " + percent(p.accuracy) +
                    " of the pretext questions rightly; who knows nothing is right in " + percent(p.chance) + ".";
  if (std::isfinite(p.accuracy) && p.accuracy <= p.chance + 0.02)
    out += " That is no better than chance: the encoder has learned nothing from the task.";
  else if (p.accuracy > p.suspicious_accuracy)
    out += " Pretext accuracy is an alarm rather than a score: above " + percent(p.suspicious_accuracy, 0) +
           " on photographs it often means that the encoder found a shortcut, such as edges that continue across the "
           "gap or traces of compression.";
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

}  // namespace contexture::detail::report
