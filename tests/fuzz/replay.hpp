// SPDX-License-Identifier: MIT
// The stored inputs of the fuzzers as a test: those they began with, and every one that once was a finding.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/target.hpp"
#include "support/catch.hpp"

namespace fuzz {

inline void replay(const std::vector<Target>& targets) {
  for (const Target& target : targets) {
    const std::filesystem::path folder = std::filesystem::path(__FILE__).parent_path() / "corpus" / target.name;
    INFO(folder);
    int inputs = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      INFO(entry.path());
      const std::string bytes = content_of(entry.path());
      CHECK_NOTHROW(target.run(bytes_of(bytes)));
      ++inputs;
    }
    CHECK(inputs >= 2);
  }
}

}  // namespace fuzz
