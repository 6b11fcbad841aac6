// SPDX-License-Identifier: MIT
// The convolution kernels: algorithm x pass x shape x precision x threads, in GFLOP/s and as a share of the
// multiply-add peak of that precision, measured in the same run. GFLOP/s count every multiply-add of the textbook
// loop, those with the zeros of the padding too, as other libraries count them; the direct algorithm leaves these
// out, and Winograd needs fewer, so both may exceed the peak. `auto` is the library's own choice, which the label
// names; the others are forced, where they apply.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <functional>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/parallel.hpp"
#include "conv_problem.hpp"
#include "options.hpp"
#include "peak.hpp"
#if defined(CONTEXTURE_BENCH_ONEDNN)
#include "onednn_peer.hpp"
#endif

namespace {

using namespace contexture;
using namespace contexture::kernels;
using benchmarks::ConvProblem;
using Case = benchmarks::ConvCase;

constexpr std::string_view kShapeForm = "n,h,w,c,k,kernel,stride[,groups]";

Case square(Index batch, Index size, Index c, Index k, Index kernel, Index stride, Index groups = 1) {
  return {batch, size, size, c, k, kernel, stride, groups};
}

// Grouped and depthwise layers on 64 channels.
Case grouped(Index groups, Index stride) { return square(128, 16, 64, 64, 3, stride, groups); }

// Of kShapeForm; throws std::invalid_argument.
Case parse_shape(const std::string& text) {
  std::istringstream in(text);
  std::vector<Index> numbers;
  for (Index number = 0; in >> number; in.ignore(1)) {
    numbers.push_back(number);
    if (in.peek() != ',') break;
  }
  const bool whole = in.peek() == std::istringstream::traits_type::eof();
  require(whole && (numbers.size() == 7 || numbers.size() == 8), "--shape ", text, ": expected ", kShapeForm);
  const std::vector<Index>& v = numbers;
  const Case what{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v.size() == 8 ? v[7] : 1};
  what.shape().validate();
  require(what.shape().output_size() > 0, "--shape ", text, ": nothing to compute");
  return what;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Index batch : {128, 1}) {
    for (const Case& c :
         {square(batch, 32, 3, 32, 3, 1), square(batch, 32, 32, 64, 3, 2), square(batch, 16, 64, 64, 3, 1),
          square(batch, 16, 64, 128, 3, 2), square(batch, 8, 128, 128, 3, 1), square(batch, 8, 128, 256, 3, 2),
          square(batch, 4, 256, 256, 3, 1), square(batch, 32, 64, 64, 3, 1), square(batch, 32, 32, 64, 1, 2),
          square(batch, 16, 64, 128, 1, 2), square(batch, 16, 64, 64, 1, 1)})
      all.push_back(c);
  }
  for (const Index width : {16, 24, 48, 96}) {  // an encoder's first two stages
    all.push_back(square(128, 32, 3, width, 3, 1));
    all.push_back(square(128, 32, width, 2 * width, 3, 2));
    all.push_back(square(128, 16, 2 * width, 2 * width, 3, 1));
  }
  for (const Index groups : {2, 4, 8, 16, 32, 64}) all.push_back(grouped(groups, 1));
  for (const Index groups : {8, 64}) all.push_back(grouped(groups, 2));
  for (const Index width : {16, 24, 32}) {  // patches of 12 pixels, four an image
    all.push_back(square(512, 12, 3, width, 3, 1));
    all.push_back(square(512, 12, width, 2 * width, 3, 2));
    all.push_back(square(512, 6, 2 * width, 2 * width, 3, 1));
    all.push_back(square(512, 3, 4 * width, 4 * width, 3, 1));
  }
  return all;
}

// Of a pass; `step` is run as often as the benchmark wants.
void measure(benchmark::State& state, const ConvShape& shape, double bytes, Precision precision, int threads,
             const std::function<void()>& step) {
  const double limit = benchmarks::peak_gflops(precision);
  benchmarks::await_cores();
  const double start = benchmarks::detail::seconds(threads == 1);
  for (auto _ : state) {
    step();
    benchmark::ClobberMemory();
  }
  const double seconds = benchmarks::detail::seconds(threads == 1) - start;
  const double gflop = 2e-9 * static_cast<double>(shape.multiply_adds());
  const double gflops = gflop * static_cast<double>(state.iterations()) / seconds;
  state.counters["GFLOP/s"] = gflops;
  state.counters["flops/byte"] = 1e9 * gflop / bytes;  // each tensor moved once
  state.counters["% of peak"] = 100 * gflops / limit;
}

template <class T>
void run(benchmark::State& state, const Case& what, std::optional<ConvAlgorithm> algorithm, ConvPass pass,
         int threads) {
  benchmarks::start_threads(threads);
  ConvProblem<T> problem(what.shape());
  set_conv_algorithm(algorithm);
  state.SetLabel(std::string(to_string(choose_algorithm<T>(problem.shape, pass))));
  measure(state, problem.shape, problem.bytes(), problem.kPrecision, threads, [&] { problem.run(pass); });
  set_conv_algorithm(std::nullopt);
}

#if defined(CONTEXTURE_BENCH_ONEDNN)
template <class T>
void run_onednn(benchmark::State& state, const Case& what, dnnl::algorithm choose, ConvPass pass, int threads) {
  benchmarks::start_threads(threads);
  benchmarks::set_openmp_threads(threads);
  const ConvProblem<T> problem(what.shape());
  const auto peer = benchmarks::onednn(choose, problem, pass);
  if (peer == nullptr) return state.SkipWithError("oneDNN has no kernel for it on this processor");
  state.SetLabel(peer->name());
  measure(state, problem.shape, problem.bytes(), problem.kPrecision, threads, [&] { peer->run(); });
}
#endif

// How and by whom a problem is computed, in the order of the table.
struct Contest {
  std::vector<Precision> precisions;
  std::vector<int> thread_counts;
  bool onednn = false;  ///< too
};

void add(const std::string& name, int threads, const std::function<void(benchmark::State&)>& run) {
  auto* registered = benchmark::RegisterBenchmark(message(name, "/threads:", threads).c_str(), run);
  registered->Unit(benchmark::kMillisecond);
  if (threads > 1) registered->UseRealTime();  // one thread: its CPU time, whatever else runs
}

// The automatic choice, every algorithm that computes the pass, and oneDNN.
template <class T>
void register_pass(const Case& what, ConvPass pass, const Contest& contest) {
  std::vector<std::optional<ConvAlgorithm>> algorithms{std::nullopt};
  for (const ConvAlgorithm algorithm : kConvAlgorithms) {
    set_conv_algorithm(algorithm);
    if (choose_algorithm<T>(what.shape(), pass) == algorithm) algorithms.emplace_back(algorithm);
  }
  set_conv_algorithm(std::nullopt);
  const std::string problem =
      message('/', to_string(pass), '/', what.name(), std::is_same_v<T, float> ? "" : "/precision:bfloat16");
  for (const auto& algorithm : algorithms)
    for (const int threads : contest.thread_counts)
      add(message(algorithm ? to_string(*algorithm) : std::string_view("auto"), problem), threads,
          [=](benchmark::State& state) { run<T>(state, what, algorithm, pass, threads); });
#if defined(CONTEXTURE_BENCH_ONEDNN)
  if (!contest.onednn || what.groups != 1) return;
  for (const auto& [name, choose] : {std::pair("onednn_auto", dnnl::algorithm::convolution_auto),
                                     std::pair("onednn_direct", dnnl::algorithm::convolution_direct)})
    for (const int threads : contest.thread_counts)
      add(name + problem, threads,
          [=, choose = choose](benchmark::State& state) { run_onednn<T>(state, what, choose, pass, threads); });
#endif
}

void register_case(const Case& what, const Contest& contest) {
  for (const Precision precision : contest.precisions)
    for (const ConvPass pass : {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights}) {
      if (what.c == 3 && pass == ConvPass::backward_data) continue;  // nobody wants the gradient of an image
      if (precision == Precision::float32)
        register_pass<float>(what, pass, contest);
      else if (what.groups == 1)  // networks compute the others in float
        register_pass<bfloat16>(what, pass, contest);
    }
}

void print_help() {
  std::printf(
      "bench_conv [options]\n"
      "  --shape n,h,w,c,k,kernel,stride[,groups]   instead of the built-in shapes; may be given again\n"
      "%s"
      "  --peer onednn                  beside oneDNN, where this program was built with it\n"
      "and those of Google Benchmark:\n",
      benchmarks::kPrecisionHelp);
  benchmark::PrintDefaultHelp();
}

}  // namespace

int main(int argc, char** argv) {
  [[maybe_unused]] std::vector<char*> all_arguments(argv, argv + argc + 1);  // with the null at their end
  benchmark::Initialize(&argc, argv, print_help);
  std::vector<Case> shapes;
  Contest contest;
  try {
    for (const std::string& text : benchmarks::take_option(argc, argv, "--shape", kShapeForm))
      shapes.push_back(parse_shape(text));
    contest.precisions = benchmarks::take_precisions(argc, argv);
    const bool only_bfloat16 = contest.precisions == std::vector{Precision::bfloat16};
    for (const Case& what : shapes)
      require(what.groups == 1 || !only_bfloat16, "--shape ", what.name(), ": groups are computed in float32 only");
    for (const std::string& peer : benchmarks::take_option(argc, argv, "--peer", "onednn")) {
      require(peer == "onednn", "--peer ", peer, ": expected onednn");
      contest.onednn = true;
    }
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "bench_conv: %s\n", error.what());
    return 2;
  }
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
#if defined(CONTEXTURE_BENCH_ONEDNN)
  if (contest.onednn) benchmarks::place_openmp_threads(all_arguments.data());
#else
  if (contest.onednn) {
    std::fprintf(stderr, "bench_conv: built without oneDNN; scripts/bench.sh conv --peer onednn builds it with it\n");
    return 2;
  }
#endif
  contest.thread_counts = benchmarks::thread_counts();
  for (const auto& [key, value] : benchmarks::machine_context(contest.precisions, contest.thread_counts))
    benchmark::AddCustomContext(key, value);
  for (const int threads : contest.thread_counts) {
    benchmarks::start_threads(threads);
    benchmark::AddCustomContext(message("memory_gbytes_per_second_", threads, "_threads"),
                                std::to_string(benchmarks::memory_gbytes_per_second()));
  }
  for (const Case& what : shapes.empty() ? cases() : shapes) register_case(what, contest);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
