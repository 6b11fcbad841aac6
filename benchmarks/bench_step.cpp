// Whole steps: training (forward, backward, optimiser) of the default encoder with a classifier,
// one step of context prediction, and inference, in images a second; last, the network and optimiser of
// the programs' preset `standard` (two blocks a stage, Muon). Beside it: where the time goes,
// in ms by op; GFLOP/s of the convolutions' textbook multiply-adds over the whole step's time, and
// as a share of the multiply-add peak measured in the same run; the peak of tensor memory.
//   bench_step --benchmark_filter='train/width:24/threads:1'
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "contexture/core/profile.hpp"
#include "fma_peak.hpp"
#include "workloads.hpp"

namespace {

using namespace contexture;
using benchmarks::ClassificationWorkload;
using benchmarks::ContextWorkload;
using benchmarks::Setup;
using benchmarks::Workload;

enum class Kind { train, context_prediction, inference };

const char* name(Kind kind) {
  return kind == Kind::train ? "train" : kind == Kind::inference ? "inference" : "context_prediction";
}

double peak(int threads) {
  static std::map<int, double> measured;
  const auto [at, inserted] = measured.try_emplace(threads, 0.0);
  if (inserted) at->second = benchmarks::fma_peak_gflops();
  return at->second;
}

void run(benchmark::State& state, Kind kind, const Setup& setup, int threads) {
  set_num_threads(threads);
  const double limit = peak(threads);
  std::unique_ptr<Workload> workload;
  if (kind == Kind::context_prediction)
    workload = std::make_unique<ContextWorkload>(setup);
  else
    workload = std::make_unique<ClassificationWorkload>(setup);
  const auto step = [&] {
    if (kind != Kind::inference) {
      workload->train(1e-4);
      return;
    }
    const NoGrad no_grad;
    benchmark::DoNotOptimize(workload->forward().logits.value().data());
  };
  workload->set_training(kind != Kind::inference);
  benchmarks::await_cores();
  for (int warm_up = 0; warm_up < 2; ++warm_up) step();
  reset_peak_memory();
  const std::uint64_t allocations = memory_stats().system_allocations;
  const OpProfiler profiler(threads == 1 ? ProfileClock::processor : ProfileClock::wall);
  double seconds = 0;
  for (auto _ : state) {
    const double start = profiler.now();
    step();
    const double taken = profiler.now() - start;
    state.SetIterationTime(taken);
    seconds += taken;
  }
  const double multiply_adds =
      kind == Kind::inference ? workload->forward_multiply_adds() : workload->step_multiply_adds();
  const auto steps = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["images/s"] = static_cast<double>(benchmarks::kBatch) * steps / seconds;
  state.counters["GFLOP/s"] = 2e-9 * multiply_adds * steps / seconds;
  state.counters["of_peak"] = 2e-9 * multiply_adds * steps / seconds / limit;
  state.counters["peak_MiB"] = static_cast<double>(memory_stats().peak_bytes_in_use) / (1 << 20);
  state.counters["system_allocations"] = static_cast<double>(memory_stats().system_allocations - allocations);
  double other = seconds;
  for (const OpTime& op : profiler.times()) {
    state.counters[std::string(op.op) + " ms"] = 1e3 * op.seconds / steps;
    other -= op.seconds;
  }
  state.counters["other ms"] = 1e3 * other / steps;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const int most = num_threads();
  std::vector<int> thread_counts{1};
  if (most > 1) thread_counts.push_back(most);
  for (const int threads : thread_counts) {
    set_num_threads(threads);
    benchmark::AddCustomContext("fma_peak_gflops_" + std::to_string(threads) + "_threads",
                                std::to_string(peak(threads)));
  }
  benchmark::AddCustomContext("running_on", cpu_report().line());
  const auto add = [&](Kind kind, const Setup& setup) {
    const std::string network =
        message(name(kind), "/width:", setup.width, setup.blocks == 1 ? "" : "/blocks:2", setup.muon ? "/muon" : "");
    for (const int threads : thread_counts)
      benchmark::RegisterBenchmark(message(network, "/threads:", threads).c_str(), run, kind, setup, threads)
          ->Unit(benchmark::kMillisecond)
          ->UseManualTime();
  };
  for (const Kind kind : {Kind::train, Kind::context_prediction, Kind::inference})
    for (const Index width : {16, 24, 32, 64}) add(kind, {.width = width});
  add(Kind::train, {.width = 16, .blocks = 2});
  for (const Kind kind : {Kind::train, Kind::context_prediction, Kind::inference})
    add(kind, {.width = 16, .blocks = 2, .muon = kind != Kind::inference});
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
