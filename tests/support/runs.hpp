// Folders that runs leave files in, and what of two runs has to be the same.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "contexture/optim/state_tensors.hpp"
#include "contexture/study/results.hpp"
#include "contexture/train/history.hpp"
#include "support/catch.hpp"

namespace runs {

using namespace contexture;

// A new folder that disappears with its contents at the end of the scope.
struct Folder {
  explicit Folder(const std::string& name)
      : path(std::filesystem::temp_directory_path() / ("contexture_" + name + "_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline bool same_bits(const TensorMap& a, const TensorMap& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.shape() == y.second.shape() &&
           std::memcmp(x.second.data(), y.second.data(), x.second.size() * sizeof(float)) == 0;
  });
}

// Everything but the clock.
inline bool same_rows(const std::vector<HistoryRow>& a, const std::vector<HistoryRow>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const HistoryRow& x, const HistoryRow& y) {
    return x.step == y.step && x.epoch == y.epoch && x.split == y.split && x.loss == y.loss &&
           x.accuracy == y.accuracy && x.macro_f1 == y.macro_f1;
  });
}

inline bool same_rows(const std::vector<PhaseRow>& a, const std::vector<PhaseRow>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PhaseRow& x, const PhaseRow& y) {
    return x.phase == y.phase && same_rows(std::vector<HistoryRow>{x}, std::vector<HistoryRow>{y});
  });
}

}  // namespace runs
