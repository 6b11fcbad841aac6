// SPDX-License-Identifier: MIT
// All programs in one: `contexture predict photo.png` is what `predict photo.png` is. Under a program's own name, by
// way of a link, it is that program.
#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "common/commands.hpp"
#include "contexture/core/version.hpp"

namespace {

const programs::Command* find(std::string_view name) {
  const std::span<const programs::Command> all = programs::commands();
  const auto found = std::find_if(all.begin(), all.end(), [&](const programs::Command& c) { return c.name == name; });
  return found == all.end() ? nullptr : &*found;
}

int list_commands() {
  std::printf("Usage: contexture COMMAND [OPTIONS]\n\nCommands, each with its own --help:\n");
  for (const programs::Command& c : programs::commands())
    std::printf("  %-26s%s\n", std::string(c.name).c_str(), std::string(c.purpose).c_str());
  std::printf("\n  --version                 print the version\n");
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view path = argc > 0 ? argv[0] : "";
  if (const programs::Command* named = find(path.substr(path.rfind('/') + 1))) return named->run(argc, argv);
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (const programs::Command* named = find(word)) return named->run(argc - 1, argv + 1);
  if (word == "--help" || word == "-h") return list_commands();
  if (word == "--version") {
    std::printf("contexture %d.%d.%d\n", CONTEXTURE_VERSION_MAJOR, CONTEXTURE_VERSION_MINOR, CONTEXTURE_VERSION_PATCH);
    return std::fflush(stdout) == 0 ? 0 : 1;
  }
  if (word.empty())
    std::fprintf(stderr, "contexture: which command? (--help lists them)\n");
  else
    std::fprintf(stderr, "contexture: '%s' is not a command (--help lists them)\n", std::string(word).c_str());
  return 2;
}
