// SPDX-License-Identifier: MIT
// All fuzz targets as one program of libFuzzer (clang), and the inputs that they begin with; scripts/fuzz.sh runs it.
//   fuzz --target=NAME CORPUS... [options of libFuzzer]
//   fuzz --list            names of the targets
//   fuzz --seeds=FOLDER    writes FOLDER/NAME/..., a few sound inputs a target
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/data_targets.hpp"
#include "fuzz/program_targets.hpp"
#include "fuzz/seeds.hpp"
#include "fuzz/weight_targets.hpp"

namespace {

std::vector<fuzz::Target> all_targets() {
  std::vector<fuzz::Target> all = fuzz::data_targets();
  for (const auto& more : {fuzz::weight_targets(), fuzz::program_targets()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

fuzz::Target chosen{nullptr, nullptr};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  const std::vector<fuzz::Target> all = all_targets();
  for (int i = 1; i < *count; ++i) {
    const std::string_view word = (*arguments)[i];
    if (word == "--list") {
      for (const fuzz::Target& target : all) std::printf("%s\n", target.name);
      std::exit(0);
    }
    if (word.starts_with("--seeds=")) {
      fuzz::write_seeds(word.substr(8));
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
