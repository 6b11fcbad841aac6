// SPDX-License-Identifier: MIT
// An ONNX graph as it is written: nodes, constants, and names that are unique. Field numbers are those of onnx.proto.
// Internal: models/onnx.hpp is what others use.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/protobuf.hpp"

namespace contexture::detail {

using OnnxAttribute = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;

struct OnnxNode {
  std::string type;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, OnnxAttribute> attributes;
};

// A graph that grows node by node; names of values are made here.
class OnnxGraph {
 public:
  using Ints = std::vector<std::int64_t>;

  // The name of the result.
  std::string node(const std::string& type, std::vector<std::string> inputs,
                   std::map<std::string, OnnxAttribute> attributes = {}) {
    std::string result = message(type, "_", nodes_.size());
    nodes_.push_back({type, std::move(inputs), {result}, std::move(attributes)});
    return result;
  }

  // A constant of floats; `name` where it is not taken yet.
  std::string constant(const std::string& name, const Ints& shape, const std::vector<float>& values) {
    std::string raw(values.size() * sizeof(float), '\0');
    if (!values.empty()) std::memcpy(raw.data(), values.data(), raw.size());
    return add_constant(name, shape, 1, raw);
  }
  std::string scalar(float value) { return constant(message("value_", constants_.size()), {1}, {value}); }
  std::string integers(const Ints& values) {
    std::string raw(values.size() * sizeof(std::int64_t), '\0');
    if (!values.empty()) std::memcpy(raw.data(), values.data(), raw.size());
    return add_constant(message("value_", constants_.size()), {static_cast<std::int64_t>(values.size())}, 7, raw);
  }

  void rename(const std::string& from, const std::string& to) {
    for (OnnxNode& node : nodes_)
      for (std::vector<std::string>* list : {&node.inputs, &node.outputs})
        std::replace(list->begin(), list->end(), from, to);
  }

  // `input` and `output` by name and shape behind the batch.
  [[nodiscard]] ProtobufMessage encoded(const std::string& input, const Ints& in, const std::string& output,
                                        const Ints& out) const {
    ProtobufMessage graph;
    for (const OnnxNode& node : nodes_) graph.message(1, encoded(node));
    graph.text(2, "contexture");
    for (const ProtobufMessage& constant : constants_) graph.message(5, constant);
    graph.message(11, value_info(input, in));
    graph.message(12, value_info(output, out));
    return graph;
  }

 private:
  std::string add_constant(std::string name, const Ints& shape, int type, const std::string& raw) {
    while (!constant_names_.emplace(name, true).second) name += "_";
    ProtobufMessage tensor;
    for (const std::int64_t extent : shape) tensor.integer(1, extent);
    constants_.push_back(tensor.integer(2, type).text(8, name).text(9, raw));
    return name;
  }

  static ProtobufMessage encoded(const OnnxNode& node) {
    ProtobufMessage out;
    for (const std::string& input : node.inputs) out.text(1, input);
    for (const std::string& output : node.outputs) out.text(2, output);
    out.text(3, "node_" + node.outputs.front()).text(4, node.type);
    for (const auto& [name, value] : node.attributes) {
      ProtobufMessage attribute;
      attribute.text(1, name);
      if (const auto* number = std::get_if<float>(&value)) attribute.number(2, *number).integer(20, 1);
      if (const auto* number = std::get_if<std::int64_t>(&value)) attribute.integer(3, *number).integer(20, 2);
      if (const auto* text = std::get_if<std::string>(&value)) attribute.text(4, *text).integer(20, 3);
      if (const auto* list = std::get_if<Ints>(&value)) {
        for (const std::int64_t number : *list) attribute.integer(8, number);
        attribute.integer(20, 7);
      }
      out.message(5, attribute);
    }
    return out;
  }

  static ProtobufMessage value_info(const std::string& name, const Ints& extents) {
    ProtobufMessage shape;
    shape.message(1, ProtobufMessage().text(2, "batch"));
    for (const std::int64_t extent : extents) shape.message(1, ProtobufMessage().integer(1, extent));
    const ProtobufMessage tensor = ProtobufMessage().integer(1, 1).message(2, shape);
    return ProtobufMessage().text(1, name).message(2, ProtobufMessage().message(1, tensor));
  }

  std::vector<OnnxNode> nodes_;
  std::vector<ProtobufMessage> constants_;
  std::map<std::string, bool> constant_names_;
};

}  // namespace contexture::detail
