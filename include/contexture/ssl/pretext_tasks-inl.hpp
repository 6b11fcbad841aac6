// SPDX-License-Identifier: MIT
// The list of the tasks of ssl/pretext_tasks.hpp, and what is made of it.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/context_rotation.hpp"
#include "contexture/ssl/jigsaw.hpp"
#include "contexture/ssl/pretext_task_list.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/ssl/rotation.hpp"
#include "contexture/ssl/simclr.hpp"
#include "contexture/ssl/vicreg.hpp"

namespace contexture {

/// The tasks, one a line; a new one is its header and a line here.
using PretextTasks = PretextTaskList<  //
    ContextPredictionSpec,             //
    RotationSpec,                      //
    ContextRotationSpec,               //
    JigsawSpec,                        //
    SimclrSpec,                        //
    VicregSpec>;

CONTEXTURE_FUNCTION std::span<const std::string_view> pretext_task_names() { return PretextTasks::names(); }

CONTEXTURE_FUNCTION std::string_view pretext_task_help(std::string_view task) { return PretextTasks::help(task); }

CONTEXTURE_FUNCTION std::vector<PretextSettingInfo> pretext_settings(std::string_view task) {
  return PretextTasks::settings(task);
}

CONTEXTURE_FUNCTION PretextValues pretext_values(std::string_view task, const PretextImages& images,
                                                 const PretextValues& given) {
  return PretextTasks::values(task, images, given);
}

template <class T>
std::unique_ptr<PretextTask<T>> make_pretext_task(std::string_view task, const PretextImages& images,
                                                  const PretextValues& given, const Backbone<T>& encoder,
                                                  const Rng& rng) {
  return PretextTasks::make<T>(task, images, given, encoder, rng);
}

#if defined(CONTEXTURE_COMPILED)
template std::unique_ptr<PretextTask<float>> make_pretext_task<float>(std::string_view, const PretextImages&,
                                                                      const PretextValues&, const Backbone<float>&,
                                                                      const Rng&);
template std::unique_ptr<PretextTask<double>> make_pretext_task<double>(std::string_view, const PretextImages&,
                                                                        const PretextValues&, const Backbone<double>&,
                                                                        const Rng&);
#endif

}  // namespace contexture
