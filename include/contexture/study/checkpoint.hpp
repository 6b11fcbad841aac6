// SPDX-License-Identifier: MIT
// The state of a whole run in one file, so that a stopped or crashed run continues bit by bit:
// results of the phases that are done, history, and of the phase under way the weights, the
// optimiser's state, the loop's state, the best weights and the averaged ones. The file is a safetensors file: tensors
// as tensors ("model/…", "best/…", "average/…", "optimizer/…", "encoder/…", "teacher/…"), the rest as JSON in its
// metadata. It is written beside its destination, read back and renamed, and the one before it stays: there is always a
// good checkpoint, and one to go back to where the disk damages it later.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/study/results.hpp"
#include "contexture/study/results_json.hpp"
#include "contexture/study/run_files.hpp"
#include "contexture/train/fit.hpp"

namespace contexture {

/// Where a run is.
struct RunState {
  std::map<std::string, std::string> config;      ///< what must be the same to continue
  double seconds = 0;                             ///< of the whole run
  std::vector<PhaseRow> history;                  ///< of the phases that are done
  std::map<PhaseId, PretrainResult> pretraining;  ///< done
  std::map<PhaseId, ArmResult> arms;              ///< done
  std::optional<EncoderOrigin> origin;            ///< of a given encoder, where it is known
  std::string scratch_from;                       ///< folder of the run that the arms from scratch are of
  std::vector<Divergence> diverged;               ///< in the order of their phases
  std::string machine, scratch_machine;           ///< as in RunSummary
  TensorMap encoder;                              ///< pre-trained weights in use
  TensorMap teacher;                              ///< weights of the arm whose student comes next
  std::optional<PhaseId> phase;                   ///< under way
  FitState fit;                                   ///< of the phase under way
  TensorMap model, optimizer;                     ///< of the phase under way
};

/// All of a RunState but its tensors, `origin` and `phase`, which may be missing.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RunState, config, seconds, history, pretraining, arms, scratch_from, diverged,
                                   machine, scratch_machine, fit)

namespace detail::checkpoint {

using Json = nlohmann::json;
inline constexpr const char* kFormat = "contexture checkpoint 4";

// Paths need not be UTF-8, JSON has to be.
inline std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace detail::checkpoint

namespace detail::checkpoint {

inline Json json_of(const RunState& state) {
  Json root = state;
  root["format"] = kFormat;
  root["origin"] = state.origin ? Json(*state.origin) : Json();
  root["phase"] = state.phase ? Json(*state.phase) : Json();
  return root;
}

inline RunState state_of(const Json& root) {
  RunState state;
  root.get_to(state);
  if (!root.at("origin").is_null()) state.origin = root.at("origin").get<EncoderOrigin>();
  if (!root.at("phase").is_null()) state.phase = root.at("phase").get<PhaseId>();
  return state;
}

using NamedTensors = std::vector<std::pair<std::string, const Tensor<float>*>>;

inline NamedTensors tensors_of(const RunState& state) {
  NamedTensors tensors;
  const auto add = [&](const char* prefix, const TensorMap& map) {
    for (const auto& [name, tensor] : map) tensors.emplace_back(prefix + name, &tensor);
  };
  add("encoder/", state.encoder);
  add("teacher/", state.teacher);
  add("model/", state.model);
  add("optimizer/", state.optimizer);
  add("best/", state.fit.best);
  add("average/", state.fit.average);
  return tensors;
}

// Puts a tensor where its name says; false for a name that says nothing.
inline bool add_tensor(const std::string& name, Tensor<float> tensor, RunState& state) {
  const std::size_t slash = name.find('/');
  const std::string kind = name.substr(0, slash);
  const std::string rest = slash == std::string::npos ? "" : name.substr(slash + 1);
  TensorMap* const map = kind == "encoder"     ? &state.encoder
                         : kind == "teacher"   ? &state.teacher
                         : kind == "model"     ? &state.model
                         : kind == "optimizer" ? &state.optimizer
                         : kind == "best"      ? &state.fit.best
                         : kind == "average"   ? &state.fit.average
                                               : nullptr;
  if (map != nullptr) map->emplace(rest, std::move(tensor));
  return map != nullptr;
}

}  // namespace detail::checkpoint

/// Writes the state of a run, atomically; the checkpoint that was there becomes the previous one. Throws InputError
/// where the disk does not take it, or does not give it back.
inline void write_checkpoint(const std::filesystem::path& path, const RunState& state) {
  namespace json = detail::checkpoint;
  write_safetensors(path, json::tensors_of(state), {{"state", json::text_of(json::json_of(state))}},
                    previous_checkpoint(path));
}

/// Reads what write_checkpoint wrote. Throws InputError for a file that is missing, damaged or not a checkpoint.
[[nodiscard]] inline RunState read_checkpoint(const std::filesystem::path& path) {
  namespace json = detail::checkpoint;
  require_input(std::filesystem::exists(path), path.string(), ": no checkpoint there to resume from");
  TensorFile file = read_safetensors(path);
  const auto found = file.metadata.find("state");
  require_input(found != file.metadata.end(), path.string(), ": a safetensors file, but not a checkpoint");
  RunState state;
  try {
    const json::Json root = json::Json::parse(found->second);
    require_input(root.at("format") == json::kFormat, path.string(), ": format ", root.at("format").dump(),
                  ", expected \"", json::kFormat, "\": written by another version of this library, begin anew");
    state = json::state_of(root);
  } catch (const json::Json::exception& error) {
    throw InputError(message(path.string(), ": damaged checkpoint (", error.what(), ")"));
  }
  for (auto& [name, tensor] : file.tensors)
    require_input(json::add_tensor(name, std::move(tensor), state), path.string(), ": unexpected tensor '", name,
                  "' in a checkpoint");
  return state;
}

/// The first process's state, in all of them: only that one need have the file. Collective.
[[nodiscard]] inline RunState state_of_first(ProcessGroup& group, RunState state) {
  namespace json = detail::checkpoint;
  if (group.size() == 1) return state;
  std::string text;
  std::vector<float> values;
  if (group.rank() == 0) {
    json::Json tensors = json::Json::array();
    for (const auto& [name, tensor] : json::tensors_of(state)) {
      tensors.push_back({name, std::vector<std::size_t>(tensor->shape().begin(), tensor->shape().end())});
      values.insert(values.end(), tensor->data(), tensor->data() + tensor->size());
    }
    text = json::text_of({{"state", json::json_of(state)}, {"tensors", tensors}});
  }
  text = gather_texts(group, text).front();
  values = gather_values<float>(group, values);
  if (group.rank() == 0) return state;
  const json::Json root = json::Json::parse(text);
  RunState taken = json::state_of(root.at("state"));
  const float* at = values.data();
  for (const json::Json& entry : root.at("tensors")) {
    const auto extents = entry.at(1).get<std::vector<std::size_t>>();
    Tensor<float> tensor = empty<float>(Shape(extents.begin(), extents.end()));
    std::copy_n(at, tensor.size(), tensor.data());
    at += tensor.size();
    json::add_tensor(entry.at(0).get<std::string>(), std::move(tensor), taken);
  }
  return taken;
}

/// A checkpoint to go on from.
struct UsableCheckpoint {
  RunState state;
  std::string note;  ///< one line, where the newest one could not be used; else empty
};

/// The checkpoint `path`, or the previous one where that is missing or damaged. Throws InputError where neither can be
/// used.
[[nodiscard]] inline UsableCheckpoint read_usable_checkpoint(const std::filesystem::path& path) {
  try {
    return {read_checkpoint(path), {}};
  } catch (const InputError& newest) {
    const std::filesystem::path previous = previous_checkpoint(path);
    if (!std::filesystem::exists(previous)) throw;
    try {
      return {read_checkpoint(previous),
              message(newest.what(), "; going on from the one before it, ", previous.string())};
    } catch (const InputError& older) {
      throw InputError(message(newest.what(), "; the one before it can't be used either: ", older.what()));
    }
  }
}

/// A text as a checkpoint gives it back: what is not UTF-8 is replaced.
[[nodiscard]] inline std::string as_stored(const std::string& text) {
  namespace json = detail::checkpoint;
  return json::Json::parse(json::text_of(text)).get<std::string>();
}

}  // namespace contexture
