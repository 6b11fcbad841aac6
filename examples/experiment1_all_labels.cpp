// SPDX-License-Identifier: MIT
// Experiment 1: from scratch against pre-trained, with all labels.
//
//   experiment1_all_labels                              built-in images, preset quick
//
// Expected with the defaults (6 minutes on 2 cores with AMX; test accuracy, one seed, to about a point):
//   from scratch 90.7 %, pre-trained 94.1 %
#include "common/commands.hpp"
#include "common/experiments.hpp"

int programs::experiment1_all_labels(int argc, char** argv) {
  return run_experiment_program(
      {.name = "experiment1_all_labels",
       .purpose = "Trains a classifier with all labels, from scratch and from an encoder that was pre-trained "
                  "without labels, and reports the difference.",
       .out = "results-all-labels",
       .fractions = {1.0}},
      argc, argv);
}
