// SPDX-License-Identifier: MIT
// Whole steps: training (forward, backward, optimiser) of the default encoder and of ResNet-18 with a classifier,
// steps of context prediction and of SimCLR, and inference, in images a second; last, the network and optimiser of
// the programs' preset `standard` (two blocks a stage, Muon). In both precisions, where bfloat16 is the faster one.
// Beside it: where the time goes, in ms by op; GFLOP/s of the convolutions' textbook multiply-adds over the whole
// step's time, and as a share of that precision's multiply-add peak measured in the same run; the peak of tensor
// memory, in bfloat16 also as a share of float's; and what convolutions and batch-norm read and write, beside the
// convolutions' part of it, which is the least that the step needs.
//   bench_step --benchmark_filter='train/width:24/threads:1'    bench_step --help
#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/parallel.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/profile.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/models/resnet18.hpp"
#include "options.hpp"
#include "peak.hpp"
#include "workloads.hpp"

namespace {

using namespace contexture;
using benchmarks::Setup;
using benchmarks::Workload;

enum class Kind { train, context_prediction, simclr, inference };

const char* name(Kind kind) {
  switch (kind) {
    case Kind::train: return "train";
    case Kind::context_prediction: return "context_prediction";
    case Kind::simclr: return "simclr";
    case Kind::inference: break;
  }
  return "inference";
}

struct Step {
  Kind kind;
  Setup setup;
  Precision precision = Precision::float32;
  int threads = 1;

  [[nodiscard]] std::string problem() const {
    const std::string network =
        setup.network == ResNet18<float>::kName ? std::string(setup.network) : message("width:", setup.width);
    return message(name(kind), '/', network,
                   setup.network == ResNet<float>::kName && setup.blocks > 1 ? "/blocks:2" : "",
                   setup.muon ? "/muon" : "", setup.images == 1 ? "/images:1" : "");
  }
  [[nodiscard]] std::string name_of_row() const {
    return message(problem(), precision == Precision::float32 ? "" : "/precision:bfloat16", "/threads:", threads);
  }
};

std::unique_ptr<Workload> make_workload(const Step& step) {
  switch (step.kind) {
    case Kind::context_prediction: return std::make_unique<benchmarks::ContextWorkload>(step.setup);
    case Kind::simclr: return std::make_unique<benchmarks::SimclrWorkload>(step.setup);
    default: return std::make_unique<benchmarks::ClassificationWorkload>(step.setup);
  }
}

// Peak MiB of the same step in float; 0 where it was not run.
double& float_mib(const Step& step) {
  static std::map<std::pair<std::string, int>, double> known;
  return known[{step.problem(), step.threads}];
}

void run(benchmark::State& state, const Step& what) {
  set_num_threads(what.threads);
  const PrecisionGuard precision(what.precision);
  const double limit = benchmarks::peak_gflops(what.precision);
  const bool inference = what.kind == Kind::inference;
  const std::unique_ptr<Workload> workload = make_workload(what);
  const auto step = [&] {
    if (!inference) {
      workload->train(1e-4);
      return;
    }
    const NoGrad no_grad;
    benchmark::DoNotOptimize(workload->forward().output.value().data());
  };
  workload->set_training(!inference);
  benchmarks::await_cores();
  for (int warm_up = 0; warm_up < 2; ++warm_up) step();
  reset_peak_memory();
  const std::uint64_t allocations = memory_stats().system_allocations;
  const OpProfiler profiler(what.threads == 1 ? ProfileClock::processor : ProfileClock::wall);
  double seconds = 0;
  for (auto _ : state) {
    const double start = profiler.now();
    step();
    const double taken = profiler.now() - start;
    state.SetIterationTime(taken);
    seconds += taken;
  }
  const double multiply_adds = inference ? workload->forward_multiply_adds() : workload->step_multiply_adds();
  const auto steps = static_cast<double>(state.iterations());
  const double gflops = 2e-9 * multiply_adds * steps / seconds;
  const double mib = static_cast<double>(memory_stats().peak_bytes_in_use) / (1 << 20);
  state.counters["images/s"] = static_cast<double>(what.setup.images) * steps / seconds;
  state.counters["GFLOP/s"] = gflops;
  state.counters["% of peak"] = 100 * gflops / limit;
  state.counters["peak MiB"] = mib;
  if (what.precision == Precision::float32)
    float_mib(what) = mib;
  else if (float_mib(what) > 0)
    state.counters["% of float's MiB"] = 100 * mib / float_mib(what);
  state.counters["system allocations"] = static_cast<double>(memory_stats().system_allocations - allocations);
  double other = seconds, moved = 0, by_convolutions = 0;
  for (const OpTime& op : profiler.times()) {
    moved += op.bytes;
    if (op.op.starts_with("conv2d")) by_convolutions += op.bytes;
    state.counters[std::string(op.op) + " ms"] = 1e3 * op.seconds / steps;
    other -= op.seconds;
  }
  state.counters["other ms"] = 1e3 * other / steps;
  state.counters["moved MB"] = 1e-6 * moved / steps;
  state.counters["of it convolutions MB"] = 1e-6 * by_convolutions / steps;
}

std::vector<std::pair<Kind, Setup>> problems() {
  std::vector<std::pair<Kind, Setup>> all;
  for (const Kind kind : {Kind::train, Kind::context_prediction, Kind::simclr, Kind::inference})
    for (const Index width : {16, 24, 32, 64}) all.push_back({kind, {.width = width}});
  for (const Index width : {16, 64}) all.push_back({Kind::inference, {.width = width, .images = 1}});
  for (const Kind kind : {Kind::train, Kind::inference}) all.emplace_back(kind, benchmarks::resnet18_setup());
  all.push_back({Kind::train, {.width = 16, .blocks = 2}});
  for (const Kind kind : {Kind::train, Kind::context_prediction, Kind::inference})
    all.push_back({kind, {.width = 16, .blocks = 2, .muon = kind != Kind::inference}});
  return all;
}

void print_help() {
  std::printf("bench_step [options]\n%sand those of Google Benchmark:\n", benchmarks::kPrecisionHelp);
  benchmark::PrintDefaultHelp();
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv, print_help);
  std::vector<Precision> precisions;
  try {
    precisions = benchmarks::take_precisions(argc, argv);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "bench_step: %s\n", error.what());
    return 2;
  }
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const std::vector<int> thread_counts = benchmarks::thread_counts();
  for (const auto& [key, value] : benchmarks::machine_context(precisions, thread_counts))
    benchmark::AddCustomContext(key, value);
  for (const auto& [kind, setup] : problems())
    for (const Precision precision : precisions)
      for (const int threads : thread_counts) {
        const Step step{kind, setup, precision, threads};
        benchmark::RegisterBenchmark(step.name_of_row().c_str(), run, step)
            ->Unit(benchmark::kMillisecond)
            ->UseManualTime();
      }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
