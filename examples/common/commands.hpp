// SPDX-License-Identifier: MIT
// The programs of this folder: each is a function, a command of `contexture`, and a name of its own beside it.
#pragma once

#include <span>
#include <string_view>

namespace programs {

// Each takes its command line, whose first word is its name, and returns an exit status.
int experiments(int argc, char** argv);
int experiment1_all_labels(int argc, char** argv);
int experiment2_half_labels(int argc, char** argv);
int experiment3_tenth_labels(int argc, char** argv);
int pretrain(int argc, char** argv);
int classify(int argc, char** argv);
int predict(int argc, char** argv);
int probe(int argc, char** argv);
int diagnose(int argc, char** argv);
int export_model(int argc, char** argv);  // `export`, a word of C++
int report(int argc, char** argv);
int pack(int argc, char** argv);
int completion(int argc, char** argv);

struct Command {
  std::string_view name, purpose;
  int (*run)(int argc, char** argv);
};

/// All of them, in the order of `contexture --help`.
std::span<const Command> commands();

}  // namespace programs
