// SPDX-License-Identifier: MIT
// Pretext tasks by name: a list of their descriptions, from which names, settings and tasks are had. A description is
// what a task's header exports beside the task:
//
//   struct MirrorSpec {
//     static constexpr std::string_view kName = "mirror", kHelp = "has the image been mirrored?";
//     using Options = MirrorOptions;
//     static Options defaults(const PretextImages&);                     // for images of this kind
//     static std::vector<PretextSetting> settings(Options&);             // bound to these options
//     template <class T>
//     static std::unique_ptr<PretextTask<T>> make(const Options&, const PretextImages&, const Backbone<T>&, const
//     Rng&);
//   };
//
// pretext_tasks.hpp has the library's own list; a program may have another.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

/// The options of a task for images of this kind: its defaults, and what is given. Throws SettingError for a name that
/// is none of its settings, and for a value that the setting cannot have.
template <class Spec>
[[nodiscard]] typename Spec::Options pretext_options(const PretextImages& images, const PretextValues& given) {
  typename Spec::Options options = Spec::defaults(images);
  apply(Spec::settings(options), given, Spec::kName);
  return options;
}

namespace detail {

template <class Spec>
std::vector<PretextSettingInfo> setting_infos() {
  typename Spec::Options usual = Spec::defaults({.height = 32, .width = 32});
  return infos_of(Spec::settings(usual));
}

template <class Spec>
PretextValues effective_values(const PretextImages& images, const PretextValues& given) {
  typename Spec::Options options = pretext_options<Spec>(images, given);
  return values_of(Spec::settings(options));
}

// What is known of a task without its type.
struct PretextTaskEntry {
  std::string_view name, help;
  std::vector<PretextSettingInfo> (*settings)();
  PretextValues (*values)(const PretextImages&, const PretextValues&);

  [[nodiscard]] bool has_setting(std::string_view setting) const {
    for (const PretextSettingInfo& s : settings())
      if (s.name == setting) return true;
    return false;
  }
};

// The task of that name. Throws std::invalid_argument, listing the names, for any other.
inline const PretextTaskEntry& find_task(std::span<const PretextTaskEntry> tasks, std::string_view name) {
  std::string known;
  for (const PretextTaskEntry& task : tasks) {
    if (task.name == name) return task;
    known.append(known.empty() ? "" : ", ").append(task.name);
  }
  throw std::invalid_argument(message("pretext task '", name, "', expected one of ", known));
}

// The task of that name, of which all that is given is a setting.
inline const PretextTaskEntry& find_task(std::span<const PretextTaskEntry> tasks, std::string_view name,
                                         const PretextValues& given) {
  const PretextTaskEntry& task = find_task(tasks, name);
  for (const auto& [setting, text] : given) {
    if (task.has_setting(setting)) continue;
    std::string owners;
    for (const PretextTaskEntry& other : tasks)
      if (other.has_setting(setting)) owners.append(owners.empty() ? "" : ", ").append(other.name);
    throw SettingError(setting, owners.empty() ? message("no setting of the pretext task ", name)
                                               : message("a setting of the pretext task ", owners, ", not of ", name));
  }
  return task;
}

}  // namespace detail

/// The tasks that these describe. Every function throws std::invalid_argument, listing the names, for a name of none.
template <class... Specs>
struct PretextTaskList {
  [[nodiscard]] static std::span<const std::string_view> names() {
    static constexpr std::array<std::string_view, sizeof...(Specs)> all{Specs::kName...};
    return all;
  }

  /// What the task asks, in a few words.
  [[nodiscard]] static std::string_view help(std::string_view task) { return detail::find_task(kTasks, task).help; }

  /// The settings of one task, in the order of its header.
  [[nodiscard]] static std::vector<PretextSettingInfo> settings(std::string_view task) {
    return detail::find_task(kTasks, task).settings();
  }

  /// Every setting of one task with the value that it has for images of this kind, where these are given. The same
  /// task is made from them. Throws SettingError for a value that a setting cannot have, and for a name that is none of
  /// the task's settings, telling whose it is.
  [[nodiscard]] static PretextValues values(std::string_view task, const PretextImages& images,
                                            const PretextValues& given) {
    return detail::find_task(kTasks, task, given).values(images, given);
  }

  /// The task of that name, for images of this kind and an encoder like this one (only its sizes are used). Throws what
  /// values() throws, and std::invalid_argument where settings do not fit each other, the images or the encoder.
  template <class T>
  [[nodiscard]] static std::unique_ptr<PretextTask<T>> make(std::string_view task, const PretextImages& images,
                                                            const PretextValues& given, const Backbone<T>& encoder,
                                                            const Rng& rng) {
    (void)detail::find_task(kTasks, task, given);
    std::unique_ptr<PretextTask<T>> made;
    const auto make_it = [&](auto of) {
      using Spec = typename decltype(of)::type;
      made = Spec::template make<T>(pretext_options<Spec>(images, given), images, encoder, rng);
    };
    ((Specs::kName == task ? make_it(std::type_identity<Specs>{}) : void()), ...);
    return made;
  }

 private:
  static constexpr std::array<detail::PretextTaskEntry, sizeof...(Specs)> kTasks{detail::PretextTaskEntry{
      Specs::kName, Specs::kHelp, &detail::setting_infos<Specs>, &detail::effective_values<Specs>}...};
};

}  // namespace contexture
