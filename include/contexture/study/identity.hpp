// SPDX-License-Identifier: MIT
// What has to be the same for a run to go on from a checkpoint, or to use another run's arms: settings, what the rules
// make of them, images and given weights, as texts by name.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/fingerprint.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/plan.hpp"

namespace contexture {

/// Setting, or another thing that decides what a run computes -> its value.
using RunIdentity = std::map<std::string, std::string>;

/// Names in RunIdentity: those of the settings of further arms, and of what is no setting.
inline constexpr const char* kImagesName = "images";
/// Of the setting for students.
inline constexpr const char* kSelfTrainingName = "self-training";
/// Of the setting for an arm with the time of pre-training.
inline constexpr const char* kSameTimeName = "same-time";
/// Of weights that were given instead of pre-training.
inline constexpr const char* kGivenWeightsName = "weights of the encoder";
/// Of how the arm from scratch with this fraction of the labels is trained, or its student.
[[nodiscard]] inline std::string arm_plan_name(double fraction, bool student = false) {
  return message("training ", student ? "of students " : "", "with ", percent_name(fraction), " %");
}

namespace detail {

inline void add_images(const ImageSet& set, Fingerprint& print) {
  for (const Index extent : {set.count, set.height, set.width, set.channels}) print.add(&extent, sizeof(extent));
  print.add(set.pixels.data(), set.pixels.size());
  print.add(set.labels.data(), set.labels.size() * sizeof(std::int32_t));
}

}  // namespace detail

/// Changes with any pixel or label.
[[nodiscard]] inline std::string fingerprint(const ImageSet& images) {
  Fingerprint print;
  detail::add_images(images, print);
  return print.text();
}
/// Of all images and labels of a data set.
[[nodiscard]] inline std::string fingerprint(const Dataset& data) {
  Fingerprint print;
  for (const ImageSet* set : {&data.train, &data.test, &data.unlabeled}) detail::add_images(*set, print);
  return print.text();
}

/// Of weights, in the order of their names.
[[nodiscard]] inline std::string fingerprint(const TensorMap& tensors) {
  Fingerprint print;
  for (const auto& [name, tensor] : tensors) print.add(tensor.data(), tensor.size() * sizeof(float));
  return print.text();
}

/// Settings that two runs of the same results may differ in.
inline constexpr std::array<const char*, 8> kNotOfIdentity{"threads", "scratch-from", "max-broken",      "max-pixels",
                                                           "data",    "encoder",      "sync-batch-norm", "gradients"};

/// What a run with this plan computes. `given`: the weights of a given encoder; empty: none is given.
[[nodiscard]] inline RunIdentity identity_of(const RunPlan& plan, const TensorMap& given) {
  RunIdentity identity = describe(plan);
  // These change the last bits and the time, not the run; or say where something lies, whose content is compared.
  for (const char* name : kNotOfIdentity) identity.erase(name);
  identity.erase("augmentation");                              // the arms' texts have it
  for (const char* name : {kSelfTrainingName, kSameTimeName})  // checkpoints of earlier versions have none of these
    if (identity.at(name) == "off") identity.erase(name);
  identity[kImagesName] = fingerprint(plan.data);
  const std::uint64_t seed = plan.config.seed;
  const Split split = plan.split(seed);
  for (const double fraction : plan.config.fractions) {
    const auto subset = static_cast<std::int64_t>(plan.labels(seed, split, fraction).size());
    const auto how = [&](Arm arm) {
      return plan.arm({fraction, arm, seed}, static_cast<std::int64_t>(split.train.size()), subset).text();
    };
    identity[arm_plan_name(fraction)] = how(Arm::scratch);
    if (plan.self_trains(fraction)) identity[arm_plan_name(fraction, true)] = how(Arm::scratch_selftrained);
  }
  if (!given.empty()) identity[kGivenWeightsName] = fingerprint(given);
  for (auto& [name, value] : identity) value = as_stored(value);
  return identity;
}

/// What may differ between the processes of one run, besides the texts that tell where something lies.
[[nodiscard]] inline RunIdentity identity_in_group(RunIdentity identity, const ExperimentConfig& config) {
  for (const char* name : kNotOfIdentity) identity.erase(name);
  for (const char* name : {"sync-batch-norm", "gradients"}) identity[name] = describe(config).at(name);
  return identity;
}

/// Throws InputError naming the process, and the first entry whose value differs from the first process's. Collective.
inline void require_same_in_group(ProcessGroup& group, const RunIdentity& identity) {
  if (group.size() == 1) return;
  const std::vector<std::string> all = gather_texts(group, nlohmann::json(identity).dump());
  const auto first = nlohmann::json::parse(all[0]).get<RunIdentity>();
  for (std::size_t r = 1; r < all.size(); ++r) {
    const auto other = nlohmann::json::parse(all[r]).get<RunIdentity>();
    for (const RunIdentity* names : {&first, &other})
      for (const auto& [name, value] : *names) {
        const auto a = first.find(name), b = other.find(name);
        require_input(a != first.end() && b != other.end() && a->second == b->second, "process ", r, " has ", name, " ",
                      b == other.end() ? "unknown" : b->second, ", process 0 has ",
                      a == first.end() ? "unknown" : a->second, ": all processes have to compute the same run");
      }
  }
}

/// A run is not that of the checkpoint it was to go on from: `name` has another value than `stored`.
class AnotherRun : public InputError {
 public:
  AnotherRun(const std::string& text, std::string entry, std::string value)
      : InputError(text), name(std::move(entry)), stored(std::move(value)) {}
  std::string name, stored;
};

/// Throws InputError, or AnotherRun, naming the first entry whose value differs from that in the checkpoint `path`.
/// Checkpoints of earlier versions have some of kNotOfIdentity.
inline void require_same_identity(const std::filesystem::path& path, const RunIdentity& stored,
                                  const RunIdentity& now) {
  for (const auto& [name, value] : now) {
    const auto found = stored.find(name);
    require_input(found != stored.end(), path.string(), ": the checkpoint knows no ", name, ", this run has ", value);
    if (found->second != value)
      throw AnotherRun(message(path.string(), ": cannot resume, the checkpoint was made with ", name, " ",
                               found->second, ", this run has ", value),
                       name, found->second);
  }
  for (const auto& [name, value] : stored)
    require_input(now.contains(name) || std::count(kNotOfIdentity.begin(), kNotOfIdentity.end(), name) > 0,
                  path.string(), ": cannot resume, the checkpoint was made with ", name, " ", value,
                  ", which this run does not have");
}

}  // namespace contexture
