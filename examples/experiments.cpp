// SPDX-License-Identifier: MIT
// All three experiments with one pre-training: what does pre-training without labels buy when a
// classifier then gets all, half or a tenth of the labels?
//
//   experiments                                        built-in images, preset quick
//   experiments --data ~/my-images --time 30m --out results-mine
//   experiments --data ~/fashion-mnist --preset standard --out results-fashion
//
// Expected with the defaults (10 minutes on 2 cores with AMX; test accuracy, one seed, to about a point, the last row
// to some):
//   labels   from scratch   pre-trained
//   100 %       90.7 %         94.1 %
//    50 %       89.9 %         93.5 %
//    10 %       62.9 %         74.7 %
#include "common/experiments.hpp"

#include "common/commands.hpp"

int programs::experiments(int argc, char** argv) {
  return run_experiment_program(
      {.name = "experiments",
       .purpose = "Pre-trains an encoder without labels, then trains classifiers with 100 %, 50 % and 10 % of "
                  "the labels, from scratch and from the pre-trained encoder, and reports the difference.",
       .out = "results-experiments",
       .fractions = {1.0, 0.5, 0.1}},
      argc, argv);
}
