// SPDX-License-Identifier: MIT
// The tables of a report, as rows of cells.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/document.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/text.hpp"
#include "contexture/report/words.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

/// Best validation, test and training numbers, a row an arm.
[[nodiscard]] inline Rows metrics_table(const std::vector<ExperimentView>& views) {
  Rows rows = {{"Labels", "Arm", "Best validation accuracy", "Test accuracy", "Macro-F1", "Final training loss",
                "Difference (points)"}};
  for (const ExperimentView& e : views)
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const ArmView& a = e.arm(arm);
      std::string difference;
      if (arm == Arm::pretrained && is_finite(e.difference.mean))
        difference = points(e.difference.mean, 2) +
                     (e.difference.has_interval() ? " \u00b1 " + fixed(100 * e.difference.half_width_95, 2) : "");
      rows.push_back({arm == Arm::scratch ? Cell(e.key + " % (" + grouped(e.labels) + ")") : Cell(""),
                      Cell(name_of(arm), ink_of(arm)), percent_text(a.best_val_accuracy),
                      Cell(percent_text(a.test_accuracy), Ink::none, true), percent_text(a.test_macro_f1),
                      loss_text(a.final_train_loss), Cell(difference, Ink::none, true)});
    }
  return rows;
}

/// Steps until moments of loss and accuracy, a row an arm.
[[nodiscard]] inline Rows steps_table(const std::vector<ExperimentView>& views) {
  Rows rows = {{"Labels", "Arm", "Loss: half of the fall", "Loss: 90 % of it", "80 % of best", "90 % of best",
                "95 % of best", "99 % of best", "Plateau"}};
  for (const ExperimentView& e : views)
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const ArmView& a = e.arm(arm);
      std::vector<Cell> row = {arm == Arm::scratch ? Cell(e.key + " %") : Cell(""), Cell(name_of(arm), ink_of(arm)),
                               steps_text(a.loss_half), steps_text(a.loss_ninety)};
      for (const int level : kTimeToPercent) row.emplace_back(steps_text(a.steps_to.at(std::to_string(level))));
      row.emplace_back(steps_text(a.plateau_step));
      rows.push_back(std::move(row));
    }
  return rows;
}

/// The difference and its tests, a row an experiment with both arms.
[[nodiscard]] inline Rows certainty_table(const RunSummary& run, const std::vector<ExperimentView>& views) {
  Rows rows = {{"Labels", "Difference (points)", "95 % interval", "Better seeds", "Sign test", "Images for pre-trained",
                "Images for scratch", "Test on images"}};
  for (const ExperimentView& e : views) {
    if (!e.complete()) continue;
    const Judgement j = judge(e, run.test_images);
    const auto pairs = e.sign.better + e.sign.worse + e.sign.ties;
    rows.push_back({e.key + " %", Cell(points(e.difference.mean, 2), Ink::none, true),
                    e.difference.has_interval()
                        ? points(e.difference.low(), 2) + " to " + points(e.difference.high(), 2)
                    : e.mcnemar ? points(j.low, 2) + " to " + points(j.high, 2) + " (images)"
                                : std::string("one seed"),
                    std::to_string(e.sign.better) + " of " + std::to_string(pairs), pairs > 1 ? p_text(e.sign.p) : "",
                    e.mcnemar ? grouped(e.mcnemar->pretrained) : std::string("\u2013"),
                    e.mcnemar ? grouped(e.mcnemar->scratch) : std::string("\u2013"),
                    e.mcnemar ? p_text(e.mcnemar->p) : std::string("\u2013")});
  }
  return rows;
}

/// What some labels are worth to either arm, a row a number of labels.
[[nodiscard]] inline Rows efficiency_table(const std::vector<LabelsSaved>& saved) {
  Rows rows = {{"Labels", "Number", "From scratch", "Pre-trained", "Labels that scratch needs", "Times as many"}};
  for (const LabelsSaved& p : saved)
    rows.push_back({p.experiment->key + " %", grouped(p.experiment->labels),
                    percent_text(p.experiment->scratch.test_accuracy),
                    percent_text(p.experiment->pretrained.test_accuracy),
                    Cell(needed_text(p, saved.back().experiment->labels), Ink::none, true),
                    p.factor() ? (p.at_most ? "at most " : "") + fixed(*p.factor(), 2) : std::string("\u2013")});
  return rows;
}

/// The moments of steps_table() in time; where pre-training was timed, the pre-trained arm once more with it.
[[nodiscard]] inline Rows time_table(const RunSummary& run, const std::vector<ExperimentView>& views) {
  Rows rows = {{"Labels", "Arm", "Loss: half of the fall", "Loss: 90 % of it", "80 % of best", "90 % of best",
                "95 % of best", "99 % of best", "Plateau", "Whole training"}};
  const auto row_of = [](const ArmView& a, double offset) {
    std::vector<Cell> out{seconds_text(a.loss_half_seconds, offset), seconds_text(a.loss_ninety_seconds, offset)};
    for (const int level : kTimeToPercent)
      out.emplace_back(seconds_text(a.seconds_to.at(std::to_string(level)), offset));
    out.emplace_back(seconds_text(a.plateau_seconds, offset));
    out.emplace_back(duration(a.seconds.mean + offset));
    return out;
  };
  const auto push = [&](Cell labels, Cell arm, std::vector<Cell> cells) {
    cells.insert(cells.begin(), {std::move(labels), std::move(arm)});
    rows.push_back(std::move(cells));
  };
  for (const ExperimentView& e : views) {
    push(e.key + " %", Cell(name_of(Arm::scratch), Ink::scratch), row_of(e.scratch, 0));
    push("", Cell(name_of(Arm::pretrained), Ink::pretrained), row_of(e.pretrained, 0));
    if (run.pretrain) push("", Cell("with pre-training", Ink::pretrained), row_of(e.pretrained, run.pretrain->seconds));
  }
  return rows;
}

}  // namespace contexture::report::detail
