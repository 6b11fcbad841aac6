// SPDX-License-Identifier: MIT
// Which curves go on which figure: loss and accuracy of the experiments, and the curves of
// pre-training. The drawing is in curve_drawing.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/curve_figure.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/history.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

[[nodiscard]] inline std::string panel_title(const ExperimentView& e) {
  return e.key + " % of the labels (" + grouped(e.labels) + ")";
}

/// Seconds, or minutes where they would be large numbers.
struct TimeUnit {
  double seconds = 1;
  const char* name = "seconds";
};
[[nodiscard]] inline TimeUnit time_unit(double longest) {
  if (longest >= 3 * 3600) return {3600, "hours"};
  if (longest >= 300) return {60, "minutes"};
  return {};
}

namespace figure_parts {

enum class Axis { step, seconds };

inline PanelCurve curve_of(const std::vector<BandPoint>& band, Ink ink, std::size_t seeds, Axis axis, double offset = 0,
                           double unit = 1) {
  PanelCurve out;
  out.ink = ink;
  out.band = seeds > 1;
  for (const BandPoint& p : band)
    out.points.push_back({axis == Axis::step ? p.step : (p.seconds + offset) / unit, p.mean, p.low, p.high, p.raw});
  return out;
}

/// Rows of more than four panels in several rows, so that lettering stays readable on a page.
inline CurveFigure wrapped(CurveFigure f) {
  constexpr std::size_t kMost = 4;
  CurveFigure out = f;
  out.rows.clear();
  out.log_if_wide.clear();
  for (std::size_t r = 0; r < f.rows.size(); ++r) {
    const std::size_t panels = f.rows[r].size(), lines = (panels + kMost - 1) / kMost;
    const std::size_t across = lines == 0 ? 0 : (panels + lines - 1) / lines;
    for (std::size_t begin = 0; begin < panels; begin += across) {
      const auto from = f.rows[r].begin() + static_cast<std::ptrdiff_t>(begin);
      out.rows.emplace_back(from, from + static_cast<std::ptrdiff_t>(std::min(across, panels - begin)));
      out.log_if_wide.push_back(f.log_if_wide[r]);
    }
  }
  return out;
}

}  // namespace figure_parts

/// Training loss above, validation loss below, by optimiser step.
[[nodiscard]] inline CurveFigure loss_figure(const RunSummary& run, const std::vector<ExperimentView>& views) {
  CurveFigure out;
  out.name = "loss_curves";
  out.description = "Training and validation loss of both arms by optimiser step, one panel per experiment";
  out.log_if_wide = {true, true};
  out.lines = {{Ink::scratch, name_of(Arm::scratch)}, {Ink::pretrained, name_of(Arm::pretrained)}};
  for (const char* split : {"train", "validation"}) {
    std::vector<Panel> row;
    for (const ExperimentView& e : views) {
      Panel panel;
      panel.title = panel_title(e);
      panel.x_label = "optimiser steps";
      panel.whole_x = true;
      panel.y_label = std::string(split == std::string("train") ? "training" : "validation") + " loss (nats)";
      for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
        const auto curves = arm_curves(run, e.label_fraction, arm, split, [](const HistoryRow& h) { return h.loss; });
        panel.curves.push_back(
            figure_parts::curve_of(band_of(curves, false), ink_of(arm), curves.size(), figure_parts::Axis::step));
        out.show_band |= curves.size() > 1;
      }
      row.push_back(std::move(panel));
    }
    out.rows.push_back(std::move(row));
  }
  return figure_parts::wrapped(std::move(out));
}

/// Validation accuracy by optimiser step, and below it by time with pre-training included.
[[nodiscard]] inline CurveFigure accuracy_figure(const RunSummary& run, const std::vector<ExperimentView>& views) {
  CurveFigure out;
  out.name = "accuracy_curves";
  out.description = "Validation accuracy of both arms by optimiser step, and by time with pre-training included";
  out.lines = {{Ink::scratch, name_of(Arm::scratch)}, {Ink::pretrained, name_of(Arm::pretrained)}};
  const double offset = run.pretrain && is_finite(run.pretrain->seconds) ? std::max(0.0, run.pretrain->seconds) : 0;
  const TimeUnit unit = time_unit(longest_arm(run) + offset);
  for (const auto axis : {figure_parts::Axis::step, figure_parts::Axis::seconds}) {
    const bool by_step = axis == figure_parts::Axis::step;
    std::vector<Panel> row;
    for (const ExperimentView& e : views) {
      Panel panel;
      panel.title = panel_title(e);
      panel.x_label = by_step ? std::string("optimiser steps")
                              : std::string(unit.name) + (run.pretrain ? ", pre-training included" : " of training");
      panel.y_label = "validation accuracy";
      panel.percent = true;
      panel.whole_x = by_step;
      for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
        const auto curves =
            arm_curves(run, e.label_fraction, arm, "validation", [](const HistoryRow& h) { return h.accuracy; });
        PanelCurve curve = figure_parts::curve_of(band_of(curves, true), ink_of(arm), curves.size(), axis,
                                                  arm == Arm::pretrained ? offset : 0, unit.seconds);
        curve.raw = by_step;
        if (curves.size() == 1 && run.validation_images > 0) {  // what one evaluation is worth
          curve.band = true;
          for (auto& p : curve.points) {
            const double half = 2 * binomial_standard_error(p[4], run.validation_images);
            p[2] = std::max(0.0, p[4] - half);
            p[3] = std::min(1.0, p[4] + half);
          }
          out.show_band = true;
          out.band_name = "\u00b1 2 standard errors of an evaluation";
        }
        if (by_step) curve.mark = e.arm(arm).plateau_step.mean_reached;
        out.show_plateau |= curve.mark.has_value() && !curve.points.empty();
        out.show_band |= curves.size() > 1;
        out.show_raw |= by_step && curve.points.size() > 1;
        panel.curves.push_back(std::move(curve));
      }
      if (!by_step && run.pretrain) panel.shade_until = offset / unit.seconds;
      row.push_back(std::move(panel));
    }
    out.rows.push_back(std::move(row));
    out.log_if_wide.push_back(false);
  }
  out.show_shade = run.pretrain.has_value();
  return figure_parts::wrapped(std::move(out));
}

/// Test accuracy of both arms, and their difference, by number of labels on a logarithmic axis. Error bars: 95 %
/// intervals, over seeds where there are several, else of the test set. Empty with fewer than kEfficiencyFractions.
[[nodiscard]] inline std::optional<CurveFigure> label_efficiency_figure(const RunSummary& run,
                                                                        const std::vector<ExperimentView>& views) {
  const std::vector<LabelsSaved> points = label_efficiency(views);
  if (points.empty()) return std::nullopt;
  CurveFigure out;
  out.name = "label_efficiency";
  out.description = "Test accuracy of both arms, and its difference, by number of labels";
  out.lines = {{Ink::scratch, name_of(Arm::scratch)}, {Ink::pretrained, name_of(Arm::pretrained)}};
  std::vector<Panel> row(2);
  row[0].title = "Accuracy by number of labels";
  row[0].y_label = "test accuracy";
  row[0].percent = true;
  row[1].title = "Difference, pre-trained \u2212 from scratch";
  row[1].y_label = "points of test accuracy";
  row[1].level = 0;
  for (Panel& panel : row) {
    panel.x_label = "labels (logarithmic)";
    panel.log_x = true;
  }
  bool over_seeds = true;
  const auto add = [](PanelCurve& curve, double labels, double middle, double low, double high) {
    curve.points.push_back({labels, middle, is_finite(low) ? low : middle, is_finite(high) ? high : middle, middle});
  };
  for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
    PanelCurve curve;
    curve.ink = ink_of(arm);
    curve.bars = true;
    for (const LabelsSaved& p : points) {
      const Stat& s = p.experiment->arm(arm).test_accuracy;
      over_seeds = over_seeds && s.has_interval();
      const double half = s.has_interval() ? s.half_width_95 : 1.96 * test_se(s.mean, run.test_images);
      add(curve, static_cast<double>(p.experiment->labels), s.mean, s.mean - half, s.mean + half);
    }
    row[0].curves.push_back(std::move(curve));
  }
  PanelCurve difference;
  difference.ink = Ink::text;
  difference.bars = true;
  for (const LabelsSaved& p : points) {
    const Judgement j = judge(*p.experiment, run.test_images);
    add(difference, static_cast<double>(p.experiment->labels), 100 * p.experiment->difference.mean, 100 * j.low,
        100 * j.high);
  }
  row[1].curves.push_back(std::move(difference));
  out.bars_name = over_seeds ? "95 % interval over seeds" : "95 % interval of the test set";
  out.level_name = "no difference";
  out.rows = {std::move(row)};
  out.log_if_wide = {false};
  out.shared_y = false;  // two quantities
  return out;
}

/// Loss and accuracy of the pretext task; the accuracy with the chance line.
[[nodiscard]] inline CurveFigure pretrain_figure(const RunSummary& run) {
  CurveFigure out;
  out.name = "pretrain_curves";
  out.description = "Pre-training: loss and accuracy of the pretext task by optimiser step";
  out.lines = {{Ink::muted, "training"}, {Ink::pretrained, "validation"}};
  std::vector<Panel> row(2);
  row[0].title = "Loss of the pretext task";
  row[0].y_label = "loss (nats)";
  row[1].title = "Accuracy of the pretext task";
  row[1].y_label = "accuracy";
  row[1].percent = true;
  for (std::size_t i = 0; i < 2; ++i) {
    row[i].x_label = "optimiser steps";
    row[i].whole_x = true;
    for (const char* split : {"train", "validation"}) {
      const auto curves =
          pretraining_curves(run, split, [&](const HistoryRow& h) { return i == 0 ? h.loss : h.accuracy; });
      const Ink ink = split == std::string("train") ? Ink::muted : Ink::pretrained;
      out.show_band |= curves.size() > 1;
      row[i].curves.push_back(
          figure_parts::curve_of(band_of(curves, false), ink, curves.size(), figure_parts::Axis::step));
    }
  }
  if (run.pretrain && run.pretrain->chance > 0) row[1].level = run.pretrain->chance, out.level_name = "chance";
  out.rows = {row};
  out.shared_y = false;  // two quantities
  out.log_if_wide = {false};
  return out;
}

}  // namespace contexture::report::detail
