// SPDX-License-Identifier: MIT
// The tape itself: accumulation, freeing, depth, misuse; and the fused batch-norm against its parts.
#include <cmath>
#include <cstring>
#include <thread>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace contexture;
using tensors::random_tensor;

namespace {
Variable<float> leaf(std::initializer_list<float> values) {
  Tensor<float> t = empty<float>({values.size()});
  std::copy(values.begin(), values.end(), t.data());
  return Variable<float>(std::move(t), true);
}
}  // namespace

TEST_CASE("a value used twice gets both gradients") {
  const Variable<float> a = leaf({1});
  const Variable<float> b = add(a, a);
  const Variable<float> c = add(b, b);
  CHECK(c.item() == 4.0F);
  c.backward();
  CHECK(a.grad()(0) == 4.0F);
}

TEST_CASE("one thread goes on with what another began") {
  const Variable<float> a = leaf({1});
  const Variable<float> y = scale(scale(scale(a, 2.0F), 1.0F), 1.0F);
  std::thread([&] { scale(y, 5.0F).backward(); }).join();
  REQUIRE(a.has_grad());
  CHECK(a.grad()(0) == 10.0F);
}

TEST_CASE("gradients accumulate over backward passes until zero_grad") {
  Variable<float> a = leaf({3});
  for (int i = 0; i < 2; ++i) mul(a, a).backward();
  CHECK(a.grad()(0) == 12.0F);
  a.zero_grad();
  CHECK_FALSE(a.has_grad());
  mul(a, a).backward();
  CHECK(a.grad()(0) == 6.0F);
}

TEST_CASE("a chain of 200,000 ops builds, runs backward and dies, without a deep stack") {
  Variable<float> a = leaf({1});
  {
    Variable<float> y = a;
    for (int i = 0; i < 200000; ++i) y = scale(y, 1.0F);
    y.backward();
    CHECK(a.grad()(0) == 1.0F);
  }
  {
    Variable<float> never_run = a;
    for (int i = 0; i < 200000; ++i) never_run = add(never_run, a);
  }
  a.zero_grad();
  CHECK_FALSE(a.has_grad());
}

TEST_CASE("backward frees what it consumed, and the graph leaks nothing") {
  const std::size_t before = memory_stats().bytes_in_use;
  {
    const Variable<float> w(random_tensor<float>({3, 3, 4, 8}, 1), true);
    const Variable<float> x(random_tensor<float>({2, 8, 8, 4}, 2));
    const Variable<float> y = relu(conv2d(x, w));
    const std::size_t held = memory_stats().bytes_in_use;
    sum(mul(y, y)).backward();
    CHECK(memory_stats().bytes_in_use < held + 2 * w.size() * sizeof(float) + 1024);  // only w's gradient came
  }
  CHECK(memory_stats().bytes_in_use == before);
}

TEST_CASE("a second backward through a consumed graph says so") {
  const Variable<float> a = leaf({2});
  const Variable<float> y = mul(a, a);
  const Variable<float> z = scale(y, 2.0F);
  z.backward();
  CHECK_THROWS_AS(z.backward(), std::logic_error);
  CHECK_THROWS_AS(scale(y, 3.0F).backward(), std::logic_error);
  CHECK(a.grad()(0) == 8.0F);
}

TEST_CASE("NoGrad, detach and constants record nothing") {
  Variable<float> a = leaf({2});
  {
    const NoGrad outer;
    { const NoGrad inner; }
    CHECK_FALSE(mul(a, a).requires_grad());
    bool other_thread_records = false;
    std::thread([&] { other_thread_records = mul(a, a).requires_grad(); }).join();
    CHECK(other_thread_records);
  }
  CHECK(mul(a, a).requires_grad());
  CHECK_FALSE(mul(a.detach(), a.detach()).requires_grad());
  CHECK_THROWS_AS(mul(a.detach(), a.detach()).backward(), std::logic_error);
  a.set_requires_grad(false);
  CHECK_FALSE(mul(a, a).requires_grad());
}

TEST_CASE("misuse is named") {
  Variable<float> undefined;
  CHECK_THROWS_AS(undefined.value(), std::logic_error);
  const Variable<float> a = leaf({1, 2});
  CHECK_THROWS_AS(a.item(), std::invalid_argument);
  CHECK_THROWS_AS(mul(a, a).backward(), std::invalid_argument);  // not a scalar, no cotangent
  CHECK_THROWS_AS(a.grad(), std::logic_error);
  Variable<float> y = mul(a, a);
  CHECK_THROWS_AS(y.set_requires_grad(true), std::logic_error);
  const Variable<float> image(zeros<float>({1, 8, 8, 3}));
  const Variable<float> weight(zeros<float>({3, 3, 16, 8}));
  CHECK_THROWS_WITH(conv2d(image, weight), "conv2d: input (1,8,8,3) has 3 channels, weight (3,3,16,8) expects 16");
  CHECK_THROWS_AS(conv2d(Variable<float>(zeros<float>({1, 2, 2, 3})), Variable<float>(zeros<float>({3, 3, 3, 8}))),
                  std::invalid_argument);
  CHECK_THROWS_AS(linear(a, weight), std::invalid_argument);
  CHECK_THROWS_AS(add(a, leaf({1})), std::invalid_argument);
  const std::vector<std::int32_t> bad{2};
  CHECK_THROWS_AS(gather_rows(a, std::span<const std::int32_t>(bad)), std::invalid_argument);
  const std::vector<std::int32_t> none, zero{0};
  CHECK_THROWS_WITH(add_rows(a, zero, a, bad), "add_rows: row 2 of a tensor of shape (2)");
  CHECK_THROWS_WITH(add_rows(a, zero, a, none), "add_rows: 1 rows of (2) and 0 of (2)");
  const std::vector<std::int32_t> label{5};
  CHECK_THROWS_WITH(softmax_cross_entropy(Variable<float>(zeros<float>({1, 3})), std::span<const std::int32_t>(label)),
                    "softmax_cross_entropy: label 5, expected 0 to 2");
  for (const float bad_weight : {-1.0F, std::nanf("")}) {
    const std::vector<float> weights(3, bad_weight);
    const CrossEntropyOptions<float> options{.class_weights = weights};
    CHECK_THROWS_WITH(softmax_cross_entropy<float>(Variable<float>(zeros<float>({1, 3})), label, options),
                      Catch::Matchers::ContainsSubstring("class weight"));
  }
  CHECK_THROWS_AS(dropout(a, 1.0F, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(max_pool2d(Variable<float>(zeros<float>({1, 0, 4, 2})), {.kernel = 2, .padding = 1}),
                  std::invalid_argument);
  CHECK_THROWS_WITH(max_pool2d(Variable<float>(zeros<float>({0, 46341, 46341, 1}))),
                    Catch::Matchers::ContainsSubstring("at most 2147483647 pixels"));
  CHECK_THROWS_AS(concat({a, image}, 0), std::invalid_argument);
}

TEST_CASE("cross-entropy with soft targets is PyTorch's") {
  // torch.nn.functional.cross_entropy(z, q, weight=w, label_smoothing=s) of PyTorch 2, by its definition.
  Tensor<double> z = zeros<double>({2, 3});
  Tensor<double> q = zeros<double>({2, 3});
  const std::vector<double> logits{0.5, -1.0, 2.0, 0.0, 3.0, -0.5}, targets{0.2, 0.3, 0.5, 0.0, 0.9, 0.1};
  const std::vector<double> weights{0.5, 2.0, 1.25};
  std::copy(logits.begin(), logits.end(), z.data());
  std::copy(targets.begin(), targets.end(), q.data());
  for (const bool weighted : {false, true})
    for (const double smoothing : {0.0, 0.25}) {
      double expected = 0;
      for (std::size_t r = 0; r < 2; ++r) {
        double total = 0;
        for (std::size_t c = 0; c < 3; ++c) total += std::exp(z(r, c));
        for (std::size_t c = 0; c < 3; ++c)
          expected -= (weighted ? weights[c] : 1) * ((1 - smoothing) * q(r, c) + smoothing / 3) *
                      (z(r, c) - std::log(total)) / 2;
      }
      CrossEntropyOptions<double> options{.label_smoothing = smoothing};
      if (weighted) options.class_weights = weights;
      CHECK(softmax_cross_entropy(Variable<double>(z), q, options).item() == Approx(expected).epsilon(1e-12));
    }
  // One-hot targets are labels; with labels, weights are divided by.
  const std::vector<std::int32_t> labels{2, 0};
  Tensor<double> hot = zeros<double>({2, 3});
  hot(0, 2) = hot(1, 0) = 1;
  const Variable<double> soft_input(z, true), hard_input(z, true);
  const Variable<double> soft = softmax_cross_entropy(soft_input, hot, {.label_smoothing = 0.1});
  const Variable<double> hard = softmax_cross_entropy<double>(hard_input, labels, {.label_smoothing = 0.1});
  CHECK(soft.item() == Approx(hard.item()).epsilon(1e-12));
  soft.backward();
  hard.backward();
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(soft_input.grad().data()[i] == Approx(hard_input.grad().data()[i]).margin(1e-14));
  // A masked class has no share.
  z(0, 1) = -std::numeric_limits<double>::infinity();
  CHECK(std::isfinite(softmax_cross_entropy(Variable<double>(z), hot).item()));
  Tensor<double> wrong = hot;
  wrong(0, 0) = -0.5;
  CHECK_THROWS_WITH(softmax_cross_entropy(Variable<double>(z), wrong),
                    "softmax_cross_entropy: soft target -0.5, expected a finite number >= 0");
  CHECK_THROWS_WITH(softmax_cross_entropy(Variable<double>(z), zeros<double>({2, 2})),
                    "softmax_cross_entropy: logits (2,3) for soft targets (2,2), expected (N,C) twice, for N >= 1");
}

TEST_CASE("backward refuses a loss that is no finite number, and leaves gradients alone") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const Variable<float> x(full<float>({3}, 2.0F), true);
    CHECK_THROWS_AS(sum(scale(x, bad)).backward(), std::invalid_argument);
    CHECK_FALSE(x.has_grad());
    // With a cotangent of one's own it is not asked: fit() looks at its losses itself.
    sum(scale(x, bad)).backward(full<float>({}, 1.0F));
    CHECK(x.has_grad());
  }
  CHECK_THROWS_WITH(sum(Variable<float>(full<float>({1}, std::nanf("")), true)).backward(),
                    Catch::Matchers::ContainsSubstring("nan, expected a finite number"));
}

TEST_CASE("softmax cross-entropy takes extreme logits") {
  const std::vector<std::int32_t> labels{0, 1};
  Tensor<float> t = empty<float>({2, 2});
  t(0, 0) = 1000;
  t(0, 1) = -1000;
  t(1, 0) = -1e30F;
  t(1, 1) = -1e30F;
  const Variable<float> logits(std::move(t), true);
  const Variable<float> loss = softmax_cross_entropy(logits, std::span<const std::int32_t>(labels));
  CHECK(loss.item() == Approx(std::log(2.0) / 2));
  loss.backward();
  CHECK(logits.grad()(1, 0) == Approx(0.25));

  // A class that is masked, and finite logits whose difference is not.
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<std::int32_t> first{0};
  const auto of = [&](float x, float y, float z) {
    Tensor<float> row = empty<float>({1, 3});
    row(0, 0) = x;
    row(0, 1) = y;
    row(0, 2) = z;
    return softmax_cross_entropy(Variable<float>(std::move(row)), std::span<const std::int32_t>(first)).item();
  };
  CHECK(of(0, 0, -inf) == Approx(std::log(2.0)));
  CHECK(of(3e38F, -3e38F, 0) == 0.0F);
}

TEST_CASE("count_correct: the first of the largest logits is the answer") {
  Tensor<double> logits = zeros<double>({3, 3});
  logits(1, 2) = 1;
  logits(2, 0) = -1;
  const std::vector<std::int32_t> labels{0, 2, 2};  // the last: 1, of two equals
  CHECK(count_correct(logits, labels) == 2);
  CHECK_THROWS_AS(count_correct(logits, std::span(labels).first(2)), std::invalid_argument);
}

TEST_CASE("batch-norm: normalised output, running statistics, and far from zero") {
  for (const float offset : {0.0F, 1000.0F}) {
    const std::size_t rows = 1000;
    Tensor<float> t = random_tensor<float>({rows, 5}, 3);
    for (float& v : t.storage()) v += offset;
    Tensor<float> mean = zeros<float>({5});
    Tensor<float> variance = full<float>({5}, 1.0F);
    const Variable<float> y = batch_norm(Variable<float>(t), {}, {}, mean, variance, {.momentum = 1.0});
    for (std::size_t c = 0; c < 5; ++c) {
      double s = 0, q = 0, truth = 0, spread = 0;
      for (std::size_t r = 0; r < rows; ++r) {
        s += static_cast<double>(y.value()(r, c));
        q += static_cast<double>(y.value()(r, c)) * static_cast<double>(y.value()(r, c));
        truth += static_cast<double>(t(r, c)) / static_cast<double>(rows);
      }
      for (std::size_t r = 0; r < rows; ++r) spread += std::pow(static_cast<double>(t(r, c)) - truth, 2);
      CHECK(std::abs(s / static_cast<double>(rows)) < 1e-3);
      CHECK(q / static_cast<double>(rows) == Approx(1.0).epsilon(1e-3));
      CHECK(static_cast<double>(mean(c)) == Approx(truth).epsilon(1e-5).margin(1e-6));
      CHECK(static_cast<double>(variance(c)) == Approx(spread / static_cast<double>(rows - 1)).epsilon(1e-4));
    }
  }
}

TEST_CASE("batch-norm with residual and ReLU equals the unfused ops, values and gradients, on every ISA") {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    for (const std::size_t channels : {1U, 3U, 16U, 24U, 37U}) {
      CAPTURE(to_string(isa), channels);
      const Shape shape{4, 5, 3, channels};
      const Shape row{channels};
      const auto make = [&] {
        return std::vector<Variable<double>>{Variable<double>(random_tensor<double>(shape, 1), true),
                                             Variable<double>(random_tensor<double>(row, 2), true),
                                             Variable<double>(random_tensor<double>(row, 3), true),
                                             Variable<double>(random_tensor<double>(shape, 4), true)};
      };
      std::vector<Variable<double>> a = make();
      std::vector<Variable<double>> b = make();
      Tensor<double> m1 = zeros<double>(row), v1 = full<double>(row, 1.0), m2 = m1, v2 = v1;
      const Tensor<double> u = random_tensor<double>(shape, 5);
      const Variable<double> fused = batch_norm(a[0], a[1], a[2], m1, v1, {.relu = true}, a[3]);
      const Variable<double> parts = relu(add(batch_norm(b[0], b[1], b[2], m2, v2), b[3]));
      for (std::size_t i = 0; i < fused.size(); ++i)
        REQUIRE(fused.value().data()[i] == Approx(parts.value().data()[i]));
      fused.backward(u);
      parts.backward(u);
      for (std::size_t k = 0; k < a.size(); ++k)
        for (std::size_t i = 0; i < a[k].size(); ++i)
          REQUIRE(a[k].grad().data()[i] == Approx(b[k].grad().data()[i]).margin(1e-12));
      CHECK(m1(0) == m2(0));
    }
  }
  set_isa(before);
}

TEST_CASE("flat kernels agree with plain loops on every ISA, length and misalignment, NaN included") {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    for (const std::size_t n : {0U, 1U, 3U, 15U, 16U, 17U, 48U, 130U})
      for (const std::size_t shift : {0U, 1U, 3U}) {
        CAPTURE(to_string(isa), n, shift);
        Tensor<float> x = random_tensor<float>({n + shift + 1}, n + 1);
        Tensor<float> y = random_tensor<float>({n + shift + 1}, n + 2);
        Tensor<float> out = full<float>({n + shift + 1}, 7.0F);
        if (n > 2) x.data()[shift + 1] = std::nanf("");
        const auto length = static_cast<Index>(n);
        kernels::relu_forward(x.data() + shift, out.data() + shift, length);
        for (std::size_t i = shift; i < n + shift; ++i) {
          const float expected = x.data()[i] < 0 ? 0 : x.data()[i];
          CHECK(std::memcmp(&expected, out.data() + i, sizeof(float)) == 0);
        }
        CHECK(out.data()[n + shift] == 7.0F);  // nothing written behind the end
        kernels::multiply(x.data() + shift, y.data() + shift, out.data() + shift, length);
        for (std::size_t i = shift; i < n + shift; ++i) {
          const float expected = x.data()[i] * y.data()[i];
          CHECK((std::isnan(expected) ? std::isnan(out.data()[i]) : out.data()[i] == expected));
        }
        Tensor<float> acc = y;
        kernels::axpby(0.5F, x.data() + shift, 2.0F, acc.data() + shift, length);
        for (std::size_t i = shift; i < n + shift; ++i)
          if (!std::isnan(x.data()[i]))
            CHECK(acc.data()[i] == Approx(0.5F * x.data()[i] + 2.0F * y.data()[i]).margin(1e-6));
      }
  }
  set_isa(before);
}

TEST_CASE("dropout keeps the mean, scales what it keeps, and does not depend on threads") {
  const Variable<float> x(full<float>({100000}, 1.0F));
  const int threads = num_threads();
  set_num_threads(1);
  const Variable<float> one = dropout(x, 0.3F, Rng(5));
  set_num_threads(2);
  const Variable<float> two = dropout(x, 0.3F, Rng(5));
  set_num_threads(threads);
  CHECK(one.value() == two.value());
  double total = 0;
  for (const float v : one.value().storage()) {
    REQUIRE((v == 0.0F || v == Approx(1.0F / 0.7F)));
    total += static_cast<double>(v);
  }
  CHECK(total / 100000 == Approx(1.0).epsilon(0.02));
}
