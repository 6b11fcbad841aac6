// SPDX-License-Identifier: MIT
// ONNX files by their structure: what other engines make of them is asked by tests/export.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/protobuf.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/models/onnx.hpp"
#include "contexture/nn/functions.hpp"
#include "contexture/nn/trace.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;

namespace {

// The fields of a message: texts and messages as bytes, integers as such; what a field has several of, in order.
struct Message {
  explicit Message(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::uint64_t key = varint(bytes);
      const auto field = static_cast<int>(key >> 3);
      if ((key & 7) == 0) {
        integers[field].push_back(static_cast<std::int64_t>(varint(bytes)));
      } else if ((key & 7) == 5) {
        bytes.remove_prefix(4);
      } else {
        REQUIRE((key & 7) == 2);
        const std::size_t size = varint(bytes);
        REQUIRE(size <= bytes.size());
        texts[field].emplace_back(bytes.substr(0, size));
        bytes.remove_prefix(size);
      }
    }
  }
  static std::uint64_t varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      REQUIRE_FALSE(bytes.empty());
      const auto byte = static_cast<unsigned char>(bytes[0]);
      bytes.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
  }
  [[nodiscard]] std::string text(int field) const { return texts.contains(field) ? texts.at(field)[0] : std::string(); }
  [[nodiscard]] std::vector<std::string> list(int field) const {
    return texts.contains(field) ? texts.at(field) : std::vector<std::string>();
  }
  [[nodiscard]] Message message(int field) const { return Message(text(field)); }

  std::map<int, std::vector<std::int64_t>> integers;
  std::map<int, std::vector<std::string>> texts;
};

struct Graph {
  explicit Graph(const std::string& bytes) : model(bytes), graph(model.message(7)) {
    std::set<std::string> known;
    for (const std::string& constant : graph.list(5)) {
      const Message tensor(constant);
      std::int64_t count = 1;
      for (const std::int64_t extent :
           tensor.integers.contains(1) ? tensor.integers.at(1) : std::vector<std::int64_t>())
        count *= extent;
      const bool integer = tensor.integers.at(2)[0] == 7;
      CHECK(tensor.text(9).size() == static_cast<std::size_t>(count) * (integer ? 8 : 4));
      CHECK(known.insert(tensor.text(8)).second);
    }
    CHECK(known.insert(input().text(1)).second);
    for (const std::string& text : graph.list(1)) {
      const Message node(text);
      ++types[node.text(4)];
      for (const std::string& name : node.list(1)) CHECK((name.empty() || known.contains(name)));
      for (const std::string& name : node.list(2)) CHECK(known.insert(name).second);
    }
    CHECK(known.contains(output().text(1)));
  }
  [[nodiscard]] Message input() const { return graph.message(11); }
  [[nodiscard]] Message output() const { return graph.message(12); }
  // "batch,3,8,8"
  static std::string shape_of(const Message& value) {
    std::string out;
    for (const std::string& text : value.message(2).message(1).message(2).list(1)) {
      const Message extent(text);
      out += (out.empty() ? "" : ",") +
             (extent.text(2).empty() ? std::to_string(extent.integers.at(1)[0]) : extent.text(2));
    }
    return out;
  }

  Message model, graph;
  std::map<std::string, int> types;
};

const Normalization kScale{{0.4F, 0.5F, 0.6F}, {0.2F, 0.25F, 0.3F}};

std::string model_of(UnaryModule<float>& network, const OnnxOptions& options = {}) {
  return onnx_model(network, {.images = {8, 6, kScale}}, options);
}

}  // namespace

TEST_CASE("protobuf fields are encoded as the format's description has it") {
  CHECK(ProtobufMessage().integer(1, 150).bytes() == "\x08\x96\x01");
  CHECK(ProtobufMessage().text(2, "testing").bytes() == "\x12\x07testing");
  CHECK(ProtobufMessage().message(3, ProtobufMessage().integer(1, 150)).bytes() == "\x1a\x03\x08\x96\x01");
  CHECK(ProtobufMessage().integer(1, -2).bytes() == "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  CHECK(ProtobufMessage().number(16, 1.5F).bytes() == std::string("\x85\x01\x00\x00\xc0\x3f", 6));
}

TEST_CASE("every network becomes a graph that fits together, with its batch left open") {
  for (const std::string_view name : network_names())
    for (const Norm norm : {Norm::batch, Norm::group, Norm::layer})
      for (const bool affine : {true, false}) {
        CAPTURE(name, to_string(norm), affine);
        const auto encoder = make_backbone<float>({std::string(name), 3, 8, 2, 1, affine, norm}, Rng(1));
        for (const bool channels_last : {false, true}) {
          const Graph graph(model_of(*encoder, {.channels_last = channels_last}));
          CHECK(graph.input().text(1) == "images");
          CHECK(Graph::shape_of(graph.input()) == (channels_last ? "batch,8,6,3" : "batch,3,8,6"));
          const Index h = encoder->feature_extent(8), w = encoder->feature_extent(6), f = encoder->feature_channels();
          CHECK(Graph::shape_of(graph.output()) ==
                (channels_last ? message("batch,", h, ",", w, ",", f) : message("batch,", f, ",", h, ",", w)));
        }
        const bool residual = name != "convnext";
        const Graph plain(model_of(*encoder)), folded(model_of(*encoder, {.fold_norm = true}));
        CHECK(plain.types.contains("BatchNormalization") == (residual && norm == Norm::batch));
        CHECK_FALSE(folded.types.contains("BatchNormalization"));
        CHECK(plain.types.at("Conv") == folded.types.at("Conv"));
        CHECK(plain.types.contains("InstanceNormalization") == (residual && norm == Norm::group));
        CHECK(plain.types.contains("Erf") == !residual);
      }
}

TEST_CASE("an odd extent is padded to an even one where the network does so") {
  const auto encoder = make_backbone<float>({.network = "convnext", .width = 8, .stages = 2}, Rng(1));
  CHECK(Graph(onnx_model(*encoder, {.images = {7, 5, kScale}})).types.at("Pad") == 3);  // 7 x 5 -> 4 x 3 -> 2 x 2
  CHECK_FALSE(Graph(onnx_model(*encoder, {.images = {8, 8, kScale}})).types.contains("Pad"));
}

TEST_CASE("a classifier's and an encoder's ONNX file say what their weight files say") {
  const files::Folder folder;
  const std::vector<std::string> names{"a \"quoted\"\ncat", "b\xc3\xa4r"};
  ImageClassifier classifier({8, 6, {.width = 4, .stages = 1}, names, kScale}, Rng(1));
  export_onnx(classifier, folder.path / "c.onnx");
  const Graph graph(files::bytes_of(folder.path / "c.onnx"));
  CHECK(graph.output().text(1) == "logits");
  CHECK(Graph::shape_of(graph.output()) == "batch,2");
  std::map<std::string, std::string> said;
  for (const std::string& text : graph.model.list(14)) said[Message(text).text(1)] = Message(text).text(2);
  CHECK(said == classifier.metadata());
  export_onnx(classifier.encoder(), {.images = {8, 6, {}}}, folder.path / "e.onnx");
  const Graph features(files::bytes_of(folder.path / "e.onnx"));
  CHECK(features.output().text(1) == "features");
  CHECK(Graph::shape_of(features.output()) == "batch,8");
  CHECK(features.types.at("Add") + features.types.count("Mul") == 1);  // the residual's: images come normalised
  CHECK_THROWS_WITH(export_onnx(classifier.encoder(), {}, folder.path / "f.onnx"), ContainsSubstring("0 x 0 x 3"));
}

TEST_CASE("a network outside the library is exported by its ops, or the op that is not known is named") {
  Sequential<float> lenet;
  lenet.add(Conv2d<float>(3, 4, {.kernel = 3}, Rng(1)))
      .add(Relu<float>())
      .add(MaxPool2d<float>())
      .add(Flatten<float>());
  lenet.add(Linear<float>(4 * 4 * 3, 5, Rng(2))).add(Tanh<float>());
  const Graph graph(model_of(lenet));
  CHECK(Graph::shape_of(graph.output()) == "batch,5");
  CHECK(graph.types.at("Transpose") == 1);  // rows, columns, channels: as Linear learned them
  CHECK(graph.types.at("Reshape") == 1);

  struct Odd final : UnaryModule<float> {
    explicit Odd(std::function<Variable<float>(const Variable<float>&)> f) : call(std::move(f)) {}
    Variable<float> forward(const Variable<float>& x) override { return call(x); }
    void visit(ModuleVisitor<float>&) override {}
    std::function<Variable<float>(const Variable<float>&)> call;
  };
  const auto refusal = [](auto f) -> std::string {
    Odd odd(f);
    try {
      (void)model_of(odd);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  using V = Variable<float>;
  CHECK(refusal([](const V& x) { return log(x); }) == "onnx_model: the op 'log' has no translation");
  CHECK(refusal([](const V& x) { return x + sum(x); }) ==
        "onnx_model: the op 'sum' of a whole batch has no translation");
  CHECK(refusal([](const V& x) { return slice(x, 0, 0, 1) + x; }) ==
        "onnx_model: the op 'slice' takes a part of a batch");
  const std::string depends = "depends on the batch's size";
  const auto ones = [](const V& x) { return add(x, V(full<float>(x.shape(), 1.0F))); };
  CHECK_THAT(refusal(ones), ContainsSubstring("(3,8,6,3), expected one that does not depend on the batch's size"));
  CHECK_THAT(refusal([](const V& x) { return x - mean(x, {0}, true); }),
             ContainsSubstring("the op 'scale' does " + depends));
  CHECK_THAT(refusal([](const V& x) { return slice(x, 1, 0, static_cast<Index>(x.shape()[0])); }),
             ContainsSubstring("the op 'slice' does " + depends));
  CHECK_THAT(refusal([](const V& x) { return x.shape()[0] == 3 ? relu(x) : relu(relu(x)); }),
             ContainsSubstring("1 ops with one batch, 2 with another"));
  CHECK_THAT(refusal([](const V& x) { return reshape(x, {x.size()}); }),
             ContainsSubstring("(432), expected an answer for each image"));
}

TEST_CASE("attention is exported, whatever axis its batch is in") {
  struct Attention final : UnaryModule<float> {
    Variable<float> forward(const Variable<float>& x) override {  // (N,8,6,3)
      const std::size_t n = x.shape()[0];
      const auto parts = permute(reshape(x, {n, 16, 3, 3}), {-2, 0, 1, 3});  // (3,N,16,3): as many as the trace's batch
      const auto part = [&](Index i) { return reshape(slice(parts, 0, i, i + 1), {n, 16, 3}); };
      const auto mixed = matmul(softmax(matmul(part(0), transpose(part(1))) / 2.0F), part(2));
      return max(mixed, {2}) + mean(mixed, {-1});
    }
    void visit(ModuleVisitor<float>&) override {}
  } attention;
  const Graph graph(model_of(attention));
  CHECK(Graph::shape_of(graph.output()) == "batch,16");
  CHECK(graph.types.at("MatMul") == 2);
  CHECK(graph.types.at("Slice") == 3);
  CHECK(graph.types.at("ReduceMax") == 1);
  CHECK(graph.types.at("ReduceSum") == 1);
  std::vector<std::vector<std::int64_t>> orders;
  for (const std::string& text : graph.graph.list(1)) {
    const Message node(text);
    if (node.text(4) == "Transpose") orders.push_back(node.message(5).integers.at(8));
  }
  CHECK(orders == std::vector<std::vector<std::int64_t>>{{0, 2, 3, 1}, {2, 0, 1, 3}, {0, 2, 1}});
}

TEST_CASE("a trace has what the output needs, in order, and names what is learnt") {
  struct Pair final : UnaryModule<float> {
    Variable<float> forward(const Variable<float>& x) override {
      (void)relu(x);  // nothing comes of it
      const Variable<float> twice = add(weight, weight);
      return mul(relu(add(x, twice)), weight);
    }
    void visit(ModuleVisitor<float>& v) override { v.parameter("weight", weight); }
    Variable<float> weight{full<float>({2}, 0.5F), true};
  } pair;
  const TracedNetwork network = trace(pair, {2});
  REQUIRE(network.ops.size() == 3);
  CHECK(network.ops[0].name == "add");
  CHECK(network.ops[1].name == "relu");
  CHECK(network.ops[2].name == "mul");
  CHECK(network.ops[0].inputs[0] == network.input);
  CHECK(network.values[network.ops[0].inputs[1]].tensor.data()[1] == 1.0F);  // of constants alone: a constant
  CHECK(network.values[network.ops[2].inputs[1]].name == "weight");
  CHECK(network.ops[2].output == network.output);
  CHECK(relu(Variable<float>(zeros<float>({2}))).defined());  // no longer watched
}
