// SPDX-License-Identifier: MIT
// The programs' command line: the settings of contexture::ExperimentConfig and of its pretext task by their names, the
// preset they start from or the time they are to take, and what only concerns this run (--out, --resume, --quiet). A
// value comes from the command line, else from the file of --config, else from the time, else from the preset.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/common_options.hpp"
#include "common/data.hpp"
#include "common/program.hpp"
#include "common/settings_file.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/study/budget.hpp"
#include "contexture/study/config.hpp"

namespace programs {

struct Options {
  contexture::ExperimentConfig config;
  std::string preset = "quick";
  std::filesystem::path out;
  bool resume = false;
  bool quiet = false;
  bool live = false;  ///< the report's page is kept current
  bool dry_run = false;
  MemoryChoice memory = {};            ///< what becomes of images that are more than memory: the same numbers come out
  std::optional<double> seconds = {};  ///< that the run is to take; the configuration is to be fitted to it
  bool time_given = false;             ///< or else it is the default
  std::set<std::string> given = {};    ///< settings that keep their value
};

/// Of a run on images of one's own for which nothing says how much is computed.
inline constexpr const char* kDefaultTime = "10m";

/// The command line of an experiment program.
class ExperimentCommandLine {
 public:
  ExperimentCommandLine(const std::string& program, const std::string& purpose, const std::string& out,
                        std::vector<double> fractions)
      : app_(purpose, program), out_(out), fractions_(std::move(fractions)) {
    app_.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    config_option_ = app_.add_option("--config", config_path_,
                                     "file to read options from, for instance a former run's OUT/config.ini")
                         ->type_name("FILE")
                         ->default_str("none");
    preset_option_ = app_.add_option("--preset", options_.preset, "how much is computed: quick, standard or thorough")
                         ->capture_default_str();
    time_option_ = app_.add_option("--time", time_,
                                   "time the run takes, such as 90s, 5m or 1h: passes, task and width are "
                                   "chosen for it; default with images of your own: 10m, unless "
                                   "--preset or passes are given")
                       ->type_name("TIME")
                       ->default_str("by --preset");
    app_.add_option("--out", out_, "folder for results, created when missing")->capture_default_str();
    app_.add_flag("--resume", options_.resume, "continue the run that was stopped in --out");
    app_.add_flag("--quiet", options_.quiet, "print the last line only");
    app_.add_flag("--live", options_.live,
                  "keep the report's page current while the run goes on; open OUT/report.html in a browser");
    app_.add_flag("--dry-run", options_.dry_run, "print what would be done and how long it takes; write nothing")
        ->excludes("--resume")
        ->excludes("--quiet");
    add_memory_options(app_, options_.memory);
    for (const auto& setting : settings_) add(setting.name, setting.help, setting.value);
    for (const std::string_view task : contexture::pretext_task_names())
      for (const contexture::PretextSettingInfo& setting : contexture::pretext_settings(task))
        if (!added_.contains(setting.name)) add(setting.name, setting.help, setting.value);
    if (fractions_.empty())
      for (const std::string& name : contexture::classifier_setting_names()) added_.at(name)->group("");  // hidden
  }

  /// Empty after --help. Throws UsageError with one line.
  std::optional<Options> parse(int argc, char** argv) {
    if (programs::parse(app_, argc, argv, [this] { explain(); })) return std::nullopt;
    configure();
    if (out_.empty()) throw UsageError("--out: empty, expected a folder");
    options_.out = out_;
    return options_;
  }

 private:
  void add(const std::string& name, const std::string& help, const std::string& value) {
    added_[name] = app_.add_option("--" + name, given_[name], help)->type_name(value);
  }

  [[nodiscard]] const CLI::Option* option_of(const std::string& name) const {
    return name == "preset" ? preset_option_ : name == "time" ? time_option_ : added_.at(name);
  }
  [[nodiscard]] bool on_command_line(const std::string& name) const { return option_of(name)->count() > 0; }
  [[nodiscard]] bool given(const std::string& name) const {
    return on_command_line(name) || file_.settings.contains(name);
  }
  // Before CLI11 has stored it, too.
  [[nodiscard]] std::string text_of(const std::string& name) const {
    return on_command_line(name) ? option_of(name)->results().back() : file_.settings.at(name).value;
  }

  [[nodiscard]] bool is_setting(const std::string& name) const {
    return name == "preset" || name == "time" || added_.contains(name);
  }

  // The file of --config has settings only, each of which there is.
  void read_file() {
    if (config_option_->count() == 0) return;
    file_ = read_settings_file(config_option_->results().back());
    for (const auto& [name, setting] : file_.settings)
      if (!is_setting(name))
        throw UsageError(file_.place(setting.line) + name + ": no such setting (--help lists them)");
  }

  // Where a setting's wrong value came from, said in front.
  [[nodiscard]] UsageError usage_error(const contexture::SettingError& error) const {
    const auto found = file_.settings.find(error.name());
    if (found == file_.settings.end() || !is_setting(error.name()) || on_command_line(error.name()))
      return UsageError(error);
    return UsageError(file_.place(found->second.line) + error.what());
  }

  // The time that the run is to take, and what is not to be fitted to it. Presets fix the network, passes do not.
  void configure_time() {
    options_.time_given = given("time");
    const bool length_given = given("preset") || given("epochs") || given("pretrain-epochs") || given("scratch-from");
    if (options_.time_given)
      options_.seconds = contexture::parse_time("time", text_of("time"));
    else if (!contexture::builtin_set(options_.config.data) && !length_given)
      options_.seconds = contexture::parse_time("time", kDefaultTime);
    for (const std::string_view name : contexture::kSettingsByTime)
      if (given(std::string(name)) || (name == "width" && given("preset"))) options_.given.emplace(name);
  }

  [[nodiscard]] bool chosen_by_time(const std::string& name) const {
    const auto& all = contexture::kSettingsByTime;
    return options_.seconds && !options_.given.contains(name) && std::count(all.begin(), all.end(), name) > 0;
  }

  // A run that is resumed goes on with what was chosen when it began.
  void configure_resumed() {
    const std::filesystem::path former = std::filesystem::path(out_) / "config.ini";
    if (!options_.resume || !options_.seconds || !std::filesystem::exists(former)) return;
    const SettingsFile began = read_settings_file(former.string());
    for (const auto& setting : settings_) {
      const auto found = began.settings.find(setting.name);
      if (chosen_by_time(setting.name) && found != began.settings.end())
        setting.set(options_.config, found->second.value);
    }
    options_.seconds.reset();
  }

  // What was given becomes the configuration.
  void configure() {
    read_file();
    try {
      if (given("preset")) options_.preset = text_of("preset");
      contexture::ExperimentConfig& config = options_.config;
      const contexture::Preset& preset = contexture::preset(options_.preset);
      const std::string data = given("data") ? text_of("data") : config.data;
      const std::string network = given("network") ? text_of("network") : config.network;
      config = contexture::preset_config(preset, data, network);
      config.precision = contexture::fastest_precision();
      config.fractions = fractions_;
      for (const auto& setting : settings_)
        if (given(setting.name)) {
          if (text_of(setting.name).find('\n') != std::string::npos)
            throw contexture::SettingError(setting.name, "a line break, which no file of settings can hold");
          setting.set(config, text_of(setting.name));
        }
      if (const auto set = contexture::builtin_set(data)) {  // which has no "all": 0 is the preset's number
        if (config.train_images == 0) config.train_images = preset.train_images(*set);
        if (config.test_images == 0) config.test_images = preset.builtin_test;
      }
      config.pretext_options.clear();
      for (const auto& [name, option] : added_)
        if (given(name)) config.pretext_options[name] = text_of(name);
      for (const auto& setting : settings_) config.pretext_options.erase(setting.name);
      configure_time();
      configure_resumed();
      // Names and values are good or not whatever the images.
      (void)contexture::pretext_values(config.pretext, {.height = 32, .width = 32}, config.pretext_options);
    } catch (const contexture::SettingError& error) {
      throw usage_error(error);
    }
  }

  // For --help: every option with its default after what was given, and of the tasks' options those of the chosen one.
  void explain() {
    configure();
    const contexture::ExperimentConfig& config = options_.config;
    for (const auto& [name, option] : added_) option->group("");  // hidden
    const std::set<std::string> classifiers = contexture::classifier_setting_names();
    for (const auto& setting : settings_) {
      if (config.fractions.empty() && classifiers.contains(setting.name)) continue;
      std::string text = setting.get(config);
      if (setting.name == "precision" && !given("precision")) text = "auto";
      if (chosen_by_time(setting.name)) text = "by --time";
      added_.at(setting.name)->group("Options")->default_str(text.empty() ? "none" : text);
    }
    for (const contexture::PretextSettingInfo& setting : contexture::pretext_settings(config.pretext)) {
      const auto chosen = config.pretext_options.find(setting.name);
      added_.at(setting.name)
          ->group("Options of pre-training by --pretext " + config.pretext)
          ->default_str(chosen == config.pretext_options.end() ? setting.default_text : chosen->second);
    }
  }

  CLI::App app_;
  CLI::Option* config_option_ = nullptr;
  CLI::Option* preset_option_ = nullptr;
  CLI::Option* time_option_ = nullptr;
  std::string time_;
  std::string config_path_;
  SettingsFile file_;
  Options options_;
  std::string out_;
  std::vector<double> fractions_;
  std::vector<contexture::ExperimentSetting> settings_ = contexture::experiment_settings();
  std::map<std::string, std::string> given_;  // what CLI11 writes to; an option's results() are read
  std::map<std::string, CLI::Option*> added_;
};

/// The configuration as a file that --config reads: re-running with it gives the same bits.
inline std::string config_file(const Options& options, const std::string& machine) {
  std::string text = "# Effective configuration. Re-run: --config THIS_FILE --out NEW_FOLDER\n# Made on: " + machine +
                     "\npreset=" + options.preset + "\n";
  const contexture::ExperimentConfig& config = options.config;
  for (const contexture::ExperimentSetting& setting : contexture::experiment_settings())
    text += setting.name + "=" + written_value(setting.get(config)) + "\n";
  for (const auto& [name, value] : config.pretext_options) text += name + "=" + written_value(value) + "\n";
  return text;
}

}  // namespace programs
