// SPDX-License-Identifier: MIT
// The library's pretext tasks by name, with all their settings: what a program needs to offer them as a choice.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/context_rotation.hpp"
#include "contexture/ssl/jigsaw.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"
#include "contexture/ssl/pretext_task_list.hpp"
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

/// The names that make_pretext_task() knows.
[[nodiscard]] inline std::span<const std::string_view> pretext_task_names() { return PretextTasks::names(); }

/// What a task asks, in a few words. Throws std::invalid_argument, listing the names, for a name of no task, as all
/// functions below.
[[nodiscard]] inline std::string_view pretext_task_help(std::string_view task) { return PretextTasks::help(task); }

/// The settings of one task.
[[nodiscard]] inline std::vector<PretextSettingInfo> pretext_settings(std::string_view task) {
  return PretextTasks::settings(task);
}

/// Every setting of one task with its effective value; see PretextTaskList::values().
[[nodiscard]] inline PretextValues pretext_values(std::string_view task, const PretextImages& images,
                                                  const PretextValues& given) {
  return PretextTasks::values(task, images, given);
}

/// The task of that name; see PretextTaskList::make().
template <class T>
[[nodiscard]] std::unique_ptr<PretextTask<T>> make_pretext_task(std::string_view task, const PretextImages& images,
                                                                const PretextValues& given, const Backbone<T>& encoder,
                                                                const Rng& rng) {
  return PretextTasks::make<T>(task, images, given, encoder, rng);
}

#if defined(CONTEXTURE_COMPILED)
CONTEXTURE_EXTERN template std::unique_ptr<PretextTask<float>> make_pretext_task<float>(
    std::string_view, const PretextImages&, const PretextValues&, const Backbone<float>&, const Rng&);
#endif

}  // namespace contexture
