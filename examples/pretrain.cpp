// SPDX-License-Identifier: MIT
// Pre-training alone: trains an encoder without labels and writes encoder.safetensors, which the
// experiments take with --encoder.
//
//   pretrain --data ~/my-images --preset standard --out results-encoder
//   experiments --data ~/my-images --preset standard --encoder results-encoder/encoder.safetensors
//
// Expected with the defaults (75 seconds on 2 cores with AMX): pretext accuracy 29 %, chance is 15 %.
#include "common/commands.hpp"
#include "common/experiments.hpp"

int programs::pretrain(int argc, char** argv) {
  return run_experiment_program({.name = "pretrain",
                                 .purpose = "Pre-trains an encoder without labels and writes encoder.safetensors.",
                                 .out = "results-pretrain",
                                 .fractions = {}},
                                argc, argv);
}
