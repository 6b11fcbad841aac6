// What a report says and in which order: question, answer, set-up, tables, figures, the numbers in
// words, pictures, how it was measured.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/report/document.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/pictures.hpp"
#include "contexture/report/statistics.hpp"
#include "contexture/report/words.hpp"

namespace contexture::detail::report {

/// What became of the figures: name ("loss_curves") to the <svg> element for the page, and why some are missing.
struct DrawnFigures {
  std::map<std::string, std::string> svg;      ///< drawn here, or at least as SVG
  std::map<std::string, std::string> trouble;  ///< not drawn as a file, and why
  std::string neighbours;                      ///< a sentence to the figure of that name; empty: none
};

/// Mean with the half-width of its interval: "73.42 % ± 0.61".
[[nodiscard]] inline std::string percent_text(const Stat& s) {
  return percent(s.mean, 2) + (s.has_interval() ? " \u00b1 " + fixed(100 * s.half_width_95, 2) : "");
}
[[nodiscard]] inline std::string loss_text(const Stat& s) {
  return fixed(s.mean, 4) + (s.has_interval() ? " \u00b1 " + fixed(s.half_width_95, 4) : "");
}

namespace page_parts {

inline std::vector<Card> cards(const RunSummary& run, const std::vector<ExperimentView>& views) {
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
    else if (std::isfinite(j.noise))
      card.note += "One seed; noise of the test set \u00b1" + fixed(100 * j.noise, 1);
    card.tone = j.verdict == Verdict::gain ? Ink::right : j.verdict == Verdict::loss ? Ink::wrong : Ink::text;
    out.push_back(std::move(card));
  }
  return out;
}

inline std::vector<std::vector<Cell>> metrics_table(const std::vector<ExperimentView>& views) {
  std::vector<std::vector<Cell>> rows = {{"Labels", "Arm", "Best validation accuracy", "Test accuracy", "Macro-F1",
                                          "Final training loss", "Difference (points)"}};
  for (const ExperimentView& e : views)
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const ArmView& a = e.arm(arm);
      std::string difference;
      if (arm == Arm::pretrained && std::isfinite(e.difference.mean))
        difference = points(e.difference.mean, 2) +
                     (e.difference.has_interval() ? " \u00b1 " + fixed(100 * e.difference.half_width_95, 2) : "");
      rows.push_back({arm == Arm::scratch ? Cell(e.key + " % (" + grouped(e.labels) + ")") : Cell(""),
                      Cell(name_of(arm), ink_of(arm)), percent_text(a.best_val_accuracy),
                      Cell(percent_text(a.test_accuracy), Ink::none, true), percent_text(a.test_macro_f1),
                      loss_text(a.final_train_loss), Cell(difference, Ink::none, true)});
    }
  return rows;
}

inline std::vector<std::vector<Cell>> steps_table(const std::vector<ExperimentView>& views) {
  std::vector<std::vector<Cell>> rows = {{"Labels", "Arm", "Loss: half of the fall", "Loss: 90 % of it", "80 % of best",
                                          "90 % of best", "95 % of best", "99 % of best", "Plateau"}};
  for (const ExperimentView& e : views)
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const ArmView& a = e.arm(arm);
      std::vector<Cell> row = {arm == Arm::scratch ? Cell(e.key + " %") : Cell(""), Cell(name_of(arm), ink_of(arm)),
                               steps_text(a.loss_half), steps_text(a.loss_ninety)};
      for (const int level : kTimeToPercent) row.emplace_back(steps_text(a.steps_to.at(std::to_string(level))));
      row.emplace_back(steps_text(a.plateau_step));
      rows.push_back(std::move(row));
    }
  return rows;
}

inline std::vector<std::vector<Cell>> certainty_table(const std::vector<ExperimentView>& views) {
  std::vector<std::vector<Cell>> rows = {{"Labels", "Difference (points)", "95 % interval", "Better seeds", "Sign test",
                                          "Images for pre-trained", "Images for scratch", "Test on images"}};
  for (const ExperimentView& e : views) {
    if (!e.complete()) continue;
    const auto pairs = e.sign.better + e.sign.worse + e.sign.ties;
    rows.push_back({e.key + " %", Cell(points(e.difference.mean, 2), Ink::none, true),
                    e.difference.has_interval()
                        ? points(e.difference.low(), 2) + " to " + points(e.difference.high(), 2)
                        : std::string("one seed"),
                    std::to_string(e.sign.better) + " of " + std::to_string(pairs), pairs > 1 ? p_text(e.sign.p) : "",
                    e.mcnemar ? grouped(e.mcnemar->pretrained) : std::string("\u2013"),
                    e.mcnemar ? grouped(e.mcnemar->scratch) : std::string("\u2013"),
                    e.mcnemar ? p_text(e.mcnemar->p) : std::string("\u2013")});
  }
  return rows;
}

inline std::vector<std::vector<Cell>> efficiency_table(const std::vector<LabelsSaved>& saved) {
  std::vector<std::vector<Cell>> rows = {
      {"Labels", "Number", "From scratch", "Pre-trained", "Labels that scratch needs", "Times as many"}};
  for (const LabelsSaved& p : saved)
    rows.push_back({p.experiment->key + " %", grouped(p.experiment->labels),
                    percent_text(p.experiment->scratch.test_accuracy),
                    percent_text(p.experiment->pretrained.test_accuracy),
                    Cell(needed_text(p, saved.back().experiment->labels), Ink::none, true),
                    p.factor() ? (p.at_most ? "at most " : "") + fixed(*p.factor(), 2) : std::string("\u2013")});
  return rows;
}

inline std::vector<std::vector<Cell>> time_table(const RunSummary& run, const std::vector<ExperimentView>& views) {
  std::vector<std::vector<Cell>> rows = {{"Labels", "Arm", "Loss: half of the fall", "Loss: 90 % of it", "80 % of best",
                                          "90 % of best", "95 % of best", "99 % of best", "Plateau", "Whole training"}};
  const auto row_of = [](const ArmView& a, double offset) {
    std::vector<Cell> out{seconds_text(a.loss_half_seconds, offset), seconds_text(a.loss_ninety_seconds, offset)};
    for (const int level : kTimeToPercent)
      out.emplace_back(seconds_text(a.seconds_to.at(std::to_string(level)), offset));
    out.emplace_back(seconds_text(a.plateau_seconds, offset));
    out.emplace_back(duration(a.seconds.mean + offset));
    return out;
  };
  const auto push = [&](Cell labels, Cell arm, std::vector<Cell> cells) {
    cells.insert(cells.begin(), {std::move(labels), std::move(arm)});
    rows.push_back(std::move(cells));
  };
  for (const ExperimentView& e : views) {
    push(e.key + " %", Cell(name_of(Arm::scratch), Ink::scratch), row_of(e.scratch, 0));
    push("", Cell(name_of(Arm::pretrained), Ink::pretrained), row_of(e.pretrained, 0));
    if (run.pretrain) push("", Cell("with pre-training", Ink::pretrained), row_of(e.pretrained, run.pretrain->seconds));
  }
  return rows;
}

// "0.1 with 100 % and 50 % of the labels; 0.2 from scratch, 0.1 pre-trained with 10 %, …"
inline std::string learning_rates(const std::vector<ExperimentView>& views) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const ExperimentView& e : views) {
    if (!e.complete()) continue;
    const double scratch = e.scratch.learning_rate, pretrained = e.pretrained.learning_rate;
    std::string rates =
        scratch == pretrained ? message(scratch) : message(scratch, " from scratch, ", pretrained, " pre-trained");
    if (groups.empty() || groups.back().first != rates) groups.push_back({std::move(rates), {}});
    groups.back().second.push_back(e.key + " %");
  }
  std::string out;
  for (const auto& [rates, labels] : groups)
    out += (out.empty() ? "" : "; ") + rates + " with " + listed(labels) + (out.empty() ? " of the labels" : "");
  return out.empty() ? out : out + " (peak, at a batch of 128 images)";
}

// An option of the run; `otherwise` where it is not set.
inline std::string option_of(const RunSummary& run, const char* name, const char* otherwise) {
  const auto found = run.config.find(name);
  return found == run.config.end() || found->second.empty() ? std::string(otherwise) : found->second;
}

// Was the encoder made by another run?
inline bool encoder_given(const RunSummary& run) { return !option_of(run, "encoder", "").empty(); }

// What pre-training saw.
inline std::string seen_by_pretraining(const RunSummary& run) {
  const std::string unlabelled = "sees the training images without labels and never a test image.";
  if (!encoder_given(run)) return "Pre-training " + unlabelled;
  std::string out = !run.origin ? "What the given encoder was trained on is not known here."
                    : run.origin->same_data
                        ? "The given encoder's pre-training " + unlabelled
                        : "The given encoder was pre-trained on another data set, or another part of this one.";
  if (run.origin && run.origin->machine != run.machine)
    out += " It was made on another machine or with other threads (" + run.origin->machine +
           "): its time does not compare with that of the arms.";
  return out + " It is one for all seeds, so that intervals over seeds do not tell how much pre-training varies.";
}

inline std::vector<std::vector<Cell>> setup_facts(const RunSummary& run, const std::vector<ExperimentView>& views) {
  std::vector<std::vector<Cell>> rows;
  const auto fact = [&](const char* name, std::string value) {
    if (!value.empty()) rows.push_back({name, Cell(std::move(value))});
  };
  fact("Data set", run.dataset);
  fact("Images", grouped(run.train_images) + " training, " + grouped(run.validation_images) + " validation, " +
                     grouped(run.test_images) + " test" +
                     (run.unlabeled_images > 0 ? ", " + grouped(run.unlabeled_images) + " more without labels" : "") +
                     "; " + std::to_string(run.height) + " \u00d7 " + std::to_string(run.width) + " pixels, " +
                     (run.channels == 1   ? "grey"
                      : run.channels == 3 ? "colour"
                                          : std::to_string(run.channels) + " channels"));
  std::vector<std::string> names;
  for (const std::string& name : run.class_names) {
    if (names.size() == 30) break;
    names.push_back(clean(name));
  }
  if (run.class_names.size() > names.size())
    names.push_back(std::to_string(run.class_names.size() - names.size()) + " more");
  fact("Classes", std::to_string(run.class_names.size()) + (names.empty() ? "" : ": " + listed(names)));
  fact("Encoder", compact(static_cast<double>(run.encoder_parameters)) + " parameters, " +
                      compact(static_cast<double>(run.encoder_multiply_adds)) + " multiply-adds per image");
  std::string seeds;
  if (!run.experiments.empty()) seeds = plural(run.experiments[0].seeds.size(), "seed");
  fact("Experiments", run.experiments.empty()
                          ? "none"
                          : plural(run.experiments.size(), "label fraction") + ", two arms each, " + seeds);
  fact("Pre-training",
       run.pretrain
           ? run.pretrain->task + ", " + grouped(run.pretrain->steps) + " steps, " + duration(run.pretrain->seconds) +
                 (run.pretrain->images_per_second > 0
                      ? ", " + grouped(std::llround(run.pretrain->images_per_second)) + " images/s"
                      : "") +
                 (encoder_given(run) ? ", in the run that made the given encoder" : "")
           : std::string(encoder_given(run) ? "none in this run: the encoder was given" : "ended without a result"));
  fact("Learning rate", learning_rates(views));
  fact("Machine", run.machine);
  fact("Whole run", duration(run.seconds_total) + ", at most " +
                        grouped(std::llround(std::isfinite(run.peak_rss_mib) ? run.peak_rss_mib : 0)) +
                        " MiB of memory, classifier training at " +
                        grouped(std::llround(std::isfinite(run.images_per_second) ? run.images_per_second : 0)) +
                        " images/s");
  return rows;
}

}  // namespace page_parts

[[nodiscard]] inline Document report_document(const RunSummary& run, const std::vector<ExperimentView>& views,
                                              const DrawnFigures& figures) {
  using namespace page_parts;
  Document doc;
  const std::string data = run.dataset.empty()        ? "unnamed data"
                           : run.dataset == "builtin" ? "the built-in data set"
                                                      : run.dataset;
  doc.title = "What self-supervised pre\u2011training buys on " + data;  // a hyphen that does not break
  doc.lead(headline(run, views));
  for (const std::string& what : run.diverged) doc.paragraph("Without a result: " + what + ".");
  doc.paragraph(
      "The question: an encoder is first trained on images without labels. Does a classifier that starts from it learn "
      "faster, or end better, than the same classifier from "
      "scratch, and how does that depend on the number of labels?");
  if (const auto items = cards(run, views); !items.empty()) doc.cards(items);
  const auto figure = [&](const std::string& name, const std::string& caption) {
    const auto svg = figures.svg.find(name);
    if (svg != figures.svg.end()) doc.figure(name + ".png", svg->second, caption);
    if (const auto trouble = figures.trouble.find(name); trouble != figures.trouble.end())
      doc.paragraph("The files of the figure " + name + " could not be drawn: " + trouble->second +
                    ". The numbers behind it are in history.csv and summary.json.");
  };

  doc.heading("Results");
  if (views.empty()) doc.paragraph("No experiment was run.");
  if (!views.empty()) {
    std::string note =
        "Test accuracy and macro-F1 are of the weights with the best validation accuracy; the test split was read "
        "once, at the end.";
    bool intervals = false;
    for (const ExperimentView& e : views) intervals |= e.difference.has_interval();
    if (intervals)
      note +=
          " \u00b1 is the half-width of the 95 % interval over seeds (Student's t); differences are paired by seed.";
    if (run.test_images > 0)
      note += " One standard error of an accuracy of 90 % on " + grouped(run.test_images) + " test images is " +
              fixed(100 * test_se(0.9, run.test_images), 2) + " points.";
    doc.table(metrics_table(views), note, 2);
    doc.subheading("How certain is the difference");
    doc.table(
        certainty_table(views),
        "Difference of test accuracies, pre-trained \u2212 from scratch, with the 95 % interval of its mean over "
        "seeds (paired, Student's t). Better seeds: with how many the pre-trained arm is ahead; exact sign test on "
        "that. Images: test images that favour one arm, counted once however many seeds there are; exact test "
        "that neither is favoured (with one seed: McNemar's). The tests over seeds ask whether another seed "
        "would show the difference as well, the test on images whether other images would.");
    if (const std::vector<LabelsSaved> saved = label_efficiency(views); !saved.empty()) {
      doc.subheading("Labels saved");
      doc.paragraph(labels_saved_sentence(saved));
      figure("label_efficiency",
             "Test accuracy by number of labels, and the difference of the two arms. Error bars: 95 % intervals over "
             "seeds; with one seed, of the test set (the difference: two standard errors).");
      doc.table(
          efficiency_table(saved),
          "Labels that scratch needs: where its accuracy, joined by straight lines over the logarithm of the "
          "labels, first reaches the accuracy that the pre-trained arm has with the labels of the row. Nothing is "
          "extrapolated: \u201cat most\u201d where the fewest labels tried are enough already, \u201cmore "
          "than\u201d where all labels are not.");
    }
    figure("accuracy_curves",
           std::string("Validation accuracy of both arms. Above, by optimiser step; dots mark where an arm reached its "
                       "plateau. ") +
               (run.pretrain ? "Below, by time, with the pre-trained arm starting only after pre-training."
                             : "Below, by time."));
    figure(
        "loss_curves",
        "Loss of both arms by optimiser step: on the training images, augmented and with label smoothing (mean since "
        "the evaluation before), and on the validation images, with neither.");
    bool partly = false;
    for (const ExperimentView& e : views)
      for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
        const ArmView& a = e.arm(arm);
        const auto see = [&](const Moment& m) { partly |= m.mean_reached && !m.mean; };
        see(a.loss_half);
        see(a.loss_ninety);
        see(a.plateau_step);
        for (const auto& [level, moment] : a.steps_to) see(moment);
      }
    doc.subheading("How fast: optimiser steps");
    doc.table(steps_table(views),
              std::string("Steps until the training loss made half, or 90 %, of the fall that the scratch arm makes in "
                          "all; until the "
                          "smoothed validation accuracy reached a share of the scratch arm's best; and until it stayed "
                          "on its plateau.") +
                  (partly ? " (1/3): reached by 1 of 3 seeds only; the mean is of those." : ""),
              2);
    doc.subheading("How fast: time, with and without pre-training");
    doc.table(time_table(run, views),
              run.pretrain
                  ? "Training alone, and once more with the " + duration(run.pretrain->seconds) +
                        " of pre-training added to every moment of the pre-trained arm. One pre-training serves all "
                        "experiments; here each carries its full cost."
                  : "Training alone; the encoder was given, so the time of its pre-training is not known here.",
              run.pretrain ? 3 : 2);
  }

  if (!views.empty()) doc.heading("What it means");
  for (const ExperimentView& e : views) {
    doc.subheading(e.key + " % of the labels: " + grouped(e.labels) + " images");
    doc.run_in("Best metrics", accuracy_sentence(e, run.test_images));
    doc.run_in("How sure", significance_sentence(e));
    doc.run_in("Losses", loss_sentence(e, run.pretrain));
    doc.run_in("Metrics", rise_sentence(e, run.pretrain));
    doc.run_in("Plateau", plateau_sentence(e, run.pretrain));
    doc.run_in("With the time of pre-training", time_sentence(e, run.pretrain));
  }

  const auto shown = shown_experiment(run);
  if (shown) doc.heading("Examples and errors");
  const std::string which = shown ? views[*shown].key + " % of the labels" : std::string();
  figure("predictions",
         "Ten test images, the first of each class in turn, and what both arms answer after training with " + which +
             " (first seed). A tick is a right answer, a cross a wrong one; the bar is the probability given to the "
             "answer.");
  figure(
      "confusion",
      "Confusion with " + which +
          ", all seeds together, in percent of the true class. Green: right; red: wrong, deeper where more frequent.");
  if (shown) {
    const auto name = [&](std::int64_t label) { return abridged(class_name(run, label), 40); };
    for (const Arm arm : {Arm::scratch, Arm::pretrained})
      if (const auto worst = worst_confusions(views[*shown].arm(arm).confusion, name); !worst.empty())
        doc.run_in(arm == Arm::scratch ? "Confused most from scratch" : "Confused most pre-trained",
                   listed(worst) + ".");
  }

  doc.heading("Pre-training");
  doc.paragraph(run.pretrain         ? pretext_sentence(*run.pretrain)
                : encoder_given(run) ? "The encoder was given; this run did not pre-train."
                                     : "It ended without a result.");
  figure("pretrain_curves", "Loss and accuracy of the pretext task. Chance: the share of the most frequent answer.");
  figure(
      "patches",
      "What the pretext task sees. Left, the image, with the places where patches are cut from it, if any are; right, "
      "what the encoder is shown: patches or views, after the treatment of their colours.");

  const auto any = [&](const char* name) { return figures.svg.contains(name) || figures.trouble.contains(name); };
  if (any("neighbours") || any("embedding") || any("filters")) doc.heading("What the encoders see");
  figure(
      "neighbours",
      "Test images and the test images most similar to them, by the cosine of the averaged features of the last "
      "stage. Green frame: of the query's class; red: of another. The queries are the first of each class in turn. " +
          figures.neighbours);
  figure("embedding",
         "Test images by the first two principal components of the same features, coloured by class; one scale a panel "
         "for both axes. Two components show little of what separates classes in all of them.");
  figure("filters", "Weights of the first convolution, each filter scaled to its largest weight; mid-grey is zero.");

  doc.heading("Set-up");
  doc.facts(setup_facts(run, views));
  const std::string rate = option_of(run, "encoder-rate", "1"), scratch_from = option_of(run, "scratch-from", "");
  const bool one_rate = std::all_of(views.begin(), views.end(), [](const ExperimentView& e) {
    return !e.complete() || e.scratch.learning_rate == e.pretrained.learning_rate;
  });
  doc.paragraph(
      "Both arms of an experiment share the architecture, the initialisation of the head, the labelled images, "
      "augmentation, schedule and number of steps; they differ in the encoder's first weights" +
      std::string(!one_rate     ? " and in the peak of the learning rate"
                  : rate == "1" ? " only"
                                : "") +
      (rate == "1" ? std::string() : ", and the pre-trained weights have " + rate + " times the learning rate") +
      ". The smaller label sets are parts of the larger ones, with the same share of every class. " +
      seen_by_pretraining(run) +
      (scratch_from.empty() ? ""
                            : " The arms from scratch, and their times, are those of the run in " + scratch_from +
                                  (run.scratch_machine.empty() ? std::string(".")
                                                               : ", made on another machine (" + run.scratch_machine +
                                                                     "): the times of the two arms do not compare.")));
  doc.run_in(
      "Smoothing",
      "Validation accuracy is smoothed by a running median of three evaluations before any moment is read from it.");
  doc.run_in("Plateau",
             "The first step from which the smoothed validation accuracy stays within 0.5 points, or two binomial "
             "standard errors where that is more, of its maximum.");
  doc.run_in("Never",
             "Moments that an arm did not reach before training ended. A mean over seeds is given in summary.json only "
             "where every seed reached the moment.");
  if (!run.config.empty()) {
    doc.details_begin("All options of this run");
    std::vector<std::vector<Cell>> rows;
    for (const auto& [name, value] : run.config) rows.push_back({Cell(name), Cell(value)});
    doc.facts(rows);
    doc.details_end();
  }
  return doc;
}

}  // namespace contexture::detail::report
