// SPDX-License-Identifier: MIT
// The functions of models/backbone_file.hpp.
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "contexture/core/error.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/nn/safetensors.hpp"

namespace contexture {

CONTEXTURE_FUNCTION Metadata backbone_metadata(const BackboneDescription& o, Precision precision) {
  return {{"kind", "encoder"},
          {"precision", std::string(to_string(precision))},
          {"encoder", nlohmann::json{{"network", o.network},
                                     {"in_channels", o.in_channels},
                                     {"width", o.width},
                                     {"stages", o.stages},
                                     {"blocks_per_stage", o.blocks_per_stage},
                                     {"affine", o.affine},
                                     {"norm", to_string(o.norm)}}
                          .dump()}};
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

CONTEXTURE_FUNCTION Precision trained_precision(const TensorFile& file, const std::string& origin) {
  const auto found = file.metadata.find("precision");
  if (found == file.metadata.end()) return Precision::float32;
  for (const Precision precision : {Precision::float32, Precision::bfloat16})
    if (found->second == to_string(precision)) return precision;
  throw InputError(message(origin, ": metadata 'precision': '", found->second, "', expected float32 or bfloat16"));
}

}  // namespace contexture
