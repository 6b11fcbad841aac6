// SPDX-License-Identifier: MIT
// One translation unit for all experiment programs: what they share is compiled once.
#include "common/experiments.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/data.hpp"
#include "common/options.hpp"
#include "common/processes.hpp"
#include "common/program.hpp"
#include "common/progress.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/folder_lock.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/report/live.hpp"
#include "contexture/report/report.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/budget.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/costs.hpp"
#include "contexture/study/embedding_of_run.hpp"
#include "contexture/study/identity.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/pretext_of_run.hpp"
#include "contexture/study/run.hpp"

namespace programs {
namespace {

using contexture::Index;
using Clock = std::chrono::steady_clock;

void print_header(const Options& options, const contexture::Dataset& data, const contexture::CpuReport& machine) {
  const contexture::ExperimentConfig& c = options.config;
  const contexture::ImageSet& train = data.train;
  const auto encoder = contexture::make_backbone<float>(contexture::backbone_of(c, train.channels), contexture::Rng(0));
  std::printf("data     %s: %lld training images (%.0f %% held out for validation), %lld test images",
              data.name.c_str(), static_cast<long long>(train.count), 100 * c.validation,
              static_cast<long long>(data.test.count));
  if (data.unlabeled.count > 0) std::printf(", %lld unlabelled", static_cast<long long>(data.unlabeled.count));
  std::printf("; %zu classes; %lld x %lld x %lld\n", data.class_names.size(), static_cast<long long>(train.height),
              static_cast<long long>(train.width), static_cast<long long>(train.channels));
  for (const std::string& note : data.notes) std::printf("         %s\n", note.c_str());
  std::printf(
      "network  %s, width %lld, %lld block%s a stage: %.2f million parameters, %.1f million multiply-adds an image\n",
      c.network.c_str(), static_cast<long long>(c.width), static_cast<long long>(c.blocks), c.blocks == 1 ? "" : "s",
      static_cast<double>(encoder->parameter_count()) / 1e6,
      static_cast<double>(encoder->multiply_adds(train.height, train.width)) / 1e6);
  std::printf("machine  %s\n", machine.line().c_str());
  if (const int processes = contexture::process_group().size(); processes > 1)
    std::printf("         %d processes, the first as above\n", processes);
}

// What the run's encoders make of test images; without it, should that fail, the report still has all numbers.
std::optional<contexture::EmbeddingView> embedding_pictures(const std::string& program,
                                                            const contexture::ExperimentConfig& config,
                                                            const contexture::Dataset& data,
                                                            const std::filesystem::path& out) {
  try {
    return contexture::embedding_of_run(config, data, out);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: warning: no pictures of the encoders: %s\n", program.c_str(), error.what());
    return std::nullopt;
  }
}

// What is done in the time, for people.
std::string plan_text(const contexture::TimePlan& plan, const Options& options) {
  using contexture::message, contexture::report::duration, contexture::report::grouped;
  const contexture::ExperimentConfig& c = plan.config;
  std::string text = message("plan     ", options.seconds ? contexture::time_text(*options.seconds) : "as configured",
                             options.time_given ? " (--time)"
                             : options.seconds  ? ", the default with images of your own (--time changes it)"
                                                : "",
                             ": about ", duration(plan.seconds()),
                             !options.seconds                           ? ""
                             : plan.enough                              ? ", longer would gain nothing"
                             : plan.seconds() > 1.02 * *options.seconds ? ", the shortest that trains"
                                                                        : "",
                             "\n");
  const std::string indent(9, ' ');
  if (c.encoder.empty())
    text += message(indent, "pre-training by ", c.pretext, ", ", contexture::number_text(c.pretrain_epochs),
                    " passes over the images, ", grouped(plan.pretrain_steps), " steps: ", duration(plan.pretraining),
                    "\n");
  if (!c.fractions.empty())
    text += message(indent, 2 * c.fractions.size() * static_cast<std::size_t>(c.seeds), " classifiers of ",
                    grouped(plan.fewest_steps), " to ", grouped(plan.most_steps), " steps",
                    plan.further_arms > 0 ? message(", and ", plan.further_arms, " further arms") : "", ": ",
                    duration(plan.arms), "\n");
  return text + message(indent, "start, pictures and report: ", duration(plan.rest), "\n");
}

// Fits the configuration to the time that the run is to take, counted from `began`; without one it stays as it is.
// Returns the plan in words.
std::string plan_run(Options& options, const contexture::Dataset& data, Clock::time_point began) {
  const double seconds = options.seconds.value_or(600);
  const auto& by_time = contexture::kSettingsByTime;
  const contexture::TimeRequest request{
      .config = options.config,
      .given = options.seconds ? options.given : std::set<std::string>(by_time.begin(), by_time.end()),
      .seconds = seconds,
      .firm = options.time_given,
      .train_images = data.train.count,
      .learnt_images = std::ssize(contexture::RunPlan{options.config, data}.split(options.config.seed).train),
      .unlabeled_images = data.unlabeled.count};
  contexture::TimePlan plan;
  try {
    plan = contexture::fit_to_time(request, [&](const contexture::ExperimentConfig& config) {
      contexture::RunCosts costs = contexture::measure_costs(config, data, std::clamp(seconds / 100, 0.5, 5.0));
      costs.spent = contexture::of_first(contexture::process_group(),
                                         std::chrono::duration<double>(Clock::now() - began).count());
      return costs;
    });
  } catch (const contexture::SettingError& error) {
    throw UsageError(error);
  }
  options.config = plan.config;
  return plan_text(plan, options);
}

bool has_checkpoint(const std::filesystem::path& checkpoint) {
  return std::filesystem::exists(checkpoint) || std::filesystem::exists(contexture::previous_checkpoint(checkpoint));
}

// Has the folder a finished report? Its page may be there before, and say how far the run is.
bool is_reported(const std::filesystem::path& out) { return std::filesystem::exists(out / "report.md"); }

// A run that begins anew in a folder writes over what is there; of a run that was stopped, hours may be in it. One that
// diverged would do so again, so that there is nothing to keep.
void keep_stopped_run(const std::filesystem::path& out) {
  const std::filesystem::path checkpoint = out / "checkpoint.safetensors";
  if (!has_checkpoint(checkpoint)) return;
  bool stopped = false;
  try {
    const contexture::RunState state = contexture::read_usable_checkpoint(checkpoint).state;
    stopped = state.phase || (state.diverged.empty() && !is_reported(out));
  } catch (const contexture::InputError&) {  // nothing to go on with
    return;
  }
  contexture::require_input(!stopped, "--out ", out.string(),
                            ": has a run that was stopped: --resume goes on with it; "
                            "to begin anew give another folder, or remove ",
                            checkpoint.string());
}

// The option, if it is one, with which the run goes on that was to be resumed; else nothing.
std::string how_to_resume(const contexture::AnotherRun& other) {
  const std::vector<contexture::ExperimentSetting> settings = contexture::experiment_settings();
  const bool known = std::any_of(settings.begin(), settings.end(),
                                 [&](const contexture::ExperimentSetting& s) { return s.name == other.name; });
  return known ? contexture::message("; --", other.name, " ", other.stored, " goes on with it") : std::string();
}

// Once a run that begins anew is accepted, its folder stops telling of the run before; of one that goes on, that it was
// stopped.
class ExperimentProgress final : public TerminalProgress {
 public:
  ExperimentProgress(const Options& options, std::string machine)
      : TerminalProgress(options.quiet), options_(options), machine_(std::move(machine)) {}

  void accepted() override {
    if (options_.resume) {
      std::error_code ignored;
      if (!is_reported(options_.out)) std::filesystem::remove(options_.out / "report.html", ignored);
      return;
    }
    contexture::remove_report(options_.out);
    write_text(options_.out / "config.ini", config_file(options_, machine_));
  }

 private:
  const Options& options_;
  std::string machine_;
};

// Processes that share the work have been given the same.
void require_same_options(const Options& options) {
  const contexture::ExperimentConfig& config = options.config;
  contexture::RunIdentity choices = contexture::identity_in_group(contexture::describe(config), config);
  choices.insert(config.pretext_options.begin(), config.pretext_options.end());
  choices["time"] = options.seconds ? contexture::time_text(*options.seconds) : "none";
  choices["resume"] = options.resume ? "yes" : "no";
  require_same_start(choices);
}

void require_same_images(const contexture::Dataset& data) {
  contexture::ProcessGroup& group = contexture::process_group();
  if (group.size() > 1) contexture::require_same_in_group(group, {{"images", contexture::fingerprint(data)}});
}

// What is said before anything is computed.
void say_what_is_done(const ExperimentProgram& program, const Options& options, const contexture::Dataset& data,
                      const contexture::CpuReport& machine) {
  if (!machine.warning.empty() && first_process())
    std::fprintf(stderr, "%s: warning: %s\n", program.name.c_str(), machine.warning.c_str());
  if (!options.quiet) print_header(options, data, machine);
}

// Takes the folder, which may hold a run to go on with, or one to be kept.
contexture::FolderLock take_folder(const Options& options) {
  contexture::FolderLock lock;
  if (!first_process() || options.dry_run) return lock;
  const std::filesystem::path checkpoint = options.out / "checkpoint.safetensors";
  // Before anything is said of what is there: it may be of a run that is alive.
  if (std::filesystem::is_directory(options.out)) lock = contexture::FolderLock(options.out);
  contexture::require_input(!options.resume || has_checkpoint(checkpoint), "--resume: no checkpoint ",
                            checkpoint.string(), " to continue from");
  if (!options.resume) keep_stopped_run(options.out);
  return lock;
}

// Tables, curves and pages of a finished run. This process alone computes here.
void report(const ExperimentProgram& program, const Options& options, const contexture::Dataset& data,
            contexture::ReportInputs inputs, const contexture::RunSummary& summary,
            contexture::report::LivePage* live) {
  const contexture::ProcessGroupGuard alone;
  if (live != nullptr) live->reporting();
  inputs.embedding = embedding_pictures(program.name, options.config, data, options.out);
  if (live != nullptr) live->stop();
  contexture::write_report(summary, inputs, options.out);
  if (!options.quiet && !summary.experiments.empty()) std::printf("\n%s\n", contexture::summary_table(summary).c_str());
  std::printf("Report: %s\n", (options.out / "report.html").string().c_str());
  std::fflush(stdout);
  for (const std::string& what : summary.diverged)
    std::fprintf(stderr, "%s: not in the report: %s\n", program.name.c_str(), what.c_str());
}

contexture::RunSummary run_all(const Options& options, const contexture::Dataset& data,
                               const contexture::RunFiles& files, contexture::Progress& progress) {
  try {
    return contexture::run_experiments(options.config, data, files, progress, &stop_token());
  } catch (const contexture::Stopped& stopped) {
    throw contexture::Stopped(std::string(stopped.what()) + "; the same command with --resume goes on");
  } catch (const contexture::AnotherRun& other) {
    throw contexture::InputError(other.what() + how_to_resume(other));
  }
}

// Does the work. What ends it before its end ends the page as well, which then says so.
template <class Work>
int with_live_page(contexture::report::LivePage* live, Work work) {
  try {
    return work();
  } catch (const contexture::Stopped& stopped) {
    if (live != nullptr) live->ended("The run was stopped.", stopped.what());
    throw;
  } catch (const std::exception& error) {
    if (live != nullptr) live->ended("The run has failed.", error.what());
    throw;
  }
}

int run(const ExperimentProgram& program, int argc, char** argv) {
  const Clock::time_point began = Clock::now();
  std::optional<Options> options =
      ExperimentCommandLine(program.name, program.purpose, program.out, program.fractions).parse(argc, argv);
  if (!options) return 0;
  contexture::ExperimentConfig& config = options->config;
  const contexture::PrecisionGuard precision(config.precision);
  // More threads than processors only get into each other's way; the results are the same but for last bits.
  const Index processors = contexture::detail::available_processors();
  if (config.threads > 0) contexture::set_num_threads(static_cast<int>(std::min(config.threads, processors)));
  config.threads = contexture::num_threads();

  contexture::FolderLock lock = take_folder(*options);
  require_same_options(*options);
  const contexture::Dataset data = load_data(program.name, {.data = config.data,
                                                            .image_size = config.image_size,
                                                            .train_images = config.train_images,
                                                            .test_images = config.test_images,
                                                            .max_broken = config.max_broken,
                                                            .limits = {config.max_pixels},
                                                            .labels = !config.fractions.empty(),
                                                            .out = options->out,
                                                            .memory = options->memory,
                                                            .quiet = options->quiet});
  require_same_images(data);
  const std::string plan = options->seconds || options->dry_run ? plan_run(*options, data, began) : std::string();
  if (!options->dry_run) {
    prepare_folder(options->out);  // not before: it may lie in the data
    if (!lock.held() && first_process()) lock = contexture::FolderLock(options->out);
  }
  const contexture::CpuReport machine = contexture::cpu_report();
  say_what_is_done(program, *options, data, machine);
  if (!options->quiet) {
    std::printf("%s", plan.c_str());
    std::fflush(stdout);
  }
  if (options->dry_run) return 0;

  // Before the run: options of the task that do not fit the images are refused here.
  const std::vector<contexture::PretextPicture> pictures = contexture::pretext_pictures(config, data);
  stop_on_signals(contexture::process_group().size() > 1 ? std::optional<int>(SIGUSR1) : std::nullopt);
  ExperimentProgress progress(*options, machine.line());
  const contexture::ReportInputs inputs{.test = &data.test, .pretext = pictures};
  std::optional<contexture::report::LivePage> live;
  if (options->live && first_process()) {
    live.emplace(options->out, inputs);
    if (!options->quiet) std::printf("live     %s\n", (options->out / "report.html").string().c_str());
  }
  return with_live_page(live ? &*live : nullptr, [&] {
    const contexture::RunSummary summary = run_all(
        *options, data,
        {.out = options->out, .resume = options->resume, .lock = &lock, .watcher = live ? &*live : nullptr}, progress);
    if (first_process()) report(program, *options, data, inputs, summary, live ? &*live : nullptr);
    return summary.diverged.empty() ? 0 : 1;
  });
}

}  // namespace

int run_experiment_program(const ExperimentProgram& program, int argc, char** argv) {
  return run_together(program.name.c_str(), argc, argv, [&](int c, char** v) { return run(program, c, v); });
}

}  // namespace programs
