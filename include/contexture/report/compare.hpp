// SPDX-License-Identifier: MIT
// Finished runs side by side, from what they left in their folders: which is ahead, by how much, and in which options
// they differ.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/report/curve_figure.hpp"
#include "contexture/report/document.hpp"
#include "contexture/report/figures.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/history.hpp"
#include "contexture/report/json.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/curves.hpp"
#include "contexture/study/phase_id.hpp"

namespace contexture::report {

/// A label fraction of a finished run.
struct FinishedExperiment {
  double label_fraction = 1;
  std::int64_t labels = 0;
  std::size_t seeds = 0;
  double scratch = 0, pretrained = 0;  ///< mean test accuracies; NaN where the arm has none
  double low = 0, high = 0;            ///< 95 % interval of the difference over seeds; NaN with one seed
};

/// What summary.json says of a finished run.
struct FinishedRun {
  std::string name, dataset, machine, pretraining;
  std::int64_t train_images = 0, test_images = 0;
  double pretraining_seconds = std::numeric_limits<double>::quiet_NaN(), seconds = 0;
  std::vector<FinishedExperiment> experiments;
  std::map<std::string, std::string> config;
  std::string history;  ///< the text of history.csv; empty: the folder has none
};

namespace detail {

[[nodiscard]] inline double number_or_nan(const Json& value) {
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

[[nodiscard]] inline FinishedRun finished_run(const Json& summary) {
  FinishedRun out;
  out.dataset = summary.at("dataset").get<std::string>();
  out.machine = summary.at("machine").get<std::string>();
  out.train_images = summary.at("images").at("train").get<std::int64_t>();
  out.test_images = summary.at("images").at("test").get<std::int64_t>();
  out.seconds = number_or_nan(summary.at("seconds_total"));
  out.config = summary.at("config").get<std::map<std::string, std::string>>();
  if (const Json& p = summary.at("pretrain"); !p.is_null()) {
    out.pretraining = p.at("task").get<std::string>() + ", " + grouped(p.at("steps").get<std::int64_t>()) + " steps";
    out.pretraining_seconds = number_or_nan(p.at("seconds"));
  }
  for (const Json& e : summary.at("experiments")) {
    const Json& d = e.at("test_accuracy_difference");
    out.experiments.push_back({e.at("label_fraction").get<double>(), e.at("labels").get<std::int64_t>(),
                               e.at("seeds").size(), number_or_nan(e.at("scratch").at("test_accuracy")),
                               number_or_nan(e.at("pretrained").at("test_accuracy")), number_or_nan(d.at("ci95").at(0)),
                               number_or_nan(d.at("ci95").at(1))});
  }
  return out;
}

/// The experiment with this fraction; null: the run has none.
[[nodiscard]] inline const FinishedExperiment* experiment_with(const FinishedRun& run, double fraction) {
  for (const FinishedExperiment& e : run.experiments)
    if (e.label_fraction == fraction) return &e;
  return nullptr;
}

/// The accuracy of the run's better arm.
[[nodiscard]] inline double better_accuracy(const FinishedExperiment& e) {
  if (!is_finite(e.scratch)) return e.pretrained;
  return is_finite(e.pretrained) ? std::max(e.scratch, e.pretrained) : e.scratch;
}

/// The largest label fraction that most runs have, all of them if there is one.
[[nodiscard]] inline double common_fraction(const std::vector<FinishedRun>& runs) {
  std::map<double, std::size_t> counts;
  for (const FinishedRun& run : runs)
    for (const FinishedExperiment& e : run.experiments) ++counts[e.label_fraction];
  double out = 0;
  std::size_t most = 0;
  for (const auto& [fraction, count] : counts)
    if (count >= most) most = count, out = fraction;
  return out;
}

[[nodiscard]] inline Rows accuracy_rows(const std::vector<FinishedRun>& runs) {
  Rows rows = {{"Labels", "Run", "From scratch", "Pre-trained", "Difference (points)", "95 % interval", "Seeds"}};
  std::set<double, std::greater<>> fractions;
  for (const FinishedRun& run : runs)
    for (const FinishedExperiment& e : run.experiments) fractions.insert(e.label_fraction);
  for (const double fraction : fractions) {
    double best = -1;
    for (const FinishedRun& run : runs)
      if (const auto* e = experiment_with(run, fraction); e != nullptr && is_finite(better_accuracy(*e)))
        best = std::max(best, better_accuracy(*e));
    for (const FinishedRun& run : runs) {
      const FinishedExperiment* e = experiment_with(run, fraction);
      if (e == nullptr) continue;
      rows.push_back({percent_name(fraction) + " % (" + grouped(e->labels) + ")", run.name,
                      Cell(percent(e->scratch, 2), Ink::scratch, e->scratch == best),
                      Cell(percent(e->pretrained, 2), Ink::pretrained, e->pretrained == best),
                      points(e->pretrained - e->scratch, 2),
                      is_finite(e->low) ? points(e->low, 2) + " to " + points(e->high, 2) : std::string("one seed"),
                      std::to_string(e->seeds)});
    }
  }
  return rows;
}

[[nodiscard]] inline Rows cost_rows(const std::vector<FinishedRun>& runs) {
  Rows rows = {{"Run", "Data set", "Training images", "Test images", "Pre-training", "Its time", "Whole run"}};
  for (const FinishedRun& run : runs)
    rows.push_back({run.name, run.dataset, grouped(run.train_images), grouped(run.test_images),
                    run.pretraining.empty() ? std::string("none") : run.pretraining,
                    is_finite(run.pretraining_seconds) ? duration(run.pretraining_seconds) : std::string("\u2013"),
                    duration(run.seconds)});
  return rows;
}

/// Validation accuracy of an arm with a label fraction, one curve a seed. Throws InputError naming the run whose
/// history cannot be read.
[[nodiscard]] inline std::vector<SeedCurve> accuracy_curves_of(const FinishedRun& run, double fraction, Arm arm) {
  if (run.history.empty()) return {};
  std::map<std::string_view, SeedCurve> by_seed;
  const PhaseText wanted = text_of(PhaseId{fraction, arm, 0});
  try {
    for (const HistoryLine& line : read_history(run.history)) {
      if (line.experiment != wanted.experiment || line.arm != wanted.arm || line.split != "validation" ||
          !is_finite(line.accuracy))
        continue;
      SeedCurve& curve = by_seed[line.seed];
      curve.step.push_back(line.step);
      curve.seconds.push_back(line.seconds);
      curve.value.push_back(line.accuracy);
    }
  } catch (const InputError& error) {
    throw InputError(message(run.name, ": history.csv, ", error.what()));
  }
  std::vector<SeedCurve> out;
  for (const auto& [seed, curve] : by_seed) out.push_back(curve);
  return out;
}

/// The runs' colours in a figure, in their order; further runs are not in it.
inline constexpr std::array kRunInks{Ink::pretrained, Ink::scratch,         Ink::right,
                                     Ink::same_time,  Ink::scratch_student, Ink::text};

/// A row an option in which the runs differ; the header alone where there is none.
[[nodiscard]] inline Rows option_rows(const std::vector<FinishedRun>& runs) {
  Rows rows = {{"Option"}};
  std::set<std::string> names;
  for (const FinishedRun& run : runs) {
    rows[0].push_back(run.name);
    for (const auto& [name, value] : run.config) names.insert(name);
  }
  for (const std::string& name : names) {
    std::vector<Cell> row{name};
    std::set<std::string> values;
    for (const FinishedRun& run : runs) {
      const auto found = run.config.find(name);
      const std::string value = found == run.config.end() ? "\u2013" : found->second.empty() ? "none" : found->second;
      values.insert(value);
      row.emplace_back(value);
    }
    if (values.size() > 1) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace detail

/// Reads `folder`/summary.json. Throws InputError naming the file and what is wrong with it.
[[nodiscard]] inline FinishedRun read_finished_run(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "summary.json";
  const auto text = detail::read_file(file);
  require_input(text.has_value(), file.string(), ": cannot be read; expected the folder of a finished run");
  try {
    FinishedRun out = detail::finished_run(detail::Json::parse(*text));
    out.history = detail::read_file(folder / "history.csv").value_or("");
    out.name = clean(std::filesystem::absolute(folder / ".").lexically_normal().parent_path().filename().string());
    return out;
  } catch (const detail::Json::exception& error) {
    throw InputError(message(file.string(), ": not a run's summary: ", clean(error.what())));
  }
}

/// Which run is ahead with the most labels that they share, and whether their test images can tell. One sentence or
/// two.
[[nodiscard]] inline std::string comparison_answer(const std::vector<FinishedRun>& runs) {
  const double fraction = detail::common_fraction(runs);
  const FinishedRun *best = nullptr, *next = nullptr;
  double first = 0, second = 0;
  for (const FinishedRun& run : runs) {
    const FinishedExperiment* e = detail::experiment_with(run, fraction);
    if (e == nullptr || !is_finite(detail::better_accuracy(*e))) continue;
    const double accuracy = detail::better_accuracy(*e);
    if (best == nullptr || accuracy > first) {
      next = best, second = first;
      best = &run, first = accuracy;
    } else if (next == nullptr || accuracy > second) {
      next = &run, second = accuracy;
    }
  }
  if (best == nullptr) return "None of the runs has measured an arm.";
  const FinishedExperiment& e = *detail::experiment_with(*best, fraction);
  const std::string arm = e.pretrained == first ? "pre-trained" : "from scratch",
                    labels = percent_name(fraction) + " %";
  if (next == nullptr)
    return "Only " + best->name + " has measured an arm with " + labels + " of the labels: " + percent(first) + ", " +
           arm + ".";
  const std::string both = "With " + labels + " of the labels ";
  const std::string ahead = best->name + " is ahead (" + arm + ", " + percent(first) + " of the test images right); " +
                            next->name + " follows with " + percent(second) + ".";
  if (best->dataset != next->dataset || best->test_images != next->test_images)
    return both + ahead + " They are not of the same test images, so that these do not compare.";
  if (best->test_images < 1) return both + ahead;
  const double noise = 2 * std::hypot(binomial_standard_error(first, best->test_images),
                                      binomial_standard_error(second, best->test_images));
  if (first - second > noise) return both + ahead;
  return both + "no run is ahead for certain: " + best->name + " (" + arm + ") has " + percent(first) +
         " of the test images right, " + next->name + " " + percent(second) + ", and " + grouped(best->test_images) +
         " test images cannot tell less than " + fixed(100 * noise, 1) +
         " points. Run both with more seeds, or keep more test images, before choosing.";
}

/// The curves of up to six runs over each other: validation accuracy by optimiser step with the most labels that they
/// share, a panel an arm, means over seeds. Nothing where fewer than two runs have such curves.
[[nodiscard]] inline std::optional<detail::CurveFigure> comparison_figure(const std::vector<FinishedRun>& runs) {
  using namespace detail;
  const double fraction = common_fraction(runs);
  const std::size_t count = std::min(runs.size(), kRunInks.size());
  CurveFigure out;
  out.name = "curves";
  out.description = "Validation accuracy of every run by optimiser step, a panel for each arm";
  std::vector<bool> shown(count);
  std::vector<Panel> panels;
  for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
    Panel panel;
    panel.title = name_of(arm);
    panel.x_label = "optimiser steps";
    panel.y_label = "validation accuracy";
    panel.percent = panel.whole_x = true;
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<SeedCurve> seeds = accuracy_curves_of(runs[i], fraction, arm);
      if (seeds.empty()) continue;
      shown[i] = true;
      out.show_band |= seeds.size() > 1;
      panel.curves.push_back(
          figure_parts::curve_of(band_of(seeds, true), kRunInks[i], seeds.size(), figure_parts::Axis::step));
    }
    if (!panel.curves.empty()) panels.push_back(std::move(panel));
  }
  for (std::size_t i = 0; i < count; ++i)
    if (shown[i]) out.lines.emplace_back(kRunInks[i], runs[i].name);
  if (out.lines.size() < 2) return std::nullopt;
  out.rows.push_back(std::move(panels));
  out.log_if_wide.push_back(false);
  return out;
}

/// The page on several runs, with what was drawn of comparison_figure().
[[nodiscard]] inline detail::Document comparison_document(const std::vector<FinishedRun>& runs,
                                                          const detail::DrawnFigures& figures = {}) {
  detail::Document doc;
  doc.title = "Runs side by side";
  doc.lead(comparison_answer(runs));
  doc.heading("Test accuracy");
  doc.table(
      detail::accuracy_rows(runs),
      "Means over seeds, of the weights with the best validation accuracy. The interval is of the difference of a "
      "run's own arms, over its seeds. The best of every label fraction is bold; that is no test between runs.");
  const std::string labels = percent_name(detail::common_fraction(runs)) + " % of the labels";
  detail::add_figure(
      doc, figures, "curves",
      "Validation accuracy with " + labels + ", smoothed; means over seeds, the band their range." +
          (runs.size() > detail::kRunInks.size() ? " The first " + std::to_string(detail::kRunInks.size()) + " of " +
                                                       std::to_string(runs.size()) + " runs."
                                                 : std::string()));
  doc.heading("What they cost");
  doc.table(detail::cost_rows(runs), "Times compare where the machine is the same.");
  detail::Rows machines;
  for (const FinishedRun& run : runs) machines.push_back({run.name, run.machine});
  doc.facts(std::move(machines));
  if (detail::Rows rows = detail::option_rows(runs); rows.size() > 1) {
    doc.heading("Options in which they differ");
    doc.table(std::move(rows), "");
  }
  doc.data = R"({"experiments":[],"pretraining":[],"classes":[],"images":{},"gallery":null})";  // tables sort
  return doc;
}

}  // namespace contexture::report
