// SPDX-License-Identifier: MIT
// The last part of a report: what was run on what, what is compared with what, and how the words are meant.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/version.hpp"
#include "contexture/report/document.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

/// "0.1 with 100 % and 50 % of the labels; 0.2 from scratch, 0.1 pre-trained with 10 %, …"
[[nodiscard]] inline std::string learning_rates(const std::vector<ExperimentView>& views) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const ExperimentView& e : views) {
    if (!e.complete()) continue;
    const double scratch = e.scratch.learning_rate, pretrained = e.pretrained.learning_rate;
    const std::string rates =
        scratch == pretrained ? message(scratch) : message(scratch, " from scratch, ", pretrained, " pre-trained");
    if (groups.empty() || groups.back().first != rates) groups.push_back({rates, {}});
    groups.back().second.push_back(e.key + " %");
  }
  std::string out;
  for (const auto& [rates, labels] : groups)
    out += (out.empty() ? "" : "; ") + rates + " with " + listed(labels) + (out.empty() ? " of the labels" : "");
  return out.empty() ? out : out + " (peak, at a batch of 128 images)";
}

/// What pre-training saw.
[[nodiscard]] inline std::string seen_by_pretraining(const RunSummary& run) {
  const std::string unlabelled = "sees the training images without labels and never a test image.";
  if (!encoder_given(run)) return "Pre-training " + unlabelled;
  std::string out = !run.origin ? "What the given encoder was trained on is not known here."
                    : run.origin->same_data
                        ? "The given encoder's pre-training " + unlabelled
                        : "The given encoder was pre-trained on another data set, or another part of this one.";
  if (run.origin && run.origin->machine != run.machine)
    out += " It was made on another machine, with other threads or in another precision (" + run.origin->machine +
           "): its time does not compare with that of the arms.";
  return out + " It is one for all seeds, so that intervals over seeds do not tell how much pre-training varies.";
}

/// "g++ 12.2.0", "clang 14.0.6".
[[nodiscard]] inline std::string compiler_name() {
#if defined(__clang__)
  return message("clang ", __clang_major__, ".", __clang_minor__, ".", __clang_patchlevel__);
#elif defined(__GNUC__)
  return message("g++ ", __GNUC__, ".", __GNUC_MINOR__, ".", __GNUC_PATCHLEVEL__);
#else
  return "an unknown compiler";
#endif
}

/// Data, network, pre-training and machine, a row each.
[[nodiscard]] inline Rows setup_facts(const PageSource& page) {
  const RunSummary& run = page.run;
  Rows rows;
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
  if (run.data.used > 0)
    fact("Files", grouped(run.data.used) + " used, " + grouped(run.data.left_out_files()) + " not used");
  for (const std::string& line : run.data.lines()) fact("", clean(line));
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
                          ? (page.finished ? "none" : "none is finished")
                          : plural(run.experiments.size(), "label fraction") + ", two arms each, " + seeds);
  fact("Pre-training", run.pretrain
                           ? run.pretrain->task + ", " + grouped(run.pretrain->steps) + " steps, " +
                                 duration(run.pretrain->seconds) +
                                 (run.pretrain->images_per_second > 0
                                      ? ", " + grouped(std::llround(run.pretrain->images_per_second)) + " images/s"
                                      : "") +
                                 (encoder_given(run) ? ", in the run that made the given encoder" : "")
                           : std::string(encoder_given(run) ? "none in this run: the encoder was given"
                                         : page.finished    ? "ended without a result"
                                                            : "not finished"));
  fact("Learning rate", learning_rates(page.views));
  fact("Machine", run.machine);
  fact("Version", message("Contexture ", CONTEXTURE_VERSION_MAJOR, ".", CONTEXTURE_VERSION_MINOR, ".",
                          CONTEXTURE_VERSION_PATCH, ", compiled by ", compiler_name()));
  const bool trained = page.finished || run.images_per_second > 0;
  fact(page.finished ? "Whole run" : "So far",
       duration(run.seconds_total) + ", at most " +
           grouped(std::llround(is_finite(run.peak_rss_mib) ? run.peak_rss_mib : 0)) + " MiB of memory" +
           (trained
                ? ", classifier training at " +
                      grouped(std::llround(is_finite(run.images_per_second) ? run.images_per_second : 0)) + " images/s"
                : ""));
  return rows;
}

/// What the arms share, and in what they differ.
[[nodiscard]] inline std::string comparison(const RunSummary& run, const std::vector<ExperimentView>& views) {
  const std::string rate = option_of(run, "encoder-rate", "1"), scratch_from = option_of(run, "scratch-from", "");
  const bool one_rate = std::all_of(views.begin(), views.end(), [](const ExperimentView& e) {
    return !e.complete() || e.scratch.learning_rate == e.pretrained.learning_rate;
  });
  return "Both arms of an experiment share the architecture, the initialisation of the head, the labelled images, "
         "augmentation, schedule and number of steps; they differ in the encoder's first weights" +
         std::string(!one_rate     ? " and in the peak of the learning rate"
                     : rate == "1" ? " only"
                                   : "") +
         (rate == "1" ? std::string() : ", and the pre-trained weights have " + rate + " times the learning rate") +
         ". The smaller label sets are parts of the larger ones, with the same share of every class. " +
         seen_by_pretraining(run) +
         (scratch_from.empty()
              ? ""
              : " The arms from scratch, and their times, are those of the run in " + scratch_from +
                    (run.scratch_machine.empty() ? std::string(".")
                                                 : ", made on another machine (" + run.scratch_machine +
                                                       "): the times of the two arms do not compare."));
}

/// How the run was made, and what the words of the report mean.
inline void add_setup(Document& doc, const PageSource& page) {
  doc.heading("Set-up");
  doc.facts(setup_facts(page));
  doc.paragraph(comparison(page.run, page.views));
  doc.run_in(
      "Smoothing",
      "Validation accuracy is smoothed by a running median of three evaluations before any moment is read from it.");
  doc.run_in("Plateau",
             "The first step from which the smoothed validation accuracy stays within 0.5 points, or two binomial "
             "standard errors where that is more, of its maximum. None is told where these are more than 5 points.");
  doc.run_in("Never",
             "Moments that an arm did not reach before training ended. A mean over seeds is given in summary.json only "
             "where every seed reached the moment.");
}

/// All options of the run, folded away on the page.
inline void add_options(Document& doc, const PageSource& page) {
  if (page.run.config.empty()) return;
  doc.details_begin("All options of this run");
  Rows rows;
  for (const auto& [name, value] : page.run.config) rows.push_back({Cell(name), Cell(value)});
  doc.facts(std::move(rows));
  doc.details_end();
}

}  // namespace contexture::report::detail
