// SPDX-License-Identifier: MIT
// What a report says, and in which order: question and answer, results, what they mean, pictures, how it was measured.
#pragma once

#include <optional>
#include <vector>

#include "contexture/report/document.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/inputs.hpp"
#include "contexture/report/page_data.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/page_pictures.hpp"
#include "contexture/report/page_results.hpp"
#include "contexture/report/page_setup.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report::detail {

/// The page of a run that is not finished: what it says of that, and the phase under way, if one is.
struct UnderWay {
  PageStatus status = {};
  std::optional<PhaseId> phase = {};
};

/// Of a finished run `under_way` is null.
[[nodiscard]] inline Document report_document(const RunSummary& run, const std::vector<ExperimentView>& views,
                                              const ReportInputs& inputs, const DrawnFigures& figures,
                                              const UnderWay* under_way = nullptr) {
  const PageSource page{run, views, figures, under_way == nullptr};
  Document doc;
  if (under_way != nullptr) doc.status = under_way->status;
  add_answer(doc, page);
  add_results(doc, page);
  add_meaning(doc, page);
  add_examples(doc, page);
  add_pretraining(doc, page);
  add_encoders(doc, page);
  add_setup(doc, page);
  add_options(doc, page);
  doc.data = under_way == nullptr
                 ? page_data(run, views, inputs)
                 : page_data(run, views_under_way(run, views), inputs, CurvesUnderWay{under_way->phase});
  return doc;
}

}  // namespace contexture::report::detail
