// SPDX-License-Identifier: MIT
// Lists of settings, as ssl/pretext_settings.hpp has them.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

CONTEXTURE_FUNCTION PretextSetting switch_option(const std::string& name, const std::string& help, bool& option) {
  return choice_option(name, help, option, {"off", "on"});
}

CONTEXTURE_FUNCTION std::vector<PretextSetting> joined(std::vector<PretextSetting> settings,
                                                       const std::vector<PretextSetting>& more) {
  for (const PretextSetting& s : more) {
    const auto same = std::find_if(settings.begin(), settings.end(), [&](const auto& t) { return t.name == s.name; });
    if (same == settings.end()) {
      settings.push_back(s);
    } else {
      same->set = [first = same->set, second = s.set](const std::string& text) {
        first(text);
        second(text);
      };
    }
  }
  return settings;
}

CONTEXTURE_FUNCTION PretextSetting flip_option(bool& flip) {
  return switch_option("pretext-flip", "mirror every second image that the pretext task is asked about", flip)
      .by_rule("on where training images are to be mirrored");
}

CONTEXTURE_FUNCTION std::vector<PretextSetting> mlp_head_settings(MlpHeadOptions& o, const std::string& prefix) {
  return {
      number_option(prefix + "head-hidden",
                    "units in each hidden layer of the pretext head; 0: as many as it has inputs", o.hidden, 0, 65536),
      number_option(prefix + "head-layers", "hidden layers of the pretext head; 0: it is linear", o.hidden_layers, 0,
                    16)};
}

CONTEXTURE_FUNCTION void apply(const std::vector<PretextSetting>& settings, const PretextValues& given,
                               std::string_view task) {
  for (const auto& [name, text] : given) {
    auto setting = settings.begin();
    while (setting != settings.end() && setting->name != name) ++setting;
    if (setting == settings.end()) throw SettingError(name, message("no setting of the pretext task ", task));
    if (setting->default_text.empty() || text != setting->default_text) setting->set(text);
  }
}

CONTEXTURE_FUNCTION PretextValues values_of(const std::vector<PretextSetting>& settings) {
  PretextValues all;
  for (const PretextSetting& s : settings) all[s.name] = s.get();
  return all;
}

CONTEXTURE_FUNCTION std::vector<PretextSettingInfo> infos_of(const std::vector<PretextSetting>& settings) {
  std::vector<PretextSettingInfo> infos;
  for (const PretextSetting& s : settings)
    infos.push_back({s.name, s.help, s.value, s.rule.empty() ? s.get() : s.rule});
  return infos;
}

}  // namespace contexture
