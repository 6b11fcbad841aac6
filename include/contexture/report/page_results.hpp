// SPDX-License-Identifier: MIT
// The first half of a report: question and answer, the results in tables and curves, and what they mean in words.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/accuracy_words.hpp"
#include "contexture/report/advice.hpp"
#include "contexture/report/document.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/page_further_arms.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/page_tables.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/speed_words.hpp"
#include "contexture/report/text.hpp"
#include "contexture/report/words.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

/// A card an experiment with both arms.
[[nodiscard]] inline std::vector<Card> cards(const RunSummary& run, const std::vector<ExperimentView>& views) {
  std::vector<Card> out;
  for (const ExperimentView& e : views) {
    if (!e.complete()) continue;
    const Judgement j = judge(e, run.test_images);
    Card card;
    card.title = e.key + " % of the labels";
    card.value = points(e.difference.mean);
    card.note = std::string(j.verdict == Verdict::tie ? "points of test accuracy, within the noise: "
                                                      : "points of test accuracy: ") +
                percent(e.scratch.test_accuracy.mean) + " from scratch, " + percent(e.pretrained.test_accuracy.mean) +
                " pre-trained. ";
    if (j.over_seeds)
      card.note += "95 % interval " + points(e.difference.low()) + " to " + points(e.difference.high()) + ", " +
                   plural(e.difference.per_seed.size(), "seed");
    else if (is_finite(j.low))
      card.note += "One seed; 95 % interval of the test images " + points(j.low) + " to " + points(j.high);
    card.tone = j.verdict == Verdict::gain ? Ink::right : j.verdict == Verdict::loss ? Ink::wrong : Ink::text;
    out.push_back(std::move(card));
  }
  return out;
}

/// Title, what to do, what says so, the question, and a card an experiment.
inline void add_answer(Document& doc, const PageSource& page) {
  const std::string data = page.run.dataset.empty()        ? "unnamed data"
                           : page.run.dataset == "builtin" ? "the built-in data set"
                                                           : page.run.dataset;
  doc.title = "What self-supervised pre\u2011training buys on " + data;  // a hyphen that does not break
  const bool told = std::any_of(page.views.begin(), page.views.end(), [](const auto& e) { return e.complete(); });
  if (page.finished)
    doc.lead(advice(page.run, page.views));
  else if (told)
    doc.lead("With what is finished so far: " + advice(page.run, page.views));
  std::string evidence = headline(page.run, page.views);
  if (const std::string limit = resolution_sentence(page.run, page.views); !limit.empty())
    evidence += (evidence.empty() ? "" : " ") + limit;
  doc.paragraph(evidence);
  for (const std::string& what : page.run.diverged) doc.paragraph("Without a result: " + what + ".");
  doc.paragraph(
      "The question: an encoder is first trained on images without labels. Does a classifier that starts from it learn "
      "faster, or end better, than the same classifier from scratch, and how does that depend on the number of "
      "labels?");
  if (const auto items = cards(page.run, page.views); !items.empty()) doc.cards(items);
}

/// How good: the metrics of both arms.
inline void add_metrics(Document& doc, const PageSource& page) {
  std::string note =
      "Test accuracy and macro-F1 are of the weights with the best validation accuracy; the test split was read "
      "once, at the end.";
  bool intervals = false;
  for (const ExperimentView& e : page.views) intervals |= e.difference.has_interval();
  if (intervals)
    note += " \u00b1 is the half-width of the 95 % interval over seeds (Student's t); differences are paired by seed.";
  if (page.run.test_images > 0)
    note += " One standard error of an accuracy of 90 % on " + grouped(page.run.test_images) + " test images is " +
            fixed(100 * test_se(0.9, page.run.test_images), 2) + " points.";
  doc.table(metrics_table(page.views), note, 2);
}

/// How sure the difference is.
inline void add_certainty(Document& doc, const PageSource& page) {
  doc.subheading("How certain is the difference");
  doc.table(certainty_table(page.run, page.views),
            "Difference of test accuracies, pre-trained \u2212 from scratch, with the 95 % interval of its mean over "
            "seeds (paired, Student's t); with one seed, of the test images (exact). Better seeds: with how many the "
            "pre-trained arm is ahead; exact sign test on "
            "that. Images: test images that favour one arm, counted once however many seeds there are; exact test "
            "that neither is favoured (with one seed: McNemar's). The tests over seeds ask whether another seed "
            "would show the difference as well, the test on images whether other images would.");
}

/// How many labels pre-training saves; nothing where the run has too few label fractions.
inline void add_labels_saved(Document& doc, const PageSource& page) {
  const std::vector<LabelsSaved> saved = label_efficiency(page.views);
  if (saved.empty()) return;
  doc.subheading("Labels saved");
  doc.paragraph(labels_saved_sentence(saved));
  add_figure(doc, page.figures, "label_efficiency",
             "Test accuracy by number of labels, and the difference of the two arms. Error bars: 95 % intervals over "
             "seeds; with one seed, of the test set (the difference: two standard errors).");
  doc.table(efficiency_table(saved),
            "Labels that scratch needs: where its accuracy, joined by straight lines over the logarithm of the "
            "labels, first reaches the accuracy that the pre-trained arm has with the labels of the row. Nothing is "
            "extrapolated: \u201cat most\u201d where the fewest labels tried are enough already, \u201cmore "
            "than\u201d where all labels are not.");
}

/// How uncertain a point of an accuracy curve is, where that is much. Begins with a space.
[[nodiscard]] inline std::string noise_note(const RunSummary& run, const std::vector<ExperimentView>& views) {
  double most = 0;
  for (const ExperimentView& e : views)
    if (is_finite(e.plateau_tolerance)) most = std::max(most, e.plateau_tolerance);
  if (most < 0.02) return {};
  return " Each point is uncertain by up to \u00b1" + fixed(100 * most, 0) + " points, as it is measured on " +
         grouped(run.validation_images) + " images: what moves less is noise.";
}

/// Accuracy and loss as they went.
inline void add_curves(Document& doc, const PageSource& page) {
  doc.explore("curves", "");
  add_figure(
      doc, page.figures, "accuracy_curves",
      std::string("Validation accuracy of both arms. Above, by optimiser step; dots mark where an arm reached its "
                  "plateau. ") +
          (page.run.pretrain ? "Below, by time, with the pre-trained arm starting only after pre-training."
                             : "Below, by time.") +
          noise_note(page.run, page.views));
  add_figure(
      doc, page.figures, "loss_curves",
      "Loss of both arms by optimiser step: on the training images, augmented and with label smoothing (mean since "
      "the evaluation before), and on the validation images, with neither.");
}

/// How fast, in optimiser steps.
inline void add_steps(Document& doc, const PageSource& page) {
  bool partly = false;
  for (const ExperimentView& e : page.views)
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const ArmView& a = e.arm(arm);
      const auto see = [&](const Moment& m) { partly |= m.mean_reached && !m.mean; };
      see(a.loss_half);
      see(a.loss_ninety);
      see(a.plateau_step);
      for (const auto& [level, moment] : a.steps_to) see(moment);
    }
  doc.subheading("How fast: optimiser steps");
  doc.table(
      steps_table(page.views),
      std::string(
          "Steps until the training loss made half, or 90 %, of the fall that the scratch arm makes in "
          "all; until the smoothed validation accuracy reached a share of the scratch arm's best; and until it stayed "
          "on its plateau.") +
          (partly ? " (1/3): reached by 1 of 3 seeds only; the mean is of those." : ""),
      2);
}

/// How fast, in time.
inline void add_times(Document& doc, const PageSource& page) {
  doc.subheading("How fast: time, with and without pre-training");
  doc.table(time_table(page.run, page.views),
            page.run.pretrain
                ? "Training alone, and once more with the " + duration(page.run.pretrain->seconds) +
                      " of pre-training added to every moment of the pre-trained arm. One pre-training serves all "
                      "experiments; here each carries its full cost."
                : "Training alone; the encoder was given, so the time of its pre-training is not known here.",
            page.run.pretrain ? 3 : 2);
}

/// Everything that was measured, in tables and curves.
inline void add_results(Document& doc, const PageSource& page) {
  doc.heading("Results");
  if (!page.finished && page.views.empty()) {
    doc.paragraph("No classifier is finished yet.");
    return doc.explore("curves", "");
  }
  if (page.views.empty()) return doc.paragraph("No experiment was run.");
  add_metrics(doc, page);
  add_certainty(doc, page);
  add_further_arms(doc, page);
  add_labels_saved(doc, page);
  add_curves(doc, page);
  add_steps(doc, page);
  add_times(doc, page);
}

/// The numbers in words, experiment by experiment; while the run goes on, of those that both arms have.
inline void add_meaning(Document& doc, const PageSource& page) {
  if (!page.views.empty()) doc.heading("What it means");
  for (const ExperimentView& e : page.views) {
    if (!page.finished && !e.complete()) continue;
    doc.subheading(e.key + " % of the labels: " + grouped(e.labels) + " images");
    doc.run_in("Best metrics", accuracy_sentence(e, page.run.test_images));
    doc.run_in("How sure", significance_sentence(e));
    doc.run_in("Losses", loss_sentence(e, page.run.pretrain));
    doc.run_in("Metrics", rise_sentence(e, page.run.pretrain));
    doc.run_in("Plateau", plateau_sentence(e, page.run.pretrain));
    doc.run_in("With the time of pre-training", time_sentence(e, page.run.pretrain));
  }
}

}  // namespace contexture::report::detail
