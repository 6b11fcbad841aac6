// SPDX-License-Identifier: MIT
// The choice of the instruction set, and that every one that this processor has computes.
#include <cstdlib>
#include <fstream>
#include <string>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "contexture/core/cpu.hpp"
#include "contexture/core/precision.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("set_isa takes what the processor has and refuses more") {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa <= supported_isa()) {
      set_isa(isa);
      CHECK(active_isa() == isa);
    } else {
      CHECK_THROWS_AS(set_isa(isa), std::invalid_argument);
    }
  }
  set_isa(before);
}

TEST_CASE("CONTEXTURE_ISA is read strictly") {
  const char* before = std::getenv("CONTEXTURE_ISA");
  const std::string restore = before == nullptr ? "" : before;
  const auto chosen = [](const char* text) {
    ::setenv("CONTEXTURE_ISA", text, 1);
    return detail::initial_isa();
  };
  CHECK(chosen("") == supported_isa());
  CHECK(chosen("baseline") == Isa::baseline);
  CHECK(chosen(std::string(to_string(supported_isa())).c_str()) == supported_isa());
  if (supported_isa() < Isa::avx512) CHECK_THROWS_AS(chosen("avx512"), std::invalid_argument);
  for (const char* bad : {"AVX2", "sse", "avx2 ", "2"}) {
    INFO(bad);
    CHECK_THROWS_AS(chosen(bad), std::invalid_argument);
  }
  if (before == nullptr)
    ::unsetenv("CONTEXTURE_ISA");
  else
    ::setenv("CONTEXTURE_ISA", restore.c_str(), 1);
}

#if defined(__x86_64__) && defined(__linux__)
TEST_CASE("AMX is used where Linux shows it and grants it") {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  bool shown = false;
  while (!shown && std::getline(info, line))
    shown = line.find(" amx_tile") != std::string::npos && line.find(" amx_bf16") != std::string::npos;
  constexpr long request_permission = 0x1023, tile_data = 18;
  const bool granted = shown && ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  CHECK(contexture::detail::amx_granted() == granted);
  CHECK(has_bfloat16_unit(Bfloat16Unit::amx) == (granted && supported_isa() == Isa::avx512));
}
#endif

TEST_CASE("a precision has a name; auto is the fastest, which without a unit for bfloat16 is float32") {
  for (const Precision precision : {Precision::float32, Precision::bfloat16})
    CHECK(precision_named(to_string(precision)) == precision);
  for (const char* bad : {"", "AUTO", "float16", "bf16"})
    CHECK_THROWS_WITH(precision_named(bad),
                      Catch::Matchers::Equals(message("precision: '", bad, "', expected auto, float32 or bfloat16")));
  const Bfloat16Unit before = active_bfloat16_unit();
  set_bfloat16_unit(Bfloat16Unit::emulated);
  CHECK(precision_named("auto") == Precision::float32);
  set_bfloat16_unit(before);
  CHECK(precision_named("auto") == fastest_precision());
}
