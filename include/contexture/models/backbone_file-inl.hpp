// SPDX-License-Identifier: MIT
// The functions of models/backbone_file.hpp.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/version.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/nn/safetensors.hpp"

namespace contexture {

namespace detail {

inline std::string metadata_text(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

inline nlohmann::json json_of(const DataOrigin& data) {
  return {{"name", data.name}, {"fingerprint", data.fingerprint}};
}

inline DataOrigin data_origin(const nlohmann::json& json) {
  return {json.value("name", std::string()), json.value("fingerprint", std::string())};
}

}  // namespace detail

CONTEXTURE_FUNCTION Metadata backbone_metadata(const BackboneDescription& o, const WeightsInfo& info) {
  nlohmann::json images{{"height", info.images.height}, {"width", info.images.width}, {"channels", o.in_channels}};
  if (info.images.has_normalization()) {
    images["mean"] = info.images.normalization.mean;
    images["stddev"] = info.images.normalization.stddev;
  }
  nlohmann::json origin = nlohmann::json::object();
  if (!info.origin.pretext.empty())
    origin["pretext"] = {{"task", info.origin.pretext}, {"dataset", detail::json_of(info.origin.pretext_data)}};
  if (!info.origin.data.name.empty() || !info.origin.data.fingerprint.empty())
    origin["dataset"] = detail::json_of(info.origin.data);
  if (info.origin.accuracy) origin["accuracy"] = *info.origin.accuracy;
  if (!info.origin.accuracy_of.empty()) origin["accuracy_of"] = info.origin.accuracy_of;
  return {{"kind", "encoder"},
          {"precision", std::string(to_string(info.precision))},
          {"library", message("contexture ", CONTEXTURE_VERSION_MAJOR, ".", CONTEXTURE_VERSION_MINOR, ".",
                              CONTEXTURE_VERSION_PATCH)},
          {"images", detail::metadata_text(images)},
          {"origin", detail::metadata_text(origin)},
          {"encoder", detail::metadata_text({{"network", o.network},
                                             {"in_channels", o.in_channels},
                                             {"width", o.width},
                                             {"stages", o.stages},
                                             {"blocks_per_stage", o.blocks_per_stage},
                                             {"affine", o.affine},
                                             {"norm", to_string(o.norm)}})}};
}

CONTEXTURE_FUNCTION BackboneDescription backbone_description(const TensorFile& file, const std::string& origin) {
  const auto found = file.metadata.find("encoder");
  require_input(found != file.metadata.end(), origin,
                ": its metadata lacks 'encoder', expected weights written by this library");
  BackboneDescription o;
  try {
    const nlohmann::json json = nlohmann::json::parse(found->second);
    o.network = json.value("network", std::string("resnet"));
    json.at("in_channels").get_to(o.in_channels);
    json.at("width").get_to(o.width);
    json.at("stages").get_to(o.stages);
    json.at("blocks_per_stage").get_to(o.blocks_per_stage);
    json.at("affine").get_to(o.affine);
    o.norm = norm_named(json.value("norm", std::string("batch")));
    check_description(o);
  } catch (const nlohmann::json::exception& error) {
    throw InputError(message(origin, ": damaged metadata 'encoder' (", error.what(), ")"));
  } catch (const std::invalid_argument& error) {
    throw InputError(message(origin, ": metadata 'encoder': ", error.what()));
  }
  std::size_t stored = 0;
  for (const auto& [name, tensor] : file.tensors) stored += tensor.size();
  require_input(static_cast<double>(stored) >= weight_count(o), origin, ": ", stored,
                " weights, too few for its metadata 'encoder': ", found->second);
  return o;
}

CONTEXTURE_FUNCTION WeightsInfo weights_info(const TensorFile& file, const BackboneDescription& description,
                                             const std::string& origin) {
  WeightsInfo info{.precision = trained_precision(file, origin)};
  const auto parsed = [&](const char* key, const auto& read) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) return false;
    try {
      read(nlohmann::json::parse(found->second));
    } catch (const nlohmann::json::exception& error) {
      throw InputError(message(origin, ": damaged metadata '", key, "' (", error.what(), ")"));
    }
    return true;
  };
  const auto fits = [&](const std::vector<float>& values) {
    return static_cast<Index>(values.size()) == description.in_channels &&
           std::all_of(values.begin(), values.end(), is_finite<float>);
  };
  const auto read_images = [&](const char* key) {
    return parsed(key, [&](const nlohmann::json& json) {
      ImageInput& images = info.images;
      json.at("height").get_to(images.height);
      json.at("width").get_to(images.width);
      bool sound = images.height >= 0 && images.height <= 4096 && images.width >= 0 && images.width <= 4096;
      if (json.contains("mean")) {
        const std::vector<float>& stddev = images.normalization.stddev;
        json.at("mean").get_to(images.normalization.mean);
        json.at("stddev").get_to(images.normalization.stddev);
        sound = sound && fits(images.normalization.mean) && fits(stddev) &&
                *std::min_element(stddev.begin(), stddev.end()) > 0;
      }
      require_input(sound, origin, ": metadata '", key, "' does not fit together: ", file.metadata.at(key));
    });
  };
  // A classifier of earlier versions has its images beside its classes, an encoder nowhere.
  if (!read_images("images")) (void)read_images("classifier");
  parsed("origin", [&](const nlohmann::json& json) {
    if (const auto pretext = json.find("pretext"); pretext != json.end()) {
      pretext->at("task").get_to(info.origin.pretext);
      if (pretext->contains("dataset")) info.origin.pretext_data = detail::data_origin(pretext->at("dataset"));
    }
    if (json.contains("dataset")) info.origin.data = detail::data_origin(json.at("dataset"));
    if (json.contains("accuracy")) info.origin.accuracy = json.at("accuracy").get<double>();
    info.origin.accuracy_of = json.value("accuracy_of", std::string());
  });
  return info;
}

CONTEXTURE_FUNCTION Precision trained_precision(const TensorFile& file, const std::string& origin) {
  const auto found = file.metadata.find("precision");
  if (found == file.metadata.end()) return Precision::float32;
  for (const Precision precision : {Precision::float32, Precision::bfloat16})
    if (found->second == to_string(precision)) return precision;
  throw InputError(message(origin, ": metadata 'precision': '", found->second, "', expected float32 or bfloat16"));
}

}  // namespace contexture
