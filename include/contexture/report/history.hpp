// SPDX-License-Identifier: MIT
// The history of a run: as history.csv, and as curves, one a seed, averaged over seeds, and where they cross a level.
// Nothing else in this room knows how a row says whose it is. Pure functions.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/curves.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report {

/// One curve of one seed.
struct SeedCurve {
  std::uint64_t seed = 0;
  std::vector<std::int64_t> step;
  std::vector<double> seconds;
  std::vector<double> value;
};

/// One point of a curve averaged over the seeds that have a value at this step.
struct BandPoint {
  double step = 0, seconds = 0;        ///< seconds: mean over seeds
  double mean = 0, low = 0, high = 0;  ///< low, high: smallest and largest seed
  double raw = 0;                      ///< mean before smoothing
};

namespace detail {

/// Curves of the rows that `wanted` picks, one a seed, in the order of first appearance; values that are not finite are
/// left out, and so are curves without a value.
template <class Wanted, class Value>
[[nodiscard]] std::vector<SeedCurve> curves_where(const RunSummary& run, Wanted wanted, Value value) {
  std::vector<SeedCurve> out;
  for (const PhaseRow& row : run.history) {
    if (!wanted(row)) continue;
    const std::uint64_t seed = row.phase.seed;
    auto at = std::find_if(out.begin(), out.end(), [&](const SeedCurve& c) { return c.seed == seed; });
    if (at == out.end()) at = out.insert(out.end(), SeedCurve{seed, {}, {}, {}});
    const double v = value(row);
    if (!is_finite(v)) continue;
    at->step.push_back(row.step);
    at->seconds.push_back(row.seconds);
    at->value.push_back(v);
  }
  std::erase_if(out, [](const SeedCurve& c) { return c.step.empty(); });
  return out;
}

[[nodiscard]] inline bool of_pretraining(const PhaseRow& row) { return row.phase.pretraining(); }

}  // namespace detail

/// Curves of one arm on one split ("train", "validation"), one a seed that was measured with both arms, in the order of
/// first appearance. `value` picks the column.
template <class Value>
[[nodiscard]] std::vector<SeedCurve> arm_curves(const RunSummary& run, double label_fraction, Arm arm,
                                                std::string_view split, Value value) {
  const auto measured = std::find_if(run.experiments.begin(), run.experiments.end(),
                                     [&](const ExperimentResult& e) { return e.label_fraction == label_fraction; });
  const auto wanted = [&](const PhaseRow& row) {
    return row.phase == PhaseId{label_fraction, arm, row.phase.seed} && row.split == split &&
           // A seed one of whose arms diverged is in the history alone.
           (measured == run.experiments.end() ||
            std::find(measured->seeds.begin(), measured->seeds.end(), row.phase.seed) != measured->seeds.end());
  };
  return detail::curves_where(run, wanted, value);
}

/// Curves of pre-training on one split, one a seed.
template <class Value>
[[nodiscard]] std::vector<SeedCurve> pretraining_curves(const RunSummary& run, std::string_view split, Value value) {
  return detail::curves_where(
      run, [&](const PhaseRow& row) { return detail::of_pretraining(row) && row.split == split; }, value);
}

/// Has the history a row of pre-training?
[[nodiscard]] inline bool tells_of_pretraining(const RunSummary& run) {
  return std::any_of(run.history.begin(), run.history.end(), detail::of_pretraining);
}
/// Has it a row of an arm?
[[nodiscard]] inline bool tells_of_arms(const RunSummary& run) {
  return !std::all_of(run.history.begin(), run.history.end(), detail::of_pretraining);
}

/// Seconds of the longest arm.
[[nodiscard]] inline double longest_arm(const RunSummary& run) {
  double out = 0;
  for (const PhaseRow& row : run.history)
    if (!detail::of_pretraining(row) && is_finite(row.seconds)) out = std::max(out, row.seconds);
  return out;
}

/// The first line of history.csv.
inline constexpr std::string_view kHistoryHeader =
    "experiment,arm,seed,step,epoch,seconds,split,loss,accuracy,macro_f1";

/// The text of history.csv: every number reads back as it was.
[[nodiscard]] inline std::string history_csv(const RunSummary& run) {
  std::string out = std::string(kHistoryHeader) + "\n";
  for (const PhaseRow& r : run.history) {
    const PhaseText phase = text_of(r.phase);
    out += phase.experiment + "," + phase.arm + "," + phase.seed + "," + std::to_string(r.step) + "," + exact(r.epoch) +
           "," + exact(r.seconds) + "," + r.split + "," + exact(r.loss) + "," + exact(r.accuracy) + "," +
           exact(r.macro_f1) + "\n";
  }
  return out;
}

/// A line of history.csv; the texts are parts of what was read.
struct HistoryLine {
  std::string_view experiment, arm, seed, split;  ///< experiment "pretrain": the others are of pre-training
  std::int64_t step = 0;
  double seconds = 0, loss = 0, accuracy = 0, macro_f1 = 0;
};

/// The lines of a history.csv. Throws InputError naming the line that is none of such a file.
[[nodiscard]] inline std::vector<HistoryLine> read_history(std::string_view text) {
  std::vector<HistoryLine> out;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (++number == 1) {
      require_input(line == kHistoryHeader, "line 1: '", line, "', expected '", kHistoryHeader, "'");
      continue;
    }
    std::vector<std::string_view> fields;
    for (std::size_t from = 0; from <= line.size();) {
      const std::size_t comma = std::min(line.find(',', from), line.size());
      fields.push_back(line.substr(from, comma - from));
      from = comma + 1;
    }
    require_input(fields.size() == 10, "line ", number, ": ", fields.size(), " fields, expected 10");
    const auto value = [&](std::size_t i) {
      double read = 0;
      const auto [rest, error] = std::from_chars(fields[i].data(), fields[i].data() + fields[i].size(), read);
      require_input(error == std::errc() && rest == fields[i].data() + fields[i].size(), "line ", number, ": '",
                    fields[i], "' is no number");
      return read;
    };
    const double step = value(3);
    require_input(step >= 0 && step < 9e15, "line ", number, ": step ", step);
    out.push_back({fields[0], fields[1], fields[2], fields[6], static_cast<std::int64_t>(step), value(5), value(7),
                   value(8), value(9)});
  }
  require_input(number > 0, "is empty");
  return out;
}

/// The values after the smoothing that plateau and steps_to are measured on.
[[nodiscard]] inline std::vector<double> smoothed_values(const SeedCurve& curve) {
  std::vector<CurvePoint> points;
  for (const double v : curve.value) points.push_back({0, 0, v});
  return smoothed(points);
}

/// Averages over seeds, step by step; the band is the range of the seeds.
[[nodiscard]] inline std::vector<BandPoint> band_of(const std::vector<SeedCurve>& curves, bool smooth) {
  struct Sums {
    double n = 0, seconds = 0, mean = 0, raw = 0, low = 0, high = 0;
  };
  std::map<std::int64_t, Sums> at_step;
  for (const SeedCurve& curve : curves) {
    const std::vector<double> values = smooth ? smoothed_values(curve) : curve.value;
    for (std::size_t i = 0; i < values.size(); ++i) {
      Sums& s = at_step[curve.step[i]];
      s.low = s.n == 0 ? values[i] : std::min(s.low, values[i]);
      s.high = s.n == 0 ? values[i] : std::max(s.high, values[i]);
      s.n += 1;
      s.seconds += curve.seconds[i];
      s.mean += values[i];
      s.raw += curve.value[i];
    }
  }
  std::vector<BandPoint> out;
  for (const auto& [step, s] : at_step)
    out.push_back({static_cast<double>(step), s.seconds / s.n, s.mean / s.n, s.low, s.high, s.raw / s.n});
  return out;
}

/// A place on a curve.
struct CurvePlace {
  double step = 0, seconds = 0;
};

/// Where the curve is first at or below `level`, linearly between two measurements.
[[nodiscard]] inline std::optional<CurvePlace> first_below(const SeedCurve& curve, double level) {
  for (std::size_t i = 0; i < curve.value.size(); ++i) {
    if (!(curve.value[i] <= level)) continue;
    const auto step = static_cast<double>(curve.step[i]);
    if (i == 0) return CurvePlace{step, curve.seconds[0]};
    const double before = curve.value[i - 1], fall = before - curve.value[i];
    const double share = fall > 0 ? (before - level) / fall : 1.0;
    const auto from = static_cast<double>(curve.step[i - 1]);
    return CurvePlace{from + share * (step - from),
                      curve.seconds[i - 1] + share * (curve.seconds[i] - curve.seconds[i - 1])};
  }
  return std::nullopt;
}

}  // namespace contexture::report
