// SPDX-License-Identifier: MIT
// Fuzz targets of the programs: their command line, and files of settings.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/options.hpp"
#include "common/settings_file.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/study/config.hpp"
#include "fuzz/target.hpp"

namespace fuzz {

inline void parse_words(std::vector<std::string> words) {
  words.insert(words.begin(), "experiments");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  programs::ExperimentCommandLine line("experiments", "a test", "out", {1.0, 0.5});
  (void)line.parse(static_cast<int>(pointers.size()), pointers.data());
}

// The settings one by one, as a whole command line takes a hundred times as long; the whole of it where
// those are sound.
inline void run_config(Bytes bytes) {
  static const std::map<std::string, contexture::ExperimentSetting> known = [] {
    std::map<std::string, contexture::ExperimentSetting> out;
    for (const contexture::ExperimentSetting& setting : contexture::experiment_settings()) out[setting.name] = setting;
    return out;
  }();
  const std::filesystem::path path = file_of("config.ini", bytes);
  bool sound = false;
  try_on<programs::UsageError>([&] {
    const programs::SettingsFile file = programs::read_settings_file(path.string());
    try_on<contexture::SettingError>([&] {
      contexture::ExperimentConfig config;
      for (const auto& [name, setting] : file.settings) {
        const auto found = known.find(name);
        if (found == known.end()) continue;
        found->second.set(config, setting.value);
        contexture::ExperimentConfig again;
        found->second.set(again, found->second.get(config));
        require_finding(found->second.get(again) == found->second.get(config), name + " reads back as another value");
      }
      sound = true;
    });
  });
  if (sound) try_on<programs::UsageError>([&] { parse_words({"--config", path.string()}); });
}

// A word a line; words have no zero bytes.
inline void run_command_line(Bytes bytes) {
  std::vector<std::string> words(1);
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n') {
      words.emplace_back();
    } else if (byte != 0) {
      words.back().push_back(static_cast<char>(byte));
    }
  }
  try_on<programs::UsageError>([&] { parse_words(std::move(words)); });
}

inline std::vector<Target> program_targets() { return {{"config", run_config}, {"command_line", run_command_line}}; }

}  // namespace fuzz
