// SPDX-License-Identifier: MIT
// What summarize() tells of networks, against numbers worked out by hand.
#include "contexture/nn/layers.hpp"
#include "contexture/nn/summary.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("a network is told op by op") {
  Sequential<float> net;
  net.add(Conv2d<float>(3, 4, {.kernel = 3, .groups = 1}, Rng(1)))
      .add(MaxPool2d<float>({.kernel = 2, .stride = 2}))
      .add(Conv2d<float>(4, 6, {.kernel = 3, .stride = 2, .groups = 2, .bias = false}, Rng(2)))
      .add(Flatten<float>())
      .add(Linear<float>(2 * 2 * 6, 5, Rng(3)));
  const ModuleSummary summary = summarize(net, {2, 8, 8, 3});
  std::vector<std::string> ops;
  for (const OpSummary& op : summary.ops) ops.push_back(op.op + " " + op.path);
  CHECK(ops == std::vector<std::string>{"conv2d 0", "max_pool2d ", "conv2d 2", "reshape ", "linear 4"});
  CHECK(summary.ops[0].shape == Shape{2, 8, 8, 4});
  CHECK(summary.ops[0].parameters == 3 * 3 * 3 * 4 + 4);
  CHECK(summary.ops[0].multiply_adds == 2 * 8 * 8 * 4 * 27);
  CHECK(summary.ops[1].multiply_adds == 0);
  CHECK(summary.ops[2].shape == Shape{2, 2, 2, 6});
  CHECK(summary.ops[2].multiply_adds == 2 * 2 * 2 * 6 * 9 * 2);  // two channels of four a group
  CHECK(summary.ops[4].multiply_adds == 2 * 5 * 24);
  CHECK(summary.multiply_adds == 2 * 8 * 8 * 4 * 27 + 2 * 2 * 2 * 6 * 18 + 2 * 5 * 24);
  CHECK(summary.parameters == net.parameter_count());
  CHECK(summary.trained == summary.parameters);
  CHECK(summary.activation_bytes == sizeof(float) * (512 + 128 + 48 + 48 + 10));
  const std::string text = to_string(summary);
  CHECK(text.find("conv2d      0              (2,8,8,4)         112          13824\n") != std::string::npos);
  CHECK(text.find("345 parameters") != std::string::npos);
  INFO(text);
  CHECK(std::count(text.begin(), text.end(), '\n') == 7);
}

TEST_CASE("a summary leaves the network as it was") {
  Sequential<double> net;
  net.add(Linear<double>(3, 3, Rng(1))).add(BatchNorm<double>(3));
  net.set_requires_grad(false);
  net.parameters()[0].variable.set_requires_grad(true);
  sum(net(Variable<double>(full<double>({4, 3}, 0.5)))).backward();
  const Tensor<double> gradient = net.parameters()[0].variable.grad(), mean = *net.buffers()[0].tensor;
  const ModuleSummary summary = summarize(net, {4, 3});
  CHECK(summary.trained == 9);
  CHECK(summary.parameters == 9 + 3 + 3 + 3);
  CHECK(summary.ops.size() == 2);
  CHECK((net.parameters()[0].variable.grad() == gradient));
  CHECK((*net.buffers()[0].tensor == mean));
  CHECK(net.training());
  CHECK(net.parameters()[0].variable.requires_grad());
  CHECK_FALSE(net.parameters()[1].variable.requires_grad());
  CHECK_THROWS_AS(summarize(net, {4, 5}), std::invalid_argument);  // and still
  CHECK_FALSE(net.parameters()[1].variable.requires_grad());
}

TEST_CASE("a transposed convolution adds from its input's side; a weight used twice is counted once") {
  Sequential<float> net;
  net.add(ConvTranspose2d<float>(3, 5, {.bias = false}, Rng(1)));
  CHECK(summarize(net, {1, 4, 4, 3}).multiply_adds == 4 * 4 * 3 * 4 * 4 * 5);

  struct Twice final : UnaryModule<float> {
    Linear<float> layer{3, 3, {.bias = false}, Rng(1)};
    Variable<float> forward(const Variable<float>& x) override {
      const Variable<float> y = layer(layer(x));
      return matmul(y, transpose(x));
    }
    void visit(ModuleVisitor<float>& v) override { v.child("layer", layer); }
  } twice;
  const ModuleSummary summary = summarize(twice, {2, 3});
  CHECK(summary.ops[0].parameters == 9);
  CHECK(summary.ops[1].parameters == 0);
  CHECK(summary.ops.back().multiply_adds == 2 * 2 * 3);
}
