// SPDX-License-Identifier: MIT
// What a pretext task is made from: the kind of images it is for, and its settings as text. Every task's header lists
// its settings with these pieces; pretext_task_list.hpp reads them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/models/heads.hpp"

namespace contexture {

/// The images that a task is made for.
struct PretextImages {
  Index height = 0;  ///< pixels
  Index width = 0;
  Index channels = 3;
  Normalization normalization = {};  ///< of whole images and views, as the classifier's
  bool flip = false;                 ///< mirrored images are as good as the others
};

/// Images like those of a set.
[[nodiscard]] inline PretextImages pretext_images(const ImageSet& set, const Normalization& normalization, bool flip) {
  return {set.height, set.width, set.channels, normalization, flip};
}

/// Settings by name, those that are given.
using PretextValues = std::map<std::string, std::string>;

/// One setting of a task, for people.
struct PretextSettingInfo {
  std::string name, help;
  std::string value;         ///< its kind: TEXT, NAME, INT, NUMBER or LIST
  std::string default_text;  ///< the default, or in words the rule that it comes from
};

/// One setting of a task, bound to the options that it was made for: they must outlive it.
struct PretextSetting {
  std::string name, help;
  std::string value;                                 ///< its kind, as in Setting
  std::function<void(const std::string&)> set = {};  ///< throws SettingError
  std::function<std::string()> get = {};             ///< what set() reads back exactly
  std::string rule = {};          ///< what the default follows from, in words; empty: it is the same for all images
  std::string default_text = {};  ///< text that stands for the default, as if nothing was given; empty: none does

  /// The same setting with a default by rule.
  [[nodiscard]] PretextSetting by_rule(std::string words, std::string text = {}) && {
    rule = std::move(words);
    default_text = std::move(text);
    return std::move(*this);
  }
};

/// A number from low to high.
template <class V>
[[nodiscard]] PretextSetting number_option(const std::string& name, std::string help, V& option,
                                           std::type_identity_t<V> low, std::type_identity_t<V> high) {
  return {name, std::move(help), std::is_integral_v<V> ? "INT" : "NUMBER",
          [=, &option](const std::string& text) { option = parse_number<V>(name, text, low, high); },
          [&option] { return number_text<V>(option); }};
}

/// One of several names, of an enum or bool whose values 0, 1, ... have these names.
template <class V>
[[nodiscard]] PretextSetting choice_option(const std::string& name, const std::string& help, V& option,
                                           const std::vector<std::string>& names) {
  return {name, help + ": " + list_of_choices(names), "NAME",
          [=, &option](const std::string& text) { option = static_cast<V>(parse_choice(name, text, names)); },
          [=, &option] { return names.at(static_cast<std::size_t>(option)); }};
}

/// Off or on.
[[nodiscard]] CONTEXTURE_FUNCTION PretextSetting switch_option(const std::string& name, const std::string& help,
                                                               bool& option);

/// All settings of both lists. One that is in both, under one name, sets both.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<PretextSetting> joined(std::vector<PretextSetting> settings,
                                                                     const std::vector<PretextSetting>& more);

/// Are images mirrored at random? One setting, whatever the task makes of them.
[[nodiscard]] CONTEXTURE_FUNCTION PretextSetting flip_option(bool& flip);

/// The sizes of a task's head, by the names "<prefix>head-hidden" and "<prefix>head-layers".
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<PretextSetting> mlp_head_settings(MlpHeadOptions& o,
                                                                                const std::string& prefix = "");

/// Sets what is given. Throws SettingError for a name that is none of these settings of `task`, and for a value that
/// the setting cannot have.
CONTEXTURE_FUNCTION void apply(const std::vector<PretextSetting>& settings, const PretextValues& given,
                               std::string_view task);

/// Every setting's value.
[[nodiscard]] CONTEXTURE_FUNCTION PretextValues values_of(const std::vector<PretextSetting>& settings);

/// The settings for people, where they have their defaults now.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<PretextSettingInfo> infos_of(const std::vector<PretextSetting>& settings);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/pretext_settings-inl.hpp"
#endif
