// Everything a run leaves for people and programs to read: history.csv, summary.json, curves,
// pictures, report.md and report.html. Not part of the umbrella header: include it where a
// report is written.
#pragma once

#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/report/embedding_pictures.hpp"
#include "contexture/report/figures.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/inputs.hpp"
#include "contexture/report/json.hpp"
#include "contexture/report/page.hpp"
#include "contexture/report/pictures.hpp"
#include "contexture/report/terminal.hpp"
#include "contexture/study/results.hpp"

namespace contexture {

namespace detail::report {

[[nodiscard]] inline std::string history_csv(const RunSummary& run) {
  std::string out = "experiment,arm,seed,step,epoch,seconds,split,loss,accuracy,macro_f1\n";
  for (const PhaseRow& r : run.history) {
    const PhaseText phase = text_of(r.phase);
    out += phase.experiment + "," + phase.arm + "," + phase.seed + "," + std::to_string(r.step) + "," + exact(r.epoch) +
           "," + exact(r.seconds) + "," + r.split + "," + exact(r.loss) + "," + exact(r.accuracy) + "," +
           exact(r.macro_f1) + "\n";
  }
  return out;
}

}  // namespace detail::report

/// Removes what write_report() wrote into a folder; other files stay.
inline void remove_report(const std::filesystem::path& out) {
  std::error_code ignored;
  for (const char* text : {"history.csv", "summary.json", "report.md", "report.html"})
    std::filesystem::remove(out / text, ignored);
  for (const char* figure : {"loss_curves", "accuracy_curves", "label_efficiency", "pretrain_curves", "predictions",
                             "confusion", "patches", "neighbours", "embedding", "filters"})
    for (const char* ending : {".svg", ".png"}) std::filesystem::remove(out / (std::string(figure) + ending), ignored);
}

/// Writes the report of a run into the folder `out` (created where needed): history.csv, summary.json,
/// {loss,accuracy,pretrain}_curves.{svg,png}, label_efficiency.{svg,png} (with four label fractions), predictions.png,
/// patches.png, confusion.png,
/// {neighbours,embedding,filters}.png (with a view of encoders), report.md and report.html. Each file appears complete
/// or not at all; figures of an earlier report that cannot be drawn again are removed. The figures need gnuplot on the
/// PATH and a temporary folder: without them, or where gnuplot fails, one warning line on stderr says so, and so does
/// the report. Throws InputError naming the file that cannot be written and why.
inline void write_report(const RunSummary& run, const ReportInputs& inputs, const std::filesystem::path& out) {
  namespace r = detail::report;
  r::make_folder(out);
  r::write_file(out / "history.csv", r::history_csv(run));
  r::write_file(out / "summary.json", r::summary_json(run));

  const std::vector<r::ExperimentView> views = r::views_of(run);
  // What goes wrong while drawing is told in the report; the numbers above are safe already.
  std::optional<r::TemporaryFolder> folder;
  const auto attempt = [&](auto&& draw) -> std::string {
    try {
      if (!folder) folder.emplace();
      return draw(folder->path());
    } catch (const InputError& error) {
      return error.what();
    }
  };
  r::DrawnFigures drawn;
  std::string first_trouble;
  std::vector<std::string> missing;
  // Moves what was drawn into `out`, or removes what an earlier report left there.
  const auto keep = [&](const std::string& name, const std::vector<std::string>& endings, const std::string& trouble) {
    for (const std::string& ending : endings) {
      const std::string file = name + ending;
      if (const auto bytes = trouble.empty() && folder ? r::read_file(folder->path() / file) : std::nullopt) {
        r::write_file(out / file, *bytes);
      } else {
        std::error_code ignored;
        std::filesystem::remove(out / file, ignored);
      }
    }
    if (trouble.empty()) return;
    drawn.trouble[name] = trouble;
    missing.push_back(name);
    if (first_trouble.empty()) first_trouble = trouble;
  };
  const auto curves = [&](const std::optional<r::CurveFigure>& figure, const std::string& name) {
    if (!figure) return keep(name, {".svg", ".png"}, "");
    const std::string trouble = attempt([&](const auto& where) { return r::draw_figure(*figure, where); });
    if (trouble.empty())
      drawn.svg[name] =
          r::embedded_svg(r::read_file(folder->path() / (name + ".svg")).value_or(""), name, figure->description);
    keep(name, {".svg", ".png"}, trouble);
  };
  bool any = false, pretrained_here = false;
  for (const PhaseRow& row : run.history) (row.phase.pretraining() ? pretrained_here : any) = true;
  any = any && !views.empty();
  curves(any ? std::optional(r::loss_figure(run, views)) : std::nullopt, "loss_curves");
  curves(any ? std::optional(r::accuracy_figure(run, views)) : std::nullopt, "accuracy_curves");
  curves(r::label_efficiency_figure(run, views), "label_efficiency");
  curves(pretrained_here ? std::optional(r::pretrain_figure(run)) : std::nullopt, "pretrain_curves");
  const auto picture = [&](const std::optional<r::Scene>& scene, const std::string& name, const char* description) {
    if (!scene) return keep(name, {".png"}, "");
    drawn.svg[name] = scene->svg(description);
    keep(name, {".png"}, attempt([&](const auto& where) { return scene->png(where, name); }));
  };
  picture(r::predictions_scene(run, inputs), "predictions", "Test images with the answers of both arms");
  picture(r::confusion_scene(run, views), "confusion", "Confusion matrices of both arms");
  picture(r::patches_scene(inputs), "patches", "What the pretext task sees");
  picture(r::neighbours_scene(run, inputs), "neighbours", "Nearest neighbours of test images by several encoders");
  picture(r::embedding_scene(run, inputs), "embedding", "Test images on a map, by several encoders");
  picture(r::filters_scene(inputs), "filters", "Filters of the first layer of several encoders");
  drawn.neighbours = r::neighbour_sentence(inputs);
  if (!missing.empty())
    std::cerr << "contexture: warning: " << first_trouble << "; not drawn: " << r::listed(missing) << '\n';

  const r::Document document = r::report_document(run, views, drawn);
  r::write_file(out / "report.md", r::to_markdown(document));
  r::write_file(out / "report.html", r::to_html(document));
}

}  // namespace contexture
