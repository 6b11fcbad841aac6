// Loss and accuracy curves by gnuplot, one panel per experiment, both arms over all seeds. One
// script draws the SVG and the PNG, so the two show the same.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/report/gnuplot.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/statistics.hpp"
#include "contexture/report/text.hpp"

namespace contexture::detail::report {

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
constexpr int panel_width(std::size_t columns) {
  return columns <= 1 ? 640 : columns == 2 ? 440 : columns == 3 ? 312 : 250;
}
constexpr int gap(bool shared_y) { return shared_y ? 36 : 88; }
inline int figure_width(const CurveFigure& f) {
  const std::size_t columns = f.rows.empty() ? 1 : f.rows[0].size();
  const int n = static_cast<int>(columns);
  return kLeft + n * panel_width(columns) + (n - 1) * gap(f.shared_y) + kRight;
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
  if (f.show_band) out.push_back({"range of the seeds", "", Ink::muted, 0.3});
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
          panel_width(f.rows.empty() ? 1 : f.rows[0].size()), top};
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
    if (!std::isfinite(v)) return;
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

/// The legend: a strip above all panels, in as many lines as it needs.
[[nodiscard]] inline std::string legend_commands(const CurveFigure& f, const FigureSize& size) {
  using namespace curve_layout;
  std::string gp;
  for (const LegendItem& item : legend_of(f)) {
    const auto across = [&](double x) { return fixed((item.x + x) / size.width, 6); };
    const auto up = [&](double y) { return fixed(1 - (kLegend * item.line + 22 + y) / size.height, 6); };
    const std::string colour = std::string("rgb '") + light(item.ink) + "'";
    if (item.style.empty())
      gp += "set object rectangle from screen " + across(0) + "," + up(7) + " to screen " + across(kSample) + "," +
            up(-7) + " fs solid " + fixed(item.opacity, 2) + " noborder fc " + colour + "\n";
    else
      gp += "set arrow from screen " + across(0) + "," + up(0) + " to screen " + across(kSample) + "," + up(0) +
            " nohead " + item.style + " lc " + colour + "\n";
    gp += "set label " + gnuplot_quoted(item.words) + " at screen " + across(kSample + 8) + "," + up(0) +
          " left textcolor rgb '" + light(Ink::text) + "'\n";
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

/// The commands that draw the figure on the terminal set before; data files are named
/// `folder`/`name`_<n>.dat and written here.
[[nodiscard]] inline std::string figure_commands(const CurveFigure& f, const std::filesystem::path& folder) {
  using namespace curve_layout;
  const FigureSize size = figure_size(f);
  const auto across = [&](double x) { return fixed(x / size.width, 6); };
  const auto up = [&](double y) { return fixed(1 - y / size.height, 6); };  // y down, as in the layout
  const auto colour = [](Ink ink) { return std::string("rgb '") + light(ink) + "'"; };
  std::string gp = "set multiplot\nunset key\nset border 3 lw 1 lc " + colour(Ink::muted) +
                   "\nset tics nomirror out scale 0.6 textcolor " + colour(Ink::muted) +
                   "\nset grid front lw 0.7 lt 1 dt solid lc " + colour(Ink::line) +
                   "\nset grid back\nset xlabel textcolor " + colour(Ink::text) + " offset 0,0.4\n";

  gp += legend_commands(f, size);

  int file_number = 0;
  for (std::size_t r = 0; r < f.rows.size(); ++r) {
    const double top = size.top + static_cast<double>(r) * (kRowTitle + kPanelHeight + kBottom) + kRowTitle;
    for (std::size_t c = 0; c < f.rows[r].size(); ++c) {
      const Panel& panel = f.rows[r][c];
      const AxisRange y = y_range(f.shared_y ? f.rows[r] : std::vector<Panel>{panel}, f.log_if_wide[r], panel.percent);
      const bool labelled = c == 0 || !f.shared_y;

      const double left = kLeft + static_cast<double>(c) * (size.panel_width + gap(f.shared_y));
      gp += "set lmargin at screen " + across(left) + "\nset rmargin at screen " + across(left + size.panel_width) +
            "\nset tmargin at screen " + up(top) + "\nset bmargin at screen " + up(top + kPanelHeight) + "\n";
      gp += "set label 999 " + gnuplot_quoted(panel.title) + " at screen " + across(left) + "," + up(top - 15) +
            " left font 'DejaVu Sans:Bold' textcolor " + colour(Ink::text) + "\nset xlabel " +
            gnuplot_quoted(panel.x_label) + "\n";
      if (labelled)
        gp += "set label 997 " + gnuplot_quoted(panel.y_label) + " at screen " + across(left - kLeft + 16) + "," +
              up(top + kPanelHeight / 2.0) + " center rotate by 90 textcolor " + colour(Ink::text) + "\n";
      gp += "set yrange [" + exact(y.low) + ":" + exact(y.high) + "]\n";
      gp += y.log ? "set logscale y\n" : "unset logscale y\n";
      gp += x_axis_commands(panel, size.panel_width) + "set ytics (";
      for (std::size_t i = 0; i < y.ticks.size(); ++i) {
        const double shown = std::round(y.ticks[i] * (panel.percent ? 100 : 1) * 1e8) / 1e8;
        gp += (i > 0 ? ", " : "") + gnuplot_quoted(!labelled ? "" : exact(shown) + (panel.percent ? " %%" : "")) + " " +
              exact(y.ticks[i]);
      }
      gp += ")\nunset object 900\n";
      if (panel.shade_until && *panel.shade_until > 0)
        gp += "set object 900 rectangle from 0, graph 0 to " + exact(*panel.shade_until) +
              ", graph 1 behind fs solid 1 noborder fc " + colour(Ink::shade) + "\n";

      std::string plots;
      const auto add = [&](const std::string& what) { plots += (plots.empty() ? "plot " : ", \\\n  ") + what; };
      if (panel.level) add(exact(*panel.level) + " with lines lw 1.2 dt (7,4) lc " + colour(Ink::muted));
      std::vector<std::string> files;
      for (const PanelCurve& curve : panel.curves) {
        const std::filesystem::path file = folder / (f.name + "_" + std::to_string(file_number++) + ".dat");
        std::string rows;
        for (const auto& p : curve.points) {
          for (const double v : p) rows += exact(v) + " ";
          rows += "\n";
        }
        write_file(file, rows.empty() ? "NaN NaN NaN NaN NaN\n" : rows);
        files.push_back(gnuplot_quoted(file.string()));
      }
      // Bands under raw lines under lines, so that nothing that matters is covered.
      for (std::size_t i = 0; i < panel.curves.size(); ++i)
        if (panel.curves[i].band && panel.curves[i].points.size() > 1)
          add(files[i] + " using 1:3:4 with filledcurves fs transparent solid 0.18 noborder lc " +
              colour(panel.curves[i].ink));
      for (std::size_t i = 0; i < panel.curves.size(); ++i)
        if (panel.curves[i].raw && panel.curves[i].points.size() > 1)
          add(files[i] + " using 1:5 with lines lw 0.8 lc rgb '#9a" +
              std::string(light(panel.curves[i].ink)).substr(1) + "'");
      for (std::size_t i = 0; i < panel.curves.size(); ++i) {
        const PanelCurve& curve = panel.curves[i];
        if (curve.points.empty()) continue;
        if (curve.bars) add(files[i] + " using 1:2:3:4 with yerrorbars pt 7 ps 0.5 lw 1.4 lc " + colour(curve.ink));
        add(files[i] + " using 1:2 with " + (curve.points.size() > 12 ? "lines" : "linespoints pt 7 ps 0.4") + " lw " +
            (i == 0 ? "2.8" : "2.2") + " lc " + colour(curve.ink));
      }
      std::string marks;
      int tag = 800;
      for (const PanelCurve& curve : panel.curves) {
        if (!curve.mark || curve.points.empty()) continue;
        double height = curve.points.back()[1];  // the line's height at the mark
        for (std::size_t k = 1; k < curve.points.size(); ++k) {
          const auto &a = curve.points[k - 1], &b = curve.points[k];
          if (*curve.mark < a[0] || *curve.mark > b[0] || !(b[0] > a[0])) continue;
          height = a[1] + (b[1] - a[1]) * (*curve.mark - a[0]) / (b[0] - a[0]);
          break;
        }
        marks += "set arrow " + std::to_string(tag++) + " from " + exact(*curve.mark) + ", graph 0 to " +
                 exact(*curve.mark) + "," + exact(height) + " nohead lw 1.2 dt (3,3) lc " + colour(curve.ink) + "\n";
        add("'+' using (" + exact(*curve.mark) + "):(" + exact(height) + ") every ::0::0 with points pt 7 ps 0.8 lc " +
            colour(curve.ink));
      }
      if (plots.empty()) {
        gp += "set label 998 'nothing measured' at graph 0.5,0.5 center textcolor " + colour(Ink::muted) + "\n";
        plots = "plot NaN";
      }
      gp += marks + plots + "\nunset label\nunset object\nunset arrow\n";
    }
  }
  return gp + "unset multiplot\n";
}

/// Draws the figure into `folder`: <name>.svg and <name>.png. Empty: it worked; else why not.
[[nodiscard]] inline std::string draw_figure(const CurveFigure& f, const std::filesystem::path& folder) {
  const FigureSize size = figure_size(f);
  const std::string commands = figure_commands(f, folder);
  const std::filesystem::path svg = folder / (f.name + ".svg"), png = folder / (f.name + ".png");
  const auto terminal = [&](const std::string& kind, int scale, double points, const std::string& more) {
    return "set terminal " + kind + " noenhanced size " + std::to_string(size.width * scale) + "," +
           std::to_string(size.height * scale) + " font 'DejaVu Sans," + fixed(points, 1) + "' " + more + "\n";
  };
  const std::string gp = "set encoding utf8\n" + terminal("svg", 1, 13, "dynamic name '" + f.name + "'") +
                         "set output " + gnuplot_quoted(svg.string()) + "\n" + commands + "unset output\nreset\n" +
                         terminal("pngcairo", 2, 19.2, "background '#ffffff' linewidth 2 pointscale 2 dashlength 2") +
                         "set output " + gnuplot_quoted(png.string()) + "\n" + commands + "unset output\n";
  const std::string trouble = run_gnuplot(folder, f.name, gp);
  if (!trouble.empty()) return trouble;
  if (auto text = read_file(svg)) {  // gnuplot names one family and no weight; readers may not have it
    constexpr const char* kFamily = "DejaVu Sans,Verdana,sans-serif\"";
    *text = replaced(std::move(*text), "DejaVu Sans:Bold\"", std::string(kFamily) + " font-weight=\"bold\"");
    *text = replaced(std::move(*text), folder.string() + "/", "");  // titles name the data files
    write_file(svg, replaced(std::move(*text), "\"DejaVu Sans\"", "\"" + std::string(kFamily)));
  }
  return read_file(svg) && read_file(png) ? std::string() : "gnuplot wrote no figure";
}

}  // namespace contexture::detail::report
