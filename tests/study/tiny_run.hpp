// SPDX-License-Identifier: MIT
// Whole experiments in seconds: tiny images, a tiny network.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/study/run.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"

namespace tiny {

using namespace contexture;

inline const Dataset& tiny_data() {
  static const Dataset data = builtin_dataset(240, 48, 16);
  return data;
}

inline ExperimentConfig tiny_config() {
  ExperimentConfig config;
  config.width = 2;
  config.blocks = 1;
  config.epochs = 2;
  config.pretrain_epochs = 1;
  config.batch_size = 32;
  config.pretrain_batch_size = 32;
  config.evaluations = 4;
  config.fractions = {1.0, 0.5};
  return config;
}

inline RunSummary run(const ExperimentConfig& config, const std::filesystem::path& out = {},
                      const Dataset& data = tiny_data()) {
  Progress silent;
  return run_experiments(config, data, {.out = out}, silent);
}

// Requests a stop after so many steps of the whole run.
struct StopAfter : Progress {
  StopAfter(StopToken& token, int steps) : token_(token), left_(steps) {}
  void step(std::int64_t, double, double, double) override {
    if (--left_ == 0) token_.request();
  }
  StopToken& token_;
  int left_;
};

// The tensors of a safetensors file: what comes behind its header.
inline std::string tensors_of(const std::string& file) {
  std::uint64_t header = 0;
  if (file.size() >= sizeof(header)) std::memcpy(&header, file.data(), sizeof(header));
  if (header == 0 || header > file.size() - sizeof(header)) throw std::runtime_error("tensors_of: no safetensors file");
  return file.substr(sizeof(header) + header);
}

// Weights that a run left, by file; without what the file says of where they come from.
inline std::map<std::string, std::string> weights_in(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (!entry.path().filename().string().starts_with("checkpoint."))
      files[entry.path().filename()] = entry.path().extension() == ".safetensors"
                                           ? tensors_of(runs::bytes_of(entry.path()))
                                           : runs::bytes_of(entry.path());
  return files;
}

inline std::vector<PhaseRow> rows_of(const RunSummary& summary, const PhaseId& phase, const std::string& split) {
  std::vector<PhaseRow> rows;
  for (const PhaseRow& row : summary.history)
    if (row.phase == phase && row.split == split) rows.push_back(row);
  return rows;
}

}  // namespace tiny
