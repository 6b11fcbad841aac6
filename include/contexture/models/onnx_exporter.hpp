// SPDX-License-Identifier: MIT
// A traced network translated to ONNX, op by op. Internal: models/onnx.hpp is what others use. Field numbers are those
// of onnx.proto.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/protobuf.hpp"
#include "contexture/core/version.hpp"
#include "contexture/models/onnx_graph.hpp"
#include "contexture/models/onnx_values.hpp"
#include "contexture/nn/trace.hpp"

namespace contexture::detail {

// Translates a traced network, op by op.
class OnnxExporter : OnnxValues {
 public:
  using OnnxValues::OnnxValues;

  std::string operator()() {
    require(!network_.ops.empty(), "onnx_model: a network without ops");
    begin();
    for (const TracedOp& op : network_.ops) {
      const auto found = translations().find(op.name);
      require(found != translations().end(), "onnx_model: the op '", op.name, "' has no translation");
      (this->*found->second)(op);
    }
    const Shape& out = network_.values[network_.output].shape;
    const std::vector<bool>& growing = grows_[network_.output];
    require(!out.empty() && out[0] == network_.values[network_.input].shape[0] && growing[0] &&
                std::count(growing.begin(), growing.end(), true) == 1,
            "onnx_model: the network gives ", out, ", expected an answer for each image");
    Value& last = value_of(network_.output);
    if (options_.channels_last && last.channels_first) last.name = plain(network_.output);
    graph_.rename(last.name, info_.output);
    const Shape& in = network_.values[network_.input].shape;
    const ProtobufMessage graph = graph_.encoded("images", extents(in, !options_.channels_last), info_.output,
                                                 extents(out, out.size() == 4 && !options_.channels_last));
    ProtobufMessage model;
    model.integer(1, 7).text(2, "contexture");
    model.text(3, message(CONTEXTURE_VERSION_MAJOR, ".", CONTEXTURE_VERSION_MINOR, ".", CONTEXTURE_VERSION_PATCH));
    model.message(7, graph).message(8, ProtobufMessage().text(1, "").integer(2, 13));
    for (const auto& [key, text] : info_.metadata) model.message(14, ProtobufMessage().text(1, key).text(2, text));
    return model.bytes();
  }

 private:
  using Translation = void (OnnxExporter::*)(const TracedOp&);

  // [table]
  static const std::map<std::string, Translation>& translations() {
    static const std::map<std::string, Translation> all{
        {"conv2d", &OnnxExporter::conv2d},
        {"conv_transpose2d", &OnnxExporter::conv2d},
        {"batch_norm", &OnnxExporter::batch_norm},
        {"layer_norm", &OnnxExporter::layer_norm},
        {"group_norm", &OnnxExporter::group_norm},
        {"linear", &OnnxExporter::linear},
        {"global_avg_pool", &OnnxExporter::global_avg_pool},
        {"max_pool2d", &OnnxExporter::pool},
        {"avg_pool2d", &OnnxExporter::pool},
        {"upsample2d", &OnnxExporter::upsample2d},
        {"relu", &OnnxExporter::unary},
        {"sigmoid", &OnnxExporter::unary},
        {"tanh", &OnnxExporter::unary},
        {"exp", &OnnxExporter::unary},
        {"sqrt", &OnnxExporter::unary},
        {"abs", &OnnxExporter::unary},
        {"gelu", &OnnxExporter::gelu},
        {"silu", &OnnxExporter::silu},
        {"scale", &OnnxExporter::scale},
        {"add", &OnnxExporter::binary},
        {"subtract", &OnnxExporter::binary},
        {"mul", &OnnxExporter::binary},
        {"multiply", &OnnxExporter::binary},
        {"divide", &OnnxExporter::binary},
        {"matmul", &OnnxExporter::matmul},
        {"permute", &OnnxExporter::permute},
        {"slice", &OnnxExporter::slice},
        {"sum", &OnnxExporter::reduce},
        {"max", &OnnxExporter::reduce},
        {"concat", &OnnxExporter::concat},
        {"reshape", &OnnxExporter::reshape},
        {"softmax", &OnnxExporter::softmax},
        {"log_softmax", &OnnxExporter::softmax},
    };
    return all;
  }

  // Weights (R,S,C/groups,K) -> (K,C/groups,R,S), which is also what ConvTranspose takes of those of its counterpart.
  void conv2d(const TracedOp& op) {
    const bool transposed = op.name == "conv_transpose2d";
    require(traced(op, 1).constant, "onnx_model: ", op.name, " with weights that depend on the input");
    const Tensor<float>& from = traced(op, 1).tensor;
    const std::size_t r = from.shape()[0], s = from.shape()[1], c = from.shape()[2], k = from.shape()[3];
    std::vector<float> weight(from.size());
    for (std::size_t i = 0; i < r * s; ++i)
      for (std::size_t j = 0; j < c; ++j)
        for (std::size_t o = 0; o < k; ++o) weight[(o * c + j) * r * s + i] = from.data()[(i * c + j) * k + o];
    std::vector<float> bias = op.has(2) ? parameter(op, 2, 0, k) : std::vector<float>();
    std::string bias_name = name_of(op, 2, "bias");
    const auto& uses = uses_[op.output];
    if (options_.fold_norm && !transposed && uses.size() == 1 && uses[0]->name == "batch_norm" &&
        uses[0]->inputs[0] == op.output) {
      const auto [scale, offset] = affine(*uses[0]);
      bias.resize(k, 0);
      for (std::size_t o = 0; o < k; ++o) {
        float* const row = weight.data() + o * c * r * s;
        for (std::size_t i = 0; i < c * r * s; ++i) row[i] = static_cast<float>(static_cast<double>(row[i]) * scale[o]);
        bias[o] = static_cast<float>(static_cast<double>(bias[o]) * scale[o] + offset[o]);
      }
      if (!op.has(2)) bias_name = name_of(*uses[0], 2, "bias");
      folded_[uses[0]] = true;
    }
    const auto integer = [](std::size_t n) { return static_cast<std::int64_t>(n); };
    std::vector<std::string> inputs{
        image(op.inputs[0]),
        graph_.constant(name_of(op, 1, "weight"), {integer(k), integer(c), integer(r), integer(s)}, weight)};
    if (!bias.empty()) inputs.push_back(graph_.constant(bias_name, {integer(bias.size())}, bias));
    std::map<std::string, OnnxAttribute> attributes{{"kernel_shape", Ints{integer(r), integer(s)}},
                                                    {"strides", Ints(2, whole(op, "stride"))},
                                                    {"pads", Ints(4, whole(op, "padding"))},
                                                    {"dilations", Ints(2, whole(op, "dilation"))},
                                                    {"group", whole(op, "groups")}};
    if (transposed) attributes["output_padding"] = Ints(2, whole(op, "extra"));
    result(op, graph_.node(transposed ? "ConvTranspose" : "Conv", std::move(inputs), std::move(attributes)), true);
  }

  void batch_norm(const TracedOp& op) {
    require(op.number("training") == 0, "onnx_model: batch_norm of a batch's own statistics");
    const std::size_t rank = traced(op, 0).shape.size();
    require(rank == 2 || rank == 4, "onnx_model: batch_norm of ", traced(op, 0).shape, ", expected two or four axes");
    const bool images = rank == 4;
    std::string y = images ? image(op.inputs[0]) : plain(op.inputs[0]);
    if (!folded_.contains(&op)) {
      const std::vector<float> mean = numbers(op.tensors.at("mean"));
      const Ints shape{static_cast<std::int64_t>(mean.size())};
      const std::string gamma = name_of(op, 1, "gamma"), path = gamma.substr(0, gamma.rfind('.') + 1);
      y = graph_.node("BatchNormalization",
                      {y, graph_.constant(gamma, shape, parameter(op, 1, 1, mean.size())),
                       graph_.constant(name_of(op, 2, "beta"), shape, parameter(op, 2, 0, mean.size())),
                       graph_.constant(path + "running_mean", shape, mean),
                       graph_.constant(path + "running_variance", shape, numbers(op.tensors.at("variance")))},
                      {{"epsilon", static_cast<float>(op.number("epsilon"))}});
    }
    result(op, with_residual_and_relu(op, 3, y, images), images);
  }

  // By elementary ops: LayerNormalization came with opset 17, and normalises the last axes only.
  void layer_norm(const TracedOp& op) {
    const bool images = value_of(op.inputs[0]).channels_first;
    const std::string x = value_of(op.inputs[0]).name;
    const Ints axes{images ? 1 : -1};
    const auto mean = [&](const std::string& of) { return graph_.node("ReduceMean", {of}, {{"axes", axes}}); };
    const std::string centred = graph_.node("Sub", {x, mean(x)});
    const std::string variance = mean(graph_.node("Mul", {centred, centred}));
    const std::string shifted = graph_.node("Add", {variance, graph_.scalar(static_cast<float>(op.number("epsilon")))});
    const std::string y = graph_.node("Div", {centred, graph_.node("Sqrt", {shifted})});
    result(op, scaled_and_shifted(op, y, images), images);
  }

  // As the instance normalisation of (N,groups,rest), whose own scale and shift do nothing.
  void group_norm(const TracedOp& op) {
    const Shape& shape = traced(op, 0).shape;
    const bool images = shape.size() == 4;
    require(images || shape.size() == 2, "onnx_model: group_norm of ", shape, ", expected two or four axes");
    const std::string x = images ? image(op.inputs[0]) : plain(op.inputs[0]);
    const std::int64_t groups = whole(op, "groups");
    const std::vector<float> ones(static_cast<std::size_t>(groups), 1), zero(static_cast<std::size_t>(groups), 0);
    std::string y = graph_.node("Reshape", {x, graph_.integers({0, groups, -1})});
    y = graph_.node("InstanceNormalization",
                    {y, graph_.constant("ones", {groups}, ones), graph_.constant("zeros", {groups}, zero)},
                    {{"epsilon", static_cast<float>(op.number("epsilon"))}});
    Ints back = extents(shape, images);
    back.insert(back.begin(), 0);
    y = scaled_and_shifted(op, graph_.node("Reshape", {y, graph_.integers(back)}), images);
    result(op, with_residual_and_relu(op, 3, y, images), images);
  }

  void linear(const TracedOp& op) {
    require(traced(op, 1).constant, "onnx_model: linear with weights that depend on the input");
    const Tensor<float>& from = traced(op, 1).tensor;
    const std::size_t inputs = from.shape()[0], outputs = from.shape()[1];
    std::vector<float> weight(from.size());
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t o = 0; o < outputs; ++o) weight[o * inputs + i] = from.data()[i * outputs + o];
    const auto rows = static_cast<std::int64_t>(outputs), columns = static_cast<std::int64_t>(inputs);
    result(op,
           graph_.node("Gemm",
                       {plain(op.inputs[0]), graph_.constant(name_of(op, 1, "weight"), {rows, columns}, weight),
                        graph_.constant(name_of(op, 2, "bias"), {rows}, parameter(op, 2, 0, outputs))},
                       {{"transB", std::int64_t{1}}}),
           false);
  }

  void global_avg_pool(const TracedOp& op) {
    const std::string y = graph_.node("GlobalAveragePool", {image(op.inputs[0])});
    result(op, graph_.node("Flatten", {y}, {{"axis", std::int64_t{1}}}), false);
  }

  void pool(const TracedOp& op) {
    const bool average = op.name == "avg_pool2d";
    std::map<std::string, OnnxAttribute> attributes{{"kernel_shape", Ints(2, whole(op, "kernel"))},
                                                    {"strides", Ints(2, whole(op, "stride"))},
                                                    {"pads", Ints(4, whole(op, "padding"))}};
    if (average) attributes["count_include_pad"] = std::int64_t{0};
    result(op, graph_.node(average ? "AveragePool" : "MaxPool", {image(op.inputs[0])}, std::move(attributes)), true);
  }

  void upsample2d(const TracedOp& op) {
    const auto factor = static_cast<float>(op.number("factor"));
    result(op,
           graph_.node("Resize", {image(op.inputs[0]), "", graph_.constant("scales", {4}, {1, 1, factor, factor})},
                       {{"mode", std::string("nearest")},
                        {"coordinate_transformation_mode", std::string("asymmetric")},
                        {"nearest_mode", std::string("floor")}}),
           true);
  }

  void unary(const TracedOp& op) {
    std::string type = op.name;
    type[0] = static_cast<char>(type[0] - 'a' + 'A');
    const Value x = value_of(op.inputs[0]);
    result(op, graph_.node(type, {x.name}), x.channels_first);
  }

  // x (1 + erf(x / sqrt 2)) / 2: an op of its own came with opset 20.
  void gelu(const TracedOp& op) {
    const Value x = value_of(op.inputs[0]);
    const std::string erf =
        graph_.node("Erf", {graph_.node("Div", {x.name, graph_.scalar(std::numbers::sqrt2_v<float>)})});
    const std::string y = graph_.node("Mul", {x.name, graph_.node("Add", {erf, graph_.scalar(1)})});
    result(op, graph_.node("Mul", {y, graph_.scalar(0.5F)}), x.channels_first);
  }

  void silu(const TracedOp& op) {
    const Value x = value_of(op.inputs[0]);
    result(op, graph_.node("Mul", {x.name, graph_.node("Sigmoid", {x.name})}), x.channels_first);
  }

  void scale(const TracedOp& op) {
    const Value x = value_of(op.inputs[0]);
    result(op, graph_.node("Mul", {x.name, graph_.scalar(static_cast<float>(op.number("factor")))}), x.channels_first);
  }

  // Two images stay images; any other pair meets with the axes that it has here.
  void binary(const TracedOp& op) {
    static const std::map<std::string, const char*> types{
        {"add", "Add"}, {"subtract", "Sub"}, {"mul", "Mul"}, {"multiply", "Mul"}, {"divide", "Div"}};
    const char* const type = types.at(op.name);
    const auto is_image = [&](std::size_t i) {
      return !traced(op, i).constant && value_of(op.inputs[i]).channels_first;
    };
    if (is_image(0) && is_image(1))
      result(op, graph_.node(type, {image(op.inputs[0]), image(op.inputs[1])}), true);
    else
      result(op, graph_.node(type, {plain(op.inputs[0]), plain(op.inputs[1])}), false);
  }

  // Zeros behind an image, of which the networks here make an extent even, are padding.
  void concat(const TracedOp& op) {
    const auto axis = static_cast<std::size_t>(op.number("axis"));
    const auto is_zeros = [](const TracedValue& v) {
      return v.constant &&
             std::all_of(v.tensor.data(), v.tensor.data() + v.tensor.size(), [](float x) { return x == 0; });
    };
    const Shape& shape = traced(op, 0).shape;
    if (shape.size() == 4 && (axis == 1 || axis == 2) && op.inputs.size() == 2 && is_zeros(traced(op, 1))) {
      Ints pads(8, 0);
      pads[4 + axis + 1] = static_cast<std::int64_t>(traced(op, 1).shape[axis]);
      result(op, graph_.node("Pad", {image(op.inputs[0]), graph_.integers(pads)}), true);
      return;
    }
    require(!grows_[op.output][axis], "onnx_model: a batch that grows");
    std::vector<std::string> parts;
    for (const std::size_t input : op.inputs) parts.push_back(plain(input));
    result(op, graph_.node("Concat", std::move(parts), {{"axis", static_cast<std::int64_t>(axis)}}), false);
  }

  void reshape(const TracedOp& op) {
    const Shape &from = traced(op, 0).shape, &to = network_.values[op.output].shape;
    const std::vector<bool>&before = grows_[op.inputs[0]], &after = grows_[op.output];
    Ints shape = whole_shape(to);
    for (std::size_t i = 0; i < shape.size(); ++i)
      if (after[i]) shape[i] = i < from.size() && before[i] && from[i] == to[i] ? 0 : -1;  // 0: as it comes
    require(std::count(shape.begin(), shape.end(), -1) <= 1, "onnx_model: reshape ", from, " to ", to,
            ", expected the batch in one axis");
    result(op, graph_.node("Reshape", {plain(op.inputs[0]), graph_.integers(shape)}), false);
  }

  void matmul(const TracedOp& op) {
    result(op, graph_.node("MatMul", {plain(op.inputs[0]), plain(op.inputs[1])}), false);
  }

  [[nodiscard]] static Ints axes_of(const TracedOp& op) {
    const Tensor<float>& axes = op.tensors.at("axes");
    return {axes.data(), axes.data() + axes.size()};
  }

  void permute(const TracedOp& op) {
    result(op, graph_.node("Transpose", {plain(op.inputs[0])}, {{"perm", axes_of(op)}}), false);
  }

  void slice(const TracedOp& op) {
    const std::int64_t axis = whole(op, "axis");
    require(!grows_[op.inputs[0]][static_cast<std::size_t>(axis)],
            "onnx_model: the op 'slice' takes a part of a batch");
    result(op,
           graph_.node("Slice", {plain(op.inputs[0]), graph_.integers({whole(op, "begin")}),
                                 graph_.integers({whole(op, "end")}), graph_.integers({axis})}),
           false);
  }

  // Opset 13 takes the axes of a sum as an input, those of a maximum as an attribute.
  void reduce(const TracedOp& op) {
    require(op.tensors.contains("axes"), "onnx_model: the op '", op.name, "' of a whole batch has no translation");
    const std::string x = plain(op.inputs[0]);
    const std::int64_t keep = whole(op, "keep");
    result(op,
           op.name == "sum" ? graph_.node("ReduceSum", {x, graph_.integers(axes_of(op))}, {{"keepdims", keep}})
                            : graph_.node("ReduceMax", {x}, {{"axes", axes_of(op)}, {"keepdims", keep}}),
           false);
  }

  void softmax(const TracedOp& op) {
    const char* const type = op.name == "softmax" ? "Softmax" : "LogSoftmax";
    result(op, graph_.node(type, {plain(op.inputs[0])}, {{"axis", whole(op, "axis")}}), false);
  }
};

}  // namespace contexture::detail
