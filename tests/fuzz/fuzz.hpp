// SPDX-License-Identifier: MIT
// What a program of fuzz targets consists of: its targets, and the inputs that they begin with, small sound ones of
// every kind, by the writers of the tests.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "data/files.hpp"
#include "fuzz/target.hpp"

namespace fuzz {

class SeedWriter {
 public:
  explicit SeedWriter(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// FOLDER/target/name.
  template <class Content>
  void operator()(const char* target, const char* name, const Content& content) const {
    files::write(folder_ / target / name, content);
  }

  /// FOLDER/target.dict: words that libFuzzer puts into its inputs.
  void dictionary(const char* target, const std::vector<std::string>& words) const {
    std::string out;
    for (const std::string& word : words) {
      out += '"';
      for (const char c : word) {
        static constexpr const char* kDigits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= ' ' && byte < 0x7f && c != '"' && c != '\\')
          out += c;
        else
          out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      }
      out += "\"\n";
    }
    files::write(folder_ / (std::string(target) + ".dict"), out);
  }

 private:
  std::filesystem::path folder_;
};

[[nodiscard]] std::vector<Target> targets();
void write_seeds(const SeedWriter& write);

}  // namespace fuzz
