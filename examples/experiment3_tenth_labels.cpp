// SPDX-License-Identifier: MIT
// Experiment 3: from scratch against pre-trained, with a tenth of the labels.
//
//   experiment3_tenth_labels                            built-in images, preset quick
//
// Expected with the defaults (3 to 4 minutes on 2 cores with AMX; test accuracy, one seed, to some points):
//   from scratch 62.9 %, pre-trained 74.7 %
#include "common/commands.hpp"
#include "common/experiments.hpp"

int programs::experiment3_tenth_labels(int argc, char** argv) {
  return run_experiment_program(
      {.name = "experiment3_tenth_labels",
       .purpose = "Trains a classifier with a tenth of the labels, from scratch and from an encoder that was "
                  "pre-trained without labels on all images, and reports the difference.",
       .out = "results-tenth-labels",
       .fractions = {0.1}},
      argc, argv);
}
