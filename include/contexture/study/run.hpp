// SPDX-License-Identifier: MIT
// The experiments: does pre-training help, with all, half and a tenth of the labels? For every seed the
// training images are split, an encoder is pre-trained without labels, and per label fraction two
// classifiers are trained that differ in nothing but where the encoder's weights come from: same
// architecture, head initialisation, label subset, order of batches, augmentation, schedule, steps.
// The test split is read once per classifier, at the end, with the weights that were best on validation.
// Here is the order of the phases, what a stopped run goes on from, and what a diverging phase costs. Of several
// processes the first alone reads and writes the run's folder, and tells of it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/folder_lock.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/study/arms.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/identity.hpp"
#include "contexture/study/phases.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/results.hpp"
#include "contexture/study/reuse.hpp"
#include "contexture/study/run_files.hpp"
#include "contexture/study/summary.hpp"
#include "contexture/study/watch.hpp"
#include "contexture/train/progress.hpp"

namespace contexture {

namespace detail {

class ExperimentRun {
 public:
  ExperimentRun(const ExperimentConfig& config, const Dataset& data, const RunFiles& files, Progress& progress,
                const StopToken* stop)
      : plan_(plan_run(config, data)),
        precision_(config.precision),
        files_(files),
        progress_(group_.rank() == 0 ? progress : silent_),
        stop_(stop) {
    if (group_.rank() != 0) files_.out.clear();
    if (!files_.out.empty() && files.lock == nullptr) lock_ = FolderLock(files.out);
    GivenEncoder given = given_encoder(plan_, progress_);
    const RunIdentity identity = identity_of(plan_, given.tensors);
    require_same_in_group(group_, identity_in_group(identity, config));
    if (files.resume) {
      const std::filesystem::path checkpoint = checkpoint_path(files.out);
      UsableCheckpoint usable = group_.rank() == 0 ? read_usable_checkpoint(checkpoint) : UsableCheckpoint{};
      if (!usable.note.empty()) progress_.note(usable.note);
      state_ = state_of_first(group_, std::move(usable.state));
      require_same_identity(checkpoint, state_.config, identity);
    }
    if (!given.tensors.empty()) {
      state_.encoder = std::move(given.tensors);
      given_ = std::move(given.origin);
      if (!state_.origin) state_.origin = origin_of(config.encoder, identity, progress_);
      require_input(!config.same_time || state_.origin || group_.rank() != 0, config.encoder,
                    ": how long it was pre-trained is not known, so no arm can take the same time; expected it in the "
                    "folder of the run that made it");
    }
    state_.config = identity;
    seconds_before_ = state_.seconds;
    std::string machine = cpu_report().line();
    if (group_.size() > 1) machine = message(group_.size(), " processes, the first: ", machine);
    if (state_.machine.empty())
      state_.machine = machine;
    else if (!state_.machine.ends_with(machine))
      state_.machine += "; then " + machine;
  }

  RunSummary run() {
    const ExperimentConfig& config = plan_.config;
    const std::optional<RunState> donor = donor_of_scratch_arms(plan_, state_.config, state_, files_);
    if (!files_.resume && !files_.out.empty()) remove_former_run(files_.out, config.encoder.empty());
    progress_.accepted();
    if (donor) {
      take_scratch_arms(plan_, *donor, files_, state_);
      progress_.note(message("arms from scratch: those of ", config.scratch_from));
      save();
    }
    const std::vector<PhaseId> phases = plan_.phases(state_.scratch_from.empty());
    if (files_.watcher != nullptr && group_.rank() == 0) watch(phases);
    for (std::size_t i = 0; i < phases.size(); ++i) {
      if (!possible(phases[i])) continue;
      attempt(phases[i], static_cast<int>(i) + 1, static_cast<int>(phases.size()));
    }
    if (!state_.diverged.empty() && state_.arms.empty() && (!config.fractions.empty() || state_.pretraining.empty())) {
      const Divergence& first = state_.diverged.front();
      throw Diverged(first.what, first.step);
    }
    return summary_of(plan_, state_, seconds_so_far());
  }

 private:
  void watch(const std::vector<PhaseId>& phases) {
    const auto so_far = [this] {
      RunSummary out = summary_of(plan_, state_, seconds_so_far());
      std::erase_if(out.experiments,
                    [](const ExperimentResult& e) { return e.scratch.empty() && e.pretrained.empty(); });
      return out;
    };
    watched_.emplace(progress_, *files_.watcher, so_far,
                     [this, forecast = RunForecast(plan_, phases)](const PhaseId& phase, const Pace& now) {
                       return forecast.seconds_behind(phase, now, state_);
                     });
  }

  bool diverged(const PhaseId& phase) const {
    return std::any_of(state_.diverged.begin(), state_.diverged.end(),
                       [&](const Divergence& known) { return known.phase == phase; });
  }

  // An arm needs what it begins with: an encoder, a teacher, the time that another took.
  bool possible(const PhaseId& phase) const {
    const bool after_pretraining = begins_pretrained(phase.arm) || phase.arm == Arm::scratch_same_time;
    if (after_pretraining && diverged(pretraining_phase(phase.seed))) return false;
    const Arm before = phase.arm == Arm::scratch_same_time ? Arm::scratch : teacher_of(phase.arm).value_or(phase.arm);
    return before == phase.arm || state_.arms.contains({phase.label_fraction, before, phase.seed});
  }

  // Runs a phase that has no result yet. One whose loss stops being finite does not stop the others, and a resumed run,
  // in which it would do the same, does not begin it again.
  void attempt(const PhaseId& phase, int number, int of) {
    if (diverged(phase) || state_.pretraining.contains(phase) || state_.arms.contains(phase)) return;
    PhaseContext context{.plan = plan_,
                         .files = files_,
                         .state = state_,
                         .progress = watched_ ? *watched_ : progress_,
                         .stop = stop_,
                         .save = [this] { save(); },
                         .given = given_ ? &*given_ : nullptr,
                         .number = number,
                         .of = of};
    if (watched_) watched_->enter(phase);
    try {
      if (phase.pretraining())
        run_pretraining(context, phase.seed);
      else
        run_arm(context, phase);
    } catch (const Diverged& error) {
      progress_.note(error.what());
      clear_phase(state_);
      state_.diverged.push_back({phase, error.what(), error.step()});
      save();
    }
  }

  double seconds_so_far() const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began_;
    return seconds_before_ + passed.count();
  }

  void save() {
    if (files_.out.empty()) return;
    state_.seconds = seconds_so_far();
    write_checkpoint(checkpoint_path(files_.out), state_);
  }

  ProcessGroup& group_ = process_group();
  Progress silent_;
  const RunPlan plan_;
  const PrecisionGuard precision_;
  RunFiles files_;
  FolderLock lock_;
  Progress& progress_;
  std::optional<WatchedProgress> watched_;
  const StopToken* stop_;
  RunState state_;
  std::optional<WeightsOrigin> given_;  // of the configuration's encoder
  double seconds_before_ = 0;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace detail

/// Runs all of it, in the configuration's precision. Collective: the processes of a group compute one run, each with
/// the same configuration and images, and all have the summary. The summary's history is in the order in which the
/// phases ran. Throws InputError for data, weights or a checkpoint that cannot be used and for a folder that another
/// run writes to, Diverged when losses stopped being finite and no arm was finished (else RunSummary::diverged says
/// which), Stopped after a stop request, std::invalid_argument for a configuration that makes no sense.
[[nodiscard]] inline RunSummary run_experiments(const ExperimentConfig& config, const Dataset& data,
                                                const RunFiles& files, Progress& progress,
                                                const StopToken* stop = nullptr) {
  return detail::ExperimentRun(config, data, files, progress, stop).run();
}

}  // namespace contexture
