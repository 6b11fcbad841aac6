// SPDX-License-Identifier: MIT
// Phrases that sentences and tables of a report are made of: moments, ratios, p-values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/statistics.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

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
  // A moment close to the beginning makes ratios of any size.
  if (ratio > 20) return std::string("more than 20 times ") + (b < a ? "sooner" : "later");
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
  if (!is_finite(p)) return "p unknown";
  if (p < 0.001) return "p < 0.001";
  return "p = " + fixed(p, p < 0.0995 ? 3 : 2);
}

/// Labels that scratch needs: "9,800", "at most 450", "more than 45,000".
[[nodiscard]] inline std::string needed_text(const LabelsSaved& p, std::int64_t most_labels) {
  if (!p.scratch_labels) return "more than " + grouped(most_labels);
  return (p.at_most ? "at most " : "") + grouped(std::llround(*p.scratch_labels));
}

}  // namespace contexture::report::detail
