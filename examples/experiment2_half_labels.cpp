// SPDX-License-Identifier: MIT
// Experiment 2: from scratch against pre-trained, with half of the labels.
//
//   experiment2_half_labels                             built-in images, preset quick
//
// Expected with the defaults (4 minutes on 2 cores with AMX; test accuracy, one seed, to about a point):
//   from scratch 89.9 %, pre-trained 93.5 %
#include "common/commands.hpp"
#include "common/experiments.hpp"

int programs::experiment2_half_labels(int argc, char** argv) {
  return run_experiment_program(
      {.name = "experiment2_half_labels",
       .purpose = "Trains a classifier with half of the labels, from scratch and from an encoder that was pre-trained "
                  "without labels on all images, and reports the difference.",
       .out = "results-half-labels",
       .fractions = {0.5}},
      argc, argv);
}
