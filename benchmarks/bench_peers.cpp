// SPDX-License-Identifier: MIT
// Ours beside others, on the same machine in the same process: convolutions, kernel by kernel, beside oneDNN, and
// whole steps beside LibTorch, each in float and in bfloat16. Both sides must first compute the same numbers.
// They take turns, when every thread has a core and the other's threads are asleep, and as many calls again that
// wake the own ones and warm the caches; a side's time is the median of the rounds. oneDNN gets its own best layouts,
// reorders into them are not timed, and of its algorithm choices auto and direct the faster counts; where it has no
// kernel for this processor, its column has a dash and the mean leaves the shape out. LibTorch gets the better of NCHW
// and channels-last, in bfloat16 with autocast. All get as many threads. Last lines: geometric means of the other's
// time over ours, a line a precision. Built when asked for (CONTEXTURE_BUILD_PEERS, scripts/bench.sh --peers), with
// oneDNN 2 or 3; steps where LibTorch is installed as well.
//   bench_peers [--threads N] [--only conv|step] [--precision float32|bfloat16] [--json FILE]
// Without --precision: float32, and bfloat16 where it is the faster one.
// CONTEXTURE_ISA=avx2 ONEDNN_MAX_CPU_ISA=AVX2 bench_peers --only conv holds both to AVX2.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "contexture/contexture.hpp"
#include "contexture/models/resnet.hpp"
#include "conv_problem.hpp"
#include "onednn_peer.hpp"
#include "options.hpp"
#include "peak.hpp"
#if defined(CONTEXTURE_BENCH_TORCH)
#include "torch_peer.hpp"
#include "workloads.hpp"
#endif

namespace {

using namespace contexture;
using namespace contexture::kernels;
using benchmarks::ConvProblem;
using Json = nlohmann::ordered_json;

constexpr int kRounds = 7, kRoundsOfSlow = 3;  // slow: a call takes more than a second
int turns_on_shared_cores = 0;                 // see await_cores()

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
  int rounds = kRounds;
  for (const auto& side : sides) {
    side();
    const double start = seconds(one_thread);
    side();
    const double taken = seconds(one_thread) - start;
    calls.push_back(std::clamp(static_cast<int>(turn / taken), 1, 100));
    if (taken > 1) rounds = kRoundsOfSlow;
  }
  for (int round = 0; round < rounds; ++round)
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
    std::nth_element(list.begin(), list.begin() + rounds / 2, list.end());
    medians.push_back(list[static_cast<std::size_t>(rounds / 2)]);
  }
  return medians;
}

Tensor<float> as_float(const Tensor<float>& t) { return t; }
Tensor<float> as_float(const Tensor<bfloat16>& t) {
  Tensor<float> out = empty<float>(t.shape());
  convert(t.data(), out.data(), static_cast<Index>(t.size()));
  return out;
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
  /// Null and a dash of nothing.
  [[nodiscard]] Json json() const { return count_ == 0 ? Json() : Json(std::exp(sum_ / count_)); }
  [[nodiscard]] std::string text() const {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%.2f", std::exp(sum_ / std::max(count_, 1)));
    return count_ == 0 ? "-" : digits;
  }

 private:
  double sum_ = 0;
  int count_ = 0;
};

constexpr benchmarks::ConvCase kCases[] = {
    {128, 32, 32, 3, 32, 3, 1},   {128, 32, 32, 32, 64, 3, 2}, {128, 16, 16, 64, 64, 3, 1},
    {128, 16, 16, 64, 128, 3, 2}, {128, 8, 8, 128, 128, 3, 1}, {128, 8, 8, 128, 256, 3, 2},
    {128, 4, 4, 256, 256, 3, 1},  {128, 32, 32, 64, 64, 3, 1}, {128, 32, 32, 32, 64, 1, 2},
    {128, 16, 16, 64, 128, 1, 2}, {128, 32, 32, 24, 48, 3, 2}, {128, 16, 16, 48, 48, 3, 1},
    {128, 8, 8, 96, 96, 3, 1},    {512, 12, 12, 24, 48, 3, 2}, {512, 6, 6, 48, 48, 3, 1},
    {512, 3, 3, 96, 96, 3, 1}};

struct PassResult {
  double ours = 0, theirs = 0;  // seconds; theirs is 0 where they have no kernel
  double difference = 0;
};

// Races a pass.
template <class T>
PassResult compare_pass(ConvProblem<T>& problem, ConvPass pass, int threads, Json& row) {
  const auto automatic = benchmarks::onednn(dnnl::algorithm::convolution_auto, problem, pass);
  const auto direct = benchmarks::onednn(dnnl::algorithm::convolution_direct, problem, pass);
  std::vector<std::function<void()>> sides{[&] { problem.run(pass); }};
  for (benchmarks::OneDnn<T>* const peer : {automatic.get(), direct.get()})
    if (peer != nullptr) sides.emplace_back([peer] { peer->run(); });
  const std::vector<double> times = race(threads == 1, 0.02, sides);
  PassResult result{.ours = times[0]};
  if (times.size() > 1) {
    result.theirs = *std::min_element(times.begin() + 1, times.end());
    const Tensor<float> theirs = (direct ? direct : automatic)->result();
    const Tensor<float> mine = pass == ConvPass::forward         ? as_float(problem.y)
                               : pass == ConvPass::backward_data ? as_float(problem.dx)
                                                                 : problem.dw;
    result.difference = relative_difference(mine.data(), theirs.data(), mine.size());
  }
  const double gflop = 2e-9 * static_cast<double>(problem.shape.multiply_adds());
  row["ours"] = to_string(choose_algorithm<T>(problem.shape, pass));
  row["ours_gflops"] = gflop / result.ours;
  std::size_t next = 1;
  for (const auto& [name, peer] : {std::pair("auto", automatic.get()), std::pair("direct", direct.get())}) {
    if (peer == nullptr) continue;
    row[message("onednn_", name)] = peer->name();
    row[message("onednn_", name, "_gflops")] = gflop / times[next++];
  }
  return result;
}

// Races all shapes; false where the two sides differ.
template <class T>
bool compare_convolutions(int threads, Json& json, std::string& summary) {
  constexpr Precision precision = ConvProblem<T>::kPrecision;
  // Winograd's rounding; the rounding of what is stored as bfloat16, once on each side.
  constexpr double most_different = precision == Precision::float32 ? 1e-4 : 5e-3;
  std::printf("%s: GFLOP/s of ours and of oneDNN, and how many times as fast ours is, in the three passes\n",
              std::string(to_string(precision)).c_str());
  GeometricMean means[3];
  bool all_equal = true;
  for (const benchmarks::ConvCase& c : kCases) {
    ConvProblem<T> problem(c.shape());
    std::printf("%-18s", c.name().c_str());
    for (const ConvPass pass : {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights}) {
      if (pass == ConvPass::backward_data && c.c == 3) {  // nobody wants the gradient of an image
        std::printf(" |                  ");
        continue;
      }
      Json row{{"shape", c.name()}, {"pass", to_string(pass)}, {"precision", to_string(precision)}};
      const PassResult result = compare_pass(problem, pass, threads, row);
      const double gflop = 2e-9 * static_cast<double>(problem.shape.multiply_adds());
      if (result.theirs == 0) {
        std::printf(" | %4.0f    -     - ", gflop / result.ours);
      } else {
        const double ratio = result.theirs / result.ours;
        std::printf(" | %4.0f %4.0f %6.2f ", gflop / result.ours, gflop / result.theirs, ratio);
        means[static_cast<int>(pass)].add(ratio);
        row["ratio"] = ratio;
        row["difference"] = result.difference;
        if (!(result.difference <= most_different)) {
          std::printf("DIFFERENT by %.1e ", result.difference);
          all_equal = false;
        }
      }
      std::fflush(stdout);
      json["conv"].push_back(std::move(row));
    }
    std::printf("\n");
  }
  summary = "ours/onednn precision=" + std::string(to_string(precision));
  for (const ConvPass pass : {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights}) {
    const GeometricMean& mean = means[static_cast<int>(pass)];
    json["geomean"][to_string(precision)]["onednn"][to_string(pass)] = mean.json();
    summary += message(' ', to_string(pass), '=', mean.text());
  }
  return all_equal;
}

#if defined(CONTEXTURE_BENCH_TORCH)

using benchmarks::Setup;
using benchmarks::TensorView;
using benchmarks::TorchPeer;
using benchmarks::TorchProblem;
using benchmarks::Workload;

// A step that is compared, and by the name of which mean.
struct StepCase {
  const char* mean;  ///< step, patch, simclr or inference
  Setup setup;

  [[nodiscard]] bool is(std::string_view what) const { return mean == what; }
  [[nodiscard]] std::string name() const {
    return message(mean, ' ', setup.network == ResNet<float>::kName ? message("width ", setup.width) : setup.network,
                   setup.images == benchmarks::kBatch ? "" : ", 1 image");
  }
};

std::vector<StepCase> step_cases() {
  std::vector<StepCase> all;
  for (const Index width : {16, 32, 64}) all.push_back({"step", {.width = width}});
  all.push_back({"step", benchmarks::resnet18_setup()});
  for (const char* task : {"patch", "simclr"})
    for (const Index width : {16, 32}) all.push_back({task, {.width = width}});
  for (const Index width : {16, 32, 64}) all.push_back({"inference", {.width = width}});
  for (const Index width : {16, 32}) all.push_back({"inference", {.width = width, .images = 1}});
  return all;
}

TensorView view(const Tensor<float>& t) { return {{t.shape().begin(), t.shape().end()}, t.data()}; }

std::vector<benchmarks::TorchBlock> torch_blocks(const Setup& setup) {
  const BackboneDescription its = setup.description();
  const bool small =
      its.network == ResNet<float>::kName;  // every stage halves the image; in ResNet-18 all but the first
  std::vector<benchmarks::TorchBlock> blocks;
  for (Index stage = 0; stage < its.stages; ++stage)
    for (Index block = 0; block < its.blocks_per_stage; ++block) {
      const bool halves = block == 0 && (small || stage > 0);
      blocks.push_back({halves ? 2 : 1, halves});
    }
  return blocks;
}

// A step's workload, and what LibTorch is told about it.
std::pair<std::unique_ptr<Workload>, TorchProblem> make(const StepCase& what, Precision precision, float dropout) {
  TorchProblem problem;
  problem.blocks = torch_blocks(what.setup);
  problem.bfloat16 = precision == Precision::bfloat16;
  std::unique_ptr<Workload> workload;
  if (what.is("patch")) {
    auto context = std::make_unique<benchmarks::ContextWorkload>(what.setup, dropout);
    problem.targets = context->pairs().targets;
    problem.first = context->pairs().first;
    problem.second = context->pairs().second;
    problem.class_weights = context->class_weights();
    problem.dropout = dropout;
    workload = std::move(context);
  } else if (what.is("simclr")) {
    auto simclr = std::make_unique<benchmarks::SimclrWorkload>(what.setup);
    problem.targets = simclr->partners();
    problem.temperature = simclr->temperature();
    workload = std::move(simclr);
  } else {
    auto classification = std::make_unique<benchmarks::ClassificationWorkload>(what.setup);
    problem.targets = classification->labels();
    workload = std::move(classification);
  }
  problem.inputs = view(workload->inputs());
  return {std::move(workload), std::move(problem)};
}

std::unique_ptr<TorchPeer> torch_peer(const Workload& workload, TorchProblem problem, bool channels_last) {
  problem.channels_last = channels_last;
  std::vector<TensorView> parameters;
  for (const auto& p : workload.parameters()) parameters.push_back(view(p.variable.value()));
  return std::make_unique<TorchPeer>(problem, parameters);
}

// How far both sides are apart after one step from the same parameters, relatively: output, gradients
// and the step's change of the parameters (each of all parameters as one vector).
struct StepDifference {
  double output = 0, gradients = 0, changes = 0;

  // Winograd's rounding in the output; in the gradients, rounding that turns a ReLU on or off. In bfloat16 both are
  // larger, since every map between layers is rounded, not by both sides at the same places.
  [[nodiscard]] bool small(Precision precision) const {
    const bool is_float = precision == Precision::float32;
    return output <= (is_float ? 1e-4 : 3e-2) && std::max(gradients, changes) <= (is_float ? 1e-2 : 0.2);
  }
  void raise_to(const StepDifference& other) {
    output = std::max(output, other.output);
    gradients = std::max(gradients, other.gradients);
    changes = std::max(changes, other.changes);
  }
};

StepDifference step_difference(Workload& workload, const TorchProblem& problem, bool channels_last) {
  const auto peer = torch_peer(workload, problem, channels_last);
  std::vector<Tensor<float>> before;
  for (const auto& p : workload.parameters()) before.push_back(p.variable.value());
  constexpr double kRate = 0.1;
  const Tensor<float> output = workload.train(kRate);
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
  return {relative_difference(output.data(), peer->output().data(), output.size()),
          relative_difference(gradients[0].data(), gradients[1].data(), gradients[0].size()),
          relative_difference(changes[0].data(), changes[1].data(), changes[0].size())};
}

// Median seconds of ours, and of LibTorch in NCHW and in channels-last.
std::vector<double> race_step(const StepCase& what, Precision precision, int threads) {
  const auto [ours, problem] = make(what, precision, ContextHeadOptions{}.dropout);
  const auto nchw = torch_peer(*ours, problem, false), nhwc = torch_peer(*ours, problem, true);
  const bool inference = what.is("inference");
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
  return race(threads == 1, 0.15, {step, [&] { theirs(*nchw); }, [&] { theirs(*nhwc); }});
}

// Races all steps; false where the two sides differ.
bool compare_steps(Precision precision, int threads, Json& json, std::string& summary) {
  std::printf(
      "%s: differences of output, gradients and changes; images/s of ours, of LibTorch in NCHW and in channels-last,\n"
      "and how many times as fast ours is\n",
      std::string(to_string(precision)).c_str());
  const PrecisionGuard guard(precision);
  TorchPeer::set_threads(threads);
  std::map<std::string, GeometricMean> means;
  bool all_equal = true;
  for (const StepCase& what : step_cases()) {
    StepDifference difference;
    for (const bool channels_last : {false, true}) {
      const auto [workload, problem] = make(what, precision, 0.0F);
      difference.raise_to(step_difference(*workload, problem, channels_last));
    }
    const bool equal = difference.small(precision);
    std::printf("%-26s | differ by %.0e %.0e %.0e%s", what.name().c_str(), difference.output, difference.gradients,
                difference.changes, equal ? "" : " TOO MUCH");
    std::fflush(stdout);
    all_equal = all_equal && equal;
    const std::vector<double> times = race_step(what, precision, threads);
    const auto images = static_cast<double>(what.setup.images);
    const double ratio = std::min(times[1], times[2]) / times[0];
    std::printf(" | %6.0f %6.0f %6.0f %5.2f\n", images / times[0], images / times[1], images / times[2], ratio);
    std::fflush(stdout);
    means[what.mean].add(ratio);
    json["step"].push_back({{"step", what.name()},
                            {"precision", to_string(precision)},
                            {"ours_images_per_second", images / times[0]},
                            {"libtorch_nchw_images_per_second", images / times[1]},
                            {"libtorch_channels_last_images_per_second", images / times[2]},
                            {"ratio", ratio},
                            {"difference_of_output", difference.output},
                            {"difference_of_gradients", difference.gradients},
                            {"difference_of_changes", difference.changes}});
  }
  summary = "ours/libtorch";
  for (const char* mean : {"step", "patch", "inference", "simclr"}) {
    json["geomean"][to_string(precision)]["libtorch"][mean] = means[mean].json();
    summary += message(' ', mean, '=', means[mean].text());
  }
  return all_equal;
}

#else

bool compare_steps(Precision, int, Json&, std::string&) {
  std::printf("Built without LibTorch: no steps (Debian: libtorch-dev)\n");
  return true;
}

#endif

struct Options {
  int threads = num_threads();
  std::string only, json_path;
  std::vector<Precision> precisions;
};

// Throws std::invalid_argument.
Options parse(int argc, char** argv) {
  Options options;
  options.precisions = benchmarks::take_precisions(argc, argv);
  for (const std::string& text : benchmarks::take_option(argc, argv, "--threads", "a number")) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), options.threads);
    require(error == std::errc() && end == text.data() + text.size() && options.threads >= 1 && options.threads <= 1024,
            "--threads ", text, ": expected a number from 1 to 1024");
  }
  for (const std::string& text : benchmarks::take_option(argc, argv, "--only", "conv or step")) {
    require(text == "conv" || text == "step", "--only ", text, ": expected conv or step");
    options.only = text;
  }
  for (const std::string& path : benchmarks::take_option(argc, argv, "--json", "a file")) options.json_path = path;
  require(argc == 1, argc > 1 ? argv[1] : "",
          ": expected --threads N, --only conv|step, --precision NAME or --json FILE");
  return options;
}

// Line by line at the end; false where the sides differ.
bool compare(const Options& options, Json& json, std::vector<std::string>& lines) {
  bool equal = true;
  for (const Precision precision : options.precisions) {
    std::string convolutions, steps;
    if (options.only != "step")
      equal = (precision == Precision::float32 ? compare_convolutions<float>(options.threads, json, convolutions)
                                               : compare_convolutions<bfloat16>(options.threads, json, convolutions)) &&
              equal;
    if (options.only != "conv") equal = compare_steps(precision, options.threads, json, steps) && equal;
    if (convolutions.empty()) steps = message("precision=", to_string(precision), ' ', steps);
    lines.push_back("geomean " + convolutions + (convolutions.empty() || steps.empty() ? "" : " | ") + steps);
  }
  return equal;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  try {
    options = parse(argc, std::vector<char*>(argv, argv + argc + 1).data());
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "bench_peers: %s\n", error.what());
    return 2;
  }
  benchmarks::place_openmp_threads(argv);
  benchmarks::start_threads(options.threads);
  benchmarks::set_openmp_threads(options.threads);
  std::printf("%s, bfloat16 by %s\n", cpu_report().line().c_str(),
              std::string(to_string(active_bfloat16_unit())).c_str());
  Json json;
  for (const auto& [name, value] : benchmarks::machine_context(options.precisions, {options.threads}))
    json["context"][name] = value;
  const dnnl::version_t& version = *dnnl_version();
  json["context"]["threads"] = options.threads;
  json["context"]["onednn"] = message(version.major, '.', version.minor, '.', version.patch);
  json["context"]["rounds"] = kRounds;
  std::vector<std::string> lines;
  const bool equal = compare(options, json, lines);
  json["context"]["turns_on_shared_cores"] = turns_on_shared_cores;
  if (turns_on_shared_cores > 0)
    std::printf("%d turns were timed while threads shared a core\n", turns_on_shared_cores);
  if (!options.json_path.empty()) {
    std::ofstream file(options.json_path);
    file << json.dump(1) << '\n';
    if (!file.flush()) {
      std::fprintf(stderr, "bench_peers: cannot write %s\n", options.json_path.c_str());
      return 1;
    }
  }
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  return equal ? 0 : 1;
}
