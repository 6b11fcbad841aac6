// SPDX-License-Identifier: MIT
// The fuzz targets of the programs, and what they begin with.
#include <string>

#include "common/options.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/program_targets.hpp"

namespace fuzz {
namespace {

void write_program_seeds(const SeedWriter& write) {
  write("config", "default", programs::config_file({}, "a machine"));
  write("config", "short",
        std::string("\xef\xbb\xbf# of a task\r\npretext = simclr\r\ntemperature=0.2\nfractions=1,0.5\nseeds='2'\n"));
  write("command_line", "run",
        std::string("--data\nphotos\n--time\n5m\n--pretext\nsimclr\n--temperature\n0.2\n--resume"));
  write("command_line", "equals",
        std::string("--epochs=3\n--fractions=1,0.5,0.1\n--quiet\n--seed=7\n--preset=standard"));
  write("command_line", "help", std::string("--pretext=vicreg\n--network\nconvnext\n--help"));
}

}  // namespace

std::vector<Target> targets() { return program_targets(); }

void write_seeds(const SeedWriter& write) {
  write_program_seeds(write);
  std::vector<std::string> lines, options;
  for (const contexture::ExperimentSetting& setting : contexture::experiment_settings()) {
    lines.push_back("\n" + setting.name + "=");
    options.push_back("--" + setting.name + "=");
  }
  write.dictionary("config", lines);
  write.dictionary("command_line", options);
}

}  // namespace fuzz
