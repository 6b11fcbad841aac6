// SPDX-License-Identifier: MIT
// Where figures put their panels, axes and legends, and what the page has around them.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "contexture/report/curve_drawing.hpp"
#include "contexture/report/curve_figure.hpp"
#include "contexture/report/figures.hpp"
#include "contexture/report/page.hpp"
#include "made_up_run.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"

namespace report_layout {

using namespace contexture;
using namespace contexture::report;
using report::detail::Block;
using report::detail::CurveFigure;
using report::detail::Panel;
using report::detail::PanelCurve;

// The numbers behind every `words` in a text.
std::vector<double> numbers_after(const std::string& text, const std::string& words) {
  std::vector<double> out;
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1))
    out.push_back(std::atof(text.c_str() + at + words.size()));
  return out;
}

TEST_CASE("an axis leaves a little room, above 0 stops there, and below it does not", "[report]") {
  const auto range_of = [](double low, double high) {
    Panel panel;
    PanelCurve& curve = panel.curves.emplace_back();
    curve.points = {{0, low, low, low, low}, {1, high, high, high, high}};
    return report::detail::y_range({panel}, false, false);
  };
  CHECK(range_of(2, 10).low == Approx(2 - 0.06 * 8));
  CHECK(range_of(2, 10).high == Approx(10 + 0.06 * 8));
  CHECK(range_of(0.1, 10).low == 0);
  CHECK(range_of(-1, 1).low == Approx(-1 - 0.06 * 2));
}

TEST_CASE("panels stand below each other, a panel, its title and its axis apart", "[report]") {
  const runs::Folder folder("layout");
  const made_up::Run run = made_up::make({.seeds = 1, .fractions = {1}});
  const CurveFigure figure = report::detail::accuracy_figure(run.summary, views_of(run.summary));
  REQUIRE(figure.rows.size() == 2);
  const auto size = report::detail::figure_size(figure);
  const std::string commands = report::detail::figure_commands(figure, folder.path);
  const std::vector<double> tops = numbers_after(commands, "set tmargin at screen ");
  const std::vector<double> bottoms = numbers_after(commands, "set bmargin at screen ");
  const std::vector<double> lefts = numbers_after(commands, "set lmargin at screen ");
  REQUIRE(tops.size() == 2);
  using namespace report::detail::curve_layout;
  CHECK((tops[0] - tops[1]) * size.height == Approx(kRowTitle + kPanelHeight + kBottom).margin(0.1));
  CHECK((tops[0] - bottoms[0]) * size.height == Approx(kPanelHeight).margin(0.1));
  CHECK((1 - tops[0]) * size.height == Approx(size.top + kRowTitle).margin(0.1));
  CHECK(lefts.at(0) * size.width == Approx(kLeft).margin(0.1));
  // The time of pre-training is shaded where the axis is time.
  CHECK_FALSE(figure.rows[0].at(0).shade_until.has_value());
  CHECK(figure.rows[1].at(0).shade_until.has_value());
}

TEST_CASE("a legend begins another line only where the last one is full", "[report]") {
  CurveFigure figure;
  figure.rows = {std::vector<Panel>(3)};
  figure.lines = {{report::detail::Ink::scratch, "a"}, {report::detail::Ink::pretrained, "b"}};
  auto legend = report::detail::legend_of(figure);
  REQUIRE(legend.size() == 2);
  CHECK(legend[0].line == 0);
  CHECK(legend[1].line == 0);
  CHECK(legend[1].x > legend[0].x);
  figure.lines.front().second = std::string(400, 'x');
  legend = report::detail::legend_of(figure);
  CHECK(legend[0].line == 0);
  CHECK(legend[1].line == 1);
  CHECK(legend[1].x == legend[0].x);
}

TEST_CASE("the page says what the run cannot tell, and has the curves to look into", "[report]") {
  const made_up::Run run = made_up::make({.seeds = 1, .fractions = {0.1}});
  const std::vector<ExperimentView> views = views_of(run.summary);
  const auto document = report::detail::report_document(run.summary, views, run.inputs(), {});
  CHECK(std::any_of(document.blocks.begin(), document.blocks.end(),
                    [](const Block& b) { return b.kind == Block::Kind::explore && b.label == "curves"; }));
  const std::string limit = resolution_sentence(run.summary, views);
  REQUIRE_FALSE(limit.empty());
  CHECK(std::any_of(document.blocks.begin(), document.blocks.end(), [&](const Block& b) {
    return b.kind == Block::Kind::paragraph && b.text.find(limit) != std::string::npos;
  }));
}

}  // namespace report_layout
