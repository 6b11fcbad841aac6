// Ours beside others, on the same machine in the same process: convolutions, kernel by kernel, beside
// oneDNN, and whole training steps beside LibTorch. Both sides must first compute the same numbers.
// They take turns, when every thread has a core and the other's threads are asleep, and as many calls again that
// wake the own ones and warm the caches; a side's time is the median of the rounds. oneDNN gets its own best layouts,
// reorders into them are not timed, and of its algorithm choices auto and direct the faster counts; LibTorch gets the
// better of NCHW and channels-last. All get as many threads. Last line: geometric means of the other's time over ours.
// Built when asked for (CONTEXTURE_BUILD_PEERS, scripts/bench.sh --peers), with oneDNN 2 or 3; steps where LibTorch is
// installed as well.
//   bench_peers [--threads=N] [--only=conv|step] [--json=FILE]
// CONTEXTURE_ISA=avx2 ONEDNN_MAX_CPU_ISA=AVX2 bench_peers --only=conv holds both to AVX2.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dnnl.hpp>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "contexture/contexture.hpp"
#include "fma_peak.hpp"
#if defined(CONTEXTURE_BENCH_TORCH)
#include "torch_peer.hpp"
#include "workloads.hpp"
#endif

namespace {

using namespace contexture;
using namespace contexture::kernels;
using Json = nlohmann::ordered_json;

constexpr int kRounds = 7;
int turns_on_shared_cores = 0;  // see await_cores()

// One thread is timed by the process's CPU clock, so that other work on the machine does not count.
double seconds(bool one_thread) {
  timespec now{};
  clock_gettime(one_thread ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Median seconds a call of every side. A turn is as many calls as take about `turn` seconds, twice: the
// first time they are not timed.
std::vector<double> race(bool one_thread, double turn, const std::vector<std::function<void()>>& sides) {
  std::vector<std::vector<double>> times(sides.size());
  std::vector<int> calls;
  for (const auto& side : sides) {
    side();
    const double start = seconds(one_thread);
    side();
    calls.push_back(std::clamp(static_cast<int>(turn / (seconds(one_thread) - start)), 1, 100));
  }
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < sides.size(); ++i) {
      if (!one_thread) {
        turns_on_shared_cores += benchmarks::await_cores() ? 0 : 1;
        // OpenMP's workers, and ours, poll for a while after a loop.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      for (int call = 0; call < calls[i]; ++call) sides[i]();
      const double start = seconds(one_thread);
      for (int call = 0; call < calls[i]; ++call) sides[i]();
      times[i].push_back((seconds(one_thread) - start) / calls[i]);
    }
  std::vector<double> medians;
  for (std::vector<double>& list : times) {
    std::nth_element(list.begin(), list.begin() + kRounds / 2, list.end());
    medians.push_back(list[kRounds / 2]);
  }
  return medians;
}

Tensor<float> random_tensor(Index size, Rng rng) {
  Tensor<float> t = empty<float>({static_cast<std::size_t>(size)});
  for (float& v : t) v = rng.uniform(-0.5f, 0.5f);
  return t;
}

// Of `count` numbers, root mean square against root mean square.
double relative_difference(const float* a, const float* b, std::size_t count) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double d = static_cast<double>(a[i]) - b[i];
    difference += d * d;
    norm += static_cast<double>(b[i]) * b[i];
  }
  return std::sqrt(difference / norm);
}

class GeometricMean {
 public:
  void add(double ratio) {
    sum_ += std::log(ratio);
    ++count_;
  }
  [[nodiscard]] double value() const { return std::exp(sum_ / std::max(count_, 1)); }

 private:
  double sum_ = 0;
  int count_ = 0;
};

// An operation's primitive_desc, to be called with its hint if it has one. oneDNN 2 wants the parts as an object of
// their own, a type that 3 does not have.
template <class Operation, class... Parts>
auto described(const dnnl::engine& engine, const Parts&... parts) {
  return [&](const auto&... hint) -> typename Operation::primitive_desc {
    if constexpr (requires { typename Operation::desc; })
      return {typename Operation::desc(parts...), engine, hint...};
    else
      return {engine, parts..., hint...};
  };
}

// oneDNN's side of one shape.
class OneDnn {
 public:
  using memory = dnnl::memory;

  OneDnn(dnnl::algorithm choose, const ConvShape& s, const Tensor<float>& x, const Tensor<float>& w,
         const Tensor<float>& dy)
      : x_dims_{s.n, s.c, s.h, s.w}, w_dims_{s.k, s.c, s.r, s.s}, y_dims_{s.n, s.k, s.out_h(), s.out_w()} {
    const auto any = [](const memory::dims& dims) {
      return memory::desc(dims, memory::data_type::f32, memory::format_tag::any);
    };
    const memory::dims stride{s.stride_h, s.stride_w}, before{s.pad_h, s.pad_w};
    const memory::dims after{(s.out_h() - 1) * s.stride_h + s.r - s.h - s.pad_h,
                             (s.out_w() - 1) * s.stride_w + s.s - s.w - s.pad_w};
    const auto forward =
        described<dnnl::convolution_forward>(engine_, dnnl::prop_kind::forward_training, choose, any(x_dims_),
                                             any(w_dims_), any(y_dims_), stride, before, after)();
    const auto data = described<dnnl::convolution_backward_data>(engine_, choose, any(x_dims_), any(w_dims_),
                                                                 any(y_dims_), stride, before, after)(forward);
    const auto weights = described<dnnl::convolution_backward_weights>(engine_, choose, any(x_dims_), any(w_dims_),
                                                                       any(y_dims_), stride, before, after)(forward);
    name[0] = forward.impl_info_str();
    name[1] = data.impl_info_str();
    name[2] = weights.impl_info_str();
    const auto output = [&](const memory::desc& desc) { return memory(desc, engine_); };
    passes_[0] = {dnnl::convolution_forward(forward),
                  {{DNNL_ARG_SRC, from_nhwc(x, x_dims_, forward.src_desc())},
                   {DNNL_ARG_WEIGHTS, from_hwio(w, forward.weights_desc())},
                   {DNNL_ARG_DST, output(forward.dst_desc())}}};
    passes_[1] = {dnnl::convolution_backward_data(data),
                  {{DNNL_ARG_DIFF_DST, from_nhwc(dy, y_dims_, data.diff_dst_desc())},
                   {DNNL_ARG_WEIGHTS, from_hwio(w, data.weights_desc())},
                   {DNNL_ARG_DIFF_SRC, output(data.diff_src_desc())}}};
    passes_[2] = {dnnl::convolution_backward_weights(weights),
                  {{DNNL_ARG_SRC, from_nhwc(x, x_dims_, weights.src_desc())},
                   {DNNL_ARG_DIFF_DST, from_nhwc(dy, y_dims_, weights.diff_dst_desc())},
                   {DNNL_ARG_DIFF_WEIGHTS, output(weights.diff_weights_desc())}}};
  }

  void run(int pass) {
    passes_[pass].primitive.execute(stream_, passes_[pass].arguments);
    stream_.wait();
  }

  // The result of a pass, in our layout.
  Tensor<float> result(int pass) {
    const int what = pass == 0 ? DNNL_ARG_DST : pass == 1 ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DIFF_WEIGHTS;
    const memory::dims& dims = pass == 0 ? y_dims_ : pass == 1 ? x_dims_ : w_dims_;
    memory::dim size = 1;
    for (const memory::dim extent : dims) size *= extent;
    Tensor<float> out = empty<float>({static_cast<std::size_t>(size)});
    const auto tag = pass == 2 ? memory::format_tag::hwio : memory::format_tag::nhwc;
    memory plain({dims, memory::data_type::f32, tag}, engine_, out.data());
    dnnl::reorder(passes_[pass].arguments.at(what), plain).execute(stream_, passes_[pass].arguments.at(what), plain);
    stream_.wait();
    return out;
  }

  std::string name[3];  // of the implementation it chose

 private:
  struct Pass {
    dnnl::primitive primitive;
    std::unordered_map<int, memory> arguments;
  };

  memory from_nhwc(const Tensor<float>& t, const memory::dims& dims, const memory::desc& desc) {
    return reordered({dims, memory::data_type::f32, memory::format_tag::nhwc}, t, desc);
  }
  memory from_hwio(const Tensor<float>& t, const memory::desc& desc) {
    return reordered({w_dims_, memory::data_type::f32, memory::format_tag::hwio}, t, desc);
  }
  memory reordered(const memory::desc& plain, const Tensor<float>& t, const memory::desc& desc) {
    memory from(plain, engine_, const_cast<float*>(t.data())), to(desc, engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    return to;
  }

  memory::dims x_dims_, w_dims_, y_dims_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Pass passes_[3];
};

struct Case {
  Index batch, size, c, k, kernel, stride;
};

constexpr Case kCases[] = {
    {128, 32, 3, 32, 3, 1},   {128, 32, 32, 64, 3, 2},  {128, 16, 64, 64, 3, 1},  {128, 16, 64, 128, 3, 2},
    {128, 8, 128, 128, 3, 1}, {128, 8, 128, 256, 3, 2}, {128, 4, 256, 256, 3, 1}, {128, 32, 64, 64, 3, 1},
    {128, 32, 32, 64, 1, 2},  {128, 16, 64, 128, 1, 2}, {128, 32, 24, 48, 3, 2},  {128, 16, 48, 48, 3, 1},
    {128, 8, 96, 96, 3, 1},   {512, 12, 24, 48, 3, 2},  {512, 6, 48, 48, 3, 1},   {512, 3, 96, 96, 3, 1}};

// Races all shapes; false where the two sides differ.
bool compare_convolutions(int threads, Json& json, std::string& summary) {
  std::printf("GFLOP/s of ours and of oneDNN, and how many times as fast ours is, in the three passes\n");
  GeometricMean means[3];
  bool all_equal = true;
  for (const Case& c : kCases) {
    ConvShape s;
    s.n = c.batch;
    s.h = s.w = c.size;
    s.c = c.c;
    s.k = c.k;
    s.r = s.s = c.kernel;
    s.stride_h = s.stride_w = c.stride;
    s.pad_h = s.pad_w = c.kernel / 2;
    const Rng rng(1);
    const Tensor<float> x = random_tensor(s.input_size(), rng.split(0));
    const Tensor<float> w = random_tensor(s.weight_size(), rng.split(1));
    const Tensor<float> dy = random_tensor(s.output_size(), rng.split(2));
    Tensor<float> y = dy, dx = x, dw = w;
    OneDnn automatic(dnnl::algorithm::convolution_auto, s, x, w, dy);
    OneDnn direct(dnnl::algorithm::convolution_direct, s, x, w, dy);
    const std::string shape = message(s.c, "->", s.k, "@", s.h, ' ', s.r, 'x', s.s, " s", s.stride_h, " n", s.n);
    std::printf("%-24s", shape.c_str());
    for (int pass = 0; pass < 3; ++pass) {
      if (pass == 1 && s.c == 3) {  // nobody wants the gradient of an image
        std::printf(" |                ");
        continue;
      }
      const auto ours = [&] {
        if (pass == 0) conv2d_forward<float>(s, x.data(), w.data(), nullptr, y.data());
        if (pass == 1) conv2d_backward_data<float>(s, dy.data(), w.data(), dx.data());
        if (pass == 2) conv2d_backward_weights<float>(s, x.data(), dy.data(), dw.data(), nullptr);
      };
      const std::vector<double> times =
          race(threads == 1, 0.02, {ours, [&] { automatic.run(pass); }, [&] { direct.run(pass); }});
      const double theirs = std::min(times[1], times[2]), ratio = theirs / times[0];
      const Tensor<float>& mine = pass == 0 ? y : pass == 1 ? dx : dw;
      const double difference = relative_difference(mine.data(), direct.result(pass).data(), mine.size());
      const double flops = 2e-9 * static_cast<double>(s.multiply_adds());
      std::printf(" | %3.0f %3.0f %5.2f", flops / times[0], flops / theirs, ratio);
      if (!(difference <= 1e-4)) {
        std::printf(" DIFFERENT by %.1e", difference);
        all_equal = false;
      }
      means[pass].add(ratio);
      const auto passes = static_cast<ConvPass>(pass);
      json["conv"].push_back({{"shape", shape},
                              {"pass", to_string(passes)},
                              {"ours", to_string(choose_algorithm(s, passes))},
                              {"onednn_auto", automatic.name[pass]},
                              {"onednn_direct", direct.name[pass]},
                              {"ours_gflops", flops / times[0]},
                              {"onednn_auto_gflops", flops / times[1]},
                              {"onednn_direct_gflops", flops / times[2]},
                              {"ratio", ratio},
                              {"difference", difference}});
    }
    std::printf(" | %s\n", automatic.name[0].c_str());
    std::fflush(stdout);
  }
  for (int pass = 0; pass < 3; ++pass)
    json["geomean"]["onednn"][to_string(static_cast<ConvPass>(pass))] = means[pass].value();
  char line[160];
  std::snprintf(line, sizeof line, "ours/onednn forward=%.2f backward_data=%.2f backward_weights=%.2f",
                means[0].value(), means[1].value(), means[2].value());
  summary = line;
  return all_equal;
}

#if defined(CONTEXTURE_BENCH_TORCH)

using benchmarks::ClassificationWorkload;
using benchmarks::ContextWorkload;
using benchmarks::TensorView;
using benchmarks::TorchPeer;
using benchmarks::TorchProblem;
using benchmarks::Workload;

TensorView view(const Tensor<float>& t) { return {{t.shape().begin(), t.shape().end()}, t.data()}; }

TorchProblem problem(const ClassificationWorkload& workload) {
  return {.inputs = view(workload.inputs()), .targets = workload.labels()};
}
TorchProblem problem(const ContextWorkload& workload, float dropout) {
  return {.inputs = view(workload.inputs()),
          .targets = workload.pairs().targets,
          .first = workload.pairs().first,
          .second = workload.pairs().second,
          .class_weights = workload.class_weights(),
          .dropout = dropout};
}

std::unique_ptr<TorchPeer> torch_peer(const Workload& workload, TorchProblem problem, bool channels_last) {
  problem.channels_last = channels_last;
  std::vector<TensorView> parameters;
  for (const auto& p : workload.parameters()) parameters.push_back(view(p.variable.value()));
  return std::make_unique<TorchPeer>(problem, parameters);
}

// How far both sides are apart after one step from the same parameters, relatively: logits, gradients
// and the step's change of the parameters (each of all parameters as one vector).
struct StepDifference {
  double logits = 0, gradients = 0, changes = 0;

  // Winograd's rounding in the logits; in the gradients, rounding that turns a ReLU on or off.
  [[nodiscard]] bool small() const { return logits <= 1e-4 && gradients <= 1e-2 && changes <= 1e-2; }
  void raise_to(const StepDifference& other) {
    logits = std::max(logits, other.logits);
    gradients = std::max(gradients, other.gradients);
    changes = std::max(changes, other.changes);
  }
};

StepDifference step_difference(Workload& workload, const TorchProblem& problem, bool channels_last) {
  const auto peer = torch_peer(workload, problem, channels_last);
  std::vector<Tensor<float>> before;
  for (const auto& p : workload.parameters()) before.push_back(p.variable.value());
  constexpr double kRate = 0.1;
  const Tensor<float> logits = workload.train(kRate);
  peer->train(kRate);
  std::vector<float> gradients[2], changes[2];
  for (std::size_t i = 0; i < before.size(); ++i) {
    const Variable<float>& p = workload.parameters()[i].variable;
    const std::vector<float> theirs = peer->parameter(i), their_gradient = peer->gradient(i);
    for (std::size_t at = 0; at < theirs.size(); ++at) {
      gradients[0].push_back(p.grad().data()[at]);
      gradients[1].push_back(their_gradient[at]);
      changes[0].push_back(p.value().data()[at] - before[i].data()[at]);
      changes[1].push_back(theirs[at] - before[i].data()[at]);
    }
  }
  return {relative_difference(logits.data(), peer->logits().data(), logits.size()),
          relative_difference(gradients[0].data(), gradients[1].data(), gradients[0].size()),
          relative_difference(changes[0].data(), changes[1].data(), changes[0].size())};
}

// Races all steps; false where the two sides differ.
bool compare_steps(int threads, Json& json, std::string& summary) {
  std::printf(
      "Differences of logits, gradients and changes; images/s of ours, of LibTorch in NCHW and in channels-last,\n"
      "and how many times as fast ours is\n");
  TorchPeer::set_threads(threads);
  GeometricMean mean;
  bool all_equal = true;
  for (const std::string_view kind : {"train", "context_prediction", "inference"})
    for (const Index width : {16, 32}) {
      // A workload, and what LibTorch is told about it.
      const auto make = [&](float dropout) -> std::pair<std::unique_ptr<Workload>, TorchProblem> {
        if (kind == "context_prediction") {
          auto workload = std::make_unique<ContextWorkload>(benchmarks::Setup{.width = width}, dropout);
          TorchProblem described = problem(*workload, dropout);
          return {std::move(workload), std::move(described)};
        }
        auto workload = std::make_unique<ClassificationWorkload>(benchmarks::Setup{.width = width});
        TorchProblem described = problem(*workload);
        return {std::move(workload), std::move(described)};
      };
      StepDifference difference;
      for (const bool channels_last : {false, true}) {
        const auto [workload, described] = make(0.0F);
        difference.raise_to(step_difference(*workload, described, channels_last));
      }
      std::printf("%-18s width %2d | differ by %.0e %.0e %.0e%s", std::string(kind).c_str(), static_cast<int>(width),
                  difference.logits, difference.gradients, difference.changes, difference.small() ? "" : " TOO MUCH");
      std::fflush(stdout);
      all_equal = all_equal && difference.small();

      const auto [ours, described] = make(ContextHeadOptions{}.dropout);
      const auto nchw = torch_peer(*ours, described, false), nhwc = torch_peer(*ours, described, true);
      const bool inference = kind == "inference";
      Workload* const mine = ours.get();  // structured bindings cannot be captured
      mine->set_training(!inference);
      const auto step = [&] {
        if (!inference) {
          mine->train(1e-4);
        } else {
          const NoGrad no_grad;
          const auto answer = mine->forward();
        }
      };
      // Its BLAS may have all threads; ours multiplies on the calling thread, inside its own loops.
      const auto set_blas_threads = contexture::detail::contexture_openblas_set_threads;
      const auto theirs = [&](TorchPeer& peer) {
        if (set_blas_threads != nullptr) set_blas_threads(threads);
        inference ? peer.infer() : peer.train(1e-4);
        if (set_blas_threads != nullptr) set_blas_threads(1);
      };
      const std::vector<double> times =
          race(threads == 1, 0.15, {step, [&] { theirs(*nchw); }, [&] { theirs(*nhwc); }});
      const double images = benchmarks::kBatch, ratio = std::min(times[1], times[2]) / times[0];
      std::printf(" | %6.0f %6.0f %6.0f %5.2f\n", images / times[0], images / times[1], images / times[2], ratio);
      std::fflush(stdout);
      if (!inference) mean.add(ratio);
      json["step"].push_back({{"step", kind},
                              {"width", width},
                              {"ours_images_per_second", images / times[0]},
                              {"libtorch_nchw_images_per_second", images / times[1]},
                              {"libtorch_channels_last_images_per_second", images / times[2]},
                              {"ratio", ratio},
                              {"difference_of_logits", difference.logits},
                              {"difference_of_gradients", difference.gradients},
                              {"difference_of_changes", difference.changes}});
    }
  json["geomean"]["libtorch"]["step"] = mean.value();
  char line[80];
  std::snprintf(line, sizeof line, "ours/libtorch step=%.2f", mean.value());
  summary = line;
  return all_equal;
}

#else

bool compare_steps(int, Json&, std::string&) {
  std::printf("Built without LibTorch: no steps (Debian: libtorch-dev)\n");
  return true;
}

#endif

}  // namespace

int main(int argc, char** argv) {
  // Debian's OpenBLAS does not know newer processors and would give LibTorch SSE3 kernels; and OpenMP's threads need a
  // processor each, or they crowd on one (await_cores() says why). Both read this before main.
  if (std::getenv("OMP_PLACES") == nullptr) {
    if (active_isa() != Isa::baseline)
      setenv("OPENBLAS_CORETYPE", active_isa() == Isa::avx512 ? "SkylakeX" : "Haswell", 0);
    setenv("OMP_PROC_BIND", "close", 1);
    setenv("OMP_PLACES", "threads", 1);
    execv("/proc/self/exe", argv);
  }
  // OpenMP has tied this thread to its first place. Our workers, which it starts, are to be free.
  cpu_set_t first_place;
  sched_getaffinity(0, sizeof(first_place), &first_place);
  cpu_set_t all;
  std::memset(&all, 0xff, sizeof(all));
  sched_setaffinity(0, sizeof(all), &all);
  int threads = num_threads();
  std::string only, json_path;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    bool understood = false;
    if (argument.starts_with("--threads=")) {
      const std::string_view text = argument.substr(10);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
      understood = error == std::errc() && end == text.data() + text.size() && threads >= 1 && threads <= 1024;
    } else if (argument == "--only=conv" || argument == "--only=step") {
      only = argument.substr(7);
      understood = true;
    } else if (argument.starts_with("--json=")) {
      json_path = argument.substr(7);
      understood = true;
    }
    if (!understood) {
      std::fprintf(stderr, "bench_peers: %s, expected --threads=N, --only=conv|step or --json=FILE\n", argv[i]);
      return 2;
    }
  }
  set_num_threads(threads);
  parallel_chunks(threads, threads, [](Index, Index, Index) {});  // starts the workers
  sched_setaffinity(0, sizeof(first_place), &first_place);
  // oneDNN's threads are OpenMP's; the environment has been read already.
  if (contexture::detail::contexture_omp_set_num_threads != nullptr)
    contexture::detail::contexture_omp_set_num_threads(threads);
  std::printf("%s\n", cpu_report().line().c_str());
  Json json;
  const dnnl::version_t& version = *dnnl_version();
  json["context"] = {{"running_on", cpu_report().line()},
                     {"threads", threads},
                     {"fma_peak_gflops", benchmarks::fma_peak_gflops()},
                     {"onednn", message(version.major, '.', version.minor, '.', version.patch)},
                     {"rounds", kRounds}};
  std::string convolutions, steps;
  bool equal = true;
  if (only != "step") equal = compare_convolutions(threads, json, convolutions) && equal;
  if (only != "conv") equal = compare_steps(threads, json, steps) && equal;
  json["context"]["turns_on_shared_cores"] = turns_on_shared_cores;
  if (turns_on_shared_cores > 0)
    std::printf("%d turns were timed while threads shared a core\n", turns_on_shared_cores);
  if (!json_path.empty()) {
    std::ofstream file(json_path);
    file << json.dump(1) << '\n';
    if (!file.flush()) {
      std::fprintf(stderr, "bench_peers: cannot write %s\n", json_path.c_str());
      return 1;
    }
  }
  std::printf("geomean %s%s%s\n", convolutions.c_str(), convolutions.empty() || steps.empty() ? "" : " | ",
              steps.c_str());
  return equal ? 0 : 1;
}
