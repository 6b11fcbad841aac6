// SPDX-License-Identifier: MIT
// The picture pages of a report as scenes: test images with both arms' answers, what the pretext
// task sees, and the confusion matrices.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/data/split.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/inputs.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/scene.hpp"
#include "contexture/report/text.hpp"

namespace contexture::report::detail {

[[nodiscard]] inline std::string class_name(const RunSummary& run, std::int64_t label) {
  if (label >= 0 && label < static_cast<std::int64_t>(run.class_names.size()))
    return clean(run.class_names[static_cast<std::size_t>(label)]);
  return "class " + std::to_string(label);
}

/// The experiment that the pictures show: the one with the fewest labels of those that have both arms,
/// where the arms differ most. Empty: none is complete.
[[nodiscard]] inline std::optional<std::size_t> shown_experiment(const RunSummary& run) {
  std::optional<std::size_t> out;
  for (std::size_t i = 0; i < run.experiments.size(); ++i) {
    const ExperimentResult& e = run.experiments[i];
    if (e.scratch.empty() || e.pretrained.empty()) continue;
    if (!out || e.label_fraction < run.experiments[*out].label_fraction) out = i;
  }
  return out;
}

/// Up to `count` test images to show, class by class, chosen without looking at the answers.
[[nodiscard]] inline std::vector<Index> gallery_images(std::span<const std::int32_t> labels, std::size_t count) {
  std::vector<Index> out = classes_in_turn(labels, count);
  std::sort(out.begin(), out.end(), [&](Index a, Index b) {
    return labels[static_cast<std::size_t>(a)] != labels[static_cast<std::size_t>(b)]
               ? labels[static_cast<std::size_t>(a)] < labels[static_cast<std::size_t>(b)]
               : a < b;
  });
  return out;
}

/// Ten test images, the true class, and for both arms the predicted class, its confidence and whether
/// it is right. Empty: there is nothing to show.
[[nodiscard]] inline std::optional<Plates> predictions_scene(const RunSummary& run, const ReportInputs& inputs) {
  const std::optional<std::size_t> shown = shown_experiment(run);
  if (!shown || inputs.test == nullptr || inputs.test->count == 0) return std::nullopt;
  const ImageSet& test = *inputs.test;
  const ExperimentResult& e = run.experiments[*shown];
  const auto answered = [&](const ArmResult& r) {
    return r.answers.predicted.size() == static_cast<std::size_t>(test.count) &&
           r.answers.confidence.size() == r.answers.predicted.size();
  };
  if (test.labels.size() != static_cast<std::size_t>(test.count) || !answered(e.scratch[0]) ||
      !answered(e.pretrained[0]))
    return std::nullopt;

  const std::vector<Index> images = gallery_images(test.labels, 10);
  constexpr int kCell = 212, kImage = 150, kRow = 286;
  Plates out{.across = 5, .gap = 14};
  Scene& head = out.head.emplace(560, 28);
  head.fill(0, 3, 14, 14, Ink::scratch);
  head.text(22, 10, name_of(Arm::scratch), {.size = 14});
  head.fill(140, 3, 14, 14, Ink::pretrained);
  head.text(162, 10, name_of(Arm::pretrained), {.size = 14});
  head.text(280, 10, percent_name(e.label_fraction) + " % of the labels; bars: confidence",
            {.size = 14, .ink = Ink::muted});
  for (const Index image : images) {
    Scene& scene = out.parts.emplace_back(kCell, kRow);
    const auto i = static_cast<std::size_t>(image);
    const int longest = static_cast<int>(std::max(test.height, test.width));
    const int w = std::max(1, static_cast<int>(test.width) * kImage / longest);
    const int h = std::max(1, static_cast<int>(test.height) * kImage / longest);
    scene.fill(0, 0, kCell, kRow, Ink::shade);
    scene.image((kCell - w) / 2, 14 + (kImage - h) / 2, w, h, picture_of(test, image));
    scene.text(kCell / 2, kImage + 32, abridged(class_name(run, test.labels[i]), 19),
               {.size = 15, .anchor = Anchor::middle, .bold = true});
    int y = kImage + 60;
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const TestAnswers& answers = (arm == Arm::scratch ? e.scratch : e.pretrained)[0].answers;
      const bool right = answers.predicted[i] == test.labels[i];
      const double confidence = is_finite(answers.confidence[i]) ? std::clamp<double>(answers.confidence[i], 0, 1) : 0;
      const Ink sign = right ? Ink::right : Ink::wrong;
      scene.text(14, y, right ? "\u2713" : "\u2717", {.size = 16, .ink = sign, .bold = true});
      scene.text(34, y, abridged(class_name(run, answers.predicted[i]), 16), {.size = 13, .ink = sign});
      scene.text(kCell - 14, y, percent(confidence, 0), {.size = 13, .anchor = Anchor::right, .ink = Ink::muted});
      scene.fill(14, y + 12, kCell - 28, 4, Ink::line);
      scene.fill(14, y + 12, static_cast<int>(std::lround(confidence * (kCell - 28))), 4, ink_of(arm));
      y += 38;
    }
  }
  return out;
}

/// Up to three images as the pretext task sees them: the places of the patches, the patches as cut, and after
/// treatment; or, where nothing was cut, the image and its views. Empty: no example was given.
[[nodiscard]] inline std::optional<Plates> patches_scene(const ReportInputs& inputs) {
  std::vector<const PretextPicture*> rows;
  for (const PretextPicture& p : inputs.pretext)
    if (rows.size() < 3 && p.image.height > 0 && p.image.width > 0 && !p.patches.empty()) rows.push_back(&p);
  if (rows.empty()) return std::nullopt;
  constexpr int kSide = 288, kHead = 30, kRowGap = 28;
  std::vector<const char*> titles{"the image", "what the encoder sees"};
  const auto is_cut = [](const PretextPicture* p) {
    return std::any_of(p->patches.begin(), p->patches.end(), [](const PatchPicture& c) { return c.cut.height > 0; });
  };
  if (std::any_of(rows.begin(), rows.end(), is_cut))
    titles = {"where the patches are cut", "the patches", "what the encoder sees"};
  Plates out{.across = 3, .gap = 56};
  for (const char* title : titles)
    out.parts.emplace_back(kSide + 2, kHead + static_cast<int>(rows.size()) * (kSide + kRowGap) - kRowGap + 2)
        .text(0, 10, title, {.size = 15, .bold = true});
  Scene& image = out.parts.front();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const PretextPicture& p = *rows[r];
    const int top = kHead + static_cast<int>(r) * (kSide + kRowGap);
    const double scale = static_cast<double>(kSide) / static_cast<double>(std::max(p.image.height, p.image.width));
    const auto at = [&](Index v) { return static_cast<int>(std::lround(static_cast<double>(v) * scale)); };
    image.image(0, top, at(p.image.width), at(p.image.height), p.image);
    for (const PatchPicture& patch : p.patches) {  // a light line in a dark one shows on any image
      if (patch.cut.height <= 0) continue;
      const int x = at(patch.left), y = top + at(patch.top);
      const int w = at(patch.left + patch.cut.width) - at(patch.left),
                h = at(patch.top + patch.cut.height) - at(patch.top);
      image.frame(x, y, w, h, 4, Ink::text);
      image.frame(x + 1, y + 1, w - 2, h - 2, 2, Ink::paper);
    }
    Index grid = 1;
    for (const PatchPicture& patch : p.patches) grid = std::max({grid, patch.row + 1, patch.column + 1});
    const int n = static_cast<int>(grid), space = n > 1 ? 18 : 0, cell = (kSide - (n - 1) * space) / n;
    for (const PatchPicture& patch : p.patches) {
      const int x = static_cast<int>(patch.column) * (cell + space),
                y = top + static_cast<int>(patch.row) * (cell + space);
      const auto draw = [&](Scene& scene, const Picture& picture) {
        if (picture.height <= 0 || picture.width <= 0 || picture.pixels.empty()) return;
        scene.image(x + 1, y, cell, cell, picture);
        scene.frame(x, y - 1, cell + 2, cell + 2, 1, Ink::line);
      };
      draw(out.parts[1], patch.cut);
      draw(out.parts.back(), patch.treated);
    }
  }
  return out;
}

/// Both arms' confusion matrices, all seeds of one experiment together: per true class (row) the share of every
/// answer (column) in percent. Up to 26 classes are named and numbered; beyond that only colour is left.
[[nodiscard]] inline std::optional<Plates> confusion_scene(const RunSummary& run,
                                                           const std::vector<ExperimentView>& views) {
  const std::optional<std::size_t> shown = shown_experiment(run);
  if (!shown) return std::nullopt;
  const ExperimentView& e = views[*shown];
  const std::int64_t classes = e.scratch.confusion.classes;
  if (classes < 1 || e.pretrained.confusion.classes != classes) return std::nullopt;
  const bool lettered = classes <= 26;
  const int n = static_cast<int>(classes);
  const int cell = lettered ? std::clamp(420 / n, 22, 60) : std::max(1, 420 / n);
  std::size_t longest = 0;
  for (int k = 0; lettered && k < n; ++k) longest = std::max(longest, columns(abridged(class_name(run, k), 16)));
  const int names = lettered ? 16 + static_cast<int>(7.6 * static_cast<double>(longest)) : 30;
  constexpr int kHead = 50;
  const int side = n * cell, left = names + 24;
  Plates out{.across = 2, .gap = 44};
  for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
    const ConfusionMatrix& m = e.arm(arm).confusion;
    Scene& scene = out.parts.emplace_back(left + std::max(side, 250), kHead + side + names + 30);
    scene.fill(left, 4, 14, 14, ink_of(arm));
    scene.text(left + 22, 11, std::string(name_of(arm)) + ", " + e.key + " % of the labels",
               {.size = 15, .bold = true});
    scene.text(left, 34, percent(accuracy(m)) + " right; cells: % of the true class", {.size = 13, .ink = Ink::muted});
    // Without letters there are no lines either: one background for all, so that the picture grows with the answers
    // and not with the square of the classes.
    if (!lettered) scene.fill(left, kHead, side, side, Ink::shade);
    for (int t = 0; t < n; ++t) {
      std::int64_t total = 0;
      for (int p = 0; p < n; ++p) total += m.counts[static_cast<std::size_t>(t * n + p)];
      for (int p = 0; p < n; ++p) {
        const int x = left + p * cell, y = kHead + t * cell;
        const double share =
            total > 0 ? static_cast<double>(m.counts[static_cast<std::size_t>(t * n + p)]) / static_cast<double>(total)
                      : 0;
        const int line = lettered ? 1 : 0;
        if (lettered) scene.fill(x, y, cell - line, cell - line, Ink::shade);
        // The square root lifts the rare confusions, which are what one looks for.
        if (share > 0)
          scene.fill(x, y, cell - line, cell - line, t == p ? Ink::right : Ink::wrong, 0.85 * std::sqrt(share));
        const std::string value = fixed(100 * share, 0);
        if (lettered && value != "0")
          scene.text(
              x + (cell - 1) / 2, y + cell / 2, value,
              {.size = cell >= 34 ? 13 : 10, .anchor = Anchor::middle, .ink = share > 0.3 ? Ink::paper : Ink::text});
      }
      if (lettered) {
        const std::string name = abridged(class_name(run, t), 16);
        scene.text(left - 8, kHead + t * cell + cell / 2, name, {.size = 13, .anchor = Anchor::right});
        scene.text(left + t * cell + cell / 2, kHead + side + 8, name,
                   {.size = 13, .anchor = Anchor::right, .rotate = 90});
      }
    }
    if (!lettered) scene.frame(left - 1, kHead - 1, side + 2, side + 2, 1, Ink::muted);
    scene.text(left - names - 14, kHead + side / 2, "true class",
               {.size = 13, .anchor = Anchor::middle, .ink = Ink::muted, .rotate = 90});
    scene.text(left + side / 2, kHead + side + names + 20, "predicted class",
               {.size = 13, .anchor = Anchor::middle, .ink = Ink::muted});
  }
  return out;
}

}  // namespace contexture::report::detail
