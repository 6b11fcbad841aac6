// SPDX-License-Identifier: MIT
// The library's pretext tasks by name, with all their settings: what a program needs to offer them as a choice. The
// list is in pretext_tasks-inl.hpp; a task as a type is in the header of its name.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

/// The names that make_pretext_task() knows.
[[nodiscard]] CONTEXTURE_FUNCTION std::span<const std::string_view> pretext_task_names();

/// What a task asks, in a few words. Throws std::invalid_argument, listing the names, for a name of no task, as all
/// functions below.
[[nodiscard]] CONTEXTURE_FUNCTION std::string_view pretext_task_help(std::string_view task);

/// The settings of one task.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<PretextSettingInfo> pretext_settings(std::string_view task);

/// Every setting of one task with its effective value; see PretextTaskList::values().
[[nodiscard]] CONTEXTURE_FUNCTION PretextValues pretext_values(std::string_view task, const PretextImages& images,
                                                               const PretextValues& given);

/// The task of that name; see PretextTaskList::make().
template <class T>
[[nodiscard]] std::unique_ptr<PretextTask<T>> make_pretext_task(std::string_view task, const PretextImages& images,
                                                                const PretextValues& given, const Backbone<T>& encoder,
                                                                const Rng& rng);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/pretext_tasks-inl.hpp"
#endif
