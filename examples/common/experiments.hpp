// SPDX-License-Identifier: MIT
// What the experiment programs share: options, loading the data, the header of a run, the run itself,
// its report. Light to include: the library is compiled once, in experiments.cpp.
#pragma once

#include <string>
#include <vector>

namespace programs {

/// How the programs differ.
struct ExperimentProgram {
  std::string name;               ///< of the program
  std::string purpose;            ///< first line of --help
  std::string out;                ///< default of --out
  std::vector<double> fractions;  ///< label fractions, one experiment each; empty: pre-training only
};

/// The whole program; returns its exit status.
int run_experiment_program(const ExperimentProgram& program, int argc, char** argv);

}  // namespace programs
