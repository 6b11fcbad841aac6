// What a pretext task is made from: the kind of images it is for, and its settings as text. Every task's header lists
// its settings with these pieces; pretext_task_list.hpp reads them.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

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

/// One setting of a task's options.
template <class Options>
struct PretextSetting : Setting<Options> {
  PretextSetting(Setting<Options> setting, std::string its_rule = {}, std::string text = {})
      : Setting<Options>(std::move(setting)), rule(std::move(its_rule)), default_text(std::move(text)) {}

  std::string rule;          ///< what the default follows from, in words; empty: it is the same for all images
  std::string default_text;  ///< text that stands for the default, as if nothing was given; empty: none does
};

/// Settings of a part of other options. `access`: a pointer to member, or a callable that returns a reference.
template <class Options, class Part, class Access>
[[nodiscard]] std::vector<PretextSetting<Options>> settings_of_part(const std::vector<PretextSetting<Part>>& settings,
                                                                    Access access) {
  std::vector<PretextSetting<Options>> out;
  for (const PretextSetting<Part>& s : settings)
    out.push_back({Setting<Options>{s.name, s.help, s.value,
                                    [set = s.set, access](Options& o, const std::string& text) {
                                      set(std::invoke(access, o), text);
                                    },
                                    [get = s.get, access](const Options& o) { return get(std::invoke(access, o)); }},
                   s.rule, s.default_text});
  return out;
}

/// All settings of both lists. One that is in both, under one name, sets both.
template <class Options>
[[nodiscard]] std::vector<PretextSetting<Options>> joined(std::vector<PretextSetting<Options>> settings,
                                                          const std::vector<PretextSetting<Options>>& more) {
  for (const PretextSetting<Options>& s : more) {
    const auto same = std::find_if(settings.begin(), settings.end(), [&](const auto& t) { return t.name == s.name; });
    if (same == settings.end()) {
      settings.push_back(s);
    } else {
      same->set = [first = same->set, second = s.set](Options& o, const std::string& text) {
        first(o, text);
        second(o, text);
      };
    }
  }
  return settings;
}

/// Are images mirrored at random? One setting, whatever the task makes of them.
template <class Options, class Access>
[[nodiscard]] PretextSetting<Options> pretext_flip_setting(Access access) {
  return {
      switch_setting<Options>("pretext-flip", "mirror every second image that the pretext task is asked about", access),
      "on where training images are to be mirrored"};
}

/// The sizes of a task's head, by the names "<prefix>head-hidden" and "<prefix>head-layers".
[[nodiscard]] inline std::vector<PretextSetting<MlpHeadOptions>> mlp_head_settings(const std::string& prefix = "") {
  using O = MlpHeadOptions;
  return {number_setting<O>(prefix + "head-hidden",
                            "units in each hidden layer of the pretext head; 0: as many as it has inputs", &O::hidden,
                            0, 65536),
          number_setting<O>(prefix + "head-layers", "hidden layers of the pretext head; 0: it is linear",
                            &O::hidden_layers, 0, 16)};
}

}  // namespace contexture
