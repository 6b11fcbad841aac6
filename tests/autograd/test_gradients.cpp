// SPDX-License-Identifier: MIT
// Every op's backward against finite differences in double, over all its options.
#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/parallel.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace contexture;

namespace {

using Inputs = std::span<const Variable<double>>;

Variable<double> random_input(const Shape& shape, std::uint64_t seed, bool requires_grad = true) {
  return Variable<double>(tensors::random_tensor<double>(shape, seed), requires_grad);
}

// Keeps clear of the kinks of ReLU and max, where differences mean nothing.
Variable<double> random_off_zero(const Shape& shape, std::uint64_t seed) {
  Variable<double> v = random_input(shape, seed);
  for (double& x : v.mutable_value().storage()) x += x < 0 ? -0.1 : 0.1;
  return v;
}

}  // namespace

TEST_CASE("gradcheck notices a wrong backward") {
  const auto wrong = [](Inputs in) {
    Tensor<double> y = in[0].value();
    return record<double>("wrong", std::move(y), {in[0]},
                          [](Tensor<double> g, const detail::InputGradients<double>& grads) {
                            g.data()[0] *= 1.001;
                            grads.add(0, std::move(g));
                          });
  };
  CHECK_FALSE(gradcheck(wrong, {random_input({3}, 1)}).empty());
  const auto nan = [](Inputs in) { return scale(in[0], std::nan("")); };
  CHECK_FALSE(gradcheck(nan, {random_input({3}, 1)}).empty());
  CHECK_THROWS_AS(gradcheck(wrong, {Variable<double>(zeros<double>({3}))}),
                  std::invalid_argument);  // nothing to compare
  CHECK_THROWS_AS(gradcheck(wrong, {random_input({3}, 1)}, {.directions = 0}), std::invalid_argument);
}

TEST_CASE("elementwise ops have the right gradients") {
  const GradcheckOptions full{.full_jacobian = true};
  CHECK(gradcheck([](Inputs in) { return relu(in[0]); }, {random_off_zero({2, 3}, 1)}, full) == "");
  CHECK(gradcheck([](Inputs in) { return gelu(in[0]); }, {random_input({2, 3}, 2)}, full) == "");
  CHECK(gradcheck([](Inputs in) { return add(in[0], in[1]); }, {random_input({5}, 1), random_input({5}, 2)}, full) ==
        "");
  CHECK(gradcheck([](Inputs in) { return subtract(in[0], in[1]); }, {random_input({5}, 1), random_input({5}, 2)},
                  full) == "");
  CHECK(gradcheck([](Inputs in) { return mul(in[0], in[1]); }, {random_input({5}, 1), random_input({5}, 2)}, full) ==
        "");
  CHECK(gradcheck([](Inputs in) { return mul(in[0], in[0]); }, {random_input({5}, 1)}, full) == "");
  CHECK(gradcheck([](Inputs in) { return scale(in[0], -2.5); }, {random_input({4}, 1)}, full) == "");
  CHECK(gradcheck([](Inputs in) { return sum(in[0]); }, {random_input({2, 2}, 1)}, full) == "");
  CHECK(gradcheck([](Inputs in) { return mean(in[0]); }, {random_input({2, 2}, 1)}, full) == "");
  CHECK(gradcheck([](Inputs in) { return dropout(in[0], 0.4F, Rng(3)); }, {random_input({40}, 1)}) == "");
}

TEST_CASE("shape ops have the right gradients") {
  const std::vector<std::int32_t> rows{2, 0, 2, 1, 2};
  CHECK(gradcheck([&](Inputs in) { return gather_rows(in[0], rows); }, {random_input({3, 2, 2}, 1)},
                  {.full_jacobian = true}) == "");
  const std::vector<std::int32_t> others{0, 1, 1, 1, 0};
  CHECK(gradcheck([&](Inputs in) { return add_rows(in[0], rows, in[1], others); },
                  {random_input({3, 2, 2}, 1), random_input({2, 2, 2}, 2)}, {.full_jacobian = true}) == "");
  CHECK(gradcheck([&](Inputs in) { return add_rows(in[0], rows, in[0], rows); }, {random_input({3, 2}, 1)}) == "");
  CHECK(gradcheck([](Inputs in) { return reshape(in[0], {3, 4}); }, {random_input({2, 6}, 1)}) == "");
  for (const int axis : {0, 1, 2, -1}) {
    Shape a{2, 3, 4};
    Shape b = a;
    b[static_cast<std::size_t>(axis < 0 ? axis + 3 : axis)] = 5;
    CAPTURE(axis);
    CHECK(gradcheck(
              [axis](Inputs in) {
                return concat({in[0], in[1], in[0]}, axis);
              },
              {random_input(a, 1), random_input(b, 2)}) == "");
  }
}

TEST_CASE("linear has the right gradients, with and without bias") {
  CHECK(gradcheck([](Inputs in) { return linear(in[0], in[1], in[2]); },
                  {random_input({3, 4}, 1), random_input({4, 2}, 2), random_input({2}, 3)},
                  {.full_jacobian = true}) == "");
  CHECK(gradcheck([](Inputs in) { return linear(in[0], in[1]); },
                  {random_input({65, 7}, 1), random_input({7, 33}, 2)}) == "");
}

TEST_CASE("conv2d has the right gradients over kernel, stride, padding, dilation and groups") {
  std::uint64_t seed = 1;
  for (const Index kernel : {1, 2, 3, 5})
    for (const Index stride : {1, 2, 3})
      for (const Index padding : {0, 1, 2})
        for (const Index dilation : {1, 2})
          for (const Index groups : {1, 2}) {
            const auto extent = static_cast<std::size_t>(dilation * (kernel - 1) + 3);
            const std::size_t per_group = 3;
            const auto g = static_cast<std::size_t>(groups);
            const auto r = static_cast<std::size_t>(kernel);
            CAPTURE(kernel, stride, padding, dilation, groups);
            const Conv2dOptions options{stride, padding, dilation, groups};
            seed += 3;
            CHECK(gradcheck([&](Inputs in) { return conv2d(in[0], in[1], in[2], options); },
                            {random_input({2, extent, extent + 1, per_group * g}, seed),
                             random_input({r, r, per_group, 4}, seed + 1), random_input({4}, seed + 2)},
                            {.directions = 2, .seed = seed}) == "");
          }
}

TEST_CASE("pooling ops have the right gradients") {
  for (const Index kernel : {1, 2, 3})
    for (const Index stride : {1, 2})
      for (const Index padding : {0, 1}) {
        if (2 * padding > kernel) continue;
        CAPTURE(kernel, stride, padding);
        const Pool2dOptions options{kernel, stride, padding};
        CHECK(gradcheck([&](Inputs in) { return max_pool2d(in[0], options); }, {random_input({2, 5, 4, 3}, 7)}) == "");
        CHECK(gradcheck([&](Inputs in) { return avg_pool2d(in[0], options); }, {random_input({2, 5, 4, 3}, 8)}) == "");
      }
  CHECK(gradcheck([](Inputs in) { return global_avg_pool(in[0]); }, {random_input({2, 3, 2, 3}, 9)},
                  {.full_jacobian = true}) == "");
}

TEST_CASE("batch_norm has the right gradients: training, affine, residual, ReLU, odd channels") {
  for (const bool training : {true, false})
    for (const bool affine : {true, false})
      for (const bool with_residual : {true, false})
        for (const bool with_relu : {true, false})
          for (const std::size_t channels : {1U, 3U, 8U, 13U}) {
            CAPTURE(training, affine, with_residual, with_relu, channels);
            std::vector<Variable<double>> inputs{random_input({3, 2, 2, channels}, 1), Variable<double>(),
                                                 Variable<double>(), Variable<double>()};
            if (affine) {
              inputs[1] = random_off_zero({channels}, 2);
              inputs[2] = random_input({channels}, 3);
            }
            if (with_residual) inputs[3] = random_input({3, 2, 2, channels}, 4);
            const auto f = [&](Inputs in) {
              Tensor<double> mean = full<double>({channels}, 0.3);
              Tensor<double> variance = full<double>({channels}, 1.7);
              return batch_norm(in[0], in[1], in[2], mean, variance, {.training = training, .relu = with_relu}, in[3]);
            };
            CHECK(gradcheck(f, inputs, {.step = 1e-6, .tolerance = 1e-5}) == "");
          }
}

TEST_CASE("losses have the right gradients") {
  const std::vector<std::int32_t> labels{2, 0, 1, 2};
  const std::vector<double> weights{0.5, 2.0, 1.25};
  for (const double smoothing : {0.0, 0.1})
    for (const bool weighted : {false, true}) {
      CAPTURE(smoothing, weighted);
      CrossEntropyOptions<double> options;
      options.label_smoothing = smoothing;
      if (weighted) options.class_weights = weights;
      CHECK(gradcheck([&](Inputs in) { return softmax_cross_entropy(in[0], labels, options); },
                      {random_input({4, 3}, 5)}, {.full_jacobian = true}) == "");
    }
  Tensor<double> soft = tensors::random_tensor<double>({4, 3}, 8);  // rows that need not sum to 1, one class without
  for (double& q : soft.storage()) q = std::abs(q);
  soft(1, 2) = 0;
  for (const double smoothing : {0.0, 0.1})
    for (const bool weighted : {false, true}) {
      CAPTURE(smoothing, weighted);
      CrossEntropyOptions<double> options;
      options.label_smoothing = smoothing;
      if (weighted) options.class_weights = weights;
      CHECK(gradcheck([&](Inputs in) { return softmax_cross_entropy(in[0], soft, options); }, {random_input({4, 3}, 5)},
                      {.full_jacobian = true}) == "");
    }
  CHECK(gradcheck([](Inputs in) { return mse_loss(in[0], in[1]); }, {random_input({2, 3}, 1), random_input({2, 3}, 2)},
                  {.full_jacobian = true}) == "");
}

TEST_CASE("similarity ops have the right gradients") {
  Tensor<double> off_diagonal = full<double>({5, 5}, 1.0);  // the constant there would drown the differences
  for (std::size_t i = 0; i < 5; ++i) off_diagonal.data()[i * 6] = 0;
  const Variable<double> mask(off_diagonal);
  for (const std::size_t width : {1U, 3U, 17U}) {
    CAPTURE(width);
    CHECK(gradcheck([](Inputs in) { return normalize_rows(in[0]); }, {random_off_zero({5, width}, 1)},
                    {.full_jacobian = true}) == "");
    CHECK(gradcheck([&](Inputs in) { return mul(self_similarity(in[0], 1.7), mask); }, {random_input({5, width}, 2)},
                    {.full_jacobian = true}) == "");
  }
  // Rows shorter than epsilon are divided by it, and the gradient is that of a division by a constant.
  CHECK(gradcheck([](Inputs in) { return normalize_rows(in[0], 100.0); }, {random_input({4, 3}, 3)},
                  {.full_jacobian = true}) == "");
  // Some rows on either side.
  CHECK(gradcheck([](Inputs in) { return normalize_rows(in[0], 1.5); }, {random_input({9, 3}, 4)},
                  {.full_jacobian = true}) == "");
  const std::vector<std::int32_t> partner{3, 2, 1, 0, 5, 4};
  CHECK(
      gradcheck([&](Inputs in) { return softmax_cross_entropy(self_similarity(normalize_rows(in[0]), 5.0), partner); },
                {random_input({6, 4}, 5)}, {.full_jacobian = true}) == "");
}

TEST_CASE("decorrelation_loss has the right gradients, with open and closed hinges, and each term alone") {
  for (const double variance_weight : {0.0, 2.5})
    for (const double covariance_weight : {0.0, 1.5})
      for (const double deviation : {0.0, 0.9, 5.0})  // all columns wide enough, some, none
        for (const Shape& shape : {Shape{2, 1}, Shape{5, 3}, Shape{7, 19}}) {
          CAPTURE(variance_weight, covariance_weight, deviation, shape[1]);
          const DecorrelationOptions options{variance_weight, covariance_weight, deviation, 1e-3};
          CHECK(gradcheck([&](Inputs in) { return decorrelation_loss(in[0], options); }, {random_input(shape, 6)},
                          {.full_jacobian = shape[0] < 7}) == "");
        }
}

TEST_CASE("sums of rows and their gradients are those of plain loops, also where threads share them out") {
  constexpr std::size_t kPairs = 400, kWidth = 300;  // several parts of the rows, and of the columns
  const Variable<float> a(tensors::random_tensor<float>({7, kWidth}, 1), true);
  const Variable<float> b(tensors::random_tensor<float>({5, kWidth}, 2), true);
  const Tensor<float> g = tensors::random_tensor<float>({kPairs, kWidth}, 3);
  std::vector<std::int32_t> first, second;
  Tensor<float> sums = empty<float>({kPairs, kWidth});
  Tensor<float> da = zeros<float>(a.shape()), db = zeros<float>(b.shape());
  for (std::size_t i = 0; i < kPairs; ++i) {
    first.push_back(static_cast<std::int32_t>(i * i % 7));
    second.push_back(static_cast<std::int32_t>(i * 3 % 5));
    for (std::size_t k = 0; k < kWidth; ++k) {
      const std::size_t at_a = i * i % 7 * kWidth + k, at_b = i * 3 % 5 * kWidth + k, at = i * kWidth + k;
      sums.data()[at] = a.value().data()[at_a] + b.value().data()[at_b];
      da.data()[at_a] += g.data()[at];
      db.data()[at_b] += g.data()[at];
    }
  }
  const int before = num_threads();
  for (const int threads : {1, 2, 3}) {
    CAPTURE(threads);
    set_num_threads(threads);
    Variable<float>(a).zero_grad();
    Variable<float>(b).zero_grad();
    const Variable<float> y = add_rows(a, first, b, second);
    CHECK((y.value() == sums));
    y.backward(g);
    CHECK((a.grad() == da));
    CHECK((b.grad() == db));
    Variable<float>(a).zero_grad();
    gather_rows(a, first).backward(g);
    CHECK((a.grad() == da));
  }
  set_num_threads(before);
}

TEST_CASE("similarity and decorrelation have the same bits with any number of threads") {
  // Large enough for matrix products to be shared out.
  const Tensor<float> values = tensors::random_tensor<float>({301, 150}, 1);
  std::vector<std::int32_t> partner;
  for (std::int32_t i = 0; i < 301; ++i) partner.push_back((i + 1) % 301);
  const int before = num_threads();
  std::vector<Tensor<float>> reference;
  for (const int threads : {1, 2, 3, 4}) {
    set_num_threads(threads);
    std::vector<Tensor<float>> result;
    for (const bool similarity : {true, false}) {
      const Variable<float> x(values, true);
      const Variable<float> loss =
          similarity ? softmax_cross_entropy(self_similarity(normalize_rows(x), 2.0F), partner) : decorrelation_loss(x);
      loss.backward();
      result.push_back(loss.value());
      result.push_back(x.grad());
    }
    if (threads == 1) reference = result;
    CAPTURE(threads);
    for (std::size_t i = 0; i < result.size(); ++i) CHECK((result[i] == reference[i]));
  }
  set_num_threads(before);
}
