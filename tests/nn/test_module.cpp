// SPDX-License-Identifier: MIT
// Modules: path names, modes, freezing, reseeding; layers against hand-computed values.
#include <cmath>

#include "contexture/nn/layers.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {
std::vector<std::string> names_of(Module<float>& module) {
  std::vector<std::string> names;
  for (const auto& p : module.parameters()) names.push_back(p.name);
  return names;
}
}  // namespace

TEST_CASE("parameters and buffers have path names") {
  ResidualBlock<float> block(4, 8, {.stride = 2}, Rng(1));
  CHECK(names_of(block) == std::vector<std::string>{"conv1.weight", "norm1.gamma", "norm1.beta", "conv2.weight",
                                                    "norm2.gamma", "norm2.beta", "shortcut.weight",
                                                    "shortcut_norm.gamma", "shortcut_norm.beta"});
  CHECK(block.buffers().size() == 6);
  CHECK(block.buffers()[0].name == "norm1.running_mean");
  Sequential<float> net;
  net.add(Conv2d<float>(3, 4, {.kernel = 3}, Rng(1))).add(Relu<float>()).add(BatchNorm<float>(4));
  CHECK(names_of(net) == std::vector<std::string>{"0.weight", "0.bias", "2.gamma", "2.beta"});
  CHECK(net.parameter_count() == 3 * 3 * 3 * 4 + 4 + 4 + 4);
}

TEST_CASE("an identity shortcut where nothing changes, a projection where stride or channels do") {
  CHECK(names_of(*std::make_unique<ResidualBlock<float>>(8, 8, ResidualBlockOptions{}, Rng(1))).size() == 6);
  ResidualBlock<float> wider(8, 16, {}, Rng(1));
  CHECK(wider(Variable<float>(full<float>({2, 5, 5, 8}, 1.0F))).shape() == Shape{2, 5, 5, 16});
  ResidualBlock<float> strided(8, 8, {.stride = 2}, Rng(1));
  CHECK(strided(Variable<float>(full<float>({2, 5, 5, 8}, 1.0F))).shape() == Shape{2, 3, 3, 8});
}

TEST_CASE("training mode reaches every child; freezing stops gradients") {
  Sequential<float> net;
  net.add(Linear<float>(4, 4, Rng(1))).add(BatchNorm<float>(4)).add(Dropout<float>(0.5F, Rng(2)));
  const Variable<float> x(full<float>({8, 4}, 1.0F));
  net.set_training(false);
  CHECK(net(x).value() == net(x).value());
  CHECK((net.buffers()[0].tensor->data()[0]) == 0.0F);  // running mean untouched in evaluation
  net.set_training(true);
  net.set_requires_grad(false);
  CHECK_FALSE(net(x).requires_grad());
  net.set_requires_grad(true);
  CHECK(net(x).requires_grad());
}

TEST_CASE("reseed makes dropout a function of the stream") {
  Sequential<float> net;
  net.add(Dropout<float>(0.5F, Rng(1))).add(Dropout<float>(0.5F, Rng(2)));
  const Variable<float> x(full<float>({1000}, 1.0F));
  net.reseed(Rng(1).split(7));
  const Tensor<float> first = net(x).value();
  const Tensor<float> second = net(x).value();
  CHECK(first != second);
  net.reseed(Rng(1).split(7));
  CHECK(net(x).value() == first);
  net.reseed(Rng(1).split(8));
  CHECK(net(x).value() != first);
}

TEST_CASE("a small network computed by hand") {
  Conv2d<float> conv(1, 1, {.kernel = 3}, Rng(1));
  auto p = conv.parameters();
  for (float& w : p[0].variable.mutable_value().storage()) w = 1.0F;
  p[1].variable.mutable_value()(0) = 0.5F;
  Tensor<float> image = zeros<float>({1, 3, 3, 1});
  for (std::size_t i = 0; i < 9; ++i) image.data()[i] = static_cast<float>(i);
  const Tensor<float> y = conv(Variable<float>(image)).value();
  CHECK(y(0, 1, 1, 0) == 36.5F);                 // all nine
  CHECK(y(0, 0, 0, 0) == 0 + 1 + 3 + 4 + 0.5F);  // a corner, zeros outside
  CHECK(y(0, 2, 2, 0) == 4 + 5 + 7 + 8 + 0.5F);
}

TEST_CASE("initialisers have the variance of their papers") {
  const Tensor<float> he = he_normal<float>({3, 3, 64, 64}, 576, Rng(1));
  double squares = 0;
  for (const float w : he.storage()) squares += static_cast<double>(w) * static_cast<double>(w);
  CHECK(squares / static_cast<double>(he.size()) == Approx(2.0 / 576).epsilon(0.03));
  const Tensor<float> xavier = xavier_uniform<float>({200, 100}, 200, 100, Rng(2));
  const double bound = std::sqrt(6.0 / 300);
  squares = 0;
  for (const float w : xavier.storage()) {
    REQUIRE(std::abs(static_cast<double>(w)) <= bound);
    squares += static_cast<double>(w) * static_cast<double>(w);
  }
  CHECK(squares / static_cast<double>(xavier.size()) == Approx(bound * bound / 3).epsilon(0.03));
  CHECK_THROWS_AS(he_normal<float>({1}, 0, Rng(1)), std::invalid_argument);
  CHECK(he_normal<float>({1}, 1, Rng(1)).size() == 1);
  CHECK_THROWS_AS(xavier_uniform<float>({1}, 0, 0, Rng(1)), std::invalid_argument);
  CHECK(xavier_uniform<float>({1}, 0, 1, Rng(1)).size() == 1);
}

TEST_CASE("layers begin with the variance that their inputs ask for") {
  const auto mean_square = [](const Variable<float>& weight) {
    double squares = 0;
    for (const float w : weight.value().storage()) squares += static_cast<double>(w) * static_cast<double>(w);
    return squares / static_cast<double>(weight.size());
  };
  Conv2d<float> plain(24, 96, {.kernel = 5}, Rng(1)), grouped(96, 96, {.kernel = 3, .groups = 4}, Rng(2));
  CHECK(mean_square(plain.weight()) == Approx(2.0 / (25 * 24)).epsilon(0.03));
  CHECK(mean_square(grouped.weight()) == Approx(2.0 / (9 * 24)).epsilon(0.03));
  CHECK(plain.parameters()[1].variable.value() == zeros<float>({96}));
  for (const auto& [inputs, outputs] : {std::pair<Index, Index>{300, 200}, {40, 900}}) {
    Linear<float> linear(inputs, outputs, Rng(3));
    CHECK(mean_square(linear.parameters()[0].variable) ==
          Approx(2.0 / static_cast<double>(inputs + outputs)).epsilon(0.03));
    CHECK(linear.parameters()[1].variable.value() == zeros<float>({static_cast<std::size_t>(outputs)}));
  }
}

TEST_CASE("a residual block counts its weights") {
  for (const Norm norm : {Norm::batch, Norm::group, Norm::layer})
    for (const auto& [in, out, stride] : {std::tuple<Index, Index, Index>{4, 4, 1}, {4, 4, 2}, {4, 12, 1}, {6, 9, 2}})
      for (const bool affine : {true, false}) {
        const ResidualBlockOptions options{.stride = stride, .affine = affine, .norm = norm};
        ResidualBlock<float> block(in, out, options, Rng(1));
        std::size_t weights = 0;
        for (const auto& p : block.parameters()) weights += p.variable.size();
        CHECK(ResidualBlock<float>::weight_count(in, out, options) == static_cast<double>(weights));
      }
}

TEST_CASE("every normalisation adds the residual before the ReLU") {
  Rng rng(4);
  Tensor<float> x = empty<float>({2, 3, 3, 8}), r = x;
  for (float& v : x.storage()) v = rng.normal();
  for (float& v : r.storage()) v = rng.normal();
  for (const Norm norm : {Norm::batch, Norm::group, Norm::layer})
    for (const bool with_relu : {false, true}) {
      const auto layer = make_norm<float>(8, {norm, true, with_relu});
      const auto bare = make_norm<float>(8, {norm, true, false});
      const Variable<float> together = layer->forward(Variable<float>(x), Variable<float>(r));
      const Variable<float> apart = add((*bare)(Variable<float>(x)), Variable<float>(r));
      const Tensor<float> expected = (with_relu ? relu(apart) : apart).value();
      for (std::size_t i = 0; i < expected.size(); ++i)
        REQUIRE(together.value().data()[i] == Approx(expected.data()[i]).margin(1e-5));
    }
  LayerNorm<float> norm(8);
  CHECK(norm(Variable<float>(zeros<float>({8}))).shape() == Shape{8});
  CHECK_THROWS_AS(norm(Variable<float>(zeros<float>({2, 7}))), std::invalid_argument);
}

TEST_CASE("a module clears the gradients of all of its parameters") {
  Sequential<float> net;
  net.add(Linear<float>(3, 4, Rng(1))).add(Linear<float>(4, 2, Rng(2)));
  sum(net(Variable<float>(full<float>({5, 3}, 1.0F)))).backward();
  bool any = false;
  for (const auto& p : net.parameters())
    for (const float g : p.variable.grad().storage()) any = any || g != 0;
  REQUIRE(any);
  net.zero_grad();
  for (const auto& p : net.parameters())
    if (p.variable.has_grad())
      for (const float g : p.variable.grad().storage()) CHECK(g == 0);
}

TEST_CASE("layers reject nonsense") {
  CHECK_THROWS_AS(Conv2d<float>(0, 4, {}, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(Conv2d<float>(3, 4, {.groups = 2}, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(Conv2d<float>(3, 4, {.padding = -2}, Rng(1)), std::invalid_argument);
  CHECK_THROWS_WITH(Conv2d<float>(3, 4, {.dilation = -1}, Rng(1)), Catch::Matchers::ContainsSubstring("dilation -1"));
  CHECK_THROWS_AS(Conv2d<float>(3, 4, {.stride = 0}, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(Linear<float>(3, 0, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(Linear<float>(0, 3, Rng(1)), std::invalid_argument);
  CHECK_NOTHROW(Linear<float>(1, 1, Rng(1)));
  CHECK_THROWS_AS(BatchNorm<float>(0), std::invalid_argument);
  CHECK_THROWS_AS(BatchNorm<float>(4, {.momentum = 2}), std::invalid_argument);
  BatchNorm<float> norm(4);
  norm.set_momentum(-0.5);
  CHECK_THROWS_WITH(norm(Variable<float>(zeros<float>({2, 4}))), Catch::Matchers::ContainsSubstring("momentum -0.5"));
  CHECK_THROWS_AS(Dropout<float>(-0.1F, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(Dropout<float>(1.0F, Rng(1)), std::invalid_argument);
  // The least that each of them takes.
  CHECK_NOTHROW(Dropout<float>(0.0F, Rng(1)));
  CHECK_NOTHROW(Conv2d<float>(1, 1, {.kernel = 1, .stride = 1, .padding = 0, .dilation = 1, .groups = 1}, Rng(1)));
  CHECK_NOTHROW(ConvTranspose2d<float>(1, 1, {.kernel = 1, .stride = 1, .padding = 0}, Rng(1)));
  const Variable<float> x(full<float>({1, 2, 2, 3}, 1.0F));
  CHECK((Upsample2d<float>(1)(x).value() == x.value()));
  CHECK_THROWS_AS(Upsample2d<float>(0), std::invalid_argument);
}

TEST_CASE("what a layer cannot take, its message explains") {
  Conv2d<float> conv(3, 8, {}, Rng(1));
  Linear<float> linear(8, 2, Rng(1));
  CHECK_THROWS_WITH(conv(Variable<float>(zeros<float>({2, 3, 16, 16}))),
                    Catch::Matchers::ContainsSubstring("is this (N,C,H,W)?"));
  CHECK_THROWS_WITH(conv(Variable<float>(zeros<float>({2, 16, 16, 4}))),
                    !Catch::Matchers::ContainsSubstring("(N,C,H,W)"));
  const Variable<float> maps = conv(Variable<float>(zeros<float>({2, 16, 16, 3})));
  CHECK_THROWS_WITH(linear(maps), Catch::Matchers::ContainsSubstring("pool over the pixels, or reshape"));
  CHECK(linear(GlobalAvgPool<float>()(maps)).shape() == Shape{2, 2});
  CHECK(Flatten<float>()(maps).shape() == Shape{2, 16 * 16 * 8});
  CHECK(Flatten<float>()(Variable<float>(zeros<float>({0, 3}))).shape() == Shape{0, 0});
}
