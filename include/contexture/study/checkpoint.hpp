// The state of a whole run in one file, so that a stopped or crashed run continues bit by bit:
// results of the phases that are done, history, and of the phase under way the weights, the
// optimiser's state, the loop's state, the best weights and the averaged ones. The file is a safetensors file: tensors
// as tensors ("model/…", "best/…", "average/…", "optimizer/…", "encoder/…"), the rest as JSON in its metadata. It is
// written beside its destination and renamed, so there is always one good checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/study/results.hpp"
#include "contexture/train/fit.hpp"

namespace contexture {

/// A phase that ended without a result because its loss stopped being finite.
struct Divergence {
  std::string phase, what;
  std::int64_t step = 0;
};

/// Where a run is.
struct RunState {
  std::map<std::string, std::string> config;          ///< what must be the same to continue
  double seconds = 0;                                 ///< of the whole run
  std::vector<HistoryRow> history;                    ///< of the phases that are done
  std::map<std::string, PretrainResult> pretraining;  ///< done, by phase
  std::map<std::string, ArmResult> arms;              ///< done, by phase
  std::optional<EncoderOrigin> origin;                ///< of a given encoder, where it is known
  std::string scratch_from;                           ///< folder of the run that the arms from scratch are of
  std::vector<Divergence> diverged;                   ///< in the order of their phases
  std::string machine, scratch_machine;               ///< as in RunSummary
  TensorMap encoder;                                  ///< pre-trained weights in use
  std::string phase;                                  ///< under way; empty: none
  FitState fit;                                       ///< of the phase under way
  TensorMap model, optimizer;                         ///< of the phase under way
};

namespace detail::checkpoint {

using Json = nlohmann::json;
inline constexpr const char* kFormat = "contexture checkpoint 3";

// Paths need not be UTF-8, JSON has to be.
inline std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

inline Json rows_json(const std::vector<HistoryRow>& rows) {
  Json out = Json::array();
  for (const HistoryRow& r : rows)
    out.push_back({r.experiment, r.arm, r.seed, r.step, r.epoch, r.seconds, r.split, r.loss, r.accuracy, r.macro_f1});
  return out;
}

inline std::vector<HistoryRow> rows_from(const Json& json) {
  std::vector<HistoryRow> rows;
  for (const Json& r : json)
    rows.push_back({r.at(0), r.at(1), r.at(2), r.at(3), r.at(4), r.at(5), r.at(6), r.at(7), r.at(8), r.at(9)});
  return rows;
}

// Plateau and time to accuracy are not kept: they follow from the history.
inline Json arm_json(const ArmResult& a) {
  return {{"best_val_accuracy", a.best_val_accuracy},
          {"test_accuracy", a.test_accuracy},
          {"test_macro_f1", a.test_macro_f1},
          {"final_train_loss", a.final_train_loss},
          {"seconds", a.seconds},
          {"training_seconds", a.training_seconds},
          {"steps", a.steps},
          {"images", a.images},
          {"learning_rate", a.learning_rate},
          {"predicted", a.answers.predicted},
          {"confidence", a.answers.confidence},
          {"classes", a.confusion.classes},
          {"confusion", a.confusion.counts}};
}

inline ArmResult arm_from(const Json& json) {
  ArmResult a;
  json.at("best_val_accuracy").get_to(a.best_val_accuracy);
  json.at("test_accuracy").get_to(a.test_accuracy);
  json.at("test_macro_f1").get_to(a.test_macro_f1);
  json.at("final_train_loss").get_to(a.final_train_loss);
  json.at("seconds").get_to(a.seconds);
  json.at("training_seconds").get_to(a.training_seconds);
  json.at("steps").get_to(a.steps);
  json.at("images").get_to(a.images);
  json.at("learning_rate").get_to(a.learning_rate);
  json.at("predicted").get_to(a.answers.predicted);
  json.at("confidence").get_to(a.answers.confidence);
  json.at("classes").get_to(a.confusion.classes);
  json.at("confusion").get_to(a.confusion.counts);
  return a;
}

inline Json pretrain_json(const PretrainResult& p) {
  return {{"task", p.task},
          {"seconds", p.seconds},
          {"loss", p.loss},
          {"accuracy", p.accuracy},
          {"chance", p.chance},
          {"steps", p.steps},
          {"images_per_second", p.images_per_second},
          {"suspicious_accuracy", p.suspicious_accuracy}};
}

inline PretrainResult pretrain_from(const Json& json) {
  return {json.at("task"),
          json.at("seconds"),
          json.at("loss"),
          json.at("accuracy"),
          json.at("chance"),
          json.at("steps"),
          json.at("images_per_second"),
          json.at("suspicious_accuracy")};
}

inline Json fit_json(const FitState& s) {
  return {{"step", s.step},           {"evaluations", s.evaluations},
          {"seconds", s.seconds},     {"training_seconds", s.training_seconds},
          {"loss_sum", s.loss_sum},   {"correct", s.correct},
          {"examples", s.examples},   {"best_accuracy", s.best_accuracy},
          {"best_step", s.best_step}, {"rows", rows_json(s.rows)}};
}

inline FitState fit_from(const Json& json) {
  FitState s;
  json.at("step").get_to(s.step);
  json.at("evaluations").get_to(s.evaluations);
  json.at("seconds").get_to(s.seconds);
  json.at("training_seconds").get_to(s.training_seconds);
  json.at("loss_sum").get_to(s.loss_sum);
  json.at("correct").get_to(s.correct);
  json.at("examples").get_to(s.examples);
  json.at("best_accuracy").get_to(s.best_accuracy);
  json.at("best_step").get_to(s.best_step);
  s.rows = rows_from(json.at("rows"));
  return s;
}

}  // namespace detail::checkpoint

/// Writes the state of a run, atomically. Throws InputError where the disk does not take it.
inline void write_checkpoint(const std::filesystem::path& path, const RunState& state) {
  namespace json = detail::checkpoint;
  json::Json root{{"format", json::kFormat},
                  {"config", state.config},
                  {"seconds", state.seconds},
                  {"history", json::rows_json(state.history)},
                  {"pretraining", json::Json::object()},
                  {"origin", nullptr},
                  {"arms", json::Json::object()},
                  {"scratch_from", state.scratch_from},
                  {"diverged", json::Json::array()},
                  {"machine", state.machine},
                  {"scratch_machine", state.scratch_machine},
                  {"phase", state.phase},
                  {"fit", json::fit_json(state.fit)}};
  for (const auto& [phase, result] : state.pretraining) root["pretraining"][phase] = json::pretrain_json(result);
  if (state.origin)
    root["origin"] = {{"pretraining", json::pretrain_json(state.origin->measured)},
                      {"same_data", state.origin->same_data},
                      {"machine", state.origin->machine}};
  for (const auto& [phase, result] : state.arms) root["arms"][phase] = json::arm_json(result);
  for (const Divergence& d : state.diverged) root["diverged"].push_back({d.phase, d.what, d.step});
  std::vector<std::pair<std::string, const Tensor<float>*>> tensors;
  const auto add = [&](const char* prefix, const TensorMap& map) {
    for (const auto& [name, tensor] : map) tensors.emplace_back(prefix + name, &tensor);
  };
  add("encoder/", state.encoder);
  add("model/", state.model);
  add("optimizer/", state.optimizer);
  add("best/", state.fit.best);
  add("average/", state.fit.average);
  write_safetensors(path, tensors, {{"state", json::text_of(root)}});
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
    root.at("config").get_to(state.config);
    root.at("seconds").get_to(state.seconds);
    state.history = json::rows_from(root.at("history"));
    for (const auto& [phase, result] : root.at("pretraining").items())
      state.pretraining[phase] = json::pretrain_from(result);
    if (const auto origin = root.find("origin"); origin != root.end() && !origin->is_null())
      state.origin =
          EncoderOrigin{origin->at("same_data"), origin->at("machine"), json::pretrain_from(origin->at("pretraining"))};
    for (const auto& [phase, result] : root.at("arms").items()) state.arms[phase] = json::arm_from(result);
    root.at("scratch_from").get_to(state.scratch_from);
    for (const auto& d : root.at("diverged")) state.diverged.push_back({d.at(0), d.at(1), d.at(2)});
    root.at("machine").get_to(state.machine);
    root.at("scratch_machine").get_to(state.scratch_machine);
    root.at("phase").get_to(state.phase);
    state.fit = json::fit_from(root.at("fit"));
  } catch (const json::Json::exception& error) {
    throw InputError(message(path.string(), ": damaged checkpoint (", error.what(), ")"));
  }
  for (auto& [name, tensor] : file.tensors) {
    const std::size_t slash = name.find('/');
    const std::string kind = name.substr(0, slash);
    const std::string rest = slash == std::string::npos ? "" : name.substr(slash + 1);
    TensorMap* const map = kind == "encoder"     ? &state.encoder
                           : kind == "model"     ? &state.model
                           : kind == "optimizer" ? &state.optimizer
                           : kind == "best"      ? &state.fit.best
                           : kind == "average"   ? &state.fit.average
                                                 : nullptr;
    require_input(map != nullptr, path.string(), ": unexpected tensor '", name, "' in a checkpoint");
    map->emplace(rest, std::move(tensor));
  }
  return state;
}

/// A text as a checkpoint gives it back: what is not UTF-8 is replaced.
[[nodiscard]] inline std::string as_stored(const std::string& text) {
  namespace json = detail::checkpoint;
  return json::Json::parse(json::text_of(text)).get<std::string>();
}

/// Throws InputError naming the first option whose value differs from the checkpoint's.
inline void require_same_config(const std::filesystem::path& path, const std::map<std::string, std::string>& stored,
                                const std::map<std::string, std::string>& now) {
  for (const auto& [name, value] : now) {
    const auto found = stored.find(name);
    require_input(found != stored.end(), path.string(), ": the checkpoint knows no ", name, ", this run has ", value);
    require_input(found->second == value, path.string(), ": cannot resume, the checkpoint was made with ", name, " ",
                  found->second, ", this run has ", value);
  }
  for (const auto& [name, value] : stored)
    require_input(now.contains(name), path.string(), ": cannot resume, the checkpoint was made with ", name, " ", value,
                  ", which this run does not have");
}

}  // namespace contexture
