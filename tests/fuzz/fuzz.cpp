// SPDX-License-Identifier: MIT
// Fuzz targets as a program of libFuzzer (clang); scripts/fuzz.sh runs it. data.cpp, weights.cpp and programs.cpp have
// the targets, a program each: what an execution costs grows with the code that is watched.
//   fuzz_data --target=NAME CORPUS... [options of libFuzzer]
//   fuzz_data --list            names of the targets
//   fuzz_data --seeds=FOLDER    writes FOLDER/NAME/..., a few sound inputs a target, and FOLDER/NAME.dict
#include "fuzz/fuzz.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace {
fuzz::Target chosen{nullptr, nullptr};
}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  const std::vector<fuzz::Target> all = fuzz::targets();
  for (int i = 1; i < *count; ++i) {
    const std::string_view word = (*arguments)[i];
    if (word == "--list") {
      for (const fuzz::Target& target : all) std::printf("%s\n", target.name);
      std::exit(0);
    }
    if (word.starts_with("--seeds=")) {
      fuzz::write_seeds(fuzz::SeedWriter(word.substr(8)));
      std::exit(0);
    }
    if (!word.starts_with("--target=")) continue;
    for (const fuzz::Target& target : all)
      if (word.substr(9) == target.name) chosen = target;
  }
  if (chosen.run == nullptr) {
    std::fprintf(stderr, "fuzz: no --target=NAME, or one that is not in --list\n");
    std::exit(2);
  }
  (void)fuzz::scratch();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  chosen.run({bytes, size});
  return 0;
}
