// SPDX-License-Identifier: MIT
// Included before everything else when mutants are tested: which of the mutants that the sources carry is awake.
// CONTEXTURE_MUTANT=N wakes mutant N. CONTEXTURE_MUTANT_REACHED=FILE wakes none and writes down which ones were asked.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace contexture_mutation {

struct Mutants {
  static constexpr int kMost = 1 << 17;
  int awake = -1;
  const char* file = nullptr;
  bool reached[kMost] = {};  // several threads may write the same value

  Mutants() {
    if (const char* number = std::getenv("CONTEXTURE_MUTANT")) awake = std::atoi(number);
    file = std::getenv("CONTEXTURE_MUTANT_REACHED");
  }
  ~Mutants() {
    if (file == nullptr) return;
    if (std::FILE* out = std::fopen(file, "w")) {
      for (int i = 0; i < kMost; ++i)
        if (reached[i]) std::fprintf(out, "%d\n", i);
      std::fclose(out);
    }
  }
};

inline Mutants mutants;

inline bool awake(int number) {
  if (mutants.file != nullptr) __atomic_store_n(&mutants.reached[number], true, __ATOMIC_RELAXED);
  return mutants.awake == number;
}

}  // namespace contexture_mutation
