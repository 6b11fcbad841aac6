// SPDX-License-Identifier: MIT
// How much of the communication of a training step is hidden behind its computation. Started by mpirun; the training is
// that of the programs: the loop fit(), context prediction or a classifier, the default encoder.
// Each round has, in turns, some steps of every process alone, some that reduce gradients while backward computes, and
// some that send all of them when it is over. Times are wall clock, medians over rounds of the mean step of a round.
//   mpirun -n 2 bench_mpi [--task context|classifier] [--images N] [--steps N] [--rounds N] [--gradients bfloat16]
//   --images     of each process (128)
//   --total N    of all processes together, instead
//   --shared     only the shared training, as it is: its last line is images/s
//   --model      then what the measured computation would take on more machines, by the formula of docs/distributed.md
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/mpi.hpp"
#include "contexture/train/pretraining.hpp"

namespace {

using namespace contexture;
using Clock = std::chrono::steady_clock;

double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

// A bucket of gradients: when it set out, in seconds after the step began, and how large it is.
struct Departure {
  double at = 0, bytes = 0;
};

// Another group that tells what is asked of it, and that may keep every sum until it is waited for.
class WatchedGroup final : public ProcessGroup {
 public:
  WatchedGroup(ProcessGroup& group, bool late) : group_(group), late_(late) {}
  [[nodiscard]] int rank() const override { return group_.rank(); }
  [[nodiscard]] int size() const override { return group_.size(); }
  void sum(std::span<double> values) override {
    ++waits;
    group_.sum(values);
  }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<float> values) override { return begin(values); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<bfloat16> values) override { return begin(values); }
  [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override {
    return group_.gather(bytes);
  }

  double step_began = 0;
  int waits = 0;                      // of this step: sums that are waited for at once
  std::vector<Departure> departures;  // of this step

 private:
  template <class T>
  std::unique_ptr<Pending> begin(std::span<T> values) {
    departures.push_back({now() - step_began, static_cast<double>(values.size_bytes())});
    if (!late_) return group_.begin_sum(values);
    auto sum = std::make_unique<Late<T>>();
    sum->group = &group_;
    sum->values = values;
    sum->all = &kept_;
    kept_.push_back(sum.get());
    return sum;
  }
  struct Kept {
    virtual ~Kept() = default;
    virtual void begin() = 0;
  };
  // Who waits for the first one lets all begin.
  template <class T>
  struct Late final : Pending, Kept {
    bool test() override { return sum != nullptr && sum->test(); }
    void wait() override {
      for (Kept* const other : *all) other->begin();
      all->clear();
      sum->wait();
    }
    void begin() override { sum = group->begin_sum(values); }
    ProcessGroup* group = nullptr;
    std::span<T> values;
    std::vector<Kept*>* all = nullptr;
    std::unique_ptr<Pending> sum;
  };
  ProcessGroup& group_;
  bool late_;
  std::vector<Kept*> kept_;
};

struct Plan {
  std::string task = "context";
  Index images = 128, total = 0;  // of each process; of all
  std::int64_t steps = 12, rounds = 5;
  Precision gradients = Precision::float32;
  bool shared_only = false, model = false;
};

// Seconds between the ends of steps, the first ones left out; and what the last step sent.
struct Steps final : Progress {
  explicit Steps(WatchedGroup* group) : group_(group) {}
  void step(std::int64_t, double, double, double) override {
    ends.push_back(now());
    if (group_ == nullptr) return;
    departures = group_->departures;
    waits = group_->waits;
    group_->departures.clear();
    group_->waits = 0;
    group_->step_began = ends.back();
  }
  [[nodiscard]] double mean() const { return (ends.back() - ends[1]) / static_cast<double>(ends.size() - 2); }
  std::vector<double> ends;
  std::vector<Departure> departures;
  int waits = 0;

 private:
  WatchedGroup* group_;
};

constexpr Index kSet = 4096;  // images

const Dataset& data() {
  static const Dataset set = builtin_dataset(kSet, 1);
  return set;
}

// A training of some steps, in this thread's group.
void train(const Plan& plan, Index batch, Progress& progress) {
  const TrainingOptions options{.steps = plan.steps + 2,
                                .batch = batch,
                                .learning_rate = 0.01,
                                .optimizer = optimizer_factory<Muon>(MuonOptions{}),
                                .processes = {.gradients = plan.gradients}};
  BackboneDescription description = default_description("resnet");
  description.width = 16;
  description.blocks_per_stage = 2;
  const FitHooks hooks{.progress = &progress};
  const Normalization normalization = channel_statistics(data().train, numbered(256));
  if (plan.task == "classifier") {
    ImageClassifier model({32, 32, description, data().class_names, normalization}, Rng(1));
    const LabelledImages images{.set = data().train,
                                .indices = numbered(kSet),
                                .augmentation = {.crop_padding = 4, .flip = true},
                                .evaluate = [] { return Evaluation{}; }};
    (void)train_classifier(model, images, options, Rng(5), hooks);
    return;
  }
  const std::unique_ptr<Backbone<float>> encoder = make_backbone<float>(description, Rng(1));
  const std::unique_ptr<PretextTask<float>> task =
      make_pretext_task<float>(plan.task, pretext_images(data().train, normalization, false), {}, *encoder, Rng(2));
  const PretrainImages images{.set = data().train, .normalization = normalization, .recalibrate = false};
  (void)pretrain(*encoder, *task, images, options, Rng(5), hooks);
}

// The mean of all processes.
double mean_of(ProcessGroup& group, double value) {
  double sum[1] = {value};
  group.sum(sum);
  return sum[0] / group.size();
}

struct Measured {
  double alone = 0, during = 0, after = 0;  // seconds of a step
  std::vector<Departure> departures;
  int waits = 0;
};

Measured measure(ProcessGroup& group, const Plan& plan) {
  const Index own = plan.total > 0 ? plan.total / group.size() : plan.images, batch = own * group.size();
  std::vector<double> alone, during, after;
  Measured measured;
  const auto shared = [&](bool late, std::vector<double>& times) {
    WatchedGroup watched(group, late);
    const ProcessGroupGuard guard(watched);
    Steps steps(&watched);
    train(plan, batch, steps);
    times.push_back(mean_of(group, steps.mean()));
    if (late) return;
    measured.departures = steps.departures;
    measured.waits = steps.waits;
  };
  for (std::int64_t round = 0; round <= plan.rounds; ++round) {
    if (!plan.shared_only) {
      (void)mean_of(group, 0);
      Steps steps(nullptr);
      {
        const ProcessGroupGuard only;
        train(plan, own, steps);
      }
      alone.push_back(mean_of(group, steps.mean()));
    }
    shared(false, during);
    if (!plan.shared_only) shared(true, after);
    if (round > 0) continue;  // the first round warms up
    for (std::vector<double>* times : {&alone, &during, &after}) times->clear();
  }
  measured.during = median(during);
  if (plan.shared_only) return measured;
  measured.alone = median(alone);
  measured.after = median(after);
  return measured;
}

// Seconds of a step of n processes by the model of docs/distributed.md: each bucket sets out when it did, the link
// carries one after the other; a sum takes 2 log2(n) messages one after the other, and 2 (n - 1) / n of its bytes.
double modelled(const Measured& m, double n, double bytes_per_second, double latency) {
  const double rounds = 2 * std::ceil(std::log2(n)) * latency;
  double free = 0;
  for (const Departure& d : m.departures) free = std::max(free, d.at) + 2 * (n - 1) / n * d.bytes / bytes_per_second;
  // What is left of the step when the last bucket is there: the optimiser.
  const double tail = m.alone - (m.departures.empty() ? m.alone : m.departures.back().at);
  return std::max(m.alone, free + rounds + tail) + m.waits * rounds;
}

void print_model(const Measured& m, const Plan& plan, int size) {
  if (size < 2) return;
  double bytes = 0;
  for (const Departure& d : m.departures) bytes += d.bytes;
  std::printf("model: %d sums waited for, %.2f MB in %zu buckets that set out at", m.waits, bytes / 1e6,
              m.departures.size());
  for (const Departure& d : m.departures) std::printf(" %.1f", 1e3 * d.at);
  std::printf(" ms\nmodel, %d processes at 1 Gbit/s, 1 ms: %.1f ms a step\n", size,
              1e3 * modelled(m, size, 125e6, 1e-3));
  struct Network {
    const char* name;
    double bytes_per_second, latency;
  };
  const std::vector<Network> networks{
      {"1 Gbit/s, 50 us", 125e6, 50e-6}, {"10 Gbit/s, 20 us", 1.25e9, 20e-6}, {"100 Gbit/s, 5 us", 12.5e9, 5e-6}};
  std::printf("| processes | images a step |");
  for (const Network& network : networks) std::printf(" %s |", network.name);
  std::printf("\n|---:|---:|---:|---:|---:|\n");
  for (int n = 2; n <= 1024; n *= 2) {
    std::printf("| %d | %lld |", n, static_cast<long long>(n) * static_cast<long long>(plan.images));
    for (const Network& network : networks)
      std::printf(" %.0f %% |", 100 * m.alone / modelled(m, n, network.bytes_per_second, network.latency));
    std::printf("\n");
  }
}

void report(const Measured& m, const Plan& plan, int size) {
  const Index own = plan.total > 0 ? plan.total / size : plan.images;
  if (!plan.shared_only) {
    std::printf("%d processes, %lld images each: a step alone %.1f ms, sums during backward %.1f ms, after it %.1f ms\n",
                size, static_cast<long long>(own), 1e3 * m.alone, 1e3 * m.during, 1e3 * m.after);
    if (m.after > m.alone)
      std::printf("communication %.1f ms, of which hidden %.0f %%; efficiency %.0f %%\n", 1e3 * (m.after - m.alone),
                  100 * (m.after - m.during) / (m.after - m.alone), 100 * m.alone / m.during);
    if (plan.model) print_model(m, plan, size);
  }
  std::printf("%.1f images/s\n", static_cast<double>(own * size) / m.during);
}

Plan read_plan(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--shared" || name == "--model") {
      (name == "--model" ? plan.model : plan.shared_only) = true;
      continue;
    }
    require(i + 1 < argc, name, ": expected a value");
    const std::string_view value = argv[++i];
    const auto number = [&] {
      std::int64_t n = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
      require(error == std::errc() && end == value.data() + value.size() && n >= 1, name, ": '", value,
              "', expected a number of 1 or more");
      return n;
    };
    if (name == "--task") plan.task = value;
    else if (name == "--images") plan.images = number();
    else if (name == "--total") plan.total = number();
    else if (name == "--steps") plan.steps = number();
    else if (name == "--rounds") plan.rounds = number();
    else if (name == "--gradients") plan.gradients = precision_named(std::string(value));
    else require(false, "'", name, "' is not an option");
  }
  return plan;
}

}  // namespace

int main(int argc, char** argv) {
  MpiGroup group(argc, argv, 300);
  try {
    const Plan plan = read_plan(argc, argv);
    const Measured measured = measure(group, plan);
    if (group.rank() == 0) report(measured, plan, group.size());
  } catch (const std::exception& error) {
    if (group.rank() == 0) std::fprintf(stderr, "bench_mpi: %s\n", error.what());
    group.abort(2, group.rank() == 0);
  }
  return 0;
}
