// SPDX-License-Identifier: MIT
// All programs in one: `contexture predict photo.png` is what `predict photo.png` is. Under a program's own name, by
// way of a link, it is that program.
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>

#include "common/commands.hpp"
#include "contexture/core/version.hpp"

namespace {

struct Command {
  std::string_view name, purpose;
  int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"experiments", "pre-train, then classify with 100, 50 and 10 % of the labels: from scratch and pre-trained",
     programs::experiments},
    {"experiment1_all_labels", "the experiment with all labels alone", programs::experiment1_all_labels},
    {"experiment2_half_labels", "the one with half of the labels", programs::experiment2_half_labels},
    {"experiment3_tenth_labels", "the one with a tenth of the labels", programs::experiment3_tenth_labels},
    {"pretrain", "train an encoder without labels", programs::pretrain},
    {"classify", "from an encoder and a few labels to an answer for every image", programs::classify},
    {"predict", "what a trained classifier says about image files", programs::predict},
    {"probe", "what an encoder's frozen features are worth", programs::probe},
    {"diagnose", "whether context prediction is solved by a shortcut", programs::diagnose},
    {"export", "write an encoder or classifier as an ONNX file", programs::export_model},
    {"report", "finished runs side by side, and their curves for TensorBoard", programs::report},
    {"pack", "a folder of images to tar shards, and back", programs::pack},
};

const Command* find(std::string_view name) {
  const Command* const found =
      std::find_if(std::begin(kCommands), std::end(kCommands), [&](const Command& c) { return c.name == name; });
  return found == std::end(kCommands) ? nullptr : found;
}

int list_commands() {
  std::printf("Usage: contexture COMMAND [OPTIONS]\n\nCommands, each with its own --help:\n");
  for (const Command& c : kCommands)
    std::printf("  %-26s%s\n", std::string(c.name).c_str(), std::string(c.purpose).c_str());
  std::printf("\n  --version                 print the version\n");
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view path = argc > 0 ? argv[0] : "";
  if (const Command* named = find(path.substr(path.rfind('/') + 1))) return named->run(argc, argv);
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (const Command* named = find(word)) return named->run(argc - 1, argv + 1);
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
