// SPDX-License-Identifier: MIT
// Figures of curves by gnuplot. One script draws the SVG and the PNG, so the two show the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "contexture/report/curve_figure.hpp"
#include "contexture/report/escape.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/gnuplot.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/text.hpp"

namespace contexture::report::detail {

/// "rgb '#d55e00'".
[[nodiscard]] inline std::string colour_of(Ink ink) { return std::string("rgb '") + light(ink) + "'"; }

/// The legend: a strip above all panels, in as many lines as it needs.
[[nodiscard]] inline std::string legend_commands(const CurveFigure& f, const FigureSize& size) {
  using namespace curve_layout;
  std::string gp;
  for (const LegendItem& item : legend_of(f)) {
    const auto across = [&](double x) { return fixed((item.x + x) / size.width, 6); };
    const auto up = [&](double y) { return fixed(1 - (kLegend * item.line + 22 + y) / size.height, 6); };
    const std::string colour = colour_of(item.ink);
    if (item.style.empty())
      gp += "set object rectangle from screen " + across(0) + "," + up(7) + " to screen " + across(kSample) + "," +
            up(-7) + " fs solid " + fixed(item.opacity, 2) + " noborder fc " + colour + "\n";
    else
      gp += "set arrow from screen " + across(0) + "," + up(0) + " to screen " + across(kSample) + "," + up(0) +
            " nohead " + item.style + " lc " + colour + "\n";
    gp += "set label " + gnuplot_quoted(item.words) + " at screen " + across(kSample + 8) + "," + up(0) +
          " left textcolor " + colour_of(Ink::text) + "\n";
  }
  return gp;
}

/// Range, scale and ticks of a panel's x axis.
[[nodiscard]] inline std::string x_axis_commands(const Panel& panel, int panel_width) {
  std::vector<double> ticks;
  double low = 0, high = 0;
  for (const PanelCurve& curve : panel.curves)
    for (const auto& p : curve.points) {
      high = std::max(high, p[0]);
      if (panel.log_x) ticks.push_back(p[0]);
    }
  if (panel.shade_until) high = std::max(high, *panel.shade_until);
  if (!(high > 0)) high = 1;
  const bool log = panel.log_x && !ticks.empty();
  if (log) {
    std::sort(ticks.begin(), ticks.end());
    ticks.erase(std::unique(ticks.begin(), ticks.end()), ticks.end());
    low = ticks.front() / 1.3;
    high *= 1.3;
  } else {
    high *= 1.02;
    ticks = linear_ticks(0, high, panel_width > 400 ? 8 : 6, high > 100, panel.whole_x);
  }
  std::string gp = std::string(log ? "set" : "unset") + " logscale x\nset xrange [" + exact(low) + ":" + exact(high) +
                   "]\nset xtics (";
  for (std::size_t i = 0; i < ticks.size(); ++i)
    gp += (i > 0 ? ", " : "") +
          gnuplot_quoted(high >= 10 ? grouped(std::llround(ticks[i])) : exact(std::round(ticks[i] * 1e6) / 1e6)) + " " +
          exact(ticks[i]);
  return gp + ")\n";
}

/// A panel's place, in pixels from the figure's left and top edges.
struct PanelPlace {
  double left, top;
  bool labelled;  ///< says what its y axis is
};

/// Margins, titles, axes and the shaded time of one panel.
[[nodiscard]] inline std::string frame_commands(const Panel& panel, const AxisRange& y, const PanelPlace& place,
                                                const FigureSize& size) {
  using namespace curve_layout;
  const auto across = [&](double x) { return fixed(x / size.width, 6); };
  const auto up = [&](double v) { return fixed(1 - v / size.height, 6); };  // y down, as in the layout
  std::string gp = "set lmargin at screen " + across(place.left) + "\nset rmargin at screen " +
                   across(place.left + size.panel_width) + "\nset tmargin at screen " + up(place.top) +
                   "\nset bmargin at screen " + up(place.top + kPanelHeight) + "\n";
  gp += "set label 999 " + gnuplot_quoted(panel.title) + " at screen " + across(place.left) + "," + up(place.top - 15) +
        " left font 'DejaVu Sans:Bold' textcolor " + colour_of(Ink::text) + "\nset xlabel " +
        gnuplot_quoted(panel.x_label) + "\n";
  if (place.labelled)
    gp += "set label 997 " + gnuplot_quoted(panel.y_label) + " at screen " + across(place.left - kLeft + 16) + "," +
          up(place.top + kPanelHeight / 2.0) + " center rotate by 90 textcolor " + colour_of(Ink::text) + "\n";
  gp += "set yrange [" + exact(y.low) + ":" + exact(y.high) + "]\n";
  gp += y.log ? "set logscale y\n" : "unset logscale y\n";
  gp += x_axis_commands(panel, size.panel_width) + "set ytics (";
  for (std::size_t i = 0; i < y.ticks.size(); ++i) {
    const double shown = std::round(y.ticks[i] * (panel.percent ? 100 : 1) * 1e8) / 1e8;
    gp += (i > 0 ? ", " : "") + gnuplot_quoted(place.labelled ? exact(shown) + (panel.percent ? " %%" : "") : "") +
          " " + exact(y.ticks[i]);
  }
  gp += ")\nunset object 900\n";
  if (panel.shade_until && *panel.shade_until > 0)
    gp += "set object 900 rectangle from 0, graph 0 to " + exact(*panel.shade_until) +
          ", graph 1 behind fs solid 1 noborder fc " + colour_of(Ink::shade) + "\n";
  return gp;
}

/// Height of the curve's line at its mark.
[[nodiscard]] inline double height_at_mark(const PanelCurve& curve) {
  for (std::size_t k = 1; k < curve.points.size(); ++k) {
    const auto &a = curve.points[k - 1], &b = curve.points[k];
    if (*curve.mark < a[0] || *curve.mark > b[0] || !(b[0] > a[0])) continue;
    return a[1] + (b[1] - a[1]) * (*curve.mark - a[0]) / (b[0] - a[0]);
  }
  return curve.points.back()[1];
}

/// The curve's points as a data file; returns its name as gnuplot takes it.
inline std::string write_points(const PanelCurve& curve, const std::filesystem::path& file) {
  std::string rows;
  for (const auto& p : curve.points) {
    for (const double v : p) rows += exact(v) + " ";
    rows += "\n";
  }
  write_file(file, rows.empty() ? "NaN NaN NaN NaN NaN\n" : rows);
  return gnuplot_quoted(file.string());
}

/// What a line of this colour is of.
[[nodiscard]] inline std::string name_of_curve(Ink ink) {
  for (const Arm arm : kArms)
    if (arm != Arm::pretext && ink_of(arm) == ink) return name_of(arm);
  return "value";
}

/// The plot command of one panel; `files` holds the data of its curves. Bands under raw lines under lines, so that
/// nothing that matters is covered.
[[nodiscard]] inline std::string plot_commands(const Panel& panel, const std::vector<std::string>& files) {
  std::string plots, marks;
  // The title is what a reader's pointer is told; without one gnuplot names the data file.
  const auto add = [&](const std::string& what, const std::string& title) {
    plots += (plots.empty() ? "plot " : ", \\\n  ") + what + " title " + gnuplot_quoted(title);
  };
  if (panel.level) add(exact(*panel.level) + " with lines lw 1.2 dt (7,4) lc " + colour_of(Ink::muted), "level");
  for (std::size_t i = 0; i < panel.curves.size(); ++i)
    if (panel.curves[i].band && panel.curves[i].points.size() > 1)
      add(files[i] + " using 1:3:4 with filledcurves fs transparent solid 0.18 noborder lc " +
              colour_of(panel.curves[i].ink),
          name_of_curve(panel.curves[i].ink) + ": band");
  for (std::size_t i = 0; i < panel.curves.size(); ++i)
    if (panel.curves[i].raw && panel.curves[i].points.size() > 1)
      add(files[i] + " using 1:5 with lines lw 0.8 lc rgb '#9a" + std::string(light(panel.curves[i].ink)).substr(1) +
              "'",
          name_of_curve(panel.curves[i].ink) + ": before smoothing");
  for (std::size_t i = 0; i < panel.curves.size(); ++i) {
    const PanelCurve& curve = panel.curves[i];
    if (curve.points.empty()) continue;
    if (curve.bars)
      add(files[i] + " using 1:2:3:4 with yerrorbars pt 7 ps 0.5 lw 1.4 lc " + colour_of(curve.ink),
          name_of_curve(curve.ink) + ": interval");
    add(files[i] + " using 1:2 with " + (curve.points.size() > 12 ? "lines" : "linespoints pt 7 ps 0.4") + " lw " +
            (i == 0 ? "2.8" : "2.2") + " lc " + colour_of(curve.ink),
        name_of_curve(curve.ink));
  }
  int tag = 800;
  for (const PanelCurve& curve : panel.curves) {
    if (!curve.mark || curve.points.empty()) continue;
    const std::string x = exact(*curve.mark), y = exact(height_at_mark(curve)), ink = colour_of(curve.ink);
    marks += "set arrow " + std::to_string(tag++) + " from " + x + ", graph 0 to " + x + "," + y +
             " nohead lw 1.2 dt (3,3) lc " + ink + "\n";
    add("'+' using (" + x + "):(" + y + ") every ::0::0 with points pt 7 ps 0.8 lc " + ink,
        name_of_curve(curve.ink) + ": plateau reached");
  }
  if (plots.empty())
    return "set label 998 'nothing measured' at graph 0.5,0.5 center textcolor " + colour_of(Ink::muted) + "\nplot NaN";
  return marks + plots;
}

/// The commands that draw the figure on the terminal set before; data files are named
/// `folder`/`name`_<n>.dat and written here.
[[nodiscard]] inline std::string figure_commands(const CurveFigure& f, const std::filesystem::path& folder) {
  using namespace curve_layout;
  const FigureSize size = figure_size(f);
  std::string gp = "set multiplot\nunset key\nset border 3 lw 1 lc " + colour_of(Ink::muted) +
                   "\nset tics nomirror out scale 0.6 textcolor " + colour_of(Ink::muted) +
                   "\nset grid front lw 0.7 lt 1 dt solid lc " + colour_of(Ink::line) +
                   "\nset grid back\nset xlabel textcolor " + colour_of(Ink::text) + " offset 0,0.4\n";
  gp += legend_commands(f, size);
  int file_number = 0;
  for (std::size_t r = 0; r < f.rows.size(); ++r) {
    const double top = size.top + static_cast<double>(r) * (kRowTitle + kPanelHeight + kBottom) + kRowTitle;
    for (std::size_t c = 0; c < f.rows[r].size(); ++c) {
      const Panel& panel = f.rows[r][c];
      const AxisRange y = y_range(f.shared_y ? f.rows[r] : std::vector<Panel>{panel}, f.log_if_wide[r], panel.percent);
      const double left = kLeft + static_cast<double>(c) * (size.panel_width + gap(f.shared_y));
      std::vector<std::string> files;
      for (const PanelCurve& curve : panel.curves)
        files.push_back(write_points(curve, folder / (f.name + "_" + std::to_string(file_number++) + ".dat")));
      gp += frame_commands(panel, y, {left, top, c == 0 || !f.shared_y}, size) + plot_commands(panel, files) +
            "\nunset label\nunset object\nunset arrow\n";
    }
  }
  return gp + "unset multiplot\n";
}

/// The same panels one below the other, those of a column of panels together.
[[nodiscard]] inline CurveFigure narrow_figure(CurveFigure f) {
  CurveFigure out = f;
  out.name += "_narrow";
  out.rows.clear();
  out.log_if_wide.clear();
  out.narrow = true;
  for (std::size_t r = 0; r < f.rows.size(); ++r)
    for (Panel& panel : f.rows[r]) {
      out.rows.push_back({std::move(panel)});
      out.log_if_wide.push_back(f.log_if_wide[r]);
    }
  return out;
}

/// Draws the figure into `folder`: <name>.svg, <name>.png, and <name>_narrow.svg for narrow pages. Empty: it worked;
/// else why not.
[[nodiscard]] inline std::string draw_figure(const CurveFigure& f, const std::filesystem::path& folder) {
  const FigureSize size = figure_size(f);
  const CurveFigure narrow = narrow_figure(f);
  const FigureSize narrow_size = figure_size(narrow);
  const std::string commands = figure_commands(f, folder);
  const std::filesystem::path svg = folder / (f.name + ".svg"), png = folder / (f.name + ".png"),
                              narrow_svg = folder / (narrow.name + ".svg");
  const auto terminal = [&](const std::string& kind, int scale, double points, const std::string& more,
                            const FigureSize& of) {
    return "set terminal " + kind + " noenhanced size " + std::to_string(of.width * scale) + "," +
           std::to_string(of.height * scale) + " font 'DejaVu Sans," + fixed(points, 1) + "' " + more + "\n";
  };
  const std::string gp =
      "set encoding utf8\n" + terminal("svg", 1, 13, "dynamic name '" + f.name + "'", size) + "set output " +
      gnuplot_quoted(svg.string()) + "\n" + commands + "unset output\nreset\n" +
      terminal("svg", 1, 13, "dynamic name '" + narrow.name + "'", narrow_size) + "set output " +
      gnuplot_quoted(narrow_svg.string()) + "\n" + figure_commands(narrow, folder) + "unset output\nreset\n" +
      terminal("pngcairo", 2, 19.2, "background '#ffffff' linewidth 2 pointscale 2 dashlength 2", size) +
      "set output " + gnuplot_quoted(png.string()) + "\n" + commands + "unset output\n";
  const std::string trouble = run_gnuplot(folder, f.name, gp);
  if (!trouble.empty()) return trouble;
  for (const std::filesystem::path& file : {svg, narrow_svg}) {
    auto text = read_file(file);  // gnuplot names one family and no weight; readers may not have it
    if (!text) continue;
    constexpr const char* kFamily = "DejaVu Sans,Verdana,sans-serif\"";
    *text = replaced(std::move(*text), "DejaVu Sans:Bold\"", std::string(kFamily) + " font-weight=\"bold\"");
    write_file(file, replaced(std::move(*text), "\"DejaVu Sans\"", "\"" + std::string(kFamily)));
  }
  return read_file(svg) && read_file(png) ? std::string() : "gnuplot wrote no figure";
}

}  // namespace contexture::report::detail
