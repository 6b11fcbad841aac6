// SPDX-License-Identifier: MIT
// How what a run measured is kept in a checkpoint: the fields of every struct once, by name. Tensors are kept apart.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "contexture/evaluate/metrics.hpp"
#include "contexture/study/phase_id.hpp"
#include "contexture/study/results.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/history.hpp"

namespace contexture {

inline void to_json(nlohmann::json& json, Arm arm) { json = to_string(arm); }

inline void from_json(const nlohmann::json& json, Arm& arm) {
  nlohmann::json known;
  for (const Arm a : kArms) known[to_string(a)] = static_cast<int>(a);
  arm = static_cast<Arm>(known.at(json.get<std::string>()).get<int>());
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PhaseId, label_fraction, arm, seed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HistoryRow, step, epoch, seconds, split, loss, accuracy, macro_f1)

inline void to_json(nlohmann::json& json, const PhaseRow& row) {
  json = static_cast<const HistoryRow&>(row);
  json["phase"] = row.phase;
}
inline void from_json(const nlohmann::json& json, PhaseRow& row) {
  json.get_to(static_cast<HistoryRow&>(row));
  json.at("phase").get_to(row.phase);
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Divergence, phase, what, step)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TestAnswers, predicted, confidence)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ConfusionMatrix, classes, counts)
/// Plateau and time to accuracy are not kept: they follow from the history.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ArmResult, best_val_accuracy, test_accuracy, test_macro_f1, final_train_loss,
                                   seconds, training_seconds, steps, images, learning_rate, answers, confusion)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PretrainResult, task, seconds, loss, accuracy, chance, steps, images_per_second,
                                   suspicious_accuracy)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(EncoderOrigin, same_data, machine, measured)
/// Without its tensors.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FitState, step, evaluations, seconds, training_seconds, loss_sum, correct, examples,
                                   best_accuracy, best_step, rows)

}  // namespace contexture
