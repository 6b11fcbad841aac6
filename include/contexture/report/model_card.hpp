// SPDX-License-Identifier: MIT
// A page to lie beside a weight file, in Markdown with the front matter that Hugging Face reads
// (huggingface.co/docs/hub/model-cards): all of it is what the file says of itself.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/report/text.hpp"

namespace contexture::report {

/// What a card is about.
struct ModelCard {
  std::string file = {};  ///< name of the weight file
  BackboneDescription network = {};
  ImageInput images = {};
  WeightsOrigin origin = {};
  Precision precision = Precision::float32;
  std::vector<std::string> class_names = {};  ///< empty: an encoder
  std::string usage = {};                     ///< commands that make use of the file, a line each
};

namespace detail {

// As a string of YAML, of which those of JSON are a part.
inline std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// On one line and in a table, where nothing of it is Markdown.
inline std::string code(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r' || c == '`' || c == '|') c = ' ';
  return "`" + text + "`";
}

inline std::string card_front_matter(const ModelCard& card) {
  const bool classifier = !card.class_names.empty();
  const std::string task = classifier ? "image-classification" : "image-feature-extraction";
  std::string out =
      "---\nlibrary_name: contexture\npipeline_tag: " + task + "\ntags:\n- " + card.network.network + "\n";
  if (!card.origin.pretext.empty()) out += "- self-supervised\n- " + quoted(card.origin.pretext) + "\n";
  if (classifier && card.origin.accuracy)
    out += "model-index:\n- name: " + quoted(card.file) + "\n  results:\n  - task:\n      type: " + task +
           "\n    dataset:\n      name: " + quoted(card.origin.data.name) +
           "\n      type: " + quoted(card.origin.data.name) +
           "\n    metrics:\n    - type: accuracy\n      value: " + fixed(*card.origin.accuracy, 4) +
           "\n      name: " + quoted("accuracy, " + card.origin.accuracy_of) + "\n";
  return out + "---\n";
}

}  // namespace detail

/// The page.
[[nodiscard]] inline std::string model_card(const ModelCard& card) {
  using detail::code;
  const bool classifier = !card.class_names.empty();
  const WeightsOrigin& o = card.origin;
  const auto data = [](const DataOrigin& d) {
    return code(d.name) + (d.fingerprint.empty() ? "" : " (fingerprint " + d.fingerprint + ")");
  };
  std::string out = detail::card_front_matter(card) + "\n# " + card.file + "\n\n" +
                    (classifier ? "An image classifier" : "An image encoder") +
                    " made with Contexture, for images of " +
                    message(card.images.height, " x ", card.images.width, " pixels and ", card.network.in_channels,
                            card.network.in_channels == 1 ? " channel" : " channels") +
                    ".\n\n| | |\n|---|---|\n";
  const auto row = [&](const std::string& name, const std::string& value) {
    out += "| " + name + " | " + value + " |\n";
  };
  row("Network", card.network.network + ", " +
                     message("width ", card.network.width, ", ", card.network.stages, " stages of ",
                             card.network.blocks_per_stage));
  if (!o.pretext.empty()) row("Pre-trained without labels by", code(o.pretext) + " on " + data(o.pretext_data));
  if (!o.data.name.empty()) row("Trained with labels on", data(o.data));
  if (o.accuracy) row("Accuracy", percent(*o.accuracy, 2) + (o.accuracy_of.empty() ? "" : " (" + o.accuracy_of + ")"));
  row("Trained in", std::string(to_string(card.precision)) + "; the weights are float");
  if (card.images.has_normalization()) {
    std::string mean, stddev;
    for (std::size_t c = 0; c < card.images.normalization.mean.size(); ++c) {
      mean += (c > 0 ? ", " : "") + fixed(static_cast<double>(card.images.normalization.mean[c]), 4);
      stddev += (c > 0 ? ", " : "") + fixed(static_cast<double>(card.images.normalization.stddev[c]), 4);
    }
    row("Images are normalised by", "mean " + mean + "; standard deviation " + stddev + " (of 0 to 1)");
  }
  if (classifier) {
    out += "\nClasses:";
    for (const std::string& name : card.class_names)
      out += " " + code(name) + (&name == &card.class_names.back() ? ".\n" : ",");
  }
  if (!card.usage.empty()) out += "\n```\n" + card.usage + "```\n";
  return out;
}

}  // namespace contexture::report
