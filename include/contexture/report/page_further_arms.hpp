// SPDX-License-Identifier: MIT
// The further arms in a report: tables, the sceptic's question, and a figure.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/curve_figure.hpp"
#include "contexture/report/document.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/figures.hpp"
#include "contexture/report/further_arms.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/text.hpp"
#include "contexture/report/words.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

/// Validation accuracy of all arms by time, each behind what it needs: pre-training, its teacher. None: no such arms.
[[nodiscard]] inline std::optional<CurveFigure> further_arms_figure(const RunSummary& run) {
  const std::vector<FurtherArms> all = further_arms(run);
  if (all.empty()) return std::nullopt;
  CurveFigure out;
  out.name = "further_arms";
  out.description = "Validation accuracy of all arms by time, with pre-training and teachers included";
  double longest = 0;
  for (const FurtherArms& f : all)
    for (const ArmTotal& a : f.arms) longest = std::max(longest, a.before + a.view.seconds.mean);
  const TimeUnit unit = time_unit(longest);
  std::vector<Panel> row;
  for (const FurtherArms& f : all) {
    Panel panel;
    panel.title = f.key + " % of the labels (" + grouped(f.labels) + ")";
    panel.x_label = std::string(unit.name) + ", with what an arm needs";
    panel.y_label = "validation accuracy";
    panel.percent = true;
    for (const ArmTotal& a : f.arms) {
      const auto curves =
          arm_curves(run, f.label_fraction, a.arm, "validation", [](const HistoryRow& h) { return h.accuracy; });
      panel.curves.push_back(figure_parts::curve_of(band_of(curves, true), ink_of(a.arm), curves.size(),
                                                    figure_parts::Axis::seconds, a.before, unit.seconds));
      out.show_band |= curves.size() > 1;
      const std::pair line{ink_of(a.arm), std::string(name_of(a.arm))};
      if (std::find(out.lines.begin(), out.lines.end(), line) == out.lines.end()) out.lines.push_back(line);
    }
    row.push_back(std::move(panel));
  }
  out.rows = {std::move(row)};
  out.log_if_wide = {false};
  return figure_parts::wrapped(std::move(out));
}

/// What all arms reached and took, a row an arm.
[[nodiscard]] inline Rows further_arms_table(const std::vector<FurtherArms>& all) {
  Rows rows = {{"Labels", "Arm", "Test accuracy", "Gap closed", "Macro-F1", "Its own training", "With what it needs"}};
  for (const FurtherArms& f : all)
    for (const ArmTotal& a : f.arms)
      rows.push_back({&a == &f.arms.front() ? Cell(f.key + " % (" + grouped(f.labels) + ")") : Cell(""),
                      Cell(name_of(a.arm), ink_of(a.arm)), Cell(percent_text(a.view.test_accuracy), Ink::none, true),
                      is_finite(a.gap_closed) ? percent(a.gap_closed) : std::string("\u2013"),
                      percent_text(a.view.test_macro_f1), duration(a.view.seconds.mean),
                      duration(a.before + a.view.seconds.mean)});
  return rows;
}

/// What each part is worth, a row a difference.
[[nodiscard]] inline Rows comparisons_table(const std::vector<FurtherArms>& all) {
  Rows rows = {{"Labels", "What", "Difference (points)", "95 % interval"}};
  for (const FurtherArms& f : all)
    for (const ArmComparison& c : f.comparisons) {
      const Stat& d = c.view.difference;
      rows.push_back({&c == &f.comparisons.front() ? Cell(f.key + " %") : Cell(""), Cell(c.what),
                      Cell(points(d.mean, 2), Ink::none, true),
                      d.has_interval() ? points(d.low(), 2) + " to " + points(d.high(), 2) : std::string("one seed")});
    }
  return rows;
}

/// The sceptic's question: would the time of pre-training not have done as much from scratch? Empty without that arm.
[[nodiscard]] inline std::string same_time_sentence(const RunSummary& run, const FurtherArms& f) {
  for (const ArmComparison& c : f.comparisons) {
    if (c.base != Arm::scratch_same_time) continue;
    const Verdict verdict = judge(c.view, run.test_images).verdict;
    return "With " + f.key +
           " % of the labels, an arm from scratch that also had the time of pre-training, and strong " +
           "augmentation, reaches " + percent(c.view.scratch.test_accuracy.mean) + "; the pre-trained one " +
           percent(c.view.pretrained.test_accuracy.mean) + ", " + points(c.view.difference.mean) + " points" +
           (verdict == Verdict::gain   ? ": the time was better spent on pre-training."
            : verdict == Verdict::loss ? ": the time was better spent from scratch."
                                       : ": this run cannot tell which was better spent.");
  }
  return {};
}

/// All arms beside each other; nothing where a run has the two of every run only.
inline void add_further_arms(Document& doc, const PageSource& page) {
  const std::vector<FurtherArms> all = further_arms(page.run);
  if (all.empty()) return;
  doc.subheading("All arms");
  doc.table(
      further_arms_table(all),
      "A student learns from the answers of the arm above its name to all training images and from the labels, in " +
          std::to_string(kStudentSteps) +
          " times as many steps and from images that RandAugment varied. With what it needs: its own training, its "
          "teacher's, and pre-training. Gap closed: the share of the way from scratch with these labels to scratch "
          "with all.");
  doc.table(comparisons_table(all),
            "Differences of test accuracies, paired by seed. What pre-training is worth is told only by arms that "
            "differ in nothing else.");
  for (const FurtherArms& f : all) doc.run_in("The same time from scratch", same_time_sentence(page.run, f));
  add_figure(doc, page.figures, "further_arms",
             "Validation accuracy by time, every arm behind the pre-training and the teacher that it needs.");
}

}  // namespace contexture::report::detail
