// summary.json: the run's numbers for programs, unrounded, with the lists per seed beside the means.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/statistics.hpp"

namespace contexture::detail::report {

using Json = nlohmann::ordered_json;

// JSON has no NaN: what is not finite becomes null.
[[nodiscard]] inline Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }
[[nodiscard]] inline Json number(const std::optional<double>& v) { return v ? number(*v) : Json(nullptr); }
/// Steps are whole numbers in the lists; their mean need not be.
[[nodiscard]] inline Json step_number(const std::optional<double>& v) {
  if (!v || !std::isfinite(*v)) return nullptr;
  return *v == std::floor(*v) && std::abs(*v) < 9e15 ? Json(static_cast<std::int64_t>(*v)) : Json(*v);
}

[[nodiscard]] inline Json arm_json(const ArmView& arm) {
  Json out = Json::object();
  const auto list = [](const std::vector<double>& values) {
    Json a = Json::array();
    for (const double v : values) a.push_back(number(v));
    return a;
  };
  const auto steps = [](const Moment& m) {
    Json a = Json::array();
    for (const auto& v : m.per_seed) a.push_back(step_number(v));
    return a;
  };
  const auto seconds = [](const Moment& m) {
    Json a = Json::array();
    for (const auto& v : m.per_seed) a.push_back(number(v));
    return a;
  };
  const auto stat = [&](const char* name, const Stat& s) {
    out[name] = number(s.mean);
    out[std::string(name) + "_per_seed"] = list(s.per_seed);
  };
  stat("best_val_accuracy", arm.best_val_accuracy);
  stat("test_accuracy", arm.test_accuracy);
  stat("test_macro_f1", arm.test_macro_f1);
  stat("final_train_loss", arm.final_train_loss);
  out["plateau_step"] = step_number(arm.plateau_step.mean);
  out["plateau_step_per_seed"] = steps(arm.plateau_step);
  out["plateau_seconds"] = number(arm.plateau_seconds.mean);
  out["plateau_seconds_per_seed"] = seconds(arm.plateau_seconds);
  Json to = Json::object(), to_seeds = Json::object(), in = Json::object(), in_seeds = Json::object();
  for (const int level : kTimeToPercent) {
    const std::string key = std::to_string(level);
    to[key] = step_number(arm.steps_to.at(key).mean);
    to_seeds[key] = steps(arm.steps_to.at(key));
    in[key] = number(arm.seconds_to.at(key).mean);
    in_seeds[key] = seconds(arm.seconds_to.at(key));
  }
  out["steps_to"] = to;
  out["steps_to_per_seed"] = to_seeds;
  out["seconds_to"] = in;
  out["seconds_to_per_seed"] = in_seeds;
  stat("seconds", arm.seconds);
  out["learning_rate"] = number(arm.learning_rate);
  return out;
}

[[nodiscard]] inline Json mcnemar_json(const McNemar& m) {
  return {{"scratch", m.scratch}, {"pretrained", m.pretrained}, {"p", number(m.p)}};
}

/// Exact tests of the difference: {"sign_test", "mcnemar"}; null where there is nothing to test.
[[nodiscard]] inline Json tests_json(const ExperimentView& e) {
  Json out = {{"sign_test", nullptr}, {"mcnemar", nullptr}};
  if (std::isfinite(e.sign.p))
    out["sign_test"] = {
        {"better", e.sign.better}, {"worse", e.sign.worse}, {"ties", e.sign.ties}, {"p", number(e.sign.p)}};
  if (e.mcnemar) {
    Json per_seed = Json::array();
    for (const McNemar& m : e.mcnemar_per_seed) per_seed.push_back(mcnemar_json(m));
    out["mcnemar"] = {{"over_seeds", mcnemar_json(*e.mcnemar)}, {"per_seed", std::move(per_seed)}};
  }
  return out;
}

[[nodiscard]] inline Json label_efficiency_json(const std::vector<ExperimentView>& views) {
  const std::vector<LabelsSaved> points = label_efficiency(views);
  if (points.empty()) return nullptr;
  Json out = Json::array();
  for (const LabelsSaved& p : points) {
    Json per_seed = Json::array();
    for (const auto& v : p.per_seed) per_seed.push_back(number(v));
    out.push_back({{"label_fraction", number(p.experiment->label_fraction)},
                   {"labels", p.experiment->labels},
                   {"scratch_accuracy", number(p.experiment->scratch.test_accuracy.mean)},
                   {"pretrained_accuracy", number(p.experiment->pretrained.test_accuracy.mean)},
                   {"scratch_labels_needed", number(p.scratch_labels)},
                   {"scratch_labels_needed_at_most", p.at_most},
                   {"scratch_labels_needed_per_seed", std::move(per_seed)},
                   {"labels_saved", number(p.saved())},
                   {"times_as_many_labels", number(p.factor())}});
  }
  return out;
}

/// The text of summary.json. A moment's mean is null unless every seed reached it; the interval's bounds
/// are null with one seed. "label_efficiency" is null with fewer than four label fractions.
[[nodiscard]] inline std::string summary_json(const RunSummary& run) {
  Json out;
  out["dataset"] = run.dataset;
  out["images"] = {{"train", run.train_images},
                   {"validation", run.validation_images},
                   {"test", run.test_images},
                   {"unlabeled", run.unlabeled_images}};
  out["config"] = Json::object();
  for (const auto& [name, value] : run.config) out["config"][name] = value;
  if (run.pretrain) {
    const PretrainResult& p = *run.pretrain;
    out["pretrain"] = {{"task", p.task},
                       {"seconds", number(p.seconds)},
                       {"loss", number(p.loss)},
                       {"accuracy", number(p.accuracy)},
                       {"chance", number(p.chance)},
                       {"steps", p.steps},
                       {"images_per_second", number(p.images_per_second)}};
    if (run.origin)
      out["pretrain"]["origin"] = {{"same_data", run.origin->same_data}, {"machine", run.origin->machine}};
  } else {
    out["pretrain"] = nullptr;
  }
  out["experiments"] = Json::array();
  for (const ExperimentResult& e : run.experiments) {
    const ExperimentView view = view_of(run, e);
    Json item;
    item["label_fraction"] = number(e.label_fraction);
    item["labels"] = e.labels;
    item["seeds"] = e.seeds;
    item["scratch"] = arm_json(view.scratch);
    item["pretrained"] = arm_json(view.pretrained);
    const Stat& d = view.difference;
    Json per_seed = Json::array();
    for (const double v : d.per_seed) per_seed.push_back(number(v));
    item["test_accuracy_difference"] = {{"mean", number(d.mean)},
                                        {"ci95", Json::array({number(d.low()), number(d.high())})},
                                        {"seeds", d.per_seed.size()},
                                        {"per_seed", per_seed},
                                        {"tests", tests_json(view)}};
    out["experiments"].push_back(std::move(item));
  }
  out["label_efficiency"] = label_efficiency_json(views_of(run));
  out["seconds_total"] = number(run.seconds_total);
  out["peak_rss_mib"] = number(run.peak_rss_mib);
  out["images_per_second"] = number(run.images_per_second);
  out["machine"] = run.machine;
  out["scratch_machine"] = run.scratch_machine.empty() ? run.machine : run.scratch_machine;
  out["diverged"] = run.diverged;
  // Names come from outside and may not be UTF-8.
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace contexture::detail::report
