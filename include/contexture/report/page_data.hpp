// SPDX-License-Identifier: MIT
// What the page's script shows, as JSON inside the page: curves of every seed, confusions of every label fraction, and
// some test images with the answers of all. src/page/page.js reads it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/escape.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/further_arms.hpp"
#include "contexture/report/history.hpp"
#include "contexture/report/inputs.hpp"
#include "contexture/report/json.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/pictures.hpp"
#include "contexture/report/scene.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

/// Images chosen without looking at the answers; of each kind (wrong, arms disagree) and label fraction; side in
/// pixels.
inline constexpr std::size_t kGallerySample = 60, kGalleryOfAKind = 24;
inline constexpr Index kGallerySide = 64;

/// Curves of one split by seed: {"step", "seconds", "loss", "accuracy"}.
template <class Wanted>
void put_curves(Json& seeds, const RunSummary& run, std::string_view split, Wanted wanted) {
  for (const PhaseRow& row : run.history) {
    if (row.split != split || !wanted(row)) continue;
    auto at = std::find_if(seeds.begin(), seeds.end(), [&](const Json& s) { return s["seed"] == row.phase.seed; });
    if (at == seeds.end()) {
      seeds.push_back({{"seed", row.phase.seed}});
      at = seeds.end() - 1;
    }
    Json& curve = (*at)[std::string(split)];
    curve["step"].push_back(row.step);
    curve["seconds"].push_back(number(row.seconds));
    curve["loss"].push_back(number(row.loss));
    curve["accuracy"].push_back(number(row.accuracy));
  }
}

/// Cells of a confusion matrix that are not zero: [true class, answer, count].
[[nodiscard]] inline Json confusion_cells(const ConfusionMatrix& m) {
  Json out = Json::array();
  for (std::int64_t t = 0; t < m.classes; ++t)
    for (std::int64_t p = 0; p < m.classes; ++p)
      if (const std::int64_t n = m.counts[static_cast<std::size_t>(t * m.classes + p)]; n > 0)
        out.push_back(Json::array({t, p, n}));
  return out;
}

/// The picture with no side above `most`: averages of the pixels that fall together.
[[nodiscard]] inline Picture thumbnail(const Picture& p, Index most) {
  const Index longest = std::max(p.height, p.width);
  if (longest <= most) return p;
  Picture out{
      std::max<Index>(1, p.height * most / longest), std::max<Index>(1, p.width * most / longest), p.channels, {}};
  for (Index y = 0; y < out.height; ++y)
    for (Index x = 0; x < out.width; ++x)
      for (Index c = 0; c < p.channels; ++c) {
        const Index y0 = y * p.height / out.height, y1 = std::max(y0 + 1, (y + 1) * p.height / out.height);
        const Index x0 = x * p.width / out.width, x1 = std::max(x0 + 1, (x + 1) * p.width / out.width);
        Index sum = 0;
        for (Index i = y0; i < y1; ++i)
          for (Index j = x0; j < x1; ++j) sum += p.pixels[static_cast<std::size_t>((i * p.width + j) * p.channels + c)];
        out.pixels.push_back(static_cast<std::uint8_t>(sum / ((y1 - y0) * (x1 - x0))));
      }
  return out;
}

/// Both arms' answers with the first seed; null where they are not known.
struct FirstAnswers {
  const TestAnswers* scratch = nullptr;
  const TestAnswers* pretrained = nullptr;
  [[nodiscard]] bool known() const { return scratch != nullptr; }
};
[[nodiscard]] inline FirstAnswers first_answers(const ExperimentResult& e, std::size_t images) {
  if (e.scratch.empty() || e.pretrained.empty()) return {};
  const auto complete = [&](const TestAnswers& a) {
    return a.predicted.size() == images && a.confidence.size() == images;
  };
  const TestAnswers &a = e.scratch[0].answers, &b = e.pretrained[0].answers;
  return complete(a) && complete(b) ? FirstAnswers{&a, &b} : FirstAnswers{};
}

/// Images to look through and what both arms of every experiment answer; null where they are not known.
[[nodiscard]] inline Json gallery_json(const RunSummary& run, const ReportInputs& inputs) {
  if (inputs.test == nullptr || inputs.test->count == 0) return nullptr;
  const ImageSet& test = *inputs.test;
  const auto count = static_cast<std::size_t>(test.count);
  if (test.labels.size() != count) return nullptr;
  const std::vector<Index> sample = gallery_images(test.labels, kGallerySample);
  std::set<Index> shown(sample.begin(), sample.end());
  Json counts = Json::object(), answers = Json::object();
  for (const ExperimentResult& e : run.experiments) {
    const FirstAnswers a = first_answers(e, count);
    if (!a.known()) continue;
    std::size_t scratch = 0, pretrained = 0, wrong = 0, disagree = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t x = a.scratch->predicted[i], y = a.pretrained->predicted[i], truth = test.labels[i];
      scratch += x != truth;
      pretrained += y != truth;
      if ((x != truth || y != truth) && wrong++ < kGalleryOfAKind) shown.insert(static_cast<Index>(i));
      if (x != y && disagree++ < kGalleryOfAKind) shown.insert(static_cast<Index>(i));
    }
    counts[percent_name(e.label_fraction)] = {
        {"scratch", scratch}, {"pretrained", pretrained}, {"wrong", wrong}, {"disagree", disagree}};
  }
  if (counts.empty()) return nullptr;
  Json images = Json::array();
  for (const Index i : shown)
    images.push_back({{"number", i},
                      {"label", test.labels[static_cast<std::size_t>(i)]},
                      {"sample", std::find(sample.begin(), sample.end(), i) != sample.end()},
                      {"png", base64(png_bytes(thumbnail(picture_of(test, i), kGallerySide)))}});
  for (const ExperimentResult& e : run.experiments) {
    const FirstAnswers a = first_answers(e, count);
    if (!a.known()) continue;
    Json& both = answers[percent_name(e.label_fraction)];
    for (const Index image : shown) {
      const auto i = static_cast<std::size_t>(image);
      const auto answer = [&](const TestAnswers& t) {
        return Json::array({t.predicted[i], is_finite(t.confidence[i]) ? t.confidence[i] : 0.0F});
      };
      both["scratch"].push_back(answer(*a.scratch));
      both["pretrained"].push_back(answer(*a.pretrained));
    }
  }
  return {{"images", images}, {"answers", answers}, {"counts", counts}, {"most", kGalleryOfAKind}};
}

/// Curves of an arm, one a seed that the experiment is reported for.
[[nodiscard]] inline Json arm_curves_json(const RunSummary& run, const ExperimentView& e, Arm arm) {
  Json out = Json::array();
  for (const char* split : {"train", "validation"})
    put_curves(out, run, split, [&](const PhaseRow& row) {
      return row.phase == PhaseId{e.label_fraction, arm, row.phase.seed} &&
             std::find(e.seeds.begin(), e.seeds.end(), row.phase.seed) != e.seeds.end();
    });
  return out;
}

/// Of a run that is not finished: which curve grows, if one does.
struct CurvesUnderWay {
  std::optional<PhaseId> phase = {};
};

/// The experiments of a run that is not finished, with all seeds of which there are curves, and those of which there is
/// nothing but curves.
[[nodiscard]] inline std::vector<ExperimentView> views_under_way(const RunSummary& run,
                                                                 std::vector<ExperimentView> views) {
  for (const PhaseRow& row : run.history) {
    if (row.phase.pretraining()) continue;
    auto at = std::find_if(views.begin(), views.end(),
                           [&](const ExperimentView& e) { return e.label_fraction == row.phase.label_fraction; });
    if (at == views.end()) {
      ExperimentView added;
      added.key = percent_name(row.phase.label_fraction);
      added.label_fraction = row.phase.label_fraction;
      at = views.insert(views.end(), std::move(added));
    }
    if (std::find(at->seeds.begin(), at->seeds.end(), row.phase.seed) == at->seeds.end())
      at->seeds.push_back(row.phase.seed);
  }
  return views;
}

/// Everything the script shows. No "<" is in it, so that no name can end the element that holds it.
[[nodiscard]] inline std::string page_data(const RunSummary& run, const std::vector<ExperimentView>& views,
                                           const ReportInputs& inputs,
                                           const std::optional<CurvesUnderWay>& under_way = {}) {
  Json out = {
      {"images", {{"train", run.train_images}, {"validation", run.validation_images}, {"test", run.test_images}}},
      {"pretrain_seconds", run.pretrain ? number(run.pretrain->seconds) : Json(nullptr)},
      {"pretraining", Json::array()},
      {"classes", Json::array()},
      {"experiments", Json::array()},
      {"gallery", gallery_json(run, inputs)}};
  for (const char* split : {"train", "validation"}) put_curves(out["pretraining"], run, split, of_pretraining);
  std::int64_t classes = static_cast<std::int64_t>(run.class_names.size());
  for (const ExperimentView& e : views)
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) classes = std::max(classes, e.arm(arm).confusion.classes);
  for (std::int64_t c = 0; c < classes; ++c) out["classes"].push_back(class_name(run, c));
  out["more_arms"] = Json::array();
  const std::vector<FurtherArms> more = further_arms(run);
  if (under_way && under_way->phase) {
    const PhaseId& phase = *under_way->phase;
    out["under_way"] = {{"key", phase.pretraining() ? Json(nullptr) : Json(percent_name(phase.label_fraction))},
                        {"arm", to_string(phase.arm)},
                        {"seed", phase.seed}};
  }
  for (const ExperimentView& e : views) {
    if (!e.complete() && !under_way) continue;
    Json experiment = {{"key", e.key}, {"labels", e.labels}, {"seeds", e.seeds}};
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const ConfusionMatrix& m = e.arm(arm).confusion;
      experiment[to_string(arm)] = {{"curves", arm_curves_json(run, e, arm)},
                                    {"test_accuracy", number(e.arm(arm).test_accuracy.mean)},
                                    {"confusion", m.classes > 0 ? confusion_cells(m) : Json(nullptr)}};
    }
    const auto add = [&](Arm arm, double before) {
      experiment[to_string(arm)] = {{"curves", arm_curves_json(run, e, arm)}, {"before", number(before)}};
      // Its name in files, in words, and of its colour.
      Json name = Json::array({to_string(arm), name_of(arm), colours(ink_of(arm)).variable + 2});
      Json& names = out["more_arms"];
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
    };
    for (const FurtherArms& f : more)
      for (const ArmTotal& a : f.arms)
        if (f.key == e.key && a.arm != Arm::scratch && a.arm != Arm::pretrained) add(a.arm, a.before);
    if (under_way)
      for (const PhaseRow& row : run.history)
        if (row.phase.label_fraction == e.label_fraction && !experiment.contains(to_string(row.phase.arm)))
          add(row.phase.arm, 0);
    out["experiments"].push_back(std::move(experiment));
  }
  return replaced(out.dump(-1, ' ', false, Json::error_handler_t::replace), "<", "\\u003c");
}

}  // namespace contexture::report::detail
