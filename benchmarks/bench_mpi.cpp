// SPDX-License-Identifier: MIT
// How much of the communication of a training step is hidden behind its computation, with the default encoder and
// context prediction. Each round has, in turns, steps of every process alone, steps that add gradients up while
// backward computes, and steps that begin to when it is over. Times are wall clock: medians over rounds of the mean
// step of a round.
//   mpirun -n 2 bench_mpi [--images N] [--steps N] [--rounds N] [--gradients float32|bfloat16]
//   --images   of each process (128)
//   --network  resnet (the default encoder) or resnet18
//   --paced N  processes sleep where they would compute, N times as long as that took of the processor's time: for
//              machines with other work, and for more processes than processors. 10 with a network that is ten times as
//              slow is the same as 1, but for what the processors and their waking up take of it
//   --mbit N --microseconds N   what the network between them is, to be told what the model says of it
//   --model    then a table of more processes, by the formula of docs/distributed.md
//   --shared   instead the whole training as programs have it, in images/s; with --task context|classifier, --total N
//              (images of a batch), --optimizer muon|sgd
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <functional>
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
#include "contexture/train/data_parallel.hpp"
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
  void sum(std::span<double> values) override { group_.sum(values); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<double> values) override {
    return group_.begin_sum(values);
  }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<float> values) override { return begin(values); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<bfloat16> values) override { return begin(values); }
  [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override {
    return group_.gather(bytes);
  }

  double step_began = 0;
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
  std::string task = "context", optimizer = "muon", network = "resnet";
  Index images = 128, total = 256;  // of each process; of all, where they share a training
  std::int64_t steps = 12, rounds = 5, mbit = 0, microseconds = 0;
  Precision gradients = Precision::float32;
  double paced = 0;  // 0: they do compute
  bool shared = false, model = false;
};

// When each step ended.
struct Ends final : Progress {
  void step(std::int64_t, double, double, double) override { at.push_back(now()); }
  std::vector<double> at;
};

constexpr Index kSet = 4096;  // images

const Dataset& data() {
  static const Dataset set = builtin_dataset(kSet, 1);
  return set;
}

BackboneDescription description(const Plan& plan) {
  BackboneDescription its = default_description(plan.network);
  if (plan.network == "resnet") {
    its.width = 16;
    its.blocks_per_stage = 2;
  }
  return its;
}

TrainingOptions training_options(const Plan& plan, Index batch) {
  TrainingOptions options{.steps = plan.steps + 2, .batch = batch, .learning_rate = 0.01};
  if (plan.optimizer == "muon") options.optimizer = optimizer_factory<Muon>(MuonOptions{});
  options.processes.gradients = plan.gradients;
  return options;
}

// Images a second of the training as programs have it, in this thread's group.
double shared_speed(const Plan& plan, Index batch) {
  Ends ends;
  const FitHooks hooks{.progress = &ends};
  const TrainingOptions options = training_options(plan, batch);
  const Normalization normalization = channel_statistics(data().train, numbered(256));
  if (plan.task == "classifier") {
    ImageClassifier model({32, 32, description(plan), data().class_names, normalization}, Rng(1));
    const LabelledImages images{.set = data().train,
                                .indices = numbered(kSet),
                                .augmentation = {.crop_padding = 4, .flip = true},
                                .evaluate = [] { return Evaluation{}; }};
    (void)train_classifier(model, images, options, Rng(5), hooks);
  } else {
    const std::unique_ptr<Backbone<float>> encoder = make_backbone<float>(description(plan), Rng(1));
    const std::unique_ptr<PretextTask<float>> task =
        make_pretext_task<float>(plan.task, pretext_images(data().train, normalization, false), {}, *encoder, Rng(2));
    const PretrainImages images{.set = data().train, .normalization = normalization, .recalibrate = false};
    (void)pretrain(*encoder, *task, images, options, Rng(5), hooks);
  }
  return static_cast<double>(batch * (std::ssize(ends.at) - 2)) / (ends.at.back() - ends.at[1]);
}

// Where the time of a step goes, in seconds from its beginning: when forward was over, and each leaf complete.
struct Pace {
  double forward = 0, backward = 0, end = 0;
  std::vector<std::pair<const void*, double>> leaves;
};

double processor_time() {
  timespec t{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Context prediction on one batch, with the optimiser of the programs: fit()'s step, taken apart.
class Training {
 public:
  explicit Training(const Plan& plan)
      : encoder_(make_backbone<float>(description(plan), Rng(1))),
        task_(make_pretext_task<float>("context", pretext_images(data().train, normalization_, false), {}, *encoder_,
                                       Rng(2))),
        model_(*encoder_, *task_),
        optimizer_(model_.parameters()),
        batch_(task_->make_batch(data().train, numbered(plan.images), Rng(3))) {
    model_.set_training(true);
  }

  [[nodiscard]] Module<float>& module() { return model_; }

  // A step; tells the pace of it, by that clock.
  template <class C>
  Pace step(detail::DataParallel& processes, C clock) {
    const double began = clock();
    Pace pace;
    optimizer_.zero_grad();
    PretextBatch batch = batch_;
    const PretextLoss<float> result = task_->loss(*encoder_, batch);
    detail::LossSums sums{static_cast<double>(result.loss.item()), result.mean_weight(), result.correct, result.count};
    pace.forward = clock() - began;
    const float share = processes.begin_step(sums, {});
    const LeafObserver observer = processes.observer();
    result.loss.backward(full<float>(result.loss.shape(), share), [&](const void* leaf) {
      pace.leaves.emplace_back(leaf, clock() - began);
      if (observer) observer(leaf);
    });
    pace.backward = clock() - began;
    processes.finish_step(sums);
    optimizer_.step(1e-4);
    pace.end = clock() - began;
    return pace;
  }

  // The same with sleep in place of what is computed: at this pace, however many others compute on this machine.
  static void paced_step(detail::DataParallel& processes, const Pace& pace) {
    const double began = now();
    const auto until = [](double time) { std::this_thread::sleep_for(std::chrono::duration<double>(time - now())); };
    until(began + pace.forward);
    detail::LossSums sums{1, 1, 1, 1};
    (void)processes.begin_step(sums, {});
    const LeafObserver observer = processes.observer();
    // What communication takes of the processor's time is not computed in: all that comes after is that much later.
    double late = now() - began - pace.forward;
    for (const auto& [leaf, time] : pace.leaves) {
      until(began + time + late);
      const double called = now();
      if (observer) observer(leaf);
      late += now() - called;
    }
    until(began + pace.backward + late);
    processes.finish_step(sums);
    until(now() + pace.end - pace.backward);
  }

 private:
  Normalization normalization_ = channel_statistics(data().train, numbered(256));
  std::unique_ptr<Backbone<float>> encoder_;
  std::unique_ptr<PretextTask<float>> task_;
  detail::PretrainModel model_;
  Muon<float> optimizer_;
  PretextBatch batch_;
};

// The mean of all processes.
double mean_of(ProcessGroup& group, double value) {
  double sum[1] = {value};
  group.sum(sum);
  return sum[0] / group.size();
}

struct Measured {
  double alone = 0, during = 0, after = 0;  // seconds of a step
  double optimizer = 0;                     // of that, what does not depend on the images
  std::vector<Departure> departures;
};

// Of some steps.
double seconds_of_step(ProcessGroup& group, const Plan& plan, const std::function<void()>& step) {
  std::vector<double> times;
  for (std::int64_t i = 0; i < plan.steps + 2; ++i) {
    if (i < 2) (void)mean_of(group, 0);
    const double began = now();
    step();
    if (i >= 2) times.push_back(now() - began);
  }
  double sum = 0;
  for (const double time : times) sum += time;
  return mean_of(group, sum / static_cast<double>(times.size()));
}

// That of the first process's quickest step, in all of them; each has its own leaves.
Pace first_pace(ProcessGroup& group, Training& training, detail::DataParallel& alone, double slower) {
  Pace best;
  for (int i = 0; i < 8; ++i) {
    Pace pace = training.step(alone, processor_time);
    if (i == 1 || (i > 1 && pace.end < best.end)) best = std::move(pace);
  }
  std::vector<double> times{best.forward, best.backward, best.end};
  for (const auto& [leaf, time] : best.leaves) times.push_back(time);
  take_from_first(group, std::span(times));
  for (double& time : times) time *= slower;
  best.forward = times[0];
  best.backward = times[1];
  best.end = times[2];
  for (std::size_t i = 0; i < best.leaves.size(); ++i) best.leaves[i].second = times[i + 3];
  return best;
}

Measured measure(ProcessGroup& group, const Plan& plan) {
  Training training(plan);
  const ProcessOptions options{.gradients = plan.gradients};
  const Index batch = plan.images * group.size();
  const auto processes_of = [&](ProcessGroup& its) {
    const ProcessGroupGuard guard(its);
    return std::make_unique<detail::DataParallel>(training.module(), batch, options);
  };
  WatchedGroup early(group, false), late(group, true);
  const auto alone = [&] {
    const ProcessGroupGuard guard;
    return std::make_unique<detail::DataParallel>(training.module(), plan.images, options);
  }();
  const auto during = processes_of(early), after = processes_of(late);
  const Pace pace = first_pace(group, training, *alone, plan.paced > 0 ? plan.paced : 1);
  std::vector<double> times[3];
  Measured measured;
  for (std::int64_t round = 0; round <= plan.rounds; ++round) {
    for (int k = 0; k < 3; ++k) {
      detail::DataParallel& processes = k == 0 ? *alone : k == 1 ? *during : *after;
      const double seconds = seconds_of_step(group, plan, [&] {
        early.departures.clear();
        early.step_began = now();
        if (plan.paced > 0)
          Training::paced_step(processes, pace);
        else
          (void)training.step(processes, now);
        if (k == 1) measured.departures = early.departures;
      });
      if (round > 0) times[k].push_back(seconds);  // the first round warms up
    }
  }
  measured.optimizer = pace.end - pace.backward;
  measured.alone = median(times[0]);
  measured.during = median(times[1]);
  measured.after = median(times[2]);
  return measured;
}

struct Network {
  double bytes_per_second = 0, latency = 0;  // of a message of a few bytes, one way
};

// The same step at the processors' own pace.
Measured quick(Measured m, double slower) {
  m.alone /= slower;
  m.optimizer /= slower;
  for (Departure& d : m.departures) d.at /= slower;
  return m;
}

// The same step with another number of images in each process.
Measured scaled(Measured m, double factor) {
  m.alone = (m.alone - m.optimizer) * factor + m.optimizer;
  for (Departure& d : m.departures) d.at *= factor;
  return m;
}

// Seconds of a step of n processes: each bucket sets out when it did here, the network carries one after the other, and
// each sum of n is 2 log2(n) messages one after the other, of 2 (n - 1) / n of its bytes together.
double modelled(const Measured& m, int n, const Network& network) {
  const double share = 2.0 * (n - 1) / n, rounds = 2 * std::ceil(std::log2(n)) * network.latency;
  double there = 0;
  for (const Departure& d : m.departures) there = std::max(there, d.at) + share * d.bytes / network.bytes_per_second;
  // The last bucket sets out where backward ends: what waits for it is what the step lasts longer than alone.
  return m.alone + there + rounds - m.departures.back().at;
}

constexpr Index kLargeBatch = 8192;  // to which Goyal et al. (arXiv 1706.02677) lose nothing

void print_tables(const Measured& m, const Plan& plan) {
  const std::array networks{Network{125e6, 50e-6}, Network{1.25e9, 20e-6}, Network{12.5e9, 5e-6}};
  const double whole = static_cast<double>(kLargeBatch) / static_cast<double>(plan.images);
  const double one = scaled(m, whole).alone;
  std::printf(
      "| processes | %lld images each: 1 Gbit/s, 50 us | 10 Gbit/s, 20 us | 100 Gbit/s, 5 us "
      "| %lld images together: 1 Gbit/s | 10 Gbit/s | 100 Gbit/s |\n|---:|---:|---:|---:|---:|---:|---:|\n",
      static_cast<long long>(plan.images), static_cast<long long>(kLargeBatch));
  for (int n = 2; n <= 1024; n *= 2) {
    std::printf("| %d |", n);
    for (const Network& network : networks) std::printf(" %.1f %% |", 100 * m.alone / modelled(m, n, network));
    for (const Network& network : networks)
      std::printf(" %.0f times |", one / modelled(scaled(m, whole / n), n, network));
    std::printf("\n");
  }
}

void print_model(const Measured& m, const Plan& plan, int size) {
  double bytes = 0;
  for (const Departure& d : m.departures) bytes += d.bytes;
  std::printf("%.2f MB in %zu buckets:", bytes / 1e6, m.departures.size());
  for (const Departure& d : m.departures) std::printf(" %.2f MB at %.1f ms,", d.bytes / 1e6, 1e3 * d.at);
  std::printf(" of %.1f ms, of which the optimiser %.1f\n", 1e3 * m.alone, 1e3 * m.optimizer);
  if (plan.mbit > 0) {
    const Network here{125e3 * static_cast<double>(plan.mbit), 1e-6 * static_cast<double>(plan.microseconds)};
    std::printf("the model: %.1f ms\n", 1e3 * modelled(m, size, here));
  }
  if (plan.model) print_tables(plan.paced > 0 ? quick(m, plan.paced) : m, plan);
}

void report(const Measured& m, const Plan& plan, int size) {
  std::printf("%d processes, %lld images each: a step alone %.1f ms, sums during backward %.1f ms, after it %.1f ms\n",
              size, static_cast<long long>(plan.images), 1e3 * m.alone, 1e3 * m.during, 1e3 * m.after);
  if (m.after > m.alone)
    std::printf("communication %.1f ms, of which hidden %.0f %%; efficiency %.1f %%\n", 1e3 * (m.after - m.alone),
                100 * (m.after - m.during) / (m.after - m.alone), 100 * m.alone / m.during);
  if (size > 1) print_model(m, plan, size);
}

Plan read_plan(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto switched = [&](std::string_view its, bool& on) {
      if (name == its) on = true;
      return name == its;
    };
    if (switched("--shared", plan.shared) || switched("--model", plan.model)) continue;
    require(i + 1 < argc, name, ": expected a value");
    const std::string_view value = argv[++i];
    const auto number = [&](auto& into) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), into);
      require(error == std::errc() && end == value.data() + value.size() && into >= 1, name, ": '", value,
              "', expected a number of 1 or more");
    };
    const auto word = [&](std::string& into, std::string_view first, std::string_view second) {
      require(value == first || value == second, name, ": '", value, "', expected ", first, " or ", second);
      into = value;
    };
    if (name == "--network")
      word(plan.network, "resnet", "resnet18");
    else if (name == "--task")
      word(plan.task, "context", "classifier");
    else if (name == "--optimizer")
      word(plan.optimizer, "muon", "sgd");
    else if (name == "--paced")
      number(plan.paced);
    else if (name == "--images")
      number(plan.images);
    else if (name == "--total")
      number(plan.total);
    else if (name == "--steps")
      number(plan.steps);
    else if (name == "--rounds")
      number(plan.rounds);
    else if (name == "--mbit")
      number(plan.mbit);
    else if (name == "--microseconds")
      number(plan.microseconds);
    else if (name == "--gradients")
      plan.gradients = precision_named(std::string(value));
    else
      require(false, "'", name, "' is not an option");
  }
  return plan;
}

void run(MpiGroup& group, const Plan& plan) {
  if (!plan.shared) {
    const Measured measured = measure(group, plan);
    if (group.rank() == 0) report(measured, plan, group.size());
    return;
  }
  const ProcessGroupGuard guard(group);
  std::vector<double> speeds;
  for (std::int64_t round = 0; round <= plan.rounds; ++round) speeds.push_back(shared_speed(plan, plan.total));
  if (group.rank() == 0) std::printf("%.1f images/s\n", median({speeds.begin() + 1, speeds.end()}));
}

}  // namespace

int main(int argc, char** argv) {
  MpiGroup group(argc, argv, 300);
  try {
    run(group, read_plan(argc, argv));
  } catch (const std::exception& error) {
    if (group.rank() == 0) std::fprintf(stderr, "bench_mpi: %s\n", error.what());
    group.abort(2, group.rank() == 0);
  }
  return 0;
}
