// SPDX-License-Identifier: MIT
// Pooling, softmax and cross-entropy against naive loops in double, written from the definitions; GELU
// against the error function.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/kernels/pool.hpp"
#include "contexture/kernels/softmax.hpp"
#include "support/catch.hpp"

using namespace contexture;
using kernels::PoolShape;

namespace {

std::vector<double> random_values(Index n, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<double> values(static_cast<std::size_t>(n));
  for (double& x : values) x = static_cast<double>(rng.normal());
  return values;
}

// The pixels (y * w + x) of each window that lie inside the image, one list an output pixel.
std::vector<std::vector<Index>> windows(const PoolShape& s) {
  std::vector<std::vector<Index>> all;
  for (Index oy = 0; oy < s.out_h(); ++oy)
    for (Index ox = 0; ox < s.out_w(); ++ox) {
      all.emplace_back();
      for (Index ky = 0; ky < s.kernel; ++ky)
        for (Index kx = 0; kx < s.kernel; ++kx) {
          const Index y = oy * s.stride + ky - s.padding;
          const Index x = ox * s.stride + kx - s.padding;
          if (y >= 0 && y < s.h && x >= 0 && x < s.w) all.back().push_back(y * s.w + x);
        }
    }
  return all;
}

std::vector<PoolShape> pool_shapes() {
  std::vector<PoolShape> shapes;
  for (const Index c : {1, 3, 17})
    for (const Index kernel : {1, 2, 3})
      for (const Index stride : {1, 2, 3})
        for (Index padding = 0; 2 * padding <= kernel; ++padding)
          shapes.push_back({.n = 3, .h = 5, .w = 4, .c = c, .kernel = kernel, .stride = stride, .padding = padding});
  shapes.push_back({.n = 1, .h = 3, .w = 3, .c = 2, .kernel = 3, .stride = 5, .padding = 0});
  return shapes;
}

}  // namespace

TEST_CASE("pooling agrees with naive loops over kernel, stride and padding") {
  for (const PoolShape& s : pool_shapes()) {
    INFO("c " << s.c << ", kernel " << s.kernel << ", stride " << s.stride << ", padding " << s.padding);
    const std::vector<std::vector<Index>> all = windows(s);
    const auto outputs = static_cast<Index>(all.size());
    REQUIRE(outputs == s.out_h() * s.out_w());
    const std::vector<double> x = random_values(s.n * s.h * s.w * s.c, 1);
    const std::vector<double> dy = random_values(s.n * outputs * s.c, 2);
    std::vector<double> highest(dy.size()), mean(dy.size()), highest_dx(x.size(), 7.0), mean_dx(x.size(), 7.0);
    std::vector<std::int32_t> where(dy.size());
    kernels::max_pool_forward(s, x.data(), highest.data(), where.data());
    kernels::avg_pool_forward(s, x.data(), mean.data());
    kernels::max_pool_backward(s, dy.data(), where.data(), highest_dx.data());
    kernels::avg_pool_backward(s, dy.data(), mean_dx.data());

    std::vector<double> expected_highest_dx(x.size()), expected_mean_dx(x.size());
    for (Index n = 0; n < s.n; ++n)
      for (Index o = 0; o < outputs; ++o)
        for (Index c = 0; c < s.c; ++c) {
          const std::vector<Index>& window = all[static_cast<std::size_t>(o)];
          const auto at = [&](Index pixel) { return static_cast<std::size_t>((n * s.h * s.w + pixel) * s.c + c); };
          const auto out = static_cast<std::size_t>((n * outputs + o) * s.c + c);
          const Index best =
              *std::max_element(window.begin(), window.end(), [&](Index a, Index b) { return x[at(a)] < x[at(b)]; });
          double sum = 0;
          for (const Index pixel : window) sum += x[at(pixel)];
          REQUIRE(highest[out] == x[at(best)]);
          REQUIRE(where[out] == best);
          REQUIRE(mean[out] == Approx(sum / static_cast<double>(window.size())).margin(1e-12));
          expected_highest_dx[at(best)] += dy[out];
          for (const Index pixel : window) expected_mean_dx[at(pixel)] += dy[out] / static_cast<double>(window.size());
        }
    for (std::size_t i = 0; i < x.size(); ++i) {
      REQUIRE(highest_dx[i] == Approx(expected_highest_dx[i]).margin(1e-12));
      REQUIRE(mean_dx[i] == Approx(expected_mean_dx[i]).margin(1e-12));
    }
  }
}

TEST_CASE("max pooling: the first of equals wins, NaN comes through, infinity is a value") {
  const PoolShape s{.n = 1, .h = 2, .w = 2, .c = 1, .kernel = 2, .stride = 2, .padding = 0};
  const float infinity = std::numeric_limits<float>::infinity();
  float y = 0;
  std::int32_t where = -1;
  const auto pool = [&](std::vector<float> x) { kernels::max_pool_forward(s, x.data(), &y, &where); };
  pool({1, 2, 2, 0});
  CHECK((y == 2 && where == 1));
  pool({1, std::numeric_limits<float>::quiet_NaN(), 3, 0});
  CHECK((std::isnan(y) && where == 1));
  pool({-infinity, -infinity, -infinity, -infinity});
  CHECK((y == -infinity && where == 0));
}

TEST_CASE("global average pooling is the mean of each channel") {
  for (const std::size_t channels : {1U, 5U, 16U, 33U}) {
    Tensor<double> x = empty<double>({3, 2, 5, channels});
    const std::vector<double> values = random_values(static_cast<Index>(x.size()), 3);
    std::copy(values.begin(), values.end(), x.data());
    const Variable<double> y = global_avg_pool(Variable<double>(x));
    REQUIRE(y.shape() == Shape{3, channels});
    for (std::size_t n = 0; n < 3; ++n)
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (std::size_t p = 0; p < 10; ++p) sum += values[(n * 10 + p) * channels + c];
        REQUIRE(y.value()(n, c) == Approx(sum / 10).margin(1e-12));
      }
  }
}

TEST_CASE("global average pooling of floats is the mean, rounded once") {
  Tensor<float> x = empty<float>({1, 64, 64, 2});
  const std::vector<double> values = random_values(static_cast<Index>(x.size()), 5);
  std::array<double, 2> sum{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<float>(1000 + values[i]);
    sum[i % 2] += static_cast<double>(x.data()[i]);
  }
  const Variable<float> y = global_avg_pool(Variable<float>(x));
  for (std::size_t c = 0; c < 2; ++c) CHECK(y.value()(0, c) == static_cast<float>(sum[c] / 4096));
}

TEST_CASE("softmax and weighted, smoothed cross-entropy agree with naive loops") {
  for (const Index classes : {1, 2, 3, 8, 101})
    for (const Index rows : {1, 7, 500})
      for (const bool weighted : {false, true})
        for (const double smoothing : {0.0, 0.1, 0.5}) {
          INFO(rows << " rows, " << classes << " classes, weighted " << weighted << ", smoothing " << smoothing);
          std::vector<double> logits = random_values(rows * classes, 4);
          for (double& z : logits) z *= 5;
          std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
          for (std::size_t r = 0; r < labels.size(); ++r)
            labels[r] = static_cast<std::int32_t>(static_cast<Index>(r) * 5 % classes);
          std::vector<double> weights(static_cast<std::size_t>(classes));
          for (std::size_t c = 0; c < weights.size(); ++c) weights[c] = 0.5 + static_cast<double>(c % 4);
          std::vector<double> p(logits.size()), gradient(logits.size(), 7.0);
          kernels::softmax(rows, classes, logits.data(), p.data());
          const double loss =
              kernels::softmax_cross_entropy(rows, classes, logits.data(), labels.data(),
                                             weighted ? weights.data() : nullptr, smoothing, gradient.data());

          double weight_sum = 0;
          double expected_loss = 0;
          for (const std::int32_t label : labels) weight_sum += weighted ? weights[static_cast<std::size_t>(label)] : 1;
          for (Index r = 0; r < rows; ++r) {
            const std::int32_t label = labels[static_cast<std::size_t>(r)];
            const auto target = [&](Index c) {  // what a class weighs in the row, over the weights of all rows
              const double share = (c == label ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
              return share * (weighted ? weights[static_cast<std::size_t>(c)] : 1) / weight_sum;
            };
            double total = 0;
            double targets = 0;
            for (Index c = 0; c < classes; ++c) {
              total += std::exp(logits[static_cast<std::size_t>(r * classes + c)]);
              targets += target(c);
            }
            for (Index c = 0; c < classes; ++c) {
              const auto i = static_cast<std::size_t>(r * classes + c);
              const double probability = std::exp(logits[i]) / total;
              expected_loss -= target(c) * std::log(probability);
              REQUIRE(p[i] == Approx(probability).epsilon(1e-12));
              REQUIRE(gradient[i] == Approx(targets * probability - target(c)).margin(1e-14));
            }
          }
          REQUIRE(loss == Approx(expected_loss).epsilon(1e-11).margin(1e-12));
        }
}

TEST_CASE("softmax in place, and of logits far from zero") {
  std::vector<float> z{1000, 1001, -1e30F};
  kernels::softmax(1, 3, z.data(), z.data());
  CHECK(z[0] == Approx(1 / (1 + std::exp(1.0))).epsilon(1e-5));
  CHECK(z[1] == Approx(1 / (1 + std::exp(-1.0))).epsilon(1e-5));
  CHECK(z[2] == 0);
}

TEST_CASE("GELU is x times the normal distribution function") {
  Tensor<double> x = empty<double>({41});
  for (std::size_t i = 0; i < x.size(); ++i) x(i) = 0.25 * (static_cast<double>(i) - 20);
  const Variable<double> y = gelu(Variable<double>(x));
  for (std::size_t i = 0; i < x.size(); ++i)
    CHECK(y.value()(i) == Approx(x(i) * 0.5 * std::erfc(-x(i) / std::sqrt(2.0))).margin(1e-12));
}

TEST_CASE("mean-squared error is the mean of the squared differences") {
  Tensor<double> a = empty<double>({3, 4});
  Tensor<double> b = empty<double>({3, 4});
  double sum = 0;
  const std::vector<double> values = random_values(24, 6);
  for (std::size_t i = 0; i < 12; ++i) {
    a.data()[i] = values[i];
    b.data()[i] = values[12 + i];
    sum += (values[i] - values[12 + i]) * (values[i] - values[12 + i]);
  }
  CHECK(mse_loss(Variable<double>(a), Variable<double>(b)).item() == Approx(sum / 12));
}
