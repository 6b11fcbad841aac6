// SPDX-License-Identifier: MIT
// Finished runs side by side: which is ahead, by how much, what they cost and in which options they differ.
//
//   report results-context results-simclr
//   report results-experiments --tensorboard     also the curves as event files, in results-experiments/tensorboard
//
// Reads what experiments leave in their folders (summary.json, history.csv); trains nothing.
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/commands.hpp"
#include "common/program.hpp"
#include "contexture/core/error.hpp"
#include "contexture/report/compare.hpp"
#include "contexture/report/drawing.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/html.hpp"
#include "contexture/report/markdown.hpp"
#include "contexture/report/plain_table.hpp"
#include "contexture/report/tensorboard.hpp"

namespace {

namespace reports = contexture::report;

// Writes the run's curves into `folder`/tensorboard, a folder a phase; returns their number.
std::size_t write_tensorboard(const std::filesystem::path& folder) {
  const std::filesystem::path history = folder / "history.csv";
  const auto text = reports::detail::read_file(history);
  contexture::require_input(text.has_value(), history.string(), ": cannot be read");
  std::map<std::string, std::string> files;
  try {
    files = reports::tensorboard_events(*text);
  } catch (const contexture::InputError& error) {
    throw contexture::InputError(history.string() + ", " + error.what());
  }
  for (const auto& [name, bytes] : files) {
    reports::make_folder(folder / "tensorboard" / name);
    reports::write_file(folder / "tensorboard" / name / "events.out.tfevents.0.contexture", bytes);
  }
  return files.size();
}

int run_report(int argc, char** argv) {
  CLI::App app("Sets finished runs side by side: accuracy, cost, and the options in which they differ.", "report");
  std::vector<std::string> folders;
  std::string out = "results-report";
  bool tensorboard = false, quiet = false;
  app.add_option("RUN", folders, "folders that experiments wrote")->required();
  app.add_option("--out", out, "folder for report.html, report.md and curves, created when missing")
      ->capture_default_str();
  app.add_flag("--tensorboard", tensorboard,
               "also write every run's curves as event files, in its folder's tensorboard/");
  app.add_flag("--quiet", quiet, "print the last line only");
  if (const std::optional<int> status = programs::parse(app, argc, argv)) return *status;
  std::vector<reports::FinishedRun> runs;
  std::set<std::string> names;
  bool same_names = false;
  for (const std::string& folder : folders) {
    runs.push_back(reports::read_finished_run(folder));
    same_names |= !names.insert(runs.back().name).second;
  }
  for (std::size_t i = 0; same_names && i < runs.size(); ++i) runs[i].name = reports::clean(folders[i]);
  for (const std::string& folder : folders) {
    contexture::require_input(!std::filesystem::exists(out) || !std::filesystem::equivalent(folder, out),
                              "--out: ", out, " is one of the runs; its own report stays as it is");
    if (!tensorboard) continue;
    const std::size_t curves = write_tensorboard(folder);
    if (!quiet)
      std::printf("TensorBoard: %zu phases in %s\n", curves,
                  (std::filesystem::path(folder) / "tensorboard").string().c_str());
  }
  const std::optional<reports::detail::CurveFigure> curves = reports::comparison_figure(runs);
  reports::make_folder(out);
  reports::detail::Drawing drawing(out);
  drawing.curves("curves", curves);
  if (const std::string trouble = drawing.trouble(); !trouble.empty())
    std::fprintf(stderr, "report: warning: %s\n", trouble.c_str());
  const reports::detail::Document document = reports::comparison_document(runs, drawing.figures());
  reports::write_file(std::filesystem::path(out) / "report.md", reports::detail::to_markdown(document));
  reports::write_file(std::filesystem::path(out) / "report.html", reports::detail::to_html(document));
  if (!quiet) {
    std::vector<std::vector<std::string>> table;
    for (const auto& row : reports::detail::accuracy_rows(runs)) {
      auto& cells = table.emplace_back();
      for (const auto& cell : row) cells.push_back(cell.text);
    }
    std::printf("%s%s\n\n", contexture::plain_table(table, 2).c_str(), reports::comparison_answer(runs).c_str());
  }
  std::printf("Report: %s\n", (std::filesystem::path(out) / "report.html").string().c_str());
  return 0;
}

}  // namespace

int programs::report(int argc, char** argv) { return run_program("report", argc, argv, run_report); }
