// SPDX-License-Identifier: MIT
// What MPI has to do with the programs: how they begin, and how they all end when one of them fails.
#include "common/processes.hpp"

#include <array>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "common/program.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/fingerprint.hpp"
#include "contexture/study/identity.hpp"

#if defined(CONTEXTURE_WITH_MPI)
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "contexture/core/parallel.hpp"
#include "contexture/train/mpi.hpp"
#endif

namespace programs {
namespace {

// Of the program's file: the same number says the same build.
std::string fingerprint_of_program() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  if (!file) return "unknown";
  contexture::Fingerprint print;
  std::array<char, 1 << 16> block{};
  while (file.read(block.data(), block.size()) || file.gcount() > 0)
    print.add(block.data(), static_cast<std::size_t>(file.gcount()));
  return print.text();
}

}  // namespace

void require_same_start(const std::map<std::string, std::string>& choices) {
  contexture::ProcessGroup& group = contexture::process_group();
  if (group.size() == 1) return;
  const contexture::CpuReport machine = contexture::cpu_report();
  contexture::require_same_in_group(group, {{"program", fingerprint_of_program()}});
  contexture::require_same_in_group(group, choices);
  // Optimisers run in every process: weights stay the same only where the same instructions compute them.
  contexture::require_same_in_group(group, {{"kernels", std::string(contexture::to_string(machine.isa))},
                                            {"BLAS", machine.blas_core.empty() ? machine.blas : machine.blas_core}});
}

#if defined(CONTEXTURE_WITH_MPI)
namespace {

using contexture::MpiGroup;

// Seconds after which a process that does not answer is given up. Images may take minutes to load.
double patience() {
  constexpr double kDefault = 300;
  const char* const text = std::getenv("CONTEXTURE_MPI_TIMEOUT");
  if (text == nullptr || *text == '\0') return kDefault;
  double seconds = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, seconds);
  if (error != std::errc() || stop != end || !std::isfinite(seconds) || seconds < 1)
    throw UsageError(contexture::message("CONTEXTURE_MPI_TIMEOUT: '", text, "', expected seconds, 1 or more"));
  return seconds;
}

// Processes that may run on the same processors divide them, unless somebody said how many threads there are to be.
void share_processors(MpiGroup& group) {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  std::array<char, 256> host{};
  if (std::getenv("CONTEXTURE_NUM_THREADS") != nullptr || ::gethostname(host.data(), host.size() - 1) != 0 ||
      ::sched_getaffinity(0, sizeof(mine), &mine) != 0) {
    (void)contexture::gather_texts(group, "");
    return;
  }
  std::string place = host.data();
  place.append(reinterpret_cast<const char*>(&mine), sizeof(mine));
  const std::vector<std::string> places = contexture::gather_texts(group, place);
  const auto together = static_cast<int>(std::count(places.begin(), places.end(), place));
  contexture::set_num_threads(std::max(1, contexture::num_threads() / together));
}

// Ends all processes with one line, by one of them.
int fail_together(MpiGroup& group, const char* name, const Outcome& outcome, bool told) {
  // Where each kept its state is its own, that they were stopped is common to all.
  const std::uint64_t reason = told ? 0 : outcome.status == kStopped ? 1 : std::hash<std::string>{}(outcome.text) | 2;
  MpiGroup::Failure failure;
  try {
    failure = group.fail(reason);
  } catch (const contexture::ProcessLost&) {  // not even that can be told any more
    failure.speaks = !told;
  }
  if (failure.speaks) tell(name, outcome);
  if (!failure.all) group.abort(outcome.status, failure.speaks);
  return outcome.status;
}

int run_in_group(MpiGroup& group, const char* name, const std::function<int()>& body) {
  const contexture::ProcessGroupGuard guard(group);
  bool told = false;
  const Outcome outcome = outcome_of([&] {
    try {
      share_processors(group);
      return group.leave(body());
    } catch (const contexture::ProcessLost& lost) {
      told = lost.told();
      throw;
    }
  });
  return outcome.text.empty() ? outcome.status : fail_together(group, name, outcome, told);
}

}  // namespace

int run_together(const char* name, int argc, char** argv, const std::function<int(int, char**)>& body) {
  if (!contexture::started_by_mpi()) return run_program(name, argc, argv, body);
  int status = 1;
  const Outcome outcome = outcome_of([&] {
    MpiGroup group(argc, argv, patience());
    // What all of them say would be there several times.
    if (group.rank() != 0 && std::freopen("/dev/null", "w", stdout) == nullptr)
      throw std::runtime_error("/dev/null cannot be opened");
    status = run_in_group(group, name, [&] { return body(argc, argv); });
    return status;
  });
  if (!outcome.text.empty()) tell(name, outcome);
  return outcome.status;
}

#else

int run_together(const char* name, int argc, char** argv, const std::function<int(int, char**)>& body) {
  return run_program(name, argc, argv, body);
}

#endif

}  // namespace programs
