// SPDX-License-Identifier: MIT
// A figure of curves as data: panels in rows, what is on them, the legend, the axes. curve_drawing.hpp draws it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/text.hpp"

namespace contexture::report::detail {

/// One curve of a panel: x and y as gnuplot columns of its data file.
struct PanelCurve {
  std::vector<std::array<double, 5>> points;  ///< x, line, band low, band high, faint raw line
  Ink ink = Ink::text;
  bool band = false, raw = false;
  bool bars = false;           ///< band low and high as error bars on dots
  std::optional<double> mark;  ///< x of the plateau
};

struct Panel {
  std::string title, x_label, y_label;

  std::vector<PanelCurve> curves;
  bool percent = false;  ///< y is a share, shown in percent
  bool whole_x = false;  ///< x counts: no ticks between whole numbers
  bool log_x = false;    ///< logarithmic x, a tick at every point; all x are above 0

  std::optional<double> shade_until;  ///< grey from 0: the time that pre-training took
  std::optional<double> level;        ///< horizontal dashed line: chance
};

/// Panels in rows.
struct CurveFigure {
  std::string name, description;
  std::vector<std::vector<Panel>> rows;
  std::vector<bool> log_if_wide;  ///< per row: logarithmic y where the values span more than a factor of 5

  std::vector<std::pair<Ink, std::string>> lines;  ///< legend: what the colours are
  bool shared_y = true;                            ///< the panels of a row share range and scale of y
  bool show_plateau = false, show_band = false, show_raw = false, show_shade = false;
  std::string band_name = "range of the seeds";
  bool narrow = false;  ///< for a narrow page: one panel across
  std::string level_name;
  std::string bars_name;  ///< what error bars show; empty: there are none
};

/// Size of the figure and of its panels, in pixels.
struct FigureSize {
  int width, height, panel_width, top;
};

namespace curve_layout {
inline constexpr int kPanelHeight = 232, kLeft = 84, kRight = 24, kRowTitle = 34, kBottom = 56;
inline constexpr int kLegend = 26, kSample = 26;
constexpr int panel_width(std::size_t columns, bool narrow) {
  return narrow ? 290 : columns <= 1 ? 640 : columns == 2 ? 440 : columns == 3 ? 312 : 250;
}
constexpr int gap(bool shared_y) { return shared_y ? 36 : 88; }
inline int figure_width(const CurveFigure& f) {
  const std::size_t columns = f.rows.empty() ? 1 : f.rows[0].size();
  const int n = static_cast<int>(columns);
  return kLeft + n * panel_width(columns, f.narrow) + (n - 1) * gap(f.shared_y) + kRight;
}
}  // namespace curve_layout

/// One entry of the legend: a line of `style`, or a box of `opacity` where the style is empty.
struct LegendItem {
  std::string words, style;
  Ink ink = Ink::muted;
  double opacity = 1;
  int x = 0, line = 0;  ///< place: pixels from the left, line from the top
};

[[nodiscard]] inline std::vector<LegendItem> legend_of(const CurveFigure& f) {
  using namespace curve_layout;
  std::vector<LegendItem> out;
  for (const auto& [ink, name] : f.lines) out.push_back({name, "lw 2.4", ink});
  if (f.show_band) out.push_back({f.band_name, "", Ink::muted, 0.3});
  if (!f.bars_name.empty()) out.push_back({f.bars_name, "lw 1.4"});
  if (f.show_raw) out.push_back({"before smoothing", "lw 0.8"});
  if (f.show_plateau) out.push_back({"plateau reached", "lw 1.2 dt (3,3)"});
  if (!f.level_name.empty()) out.push_back({f.level_name, "lw 1.2 dt (7,4)"});
  if (f.show_shade) out.push_back({"time of pre-training", "", Ink::shade});
  int x = kLeft, line = 0;
  for (LegendItem& item : out) {
    const int width = kSample + 8 + static_cast<int>(7.8 * static_cast<double>(columns(item.words)));
    if (x > kLeft && x + width > figure_width(f) - 8) x = kLeft, ++line;
    item.x = x;
    item.line = line;
    x += width + 16;
  }
  return out;
}

[[nodiscard]] inline FigureSize figure_size(const CurveFigure& f) {
  using namespace curve_layout;
  const std::vector<LegendItem> legend = legend_of(f);
  const int top = 18 + kLegend * (legend.empty() ? 0 : legend.back().line + 1);
  return {figure_width(f), top + static_cast<int>(f.rows.size()) * (kRowTitle + kPanelHeight + kBottom),
          panel_width(f.rows.empty() ? 1 : f.rows[0].size(), f.narrow), top};
}

struct AxisRange {
  double low = 0, high = 1;
  bool log = false;
  std::vector<double> ticks;
};

/// Round numbers (1, 2 or 5 times a power of ten) that cover [low, high] in about `wanted` steps.
[[nodiscard]] inline std::vector<double> linear_ticks(double low, double high, int wanted, bool quarters = false,
                                                      bool whole = false) {
  const double raw = std::max(high - low, 1e-12) / wanted, magnitude = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * magnitude;
  for (const double factor : {1.0, 2.0, 2.5, 5.0})
    if ((factor != 2.5 || quarters) && raw <= factor * magnitude * 1.0001) {
      step = factor * magnitude;
      break;
    }
  if (whole) step = std::max(step, 1.0);
  std::vector<double> out;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i)
    out.push_back(i * step + 0.0);  // never -0
  return out;
}

[[nodiscard]] inline AxisRange y_range(const std::vector<Panel>& row, bool log_if_wide, bool percent) {
  double low = INFINITY, high = -INFINITY;
  const auto see = [&](double v) {
    if (!is_finite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  };
  for (const Panel& panel : row) {
    for (const PanelCurve& curve : panel.curves)
      for (const auto& p : curve.points)
        for (std::size_t k = 1; k < (curve.raw ? 5U : 4U); ++k) see(p[k]);
    if (panel.level) see(*panel.level);
  }
  AxisRange out;
  if (!(low <= high)) low = 0, high = 1;
  if (log_if_wide && low > 0 && high > 5 * low) {
    out.log = true;
    out.low = low / 1.12;
    out.high = high * 1.12;
    for (double decade = std::pow(10, std::floor(std::log10(out.low))); decade <= out.high; decade *= 10)
      for (const double factor : {1.0, 2.0, 5.0})
        if (decade * factor >= out.low && decade * factor <= out.high) out.ticks.push_back(decade * factor);
    return out;
  }
  const double margin = std::max((high - low) * 0.06, percent ? 0.005 : 1e-3 * std::max(1.0, std::abs(high)));
  out.low = percent || low >= 0 ? std::max(0.0, low - margin) : low - margin;
  out.high = percent ? std::min(1.0, high + margin) : high + margin;
  out.ticks = linear_ticks(out.low, out.high, 5);
  return out;
}

}  // namespace contexture::report::detail
