// The convolution kernels: algorithm x pass x shape x threads, in GFLOP/s and as a share of the
// multiply-add peak measured at the start of the same run. GFLOP/s count every multiply-add of
// the textbook loop, those with the zeros of the padding too, as other libraries count them;
// the direct algorithm leaves these out, and Winograd needs fewer, so both may exceed the peak.
// `auto` is the library's own choice, which the label names; the others are forced, where they apply.
//   bench_conv --benchmark_filter='auto/forward'       CONTEXTURE_ISA=avx2 bench_conv
//   bench_conv --shape 128,32,32,16,64,3,1             a shape of one's own: n,h,w,c,k,kernel,stride[,groups]
#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/kernels/conv.hpp"
#include "fma_peak.hpp"

namespace {

using namespace contexture;
using namespace contexture::kernels;

struct Case {
  Index batch, h, w, c, k, kernel, stride, groups = 1;

  [[nodiscard]] ConvShape shape() const {
    ConvShape s;
    s.n = batch;
    s.h = h;
    s.w = w;
    s.c = c;
    s.k = k;
    s.r = s.s = kernel;
    s.stride_h = s.stride_w = stride;
    s.pad_h = s.pad_w = kernel / 2;
    s.groups = groups;
    return s;
  }
  [[nodiscard]] std::string name() const {
    std::string text = std::to_string(c) + "to" + std::to_string(k) + "@" + std::to_string(h);
    if (h != w) text += "x" + std::to_string(w);
    if (kernel != 3) text += "k" + std::to_string(kernel);
    if (stride != 1) text += "s" + std::to_string(stride);
    if (groups != 1) text += "g" + std::to_string(groups);
    return text + "n" + std::to_string(batch);
  }
};

Case square(Index batch, Index size, Index c, Index k, Index kernel, Index stride, Index groups = 1) {
  return {batch, size, size, c, k, kernel, stride, groups};
}

// Grouped and depthwise layers on 64 channels.
Case grouped(Index groups, Index stride) { return square(128, 16, 64, 64, 3, stride, groups); }

// "n,h,w,c,k,kernel,stride[,groups]"; throws std::invalid_argument.
Case parse_shape(const std::string& text) {
  std::istringstream in(text);
  std::vector<Index> numbers;
  for (Index number = 0; in >> number; in.ignore(1)) {
    numbers.push_back(number);
    if (in.peek() != ',') break;
  }
  const bool whole = in.peek() == std::istringstream::traits_type::eof();
  require(whole && (numbers.size() == 7 || numbers.size() == 8), "--shape ", text,
          ": expected n,h,w,c,k,kernel,stride[,groups]");
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

double peak(int threads) {
  static std::map<int, double> measured;
  const auto [at, inserted] = measured.try_emplace(threads, 0.0);
  if (inserted) at->second = benchmarks::fma_peak_gflops();
  return at->second;
}

Tensor<float> random_tensor(Index size, const Rng& rng) {
  Tensor<float> t = empty<float>({static_cast<std::size_t>(size)});
  Rng stream = rng;
  constexpr std::size_t period = 4099;  // values repeat; a prime, so that no two rows of an image are alike
  for (std::size_t i = 0; i < t.size(); ++i)
    t.data()[i] = i < period ? static_cast<float>(stream.uniform()) - 0.5f : t.data()[i - period];
  return t;
}

void run(benchmark::State& state, const Case& what, std::optional<ConvAlgorithm> algorithm, ConvPass pass,
         int threads) {
  set_num_threads(threads);
  const double limit = peak(threads);
  const ConvShape shape = what.shape();
  const Rng rng(1);
  const Tensor<float> x = random_tensor(shape.input_size(), rng.split(0));
  const Tensor<float> w = random_tensor(shape.weight_size(), rng.split(1));
  const Tensor<float> dy = random_tensor(shape.output_size(), rng.split(2));
  Tensor<float> y = dy, dx = x, dw = w;
  set_conv_algorithm(algorithm);
  state.SetLabel(std::string(to_string(choose_algorithm(shape, pass))));
  benchmarks::await_cores();
  const double start = benchmarks::detail::seconds(threads == 1);
  for (auto _ : state) {
    switch (pass) {
      case ConvPass::forward: conv2d_forward<float>(shape, x.data(), w.data(), nullptr, y.data()); break;
      case ConvPass::backward_data: conv2d_backward_data<float>(shape, dy.data(), w.data(), dx.data()); break;
      case ConvPass::backward_weights:
        conv2d_backward_weights<float>(shape, x.data(), dy.data(), dw.data(), nullptr);
        break;
    }
    benchmark::ClobberMemory();
  }
  const double seconds = benchmarks::detail::seconds(threads == 1) - start;
  set_conv_algorithm(std::nullopt);
  const double gflop = 2e-9 * static_cast<double>(shape.multiply_adds());
  const double gflops = gflop * static_cast<double>(state.iterations()) / seconds;
  const double bytes = 4.0 * static_cast<double>(shape.input_size() + shape.weight_size() + shape.output_size());
  state.counters["GFLOP/s"] = gflops;
  state.counters["flops/byte"] = 1e9 * gflop / bytes;  // each tensor moved once
  state.counters["% of peak"] = 100 * gflops / limit;
}

// The automatic choice, and every algorithm that computes the pass.
void register_pass(const Case& what, ConvPass pass, const std::vector<int>& thread_counts) {
  std::vector<std::optional<ConvAlgorithm>> algorithms{std::nullopt};
  for (const ConvAlgorithm algorithm : kConvAlgorithms) {
    set_conv_algorithm(algorithm);
    if (choose_algorithm(what.shape(), pass) == algorithm) algorithms.push_back(algorithm);
  }
  set_conv_algorithm(std::nullopt);
  for (const auto& algorithm : algorithms)
    for (const int threads : thread_counts) {
      const std::string name = message(algorithm ? to_string(*algorithm) : std::string_view("auto"), '/',
                                       to_string(pass), '/', what.name(), "/threads:", threads);
      auto* registered = benchmark::RegisterBenchmark(name.c_str(), run, what, algorithm, pass, threads);
      registered->Unit(benchmark::kMillisecond);
      if (threads > 1) registered->UseRealTime();  // one thread: its CPU time, whatever else runs
    }
}

// Takes `--shape SHAPE` out of the arguments, as often as it is there.
std::vector<Case> take_shapes(int& argc, char** argv) {
  std::vector<Case> shapes;
  int kept = 1;
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--shape") {
      require(++i < argc, "--shape: expected n,h,w,c,k,kernel,stride[,groups]");
      shapes.push_back(parse_shape(argv[i]));
    } else {
      argv[kept++] = argv[i];
    }
  argc = kept;
  return shapes;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<Case> shapes;
  try {
    shapes = take_shapes(argc, argv);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "bench_conv: %s\n", error.what());
    return 2;
  }
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const int most = num_threads();
  std::vector<int> thread_counts{1};
  if (most > 1) thread_counts.push_back(most);
  for (const int threads : thread_counts) {
    set_num_threads(threads);
    benchmark::AddCustomContext("fma_peak_gflops_" + std::to_string(threads) + "_threads",
                                std::to_string(peak(threads)));
    benchmark::AddCustomContext("memory_gbytes_per_second_" + std::to_string(threads) + "_threads",
                                std::to_string(benchmarks::memory_gbytes_per_second()));
  }
  benchmark::AddCustomContext("running_on", cpu_report().line());
  for (const Case& what : shapes.empty() ? cases() : shapes)
    for (const ConvPass pass : {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights}) {
      if (what.c == 3 && pass == ConvPass::backward_data) continue;  // nobody wants the gradient of an image
      register_pass(what, pass, thread_counts);
    }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
