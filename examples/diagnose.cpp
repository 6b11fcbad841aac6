// SPDX-License-Identifier: MIT
// Is context prediction solved by looking at what images show, or by a shortcut? Short trainings with other gaps and
// with batches that leave only a shortcut, judged line by line.
//
//   diagnose                                            built-in images
//   diagnose --data ~/my-images --out results-diagnose
//
// Prints a table that says pass, suspect or not judged, with the reason, and writes diagnostics.json. A suspect line is
// a place to look at, not a proof; docs/evaluation.md explains the rules. The default run takes some minutes.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/commands.hpp"
#include "common/common_options.hpp"
#include "common/data.hpp"
#include "common/program.hpp"
#include "common/progress.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/evaluate/shortcuts.hpp"
#include "contexture/report/plain_table.hpp"
#include "contexture/report/text.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/pretext_task_list.hpp"
#include "contexture/ssl/pretext_tasks.hpp"

namespace {

using Json = nlohmann::ordered_json;

// The task that is looked into.
constexpr std::string_view kTask = contexture::ContextPredictionSpec::kName;

// An option for each setting of the task; its text goes to `given`.
void add_task_options(CLI::App& app, contexture::PretextValues& given) {
  for (const contexture::PretextSettingInfo& setting : contexture::pretext_settings(kTask))
    app.add_option("--" + setting.name, given[setting.name], setting.help)
        ->type_name(setting.value)
        ->default_str(setting.default_text);
}

// Leaves what was given on the command line. Throws UsageError for a value that its setting cannot have.
void keep_given(const CLI::App& app, contexture::PretextValues& given) {
  std::erase_if(given, [&](const auto& setting) { return app.count("--" + setting.first) == 0; });
  try {
    (void)contexture::pretext_values(kTask, {.height = 32, .width = 32}, given);
  } catch (const contexture::SettingError& error) {
    throw programs::UsageError(error);
  }
}

int run_diagnose(int argc, char** argv) {
  CLI::App app(
      "Tells whether context prediction on these images is solved by a shortcut: short trainings with other "
      "gaps, borders alone, foreign partners and shuffled answers.",
      "diagnose");
  programs::CommonOptions common;
  common.out = "results-diagnose";
  common.choice.labels = false;
  programs::add_common_options(app, common, "diagnostics.json", false);
  contexture::ShortcutOptions options;
  app.add_option("--width", options.width, "channels of the network's first stage")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--steps", options.steps, "steps of each of the seven trainings")
      ->capture_default_str()
      ->check(CLI::Range(1, programs::kMany));
  app.add_option("--batch-size", options.batch_size, "images in a step")
      ->capture_default_str()
      ->check(CLI::Range(2, 65536));
  contexture::PretextValues given;
  add_task_options(app, given);
  if (const std::optional<int> status = programs::parse(app, argc, argv)) return *status;
  keep_given(app, given);
  const contexture::PrecisionGuard precision(programs::precision_of(common.precision));
  options.seed = common.seed;
  const contexture::Dataset data = programs::prepare(common);
  const contexture::ImageSet& images = data.train;
  const contexture::PretextImages kind = contexture::pretext_images(images, {}, false);
  const contexture::PretextValues task = contexture::pretext_values(kTask, kind, given);
  const std::string machine = contexture::cpu_report().line();
  if (!common.quiet) {
    std::printf("data     %s: %lld images of %lld x %lld x %lld\n", data.name.c_str(),
                static_cast<long long>(images.count), static_cast<long long>(images.height),
                static_cast<long long>(images.width), static_cast<long long>(images.channels));
    std::printf("patches  grid %s, patch %s, gap %s, jitter %s, colour %s\n", task.at("grid").c_str(),
                task.at("patch").c_str(), task.at("gap").c_str(), task.at("jitter").c_str(), task.at("colour").c_str());
    std::printf("machine  %s\n", machine.c_str());
    std::fflush(stdout);
  }

  programs::stop_on_signals();
  programs::TerminalProgress progress(common.quiet);
  const contexture::ShortcutMeasurements measured =
      contexture::measure_shortcuts(contexture::pretext_options<contexture::ContextPredictionSpec>(kind, given), images,
                                    options, progress, &programs::stop_token());
  const std::vector<contexture::ShortcutVerdict> verdicts = contexture::judge_shortcuts(measured);

  Json json;
  json["dataset"] = data.name;
  json["images"] = {{"all", images.count}, {"validation", measured.images}};
  for (const contexture::PretextSettingInfo& setting : contexture::pretext_settings(kTask))
    json["context"][setting.name] =
        setting.value == "NAME" ? Json(task.at(setting.name)) : Json::parse(task.at(setting.name));
  json["steps"] = options.steps;
  json["batch_size"] = options.batch_size;
  json["width"] = options.width;
  json["seed"] = options.seed;
  json["precision"] = contexture::to_string(contexture::active_precision());
  json["machine"] = machine;
  json["checks"] = Json::array();
  std::vector<std::vector<std::string>> table{{"check", "verdict", "accuracy", "chance", "reason"}};
  std::size_t suspects = 0;
  for (const contexture::ShortcutVerdict& v : verdicts) {
    suspects += v.suspect;
    json["checks"].push_back({{"name", v.name},
                              {"accuracy", v.accuracy},
                              {"chance", v.chance},
                              {"verdict", v.word()},
                              {"reason", v.reason}});
    table.push_back(
        {v.name, v.word(), contexture::report::percent(v.accuracy), contexture::report::percent(v.chance), v.reason});
  }
  json["suspect"] = suspects;
  const std::filesystem::path file = std::filesystem::path(common.out) / "diagnostics.json";
  programs::write_text(file, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  if (!common.quiet) std::printf("\n%s\n", contexture::plain_table(table, 5).c_str());
  std::printf("Diagnostics: %zu of %zu suspect, %s\n", suspects, verdicts.size(), file.string().c_str());
  return 0;
}

}  // namespace

int programs::diagnose(int argc, char** argv) { return run_program("diagnose", argc, argv, run_diagnose); }
