// SPDX-License-Identifier: MIT
// What the sections of a report share: the run they are about, its figures, and values as their tables show them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "contexture/report/document.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/statistics.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

/// What became of the figures: name ("loss_curves") to the <svg> element for the page, and why some are missing.
struct DrawnFigures {
  std::map<std::string, std::string> svg;      ///< drawn here, or at least as SVG
  std::map<std::string, std::string> trouble;  ///< not drawn as a file, and why
  std::string neighbours;                      ///< a sentence to the figure of that name; empty: none
};

/// What all sections are about.
struct PageSource {
  const RunSummary& run;
  const std::vector<ExperimentView>& views;  ///< of the run's experiments, in their order
  const DrawnFigures& figures;
  bool finished = true;  ///< the run; else an experiment may lack an arm for now
};

/// Adds the figure where it was drawn, and what went wrong where it was not.
inline void add_figure(Document& doc, const DrawnFigures& figures, const std::string& name,
                       const std::string& caption) {
  const auto svg = figures.svg.find(name);
  if (svg != figures.svg.end()) doc.figure(name + ".png", svg->second, caption);
  if (const auto trouble = figures.trouble.find(name); trouble != figures.trouble.end())
    doc.paragraph("The files of the figure " + name + " could not be drawn: " + trouble->second +
                  ". The numbers behind it are in history.csv and summary.json.");
}

/// An option of the run; `otherwise` where it is not set.
[[nodiscard]] inline std::string option_of(const RunSummary& run, const char* name, const char* otherwise) {
  const auto found = run.config.find(name);
  return found == run.config.end() || found->second.empty() ? std::string(otherwise) : found->second;
}

/// Was the encoder made by another run?
[[nodiscard]] inline bool encoder_given(const RunSummary& run) { return !option_of(run, "encoder", "").empty(); }

/// Mean with the half-width of its interval: "73.42 % ± 0.61".
[[nodiscard]] inline std::string percent_text(const Stat& s) {
  return percent(s.mean, 2) + (s.has_interval() ? " \u00b1 " + fixed(100 * s.half_width_95, 2) : "");
}
/// The same of a loss: "0.5416 ± 0.0021".
[[nodiscard]] inline std::string loss_text(const Stat& s) {
  return fixed(s.mean, 4) + (s.has_interval() ? " \u00b1 " + fixed(s.half_width_95, 4) : "");
}

}  // namespace contexture::report::detail
