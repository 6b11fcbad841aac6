// The programs' command line: the settings of contexture::ExperimentConfig by their names, the
// preset they start from, and what only concerns this run (--out, --resume, --quiet). A value comes
// from the command line, else from the file of --config, else from the preset.
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/program.hpp"
#include "contexture/study/config.hpp"

namespace programs {

struct Options {
  contexture::ExperimentConfig config;
  std::string preset = "quick";
  std::filesystem::path out;
  bool resume = false;
  bool quiet = false;
};

/// Parses the command line. Empty after --help. Throws UsageError with one line.
inline std::optional<Options> parse_options(const std::string& program, const std::string& purpose,
                                            const std::string& default_out,
                                            const std::vector<double>& default_fractions, int argc, char** argv) {
  CLI::App app(purpose, program);
  app.set_config("--config", "", "read options from a file, for instance a former run's OUT/config.ini");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.allow_config_extras(false);
  app.get_config_formatter_base()->comment('\0');  // a # in a path is none; lines that begin with it are, all the same
  Options options;
  std::string out = default_out;
  app.add_option("--preset", options.preset, "quick, standard or thorough: how much is computed")
      ->capture_default_str();
  app.add_option("--out", out, "folder for results, created when missing")->capture_default_str()->configurable(false);
  app.add_flag("--resume", options.resume, "continue the run that was stopped in --out")->configurable(false);
  app.add_flag("--quiet", options.quiet, "print the last line only")->configurable(false);

  const std::vector<contexture::ExperimentSetting> settings = contexture::experiment_settings();
  std::map<std::string, std::string> given;
  std::map<std::string, CLI::Option*> added;
  for (const contexture::ExperimentSetting& setting : settings)
    added[setting.name] =
        app.add_option("--" + setting.name, given[setting.name], setting.help)->type_name(setting.value);
  if (parse(app, argc, argv)) return std::nullopt;
  try {
    const std::string data = added["data"]->count() > 0 ? given["data"] : options.config.data;
    options.config = contexture::preset_config(contexture::preset(options.preset), data);
    options.config.fractions = default_fractions;
    for (const contexture::ExperimentSetting& setting : settings)
      if (added[setting.name]->count() > 0) setting.set(options.config, given[setting.name]);
    if (data == "builtin") {  // which has no "all": 0 is the preset's number
      if (options.config.train_images == 0)
        options.config.train_images = contexture::preset(options.preset).builtin_train;
      if (options.config.test_images == 0) options.config.test_images = contexture::preset(options.preset).builtin_test;
    }
  } catch (const contexture::SettingError& error) {
    throw UsageError(error);
  }
  if (out.empty()) throw UsageError("--out: empty, expected a folder");
  options.out = out;
  return options;
}

/// The effective configuration as a file that --config reads: re-running with it gives the same bits.
inline std::string config_file(const Options& options, const std::string& machine) {
  const auto quoted = [](const std::string& text) {  // CLI11 reads '...' and "..." without escapes
    if (text.find_first_of(" #;,[]'\"\t") == std::string::npos && !text.empty()) return text;
    const char quote = text.find('"') == std::string::npos ? '"' : '\'';
    return quote + text + quote;
  };
  std::string text = "# Effective configuration. Re-run: --config THIS_FILE --out NEW_FOLDER\n# Made on: " + machine +
                     "\npreset=" + options.preset + "\n";
  for (const contexture::ExperimentSetting& setting : contexture::experiment_settings())
    text += setting.name + "=" + quoted(setting.get(options.config)) + "\n";
  return text;
}

}  // namespace programs
