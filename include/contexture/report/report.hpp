// SPDX-License-Identifier: MIT
// Everything a run leaves for people and programs to read: history.csv, summary.json, curves,
// pictures, report.md and report.html. Not part of the umbrella header: include it where a
// report is written.
#pragma once

#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "contexture/report/drawing.hpp"
#include "contexture/report/embedding_pictures.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/figures.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/history.hpp"
#include "contexture/report/html.hpp"
#include "contexture/report/inputs.hpp"
#include "contexture/report/json.hpp"
#include "contexture/report/markdown.hpp"
#include "contexture/report/page.hpp"
#include "contexture/report/page_further_arms.hpp"
#include "contexture/report/pictures.hpp"
#include "contexture/report/terminal.hpp"
#include "contexture/study/results.hpp"

namespace contexture {

/// Removes what write_report() wrote into a folder; other files stay.
inline void remove_report(const std::filesystem::path& out) {
  std::error_code ignored;
  for (const char* text : {"history.csv", "summary.json", "report.md", "report.html"})
    std::filesystem::remove(out / text, ignored);
  for (const char* figure : {"loss_curves", "accuracy_curves", "label_efficiency", "further_arms", "pretrain_curves",
                             "predictions", "confusion", "patches", "neighbours", "embedding", "filters"})
    for (const char* ending : {".svg", ".png"}) std::filesystem::remove(out / (std::string(figure) + ending), ignored);
}

namespace report::detail {

/// Draws all figures of the run.
inline void draw_all(Drawing& drawing, const RunSummary& run, const std::vector<ExperimentView>& views,
                     const ReportInputs& inputs) {
  const bool arms = tells_of_arms(run) && !views.empty();
  drawing.curves("loss_curves", arms ? std::optional(loss_figure(run, views)) : std::nullopt);
  drawing.curves("accuracy_curves", arms ? std::optional(accuracy_figure(run, views)) : std::nullopt);
  drawing.curves("label_efficiency", label_efficiency_figure(run, views));
  drawing.curves("further_arms", further_arms_figure(run));
  drawing.curves("pretrain_curves", tells_of_pretraining(run) ? std::optional(pretrain_figure(run)) : std::nullopt);
  drawing.picture("predictions", predictions_scene(run, inputs), "Test images with the answers of both arms");
  drawing.picture("confusion", confusion_scene(run, views), "Confusion matrices of both arms");
  drawing.picture("patches", patches_scene(inputs), "What the pretext task sees");
  drawing.picture("neighbours", neighbours_scene(run, inputs), "Nearest neighbours of test images by several encoders");
  drawing.picture("embedding", embedding_scene(run, inputs), "Test images on a map, by several encoders");
  drawing.picture("filters", std::nullopt, "");  // of an earlier version's report
}

}  // namespace report::detail

/// Writes the report of a run into the folder `out` (created where needed): history.csv, summary.json,
/// {loss,accuracy,pretrain}_curves.{svg,png}, label_efficiency.{svg,png} (with four label fractions),
/// further_arms.{svg,png} (with such arms), predictions.png, patches.png, confusion.png,
/// {neighbours,embedding}.png (with a view of encoders), report.md and report.html. Each file appears complete
/// or not at all; figures of an earlier report that cannot be drawn again are removed. The figures need gnuplot on the
/// PATH and a temporary folder: without them, or where gnuplot fails, one warning line on stderr says so, and so does
/// the report. Throws InputError naming the file that cannot be written and why.
inline void write_report(const RunSummary& run, const ReportInputs& inputs, const std::filesystem::path& out) {
  namespace r = report;
  r::make_folder(out);
  r::write_file(out / "history.csv", r::history_csv(run));
  r::write_file(out / "summary.json", r::summary_json(run));

  // What goes wrong while drawing is told in the report; the numbers above are safe already.
  const std::vector<r::ExperimentView> views = r::views_of(run);
  r::detail::Drawing drawing(out);
  r::detail::draw_all(drawing, run, views, inputs);
  if (const std::string trouble = drawing.trouble(); !trouble.empty())
    std::cerr << "contexture: warning: " << trouble << '\n';

  r::detail::DrawnFigures figures = drawing.figures();
  figures.neighbours = r::detail::neighbour_sentence(inputs);
  const r::detail::Document document = r::detail::report_document(run, views, inputs, figures);
  r::write_file(out / "report.md", r::detail::to_markdown(document));
  r::write_file(out / "report.html", r::detail::to_html(document));
}

}  // namespace contexture
