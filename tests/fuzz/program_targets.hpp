// SPDX-License-Identifier: MIT
// Fuzz targets of the programs: their command line, and files of settings.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "common/options.hpp"
#include "fuzz/target.hpp"

namespace fuzz {

inline void parse_words(std::vector<std::string> words) {
  words.insert(words.begin(), "experiments");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  programs::ExperimentCommandLine line("experiments", "a test", "out", {1.0, 0.5});
  (void)line.parse(static_cast<int>(pointers.size()), pointers.data());
}

inline void run_config(Bytes bytes) {
  const std::filesystem::path path = file_of("config.ini", bytes);
  try_on<programs::UsageError>([&] { parse_words({"--config", path.string()}); });
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
