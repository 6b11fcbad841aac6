// SPDX-License-Identifier: MIT
// What a run takes from an earlier one instead of computing it: the weights of a given encoder and what making them
// took, and the arms from scratch of a run that differs in pre-training only.
#pragma once

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/identity.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/run_files.hpp"
#include "contexture/train/progress.hpp"

namespace contexture {

/// An encoder that a configuration gives; empty where it gives none.
struct GivenEncoder {
  TensorMap tensors;
  WeightsOrigin origin;
};

/// The encoder that the configuration gives. Throws InputError for a file
/// that is none of an encoder or classifier, or of another architecture than the plan's.
[[nodiscard]] inline GivenEncoder given_encoder(const RunPlan& plan, Progress& progress) {
  GivenEncoder given;
  const std::string& path = plan.config.encoder;
  if (path.empty()) return given;
  EncoderFile file = read_encoder(path);
  const BackboneDescription& made = file.encoder->description();
  const BackboneDescription& wanted = plan.classifier.encoder;
  require_input(made == wanted, path, ": weights of another architecture: ", architecture_text(made), ", for ",
                made.in_channels, " channels", ", this run has ", architecture_text(wanted), ", for ",
                wanted.in_channels, " channels");
  if (file.kind == "classifier") progress.note(message(path, ": the encoder of a classifier, trained with labels"));
  if (file.precision != plan.config.precision)
    progress.note(message(path, ": an encoder trained in ", to_string(file.precision), ", this run computes in ",
                          to_string(plan.config.precision)));
  copy_tensors(state_tensors(*file.encoder), given.tensors);
  given.origin = std::move(file.origin);
  return given;
}

/// What the run that made the given encoder measured. Its checkpoint lies beside the file, and has the same weights: an
/// encoder that was moved, or is one of several, has no known origin.
[[nodiscard]] inline std::optional<EncoderOrigin> origin_of(const std::filesystem::path& encoder,
                                                            const RunIdentity& identity, Progress& progress) {
  const std::filesystem::path path = checkpoint_path(encoder.parent_path());
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const RunState former = read_checkpoint(path);
    if (former.pretraining.size() != 1 || fingerprint(former.encoder) != identity.at(kGivenWeightsName))
      return std::nullopt;
    const auto images = former.config.find(kImagesName);
    return EncoderOrigin{images != former.config.end() && images->second == identity.at(kImagesName), former.machine,
                         former.pretraining.begin()->second};
  } catch (const InputError& error) {  // only the time is lost
    progress.note(message("the time of pre-training is not known: ", error.what()));
    return std::nullopt;
  }
}

/// The arms from scratch that a run needs.
[[nodiscard]] inline std::vector<PhaseId> scratch_arms(const RunPlan& plan) {
  std::vector<PhaseId> out;
  for (const PhaseId& phase : plan.phases(true))
    if (phase.arm == Arm::scratch || phase.arm == Arm::scratch_selftrained) out.push_back(phase);
  return out;
}

namespace detail {

inline void require_same_arms(const RunState& former, const std::filesystem::path& path, const std::string& name,
                              const std::string& now) {
  const auto found = former.config.find(name);
  require_input(found != former.config.end() && found->second == now, path.string(),
                ": cannot take the arms from scratch, made with ", name, " ",
                found == former.config.end() ? std::string("unknown") : found->second, ", this run has ", now);
}

// Are the arms from scratch in `state` those of the run in `folder`, whatever its name was when they were taken?
inline bool has_arms_of(const RunState& state, const RunPlan& plan, const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::equivalent(folder, state.scratch_from, error)) return true;
  if (!std::filesystem::exists(checkpoint_path(folder))) return false;
  const RunState former = read_checkpoint(checkpoint_path(folder));
  const std::vector<PhaseId> arms = scratch_arms(plan);
  return std::all_of(arms.begin(), arms.end(), [&](const PhaseId& phase) {
    const auto ours = state.arms.find(phase), theirs = former.arms.find(phase);
    return ours != state.arms.end() && theirs != former.arms.end() &&
           nlohmann::json(ours->second) == nlohmann::json(theirs->second);
  });
}

}  // namespace detail

/// The run in the configuration's scratch_from, whose arms from scratch are to become this run's: it has all that are
/// wanted, of the same images and trained in the same way, or InputError says what is not. Empty: none is named, or the
/// run of this state has taken them already.
[[nodiscard]] inline std::optional<RunState> donor_of_scratch_arms(const RunPlan& plan, const RunIdentity& identity,
                                                                   const RunState& state, const RunFiles& files) {
  const std::filesystem::path folder = plan.config.scratch_from;
  if (folder.empty() || state.scratch_from == as_stored(plan.config.scratch_from)) return std::nullopt;
  const std::string own = checkpoint_path(files.out).string();
  if (!state.scratch_from.empty()) {
    require_input(detail::has_arms_of(state, plan, folder), own, ": cannot resume, its arms from scratch are those of ",
                  state.scratch_from, ", not of ", folder.string());
    return std::nullopt;
  }
  for (const auto& [phase, arm] : state.arms)
    require_input(phase.arm != Arm::scratch && phase.arm != Arm::scratch_selftrained, own,
                  ": cannot resume with those of ", folder.string(), ", it has arms from scratch of its own");
  std::error_code error;
  require_input(files.out.empty() || !std::filesystem::equivalent(folder, files.out, error),
                "scratch-from: ", folder.string(), ": the folder that this run's results go to");
  const std::filesystem::path path = checkpoint_path(folder);
  require_input(std::filesystem::exists(path), "scratch-from: ", folder.string(),
                ": no folder of a run, expected checkpoint.safetensors in it");
  RunState former = read_checkpoint(path);
  // The images themselves are compared, so where they lie may differ; and the former run may have had more arms.
  std::set<std::string> any{"fractions", "seeds", kGivenWeightsName, kSelfTrainingName, kSameTimeName};
  any.merge(pretraining_setting_names());
  for (const auto& [name, value] : plan.pretext) any.insert(name);
  for (const double fraction : plan.config.fractions)  // see below
    for (const bool student : {false, true}) any.insert(arm_plan_name(fraction, student));
  for (const auto& [name, now] : identity)
    if (!any.contains(name)) detail::require_same_arms(former, path, name, now);
  for (const PhaseId& phase : scratch_arms(plan)) {
    const PhaseText text = text_of(phase);
    require_input(former.arms.contains(phase), path.string(), ": no arm from scratch",
                  teacher_of(phase.arm) ? ", self-training," : "", " with ", text.experiment,
                  " % of the labels and seed ", text.seed);
    const std::string name = arm_plan_name(phase.label_fraction, teacher_of(phase.arm).has_value());
    detail::require_same_arms(former, path, name, identity.at(name));
    const std::filesystem::path weights = weights_path(folder, phase, plan.config.seed);
    require_input(files.out.empty() || std::filesystem::exists(weights), weights.string(),
                  ": no such file, expected the weights of an arm from scratch");
  }
  return former;
}

/// Takes over the arms from scratch of a run that donor_of_scratch_arms() found: results, history and weights.
inline void take_scratch_arms(const RunPlan& plan, const RunState& donor, const RunFiles& files, RunState& state) {
  const std::filesystem::path folder = plan.config.scratch_from;
  for (const PhaseId& phase : scratch_arms(plan)) {
    for (const PhaseRow& row : donor.history)
      if (row.phase == phase) state.history.push_back(row);
    if (!files.out.empty())
      copy_file_atomically(weights_path(folder, phase, plan.config.seed),
                           weights_path(files.out, phase, plan.config.seed));
    state.arms[phase] = donor.arms.at(phase);
  }
  state.scratch_from = plan.config.scratch_from;
  if (donor.machine != state.machine) state.scratch_machine = donor.machine;
}

}  // namespace contexture
