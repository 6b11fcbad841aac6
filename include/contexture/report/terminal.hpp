// SPDX-License-Identifier: MIT
// The summary table that programs print at the end of a run: plain text, at most 80 columns.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "contexture/report/accuracy_words.hpp"
#include "contexture/report/advice.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/further_arms.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/plain_table.hpp"
#include "contexture/report/text.hpp"

namespace contexture {

/// Per experiment and arm: test accuracy, macro-F1, steps to 90 % of the scratch arm's best, plateau and time;
/// then what to do, what was found, and what the run can show at all. Ends with a newline.
[[nodiscard]] inline std::string summary_table(const RunSummary& run) {
  using namespace report;
  using report::detail::headline, report::detail::name_of;
  const std::vector<ExperimentView> views = views_of(run);
  std::vector<std::vector<std::string>> rows = {
      {"labels", "arm", "test accuracy", "macro-F1", "to 90 %", "plateau", "time"}};
  for (const ExperimentView& e : views)
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const ArmView& a = e.arm(arm);
      const auto step = [](const Moment& m) {
        return m.per_seed.empty() ? std::string("-")
               : m.mean_reached   ? grouped(std::llround(*m.mean_reached)) + (m.mean ? "" : "*")
                                  : "never";
      };
      std::string accuracy = percent(a.test_accuracy.mean, 2);
      if (arm == Arm::pretrained && e.complete()) accuracy += " (" + points(e.difference.mean, 2) + ")";
      rows.push_back({arm == Arm::scratch ? e.key + " %" : "", name_of(arm), accuracy, percent(a.test_macro_f1.mean, 2),
                      step(a.steps_to.at("90")), step(a.plateau_step), duration(a.seconds.mean)});
    }
  for (const FurtherArms& f : further_arms(run))
    for (const ArmTotal& a : f.arms)
      if (a.arm != Arm::scratch && a.arm != Arm::pretrained)
        rows.push_back({f.key + " %", name_of(a.arm), percent(a.view.test_accuracy.mean, 2),
                        percent(a.view.test_macro_f1.mean, 2), "", "", duration(a.view.seconds.mean)});
  std::string out = plain_table(rows, 3);
  bool partly = false;
  for (const auto& row : rows)
    for (const std::string& cell : row) partly |= !cell.empty() && cell.back() == '*';
  if (partly) out += "* not reached by every seed\n";
  out += advice(run, views) + "\n";
  for (const std::string& evidence : {headline(run, views), resolution_sentence(run, views)})
    if (!evidence.empty()) out += evidence + "\n";
  return out;
}

}  // namespace contexture
