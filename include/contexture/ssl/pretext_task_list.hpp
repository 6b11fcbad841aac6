// Pretext tasks by name: a list of their descriptions, from which names, settings and tasks are had. A description is
// what a task's header exports beside the task:
//
//   struct MirrorSpec {
//     static constexpr std::string_view kName = "mirror", kHelp = "has the image been mirrored?";
//     using Options = MirrorOptions;
//     static Options defaults(const PretextImages&);                     // for images of this kind
//     static std::vector<PretextSetting<Options>> settings();
//     template <class T>
//     static std::unique_ptr<PretextTask<T>> make(const Options&, const PretextImages&, const Backbone<T>&, const
//     Rng&);
//   };
//
// pretext_tasks.hpp has the library's own list; a program may have another.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

namespace detail {

template <class Options>
[[nodiscard]] auto find_setting(const std::vector<PretextSetting<Options>>& settings, std::string_view name) {
  return std::find_if(settings.begin(), settings.end(), [&](const auto& s) { return s.name == name; });
}

}  // namespace detail

/// The options of a task for images of this kind: its defaults, and what is given. Throws SettingError for a name that
/// is none of its settings, and for a value that the setting cannot have.
template <class Spec>
[[nodiscard]] typename Spec::Options pretext_options(const PretextImages& images, const PretextValues& given) {
  typename Spec::Options options = Spec::defaults(images);
  const std::vector<PretextSetting<typename Spec::Options>> settings = Spec::settings();
  for (const auto& [name, text] : given) {
    const auto found = detail::find_setting(settings, name);
    if (found == settings.end()) throw SettingError(name, message("no setting of the pretext task ", Spec::kName));
    if (found->default_text.empty() || text != found->default_text) found->set(options, text);
  }
  return options;
}

/// The tasks that these describe.
template <class... Specs>
struct PretextTaskList {
  [[nodiscard]] static std::span<const std::string_view> names() {
    static constexpr std::array<std::string_view, sizeof...(Specs)> all{Specs::kName...};
    return all;
  }

  /// What the task asks, in a few words.
  [[nodiscard]] static std::string_view help(std::string_view task) {
    return with(task, []<class Spec>(std::type_identity<Spec>) { return Spec::kHelp; });
  }

  /// The settings of one task, in the order of its header.
  [[nodiscard]] static std::vector<PretextSettingInfo> settings(std::string_view task) {
    return with(task, []<class Spec>(std::type_identity<Spec>) {
      const typename Spec::Options usual = Spec::defaults({.height = 32, .width = 32});
      std::vector<PretextSettingInfo> infos;
      for (const auto& s : Spec::settings())
        infos.push_back({s.name, s.help, s.value, s.rule.empty() ? s.get(usual) : s.rule});
      return infos;
    });
  }

  /// Every setting of one task with the value that it has for images of this kind, where these are given. The same
  /// task is made from them. Throws SettingError for a value that a setting cannot have, and for a name that is none of
  /// the task's settings, telling whose it is.
  [[nodiscard]] static PretextValues values(std::string_view task, const PretextImages& images,
                                            const PretextValues& given) {
    check_names(task, given);
    return with(task, [&]<class Spec>(std::type_identity<Spec>) {
      const typename Spec::Options options = pretext_options<Spec>(images, given);
      PretextValues all;
      for (const auto& s : Spec::settings()) all[s.name] = s.get(options);
      return all;
    });
  }

  /// The task of that name, for images of this kind and an encoder like this one (only its sizes are used). Throws what
  /// values() throws, and std::invalid_argument where settings do not fit each other, the images or the encoder.
  template <class T>
  [[nodiscard]] static std::unique_ptr<PretextTask<T>> make(std::string_view task, const PretextImages& images,
                                                            const PretextValues& given, const Backbone<T>& encoder,
                                                            const Rng& rng) {
    check_names(task, given);
    return with(task, [&]<class Spec>(std::type_identity<Spec>) -> std::unique_ptr<PretextTask<T>> {
      return Spec::template make<T>(pretext_options<Spec>(images, given), images, encoder, rng);
    });
  }

 private:
  // use(std::type_identity<Spec>{}) of the task of that name. Throws std::invalid_argument for any other name.
  template <class Use>
  static auto with(std::string_view task, Use use) {
    using Result = std::common_type_t<decltype(use(std::type_identity<Specs>{}))...>;
    std::optional<Result> result;
    ((Specs::kName == task ? static_cast<void>(result.emplace(use(std::type_identity<Specs>{}))) : void()), ...);
    if (!result) {
      std::string known;
      for (const std::string_view other : names()) known.append(known.empty() ? "" : ", ").append(other);
      throw std::invalid_argument(message("pretext task '", task, "', expected one of ", known));
    }
    return std::move(*result);
  }

  template <class Spec>
  [[nodiscard]] static bool has_setting(std::string_view name) {
    const auto settings = Spec::settings();
    return detail::find_setting(settings, name) != settings.end();
  }

  static void check_names(std::string_view task, const PretextValues& given) {
    for (const auto& value : given) {
      const std::string& name = value.first;
      if (with(task, [&]<class Spec>(std::type_identity<Spec>) { return has_setting<Spec>(name); })) continue;
      std::string owners;
      const auto add = [&](std::string_view owner) { owners.append(owners.empty() ? "" : ", ").append(owner); };
      ((has_setting<Specs>(name) ? add(Specs::kName) : void()), ...);
      throw SettingError(name, owners.empty() ? message("no setting of the pretext task ", task)
                                              : message("a setting of the pretext task ", owners, ", not of ", task));
    }
  }
};

}  // namespace contexture
