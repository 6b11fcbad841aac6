// SPDX-License-Identifier: MIT
// Runs gnuplot as a process on a script file. A missing or failing gnuplot is an answer, not an
// error: figures are worth less than the numbers they show.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "contexture/report/escape.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/text.hpp"

namespace contexture::report::detail {

// What a child needs of this program's environment: where programs, libraries, fonts and temporary files are. The rest
// (GNUTERM, GNUPLOT_*, a locale's decimal comma) would change or break the figures.
class ChildEnvironment {
 public:
  ChildEnvironment() {
    for (const char* name :
         {"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "FONTCONFIG_FILE", "FONTCONFIG_PATH"}) {
      if (const char* value = std::getenv(name)) entries_.push_back(std::string(name) + "=" + value);
    }
    entries_.emplace_back("LC_ALL=C.UTF-8");
    for (std::string& entry : entries_) pointers_.push_back(entry.data());
    pointers_.push_back(nullptr);
  }
  ChildEnvironment(const ChildEnvironment&) = delete;
  ChildEnvironment& operator=(const ChildEnvironment&) = delete;

  [[nodiscard]] char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::string> entries_;
  std::vector<char*> pointers_;
};

/// Writes `commands` to `folder`/`name`.gp and runs `gnuplot` from the PATH on it, without the user's
/// start-up files and environment, at most two minutes. Empty string: it worked. Otherwise the reason in a few words.
[[nodiscard]] inline std::string run_gnuplot(const std::filesystem::path& folder, const std::string& name,
                                             const std::string& commands) {
  const std::filesystem::path script = folder / (name + ".gp"), log = folder / (name + ".log");
  write_file(script, commands);
  const std::string log_name = log.string(), script_name = script.string();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_name.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  std::string program = "gnuplot", defaults = "-d", argument = script_name;
  char* const arguments[] = {program.data(), defaults.data(), argument.data(), nullptr};
  const ChildEnvironment environment;
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environment.get());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) return "gnuplot was not found (package gnuplot-nox)";
  if (error != 0) return message("gnuplot could not be started: ", std::strerror(error));

  int status = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  for (;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) break;
    if (ended < 0 && errno != EINTR) return message("gnuplot was lost: ", std::strerror(errno));
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return "gnuplot did not finish in two minutes";
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return "gnuplot was not found (package gnuplot-nox)";
  std::string said;
  if (const auto text = read_file(log)) {
    for (std::size_t at = 0; at < text->size() && said.empty();) {  // its last words are the reason
      const std::size_t end = std::min(text->find('\n', at), text->size());
      const std::string line = text->substr(at, end - at);
      if (line.find("line ") != std::string::npos) said = line;
      at = end + 1;
    }
    if (said.empty()) said = text->substr(0, text->find('\n'));
    said = ": " + shortened(replaced(said, folder.string() + "/", ""), 160);
  }
  return (WIFSIGNALED(status) ? message("gnuplot was ended by signal ", WTERMSIG(status))
                              : message("gnuplot failed with status ", WEXITSTATUS(status))) +
         said;
}

}  // namespace contexture::report::detail
