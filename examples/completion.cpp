// SPDX-License-Identifier: MIT
// Writes what a shell needs to complete the words of `contexture`:
//
//   contexture completion bash > ~/.local/share/bash-completion/completions/contexture
//   contexture completion zsh > ~/.zfunc/_contexture
//
// `cmake --install` and the Debian package put both where the shells look for them.
#include "common/completion.hpp"

#include <cstdio>
#include <string>
#include <vector>

#include "common/commands.hpp"
#include "common/program.hpp"
#include "contexture/core/settings.hpp"

namespace {

std::vector<programs::CompletedCommand> completed_commands() {
  std::vector<programs::CompletedCommand> out;
  for (const programs::Command& command : programs::commands()) {
    programs::CompletedCommand& completed = out.emplace_back();
    completed.name = command.name;
    completed.purpose = command.purpose;
    programs::option_reader() = [&](const CLI::App& app) { completed.options = programs::completed_options(app); };
    std::string name = completed.name;
    char* words[] = {name.data(), nullptr};
    command.run(1, words);
    programs::option_reader() = nullptr;
  }
  return out;
}

int run_completion(int argc, char** argv) {
  CLI::App app("Writes what a shell needs to complete the words of contexture.", "completion");
  std::string shell;
  app.add_option("SHELL", shell, "the shell: bash or zsh")->required();
  if (const std::optional<int> status = programs::parse(app, argc, argv)) return *status;
  try {
    const bool zsh = contexture::parse_choice("SHELL", shell, {"bash", "zsh"}) == 1;
    const std::vector<programs::CompletedCommand> commands = completed_commands();
    std::printf("%s", (zsh ? programs::zsh_completion(commands) : programs::bash_completion(commands)).c_str());
  } catch (const contexture::SettingError& error) {
    throw programs::UsageError(error.what());
  }
  return 0;
}

}  // namespace

int programs::completion(int argc, char** argv) { return run_program("completion", argc, argv, run_completion); }
