// SPDX-License-Identifier: MIT
// Options as text: a setting is one member of an options struct under a name, with help and bounds, that is read from
// text and written as text. Programs' options, files of settings and lists of them in results all come from such
// lists. What a program puts in front of a name (dashes) is its own business.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"

namespace contexture {

/// A setting that cannot have the value it was given, or that there is none of. what() is one line that begins with its
/// plain name: "patch: 'x', expected a whole number from 1 to 1024".
class SettingError : public std::invalid_argument {
 public:
  SettingError(std::string_view name, std::string_view problem)
      : std::invalid_argument(detail::escaped(message(name, ": ", problem))), name_(name) {}
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

/// One setting of an options struct.
template <class Options>
struct Setting {
  std::string name;  ///< "head-hidden"
  std::string help;
  std::string value;                                           ///< its kind, for help: TEXT, NAME, INT, NUMBER or LIST
  std::function<void(Options&, const std::string&)> set = {};  ///< throws SettingError
  std::function<std::string(const Options&)> get = {};         ///< what set() reads back exactly
};

/// The shortest text that reads back as the same number.
template <class V>
[[nodiscard]] std::string number_text(V value) {
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  return error == std::errc() ? std::string(text, end) : std::string();
}

/// The number from low to high that all of `text` is; throws SettingError for anything else.
template <class V>
[[nodiscard]] V parse_number(std::string_view name, std::string_view text, V low, V high) {
  V value{};
  const char* const last = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), last, value);
  bool good = error == std::errc() && stop == last && value >= low && value <= high;
  if constexpr (std::is_floating_point_v<V>) good = good && is_finite(value);
  if (!good)
    throw SettingError(name, message("'", text, "', expected a ", std::is_integral_v<V> ? "whole " : "", "number from ",
                                     number_text(low), " to ", number_text(high)));
  return value;
}

/// A time from text such as 90s, 5m or 1.5h, in seconds. Throws SettingError for anything else, and beyond 1,000 hours.
[[nodiscard]] inline double parse_time(std::string_view name, std::string_view text) {
  const auto wrong = [&] {
    return SettingError(name, message("'", text, "', expected a number and s, m or h, such as 90s, 5m or 1h"));
  };
  if (text.empty()) throw wrong();
  const char unit = text.back();
  const double seconds = unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 0;
  if (seconds == 0) throw wrong();
  try {
    return seconds * parse_number<double>(name, text.substr(0, text.size() - 1), 1e-3, 3.6e6 / seconds);
  } catch (const SettingError&) {
    throw wrong();
  }
}

/// The shortest text for parse_time() that is no less: in whole seconds to 2 minutes, in whole minutes to 2 hours, then
/// in half hours. time_text(95.2) is "96s", time_text(640) "11m".
[[nodiscard]] inline std::string time_text(double seconds) {
  if (seconds <= 120) return number_text(std::ceil(seconds)) + "s";
  if (seconds <= 7200) return number_text(std::ceil(seconds / 60)) + "m";
  return number_text(std::ceil(seconds / 1800) / 2) + "h";
}

/// "a, b or c"
[[nodiscard]] inline std::string list_of_choices(const std::vector<std::string>& names) {
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i)
    list.append(i == 0 ? "" : i + 1 == names.size() ? " or " : ", ").append(names[i]);
  return list;
}

/// Which of the names `text` is, counted from 0; throws SettingError for any other text.
[[nodiscard]] inline std::size_t parse_choice(std::string_view name, std::string_view text,
                                              const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) throw SettingError(name, message("'", text, "', expected ", list_of_choices(names)));
  return static_cast<std::size_t>(found - names.begin());
}

namespace detail {

// The type of the option that `access` (a pointer to member, or a callable) gives a reference to.
template <class Options, class Access>
using OptionType = std::remove_cvref_t<std::invoke_result_t<const Access&, Options&>>;

}  // namespace detail

/// A number from low to high. `access`: a pointer to the member, or a callable that returns a reference to it, as
/// [](auto& o) -> auto& { return o.head.hidden; }.
template <class Options, class Access>
[[nodiscard]] Setting<Options> number_setting(std::string name, std::string help, Access access,
                                              detail::OptionType<Options, Access> low,
                                              detail::OptionType<Options, Access> high) {
  using V = detail::OptionType<Options, Access>;
  return {name, std::move(help), std::is_integral_v<V> ? "INT" : "NUMBER",
          [=](Options& o, const std::string& text) { std::invoke(access, o) = parse_number<V>(name, text, low, high); },
          [=](const Options& o) { return number_text<V>(std::invoke(access, o)); }};
}

/// Any text.
template <class Options, class Access>
[[nodiscard]] Setting<Options> text_setting(std::string name, std::string help, Access access) {
  return {std::move(name), std::move(help), "TEXT",
          [=](Options& o, const std::string& text) { std::invoke(access, o) = text; },
          [=](const Options& o) { return std::string(std::invoke(access, o)); }};
}

/// One of several names, of a member that is text, or an enum or bool whose values 0, 1, ... have these names. The
/// names are added to the help.
template <class Options, class Access>
[[nodiscard]] Setting<Options> choice_setting(std::string name, const std::string& help, Access access,
                                              const std::vector<std::string>& names) {
  using V = detail::OptionType<Options, Access>;
  return {name, message(help, ": ", list_of_choices(names)), "NAME",
          [=](Options& o, const std::string& text) {
            const std::size_t chosen = parse_choice(name, text, names);
            if constexpr (std::is_convertible_v<std::string, V>) {
              std::invoke(access, o) = names[chosen];
            } else {
              std::invoke(access, o) = static_cast<V>(chosen);
            }
          },
          [=](const Options& o) -> std::string {
            if constexpr (std::is_convertible_v<std::string, V>) {
              return std::invoke(access, o);
            } else {
              return names.at(static_cast<std::size_t>(std::invoke(access, o)));
            }
          }};
}

/// A bool: off or on.
template <class Options, class Access>
[[nodiscard]] Setting<Options> switch_setting(std::string name, const std::string& help, Access access) {
  return choice_setting<Options>(std::move(name), help, std::move(access), {"off", "on"});
}

}  // namespace contexture
