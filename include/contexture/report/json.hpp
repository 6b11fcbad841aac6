// SPDX-License-Identifier: MIT
// summary.json: the run's numbers for programs, unrounded, with the lists per seed beside the means. Every field is
// written in one place, in the order of the file.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/further_arms.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report {

namespace detail {

using Json = nlohmann::ordered_json;

/// JSON has no NaN: what is not finite becomes null.
[[nodiscard]] inline Json number(double v) { return is_finite(v) ? Json(v) : Json(nullptr); }
[[nodiscard]] inline Json number(const std::optional<double>& v) { return v ? number(*v) : Json(nullptr); }
/// Steps are whole numbers in the lists; their mean need not be.
[[nodiscard]] inline Json step_number(const std::optional<double>& v) {
  if (!v || !is_finite(*v)) return nullptr;
  return *v == std::floor(*v) && std::abs(*v) < 9e15 ? Json(static_cast<std::int64_t>(*v)) : Json(*v);
}

/// A list, each value by `one`.
template <class Values, class One>
[[nodiscard]] Json list(const Values& values, One one) {
  Json out = Json::array();
  for (const auto& v : values) out.push_back(one(v));
  return out;
}
inline constexpr auto kNumber = [](const auto& v) { return number(v); };
inline constexpr auto kStep = [](const auto& v) { return step_number(v); };

/// The mean under `name`, and the values under `name`_per_seed.
inline void put(Json& out, const std::string& name, const Stat& s) {
  out[name] = number(s.mean);
  out[name + "_per_seed"] = list(s.per_seed, kNumber);
}
template <class One>
void put(Json& out, const std::string& name, const Moment& m, One one) {
  out[name] = one(m.mean);
  out[name + "_per_seed"] = list(m.per_seed, one);
}
/// The same of moments by share of the reference accuracy: objects with a key a share.
template <class One>
void put(Json& out, const std::string& name, const std::map<std::string, Moment>& moments, One one) {
  Json mean = Json::object(), per_seed = Json::object();
  for (const int level : kTimeToPercent) {
    const std::string key = std::to_string(level);
    mean[key] = one(moments.at(key).mean);
    per_seed[key] = list(moments.at(key).per_seed, one);
  }
  out[name] = std::move(mean);
  out[name + "_per_seed"] = std::move(per_seed);
}

[[nodiscard]] inline Json arm_json(const ArmView& arm) {
  Json out = Json::object();
  put(out, "best_val_accuracy", arm.best_val_accuracy);
  put(out, "test_accuracy", arm.test_accuracy);
  put(out, "test_macro_f1", arm.test_macro_f1);
  put(out, "final_train_loss", arm.final_train_loss);
  put(out, "plateau_step", arm.plateau_step, kStep);
  put(out, "plateau_seconds", arm.plateau_seconds, kNumber);
  put(out, "steps_to", arm.steps_to, kStep);
  put(out, "seconds_to", arm.seconds_to, kNumber);
  put(out, "seconds", arm.seconds);
  out["learning_rate"] = number(arm.learning_rate);
  return out;
}

[[nodiscard]] inline Json mcnemar_json(const McNemar& m) {
  return {{"scratch", m.scratch}, {"pretrained", m.pretrained}, {"p", number(m.p)}};
}

/// Exact tests of the difference: {"sign_test", "mcnemar"}; null where there is nothing to test.
[[nodiscard]] inline Json tests_json(const ExperimentView& e) {
  Json out = {{"sign_test", nullptr}, {"mcnemar", nullptr}};
  if (is_finite(e.sign.p))
    out["sign_test"] = {
        {"better", e.sign.better}, {"worse", e.sign.worse}, {"ties", e.sign.ties}, {"p", number(e.sign.p)}};
  if (e.mcnemar)
    out["mcnemar"] = {{"over_seeds", mcnemar_json(*e.mcnemar)}, {"per_seed", list(e.mcnemar_per_seed, mcnemar_json)}};
  return out;
}

[[nodiscard]] inline Json experiment_json(const ExperimentView& e) {
  const Stat& d = e.difference;
  return {{"label_fraction", number(e.label_fraction)},
          {"labels", e.labels},
          {"seeds", e.seeds},
          {"scratch", arm_json(e.scratch)},
          {"pretrained", arm_json(e.pretrained)},
          {"test_accuracy_difference",
           {{"mean", number(d.mean)},
            {"ci95", Json::array({number(d.low()), number(d.high())})},
            {"seeds", d.per_seed.size()},
            {"per_seed", list(d.per_seed, kNumber)},
            {"tests", tests_json(e)}}}};
}

[[nodiscard]] inline Json comparison_json(const ArmComparison& c) {
  const Stat& d = c.view.difference;
  return {{"arm", to_string(c.arm)},
          {"base", to_string(c.base)},
          {"mean", number(d.mean)},
          {"ci95", Json::array({number(d.low()), number(d.high())})},
          {"per_seed", list(d.per_seed, kNumber)},
          {"tests", tests_json(c.view)}};
}

/// All arms of an experiment that has more than two, and the differences of test accuracy between them.
[[nodiscard]] inline Json further_arms_json(const FurtherArms& f) {
  Json arms = Json::object();
  for (const ArmTotal& a : f.arms) {
    Json arm = arm_json(a.view);
    arm["steps_per_seed"] = a.steps;
    arm["gap_closed"] = number(a.gap_closed);
    arm["seconds_before"] = number(a.before);
    arms[to_string(a.arm)] = std::move(arm);
  }
  return {{"label_fraction", number(f.label_fraction)},
          {"labels", f.labels},
          {"arms", arms},
          {"test_accuracy_differences", list(f.comparisons, comparison_json)}};
}

[[nodiscard]] inline Json labels_saved_json(const LabelsSaved& p) {
  return {{"label_fraction", number(p.experiment->label_fraction)},
          {"labels", p.experiment->labels},
          {"scratch_accuracy", number(p.experiment->scratch.test_accuracy.mean)},
          {"pretrained_accuracy", number(p.experiment->pretrained.test_accuracy.mean)},
          {"scratch_labels_needed", number(p.scratch_labels)},
          {"scratch_labels_needed_at_most", p.at_most},
          {"scratch_labels_needed_per_seed", list(p.per_seed, kNumber)},
          {"labels_saved", number(p.saved())},
          {"times_as_many_labels", number(p.factor())}};
}

/// What became of the files of a data folder.
[[nodiscard]] inline Json data_json(const RunSummary& run) {
  const auto left_out = [](const LeftOut& o) {
    return Json{{"reason", o.reason}, {"count", o.count}, {"names", o.names}};
  };
  return {{"used", run.data.used},
          {"not_used", run.data.left_out_files()},
          {"left_out", list(run.data.left_out, left_out)},
          {"warnings", run.data.warnings},
          {"notes", run.data_notes}};
}

[[nodiscard]] inline Json pretrain_json(const RunSummary& run) {
  if (!run.pretrain) return nullptr;
  const PretrainResult& p = *run.pretrain;
  Json out = {{"task", p.task},
              {"seconds", number(p.seconds)},
              {"loss", number(p.loss)},
              {"accuracy", number(p.accuracy)},
              {"chance", number(p.chance)},
              {"steps", p.steps},
              {"images_per_second", number(p.images_per_second)}};
  if (run.origin) out["origin"] = {{"same_data", run.origin->same_data}, {"machine", run.origin->machine}};
  return out;
}

}  // namespace detail

/// The text of summary.json. A moment's mean is null unless every seed reached it; the interval's bounds
/// are null with one seed. "label_efficiency" is null with fewer than four label fractions.
[[nodiscard]] inline std::string summary_json(const RunSummary& run) {
  using namespace detail;
  const std::vector<ExperimentView> views = views_of(run);
  const std::vector<LabelsSaved> saved = label_efficiency(views);
  const Json out = {{"dataset", run.dataset},
                    {"images",
                     {{"train", run.train_images},
                      {"validation", run.validation_images},
                      {"test", run.test_images},
                      {"unlabeled", run.unlabeled_images}}},
                    {"data", data_json(run)},
                    {"config", run.config},
                    {"pretrain", pretrain_json(run)},
                    {"experiments", list(views, experiment_json)},
                    {"further_arms", list(further_arms(run), further_arms_json)},
                    {"label_efficiency", saved.empty() ? Json(nullptr) : list(saved, labels_saved_json)},
                    {"seconds_total", number(run.seconds_total)},
                    {"peak_rss_mib", number(run.peak_rss_mib)},
                    {"images_per_second", number(run.images_per_second)},
                    {"machine", run.machine},
                    {"scratch_machine", run.scratch_machine.empty() ? run.machine : run.scratch_machine},
                    {"diverged", run.diverged}};
  // Names come from outside and may not be UTF-8.
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace contexture::report
