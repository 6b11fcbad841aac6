// SPDX-License-Identifier: MIT
// The half of a report that is looked at: examples and errors, pre-training, and what the encoders see.
#pragma once

#include <cstdint>
#include <string>

#include "contexture/report/accuracy_words.hpp"
#include "contexture/report/document.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/pictures.hpp"
#include "contexture/report/speed_words.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

/// Test images with the answers of both arms, and what is confused with what.
inline void add_examples(Document& doc, const PageSource& page) {
  const auto shown = shown_experiment(page.run);
  if (!shown) return;  // and then there are no such figures
  doc.heading("Examples and errors");
  const std::string which = page.views[*shown].key + " % of the labels";
  doc.explore("gallery", page.views[*shown].key);
  add_figure(
      doc, page.figures, "predictions",
      "Ten test images, the first of each class in turn, and what both arms answer after training with " + which +
          " (first seed). A tick is a right answer, a cross a wrong one; the bar is the probability given to the "
          "answer.");
  doc.explore("confusion", page.views[*shown].key);
  add_figure(
      doc, page.figures, "confusion",
      "Confusion with " + which +
          ", all seeds together, in percent of the true class. Green: right; red: wrong, deeper where more frequent.");
  const auto name = [&](std::int64_t label) { return abridged(class_name(page.run, label), 40); };
  for (const Arm arm : {Arm::scratch, Arm::pretrained})
    if (const auto worst = worst_confusions(page.views[*shown].arm(arm).confusion, name); !worst.empty())
      doc.run_in(arm == Arm::scratch ? "Confused most from scratch" : "Confused most pre-trained", listed(worst) + ".");
}

/// What the pretext task was, and how it went.
inline void add_pretraining(Document& doc, const PageSource& page) {
  doc.heading("Pre-training");
  doc.paragraph(page.run.pretrain         ? pretext_sentence(*page.run.pretrain)
                : encoder_given(page.run) ? "The encoder was given; this run did not pre-train."
                : !page.finished          ? "It is not finished yet."
                                          : "It ended without a result.");
  add_figure(doc, page.figures, "pretrain_curves",
             "Loss and accuracy of the pretext task. Chance: the share of the most frequent answer.");
  add_figure(
      doc, page.figures, "patches",
      "What the pretext task sees. Left, the image, with the places where patches are cut from it, if any are; right, "
      "what the encoder is shown: patches or views, after the treatment of their colours.");
}

/// Neighbours and map; nothing where none was drawn.
inline void add_encoders(Document& doc, const PageSource& page) {
  const auto any = [&](const char* name) {
    return page.figures.svg.contains(name) || page.figures.trouble.contains(name);
  };
  if (any("neighbours") || any("embedding")) doc.heading("What the encoders see");
  add_figure(
      doc, page.figures, "neighbours",
      "Test images and the test images most similar to them, by the cosine of the averaged features of the last "
      "stage. Green frame: of the query's class; red: of another. The queries are the first of each class in turn. " +
          page.figures.neighbours);
  add_figure(
      doc, page.figures, "embedding",
      "Test images by the first two principal components of the same features, coloured by class; one scale a panel "
      "for both axes; the farthest 2 % are drawn at the edge. Two components show little of what separates classes in "
      "all of them.");
}

}  // namespace contexture::report::detail
