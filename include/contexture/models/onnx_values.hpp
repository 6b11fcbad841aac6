// SPDX-License-Identifier: MIT
// The values of a network that is translated to ONNX: what they are called in the graph, how they lie there, and the
// constants that they meet. Internal: models/onnx.hpp is what others use.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/models/onnx_graph.hpp"
#include "contexture/models/onnx_options.hpp"
#include "contexture/nn/trace.hpp"

namespace contexture::detail {

// For every value of a trace and each of its axes: does its extent grow with the batch?
using BatchAxes = std::vector<std::vector<bool>>;

// By a trace of the same network with a batch of another size. Throws std::invalid_argument where anything else
// differs.
inline BatchAxes batch_axes(const TracedNetwork& network, const TracedNetwork& other) {
  const char* const wanted = ", expected a network that does the same with batches of any size";
  require(network.ops.size() == other.ops.size() && network.values.size() == other.values.size(),
          "onnx_model: ", network.ops.size(), " ops with one batch, ", other.ops.size(), " with another", wanted);
  for (std::size_t i = 0; i < network.ops.size(); ++i) {
    const TracedOp &op = network.ops[i], &same = other.ops[i];
    require(
        op.name == same.name && op.inputs == same.inputs && op.numbers == same.numbers && op.tensors == same.tensors,
        "onnx_model: what the op '", op.name, "' does depends on the batch's size", wanted);
  }
  const std::size_t batch = network.values[network.input].shape[0], second = other.values[other.input].shape[0];
  BatchAxes grows;
  for (std::size_t i = 0; i < network.values.size(); ++i) {
    const Shape &a = network.values[i].shape, &b = other.values[i].shape;
    std::vector<bool>& axes = grows.emplace_back();
    for (std::size_t k = 0; k < a.size(); ++k) {
      axes.push_back(k >= b.size() || a[k] != b[k]);
      require(a.size() == b.size() && (!axes[k] || a[k] * second == b[k] * batch), "onnx_model: a value of shape ", a,
              " with a batch of ", batch, ", ", b, " with one of ", second, wanted);
    }
  }
  return grows;
}

// Images, values of four axes that convolutions and poolings make and take, are (N,C,H,W) in the graph; any other
// value, and an image where nothing else will do, has the axes that it has here.
class OnnxValues {
 public:
  OnnxValues(const TracedNetwork& network, const BatchAxes& grows, const OnnxGraphInfo& info,
             const OnnxOptions& options)
      : network_(network), grows_(grows), info_(info), options_(options) {
    for (const TracedOp& op : network.ops)
      for (const std::size_t input : op.inputs)
        if (input != TracedOp::kAbsent) uses_[input].push_back(&op);
  }

 protected:
  using Ints = OnnxGraph::Ints;
  struct Value {
    std::string name;
    bool channels_first = false;
  };

  // Extents behind the batch.
  static Ints extents(const Shape& shape, bool channels_first) {
    Ints out;
    for (std::size_t i = 1; i < shape.size(); ++i) out.push_back(static_cast<std::int64_t>(shape[i]));
    if (channels_first) std::rotate(out.begin(), out.end() - 1, out.end());
    return out;
  }

  // The network's input: 0 to 255 -> (x / 255 - mean) / stddev.
  void begin() {
    Value input{"images", true};
    if (options_.channels_last) input.name = graph_.node("Transpose", {input.name}, {{"perm", Ints{0, 3, 1, 2}}});
    if (info_.images.has_normalization()) {
      const Normalization& n = info_.images.normalization;
      std::vector<float> factor, offset;
      for (std::size_t c = 0; c < n.mean.size(); ++c) {
        factor.push_back(static_cast<float>(1.0 / (255.0 * static_cast<double>(n.stddev[c]))));
        offset.push_back(static_cast<float>(-static_cast<double>(n.mean[c]) / static_cast<double>(n.stddev[c])));
      }
      const Ints shape{static_cast<std::int64_t>(factor.size()), 1, 1};  // with a 1 in front, OpenCV 4.6 stumbles
      input.name = graph_.node("Mul", {input.name, graph_.constant("pixel_scale", shape, factor)});
      input.name = graph_.node("Add", {input.name, graph_.constant("pixel_offset", shape, offset)});
    }
    values_[network_.input] = input;
  }

  [[nodiscard]] const TracedValue& traced(const TracedOp& op, std::size_t input) const {
    return network_.values[op.inputs.at(input)];
  }

  Value& value_of(std::size_t place) {
    const auto found = values_.find(place);
    require_state(found != values_.end(), "onnx_model: value ", place, " is used before it is made");
    return found->second;
  }

  // Its name as an image, (N,C,H,W).
  std::string image(std::size_t place) {
    Value& value = value_of(place);
    if (value.channels_first) return value.name;
    return graph_.node("Transpose", {value.name}, {{"perm", Ints{0, 3, 1, 2}}});
  }

  // Its name with the axes that it has here; a constant is put into the graph.
  std::string plain(std::size_t place) {
    const TracedValue& traced_value = network_.values[place];
    if (traced_value.constant) {
      for (const bool grows : grows_[place])
        require(!grows, "onnx_model: a constant of shape ", traced_value.shape,
                ", expected one that does not depend on the batch's size");
      return graph_.constant(traced_value.name.empty() ? "constant" : traced_value.name,
                             whole_shape(traced_value.shape), numbers(traced_value.tensor));
    }
    const Value& value = value_of(place);
    if (!value.channels_first) return value.name;
    return graph_.node("Transpose", {value.name}, {{"perm", Ints{0, 2, 3, 1}}});
  }

  void result(const TracedOp& op, std::string name, bool channels_first) {
    values_[op.output] = {std::move(name), channels_first};
  }

  static std::vector<float> numbers(const Tensor<float>& t) { return {t.data(), t.data() + t.size()}; }
  static Ints whole_shape(const Shape& shape) { return {shape.begin(), shape.end()}; }

  // A constant of one number a channel, to be combined with a value of either kind.
  std::string per_channel(const std::string& name, const std::vector<float>& values, bool channels_first) {
    Ints shape{static_cast<std::int64_t>(values.size())};
    if (channels_first) shape.insert(shape.end(), {1, 1});
    return graph_.constant(name, shape, values);
  }

  [[nodiscard]] std::vector<float> parameter(const TracedOp& op, std::size_t input, float otherwise,
                                             std::size_t count) const {
    if (!op.has(input)) return std::vector<float>(count, otherwise);  // NOLINT(modernize-return-braced-init-list)
    require(traced(op, input).constant, "onnx_model: ", op.name, " with weights that depend on the input");
    return numbers(traced(op, input).tensor);
  }

  [[nodiscard]] std::string name_of(const TracedOp& op, std::size_t input, const char* otherwise) const {
    const std::string name = op.has(input) ? traced(op, input).name : std::string();
    return name.empty() ? otherwise : name;
  }

  // Scale and offset of each channel that an evaluated batch normalisation comes to.
  [[nodiscard]] std::pair<std::vector<double>, std::vector<double>> affine(const TracedOp& norm) const {
    const std::vector<float> mean = numbers(norm.tensors.at("mean")), variance = numbers(norm.tensors.at("variance"));
    const std::vector<float> gamma = parameter(norm, 1, 1, mean.size()), beta = parameter(norm, 2, 0, mean.size());
    std::vector<double> scale, offset;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      scale.push_back(static_cast<double>(gamma[c]) /
                      std::sqrt(static_cast<double>(variance[c]) + norm.number("epsilon")));
      offset.push_back(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * scale[c]);
    }
    return {scale, offset};
  }

  static std::int64_t whole(const TracedOp& op, const char* attribute) {
    return static_cast<std::int64_t>(op.number(attribute));
  }

  // What normalisations do in the same sweep: a residual, input `at`, and a ReLU.
  std::string with_residual_and_relu(const TracedOp& op, std::size_t at, std::string y, bool channels_first) {
    if (op.has(at)) y = graph_.node("Add", {y, channels_first ? image(op.inputs[at]) : plain(op.inputs[at])});
    const auto relu = op.numbers.find("relu");
    return relu != op.numbers.end() && relu->second != 0 ? graph_.node("Relu", {y}) : y;
  }

  std::string scaled_and_shifted(const TracedOp& op, std::string y, bool channels_first) {
    if (!op.has(1)) return y;
    y = graph_.node("Mul", {y, per_channel(name_of(op, 1, "gamma"), parameter(op, 1, 1, 0), channels_first)});
    return graph_.node("Add", {y, per_channel(name_of(op, 2, "beta"), parameter(op, 2, 0, 0), channels_first)});
  }

  const TracedNetwork& network_;
  const BatchAxes& grows_;  // of its values
  const OnnxGraphInfo& info_;
  const OnnxOptions& options_;
  OnnxGraph graph_;
  std::map<std::size_t, Value> values_;
  std::map<std::size_t, std::vector<const TracedOp*>> uses_;
  std::map<const TracedOp*, bool> folded_;
};

}  // namespace contexture::detail
