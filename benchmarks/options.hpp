// SPDX-License-Identifier: MIT
// Options of the benchmark programs that Google Benchmark does not know.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/precision.hpp"

namespace contexture::benchmarks {

/// The values of an option, `NAME VALUE` or `NAME=VALUE`, as often as it is there, which it takes out of the arguments.
/// Throws std::invalid_argument where a value is missing.
inline std::vector<std::string> take_option(int& argc, char** argv, std::string_view name, std::string_view expected) {
  std::vector<std::string> values;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == name) {
      require(++i < argc, name, ": expected ", expected);
      values.emplace_back(argv[i]);
    } else if (argument.starts_with(name) && argument.substr(name.size()).starts_with('=')) {
      values.emplace_back(argument.substr(name.size() + 1));
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return values;
}

/// The precisions that are measured: those of `--precision NAME`, or float32, and bfloat16 where it is the faster one.
inline std::vector<Precision> take_precisions(int& argc, char** argv) {
  std::vector<Precision> precisions;
  for (const std::string& name : take_option(argc, argv, "--precision", "float32 or bfloat16"))
    precisions.push_back(precision_named(name));
  if (!precisions.empty()) return precisions;
  precisions.push_back(Precision::float32);
  if (fastest_precision() != Precision::float32) precisions.push_back(fastest_precision());
  return precisions;
}

/// What --help says of it.
inline constexpr const char* kPrecisionHelp =
    "  --precision float32|bfloat16   may be given twice; without it float32, and bfloat16 where it is faster\n";

}  // namespace contexture::benchmarks
