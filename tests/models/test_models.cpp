// SPDX-License-Identifier: MIT
// The encoder and its heads: shapes at any input size, counted work, gradients end to end, learning.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace contexture;
using tensors::random_tensor;

namespace {}  // namespace

TEST_CASE("patches and whole images share the encoder's weights") {
  ResNet<float> encoder({.in_channels = 3, .width = 4}, Rng(1));
  CHECK(encoder.feature_channels() == 32);
  for (const std::size_t extent : {1U, 6U, 8U, 12U, 28U, 32U, 33U}) {
    const auto out = static_cast<std::size_t>(encoder.feature_extent(static_cast<Index>(extent)));
    CHECK(encoder(Variable<float>(random_tensor<float>({2, extent, extent, 3}, 1))).shape() == Shape{2, out, out, 32});
  }
  const auto maps = encoder.forward_stages(Variable<float>(random_tensor<float>({2, 32, 16, 3}, 1)));
  REQUIRE(maps.size() == 4);
  CHECK(maps[0].shape() == Shape{2, 32, 16, 4});
  CHECK(maps[3].shape() == Shape{2, 4, 2, 32});
}

TEST_CASE("depth, names and counted work") {
  ResNet<float> plain({.width = 16}, Rng(1));
  CHECK(plain.parameters()[0].name == "stem.weight");
  CHECK(plain.parameters()[3].name == "stage1.conv1.weight");
  // By hand: stem 1024*27*16; stages 256*32*(9*16+9*32+16), 64*64*(9*32+9*64+32), 16*128*(9*64+9*128+64).
  CHECK(plain.multiply_adds(32, 32) ==
        1024 * 27 * 16 + 256 * 32 * (144 + 288 + 16) + 64 * 64 * (288 + 576 + 32) + 16 * 128 * (576 + 1152 + 64));
  ResNet<float> deep({.width = 4, .stages = 2, .blocks_per_stage = 2, .affine = false}, Rng(1));
  CHECK(deep.parameters()[1].name == "stage1.block0.conv1.weight");
  CHECK(deep.feature_channels() == 16);
  CHECK(deep(Variable<float>(random_tensor<float>({1, 9, 9, 3}, 1))).shape() == Shape{1, 3, 3, 16});
  CHECK_THROWS_AS(std::make_unique<ResNet<float>>(BackboneDescription{.width = 0}, Rng(1)), std::invalid_argument);
}

TEST_CASE("the default encoder costs 10 to 45 million multiply-adds at 32x32") {
  ResNet<float> encoder({}, Rng(1));
  CHECK(encoder.multiply_adds(32, 32) >= 10'000'000);
  CHECK(encoder.multiply_adds(32, 32) <= 45'000'000);
}

namespace {
// Gradients of a classifier's loss times `scale`, all in one row.
std::vector<double> loss_gradients(Precision precision, float scale) {
  const PrecisionGuard guard(precision);
  ImageClassifier model({12, 12, {.width = 8}, {"a", "b", "c", "d"}, {}}, Rng(1));
  const std::vector<std::int32_t> labels{0, 1, 2, 3, 0, 1, 2, 3};
  const Variable<float> loss =
      softmax_cross_entropy<float>(model(Variable<float>(random_tensor<float>({8, 12, 12, 3}, 2))), labels);
  loss.backward(full<float>(loss.shape(), scale));
  std::vector<double> all;
  for (const NamedParameter<float>& p : model.parameters())
    for (const float g : p.variable.grad().storage()) all.push_back(static_cast<double>(g));
  return all;
}

double inner_product(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
}  // namespace

TEST_CASE("gradients in bfloat16 point where float's do, and need no scaled loss: those of 1e-20 keep their digits") {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    CAPTURE(to_string(isa));
    const std::vector<double> exact = loss_gradients(Precision::float32, 1),
                              plain = loss_gradients(Precision::bfloat16, 1);
    CHECK(plain != exact);
    CHECK(inner_product(plain, exact) > 0.95 * std::sqrt(inner_product(plain, plain) * inner_product(exact, exact)));
    // bfloat16 has float's range: a power of two before the loss is the same power before every gradient.
    constexpr double scale = 0x1p-66;
    const std::vector<double> tiny = loss_gradients(Precision::bfloat16, static_cast<float>(scale));
    const double largest = std::abs(
        *std::max_element(plain.begin(), plain.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
    double off = 0;
    for (std::size_t i = 0; i < plain.size(); ++i) off = std::max(off, std::abs(tiny[i] / scale - plain[i]));
    CAPTURE(largest, off);
    CHECK(scale * largest < 1e-20);
    CHECK(off <= 1e-7 * largest);
  }
  set_isa(before);
}

TEST_CASE("a classifier fits a handful of random images; a steady step takes no memory from the system") {
  const int threads = num_threads();
  set_num_threads(1);  // how many workspaces live at once depends on how workers overlap
  ImageClassifier model({12, 12, {.width = 4}, {"a", "b", "c", "d"}, {}}, Rng(1));
  Sgd<float> optimizer(model.parameters(), {.weight_decay = 0});
  const Variable<float> images(random_tensor<float>({16, 12, 12, 3}, 3));
  std::vector<std::int32_t> labels(16);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 4);
  double loss = 0;
  [[maybe_unused]] std::uint64_t allocations = 0;
  for (int step = 0; step < 60; ++step) {
    if (step == 20) allocations = memory_stats().system_allocations;
    optimizer.zero_grad();
    const Variable<float> l = softmax_cross_entropy(model(images), std::span<const std::int32_t>(labels));
    l.backward();
    optimizer.step(0.05);
    loss = static_cast<double>(l.item());
  }
  CHECK(loss < 0.05);
#if !defined(CONTEXTURE_POOL_BYPASS)
  CHECK(memory_stats().system_allocations == allocations);
#endif
  set_num_threads(threads);
}
