// SPDX-License-Identifier: MIT
// Flat loops and batch normalisation against naive loops in double: every instruction set this
// processor has, lengths around the vector widths, misaligned pointers, and nothing written outside.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "contexture/kernels/norm.hpp"
#include "support/catch.hpp"
#include "support/isa.hpp"

using namespace contexture;

namespace {

template <class T>
std::vector<T> random_values(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<T> values(n);
  for (T& x : values) x = static_cast<T>(rng.normal());
  return values;
}

// Lengths around W = 4, 8, 16 lanes, their multiples, and one that is shared between threads.
constexpr Index kLengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 48, 66, 130, 100003};

// op(x, y, n) on pointers off by 0 to 3 elements; expected(x[i], y[i]) is what y[i] has to become.
template <class T, class Op, class Expected>
void check_flat(Op op, Expected expected) {
  isa::on_every_one([&] {
    for (const Index n : kLengths) {
      for (const Index shift : {0, 1, 3}) {
        INFO("n " << n << ", shift " << shift);
        const auto size = static_cast<std::size_t>(n + shift + 8);
        const std::vector<T> x = random_values<T>(size, 1);
        const std::vector<T> before = random_values<T>(size, 2);
        std::vector<T> y = before;
        op(x.data() + shift, y.data() + shift, n);
        bool right = true;
        for (std::size_t i = 0; i < size; ++i) {
          const bool inside = static_cast<Index>(i) >= shift && static_cast<Index>(i) < n + shift;
          const double wanted = inside ? expected(static_cast<double>(x[i]), static_cast<double>(before[i]))
                                       : static_cast<double>(before[i]);
          const double tolerance = inside ? 4.0 * static_cast<double>(std::numeric_limits<T>::epsilon()) : 0.0;
          right = right && std::abs(static_cast<double>(y[i]) - wanted) <= tolerance * (1 + std::abs(wanted));
        }
        REQUIRE(right);
      }
    }
  });
}

}  // namespace

TEMPLATE_TEST_CASE("elementwise kernels agree with naive loops at every length and alignment", "", float, double) {
  using T = TestType;
  check_flat<T>([](const T* x, T* y, Index n) { kernels::relu_forward(x, y, n); },
                [](double x, double) { return std::max(x, 0.0); });
  check_flat<T>([](const T* x, T* y, Index n) { kernels::relu_backward(x, y, n); },
                [](double x, double y) { return x > 0 ? y : 0.0; });
  check_flat<T>([](const T* x, T* y, Index n) { kernels::add(x, y, y, n); }, [](double x, double y) { return x + y; });
  check_flat<T>([](const T* x, T* y, Index n) { kernels::multiply(x, y, y, n); },
                [](double x, double y) { return x * y; });
  check_flat<T>([](const T* x, T* y, Index n) { kernels::axpby(T(0.75), x, T(-1.5), y, n); },
                [](double x, double y) { return 0.75 * x - 1.5 * y; });
  check_flat<T>([](const T* x, T* y, Index n) { kernels::scale(T(-2), x, y, n); },
                [](double x, double) { return -2 * x; });
}

TEMPLATE_TEST_CASE("relu lets NaN through on every instruction set", "", float, double) {
  using T = TestType;
  isa::on_every_one([] {
    std::vector<T> x(37, T(-1));
    x[0] = x[17] = x[36] = std::numeric_limits<T>::quiet_NaN();
    std::vector<T> y(x.size(), T(5));
    kernels::relu_forward(x.data(), y.data(), static_cast<Index>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) CHECK((std::isnan(x[i]) ? std::isnan(y[i]) : y[i] == T(0)));
  });
}

TEMPLATE_TEST_CASE("dropout draws what its stream has, the same on every instruction set", "", float, double) {
  using T = TestType;
  const float p = GENERATE(0.5F, 0.3F, 0x1p-24F);
  const Rng rng(11);
  isa::on_every_one([&] {
    for (const Index n : kLengths) {
      INFO("n " << n << ", p " << p);
      const auto size = static_cast<std::size_t>(n);
      std::vector<T> x = random_values<T>(size + 1, 6);
      if (n > 0) x[size] = std::numeric_limits<T>::quiet_NaN();  // dropped or not, it touches no other
      std::vector<T> y(size + 2, T(7));
      std::vector<std::uint8_t> keep(size + 2, 9);
      kernels::dropout_forward(x.data() + 1, y.data() + 1, keep.data() + 1, n, p, rng);
      std::vector<T> grad(size, T(3));
      kernels::dropout_backward(keep.data() + 1, grad.data(), n, p);
      bool right = y[0] == T(7) && y[size + 1] == T(7) && keep[0] == 9 && keep[size + 1] == 9;
      Rng stream(0);
      for (std::size_t i = 0; i < size; ++i) {
        if (i % 8192 == 0) stream = rng.split(i / 8192);
        const bool kept = stream.uniform() >= p;
        const T wanted = x[i + 1] * (T(1) / (T(1) - static_cast<T>(p)));
        right = right && keep[i + 1] == static_cast<std::uint8_t>(kept) &&
                (kept ? y[i + 1] == wanted || (std::isnan(wanted) && std::isnan(y[i + 1])) : y[i + 1] == T(0)) &&
                grad[i] == (kept ? T(3) * (T(1) / (T(1) - static_cast<T>(p))) : T(0));
      }
      REQUIRE(right);
    }
  });
}

TEMPLATE_TEST_CASE("sum of squares and the SGD update agree with naive loops", "", float, double) {
  using T = TestType;
  const bool nesterov = GENERATE(false, true);
  isa::on_every_one([&] {
    for (const Index n : kLengths) {
      INFO("n " << n);
      const auto size = static_cast<std::size_t>(n);
      std::vector<T> w = random_values<T>(size, 3);
      const std::vector<T> grad = random_values<T>(size, 4);
      std::vector<T> velocity = random_values<T>(size, 5);
      double squares = 0;
      std::vector<double> w_expected(size);
      std::vector<double> v_expected(size);
      for (std::size_t i = 0; i < size; ++i) {
        squares += static_cast<double>(w[i]) * static_cast<double>(w[i]);
        const double g = static_cast<double>(grad[i]) + 0.125 * static_cast<double>(w[i]);
        v_expected[i] = 0.5 * static_cast<double>(velocity[i]) + g;
        w_expected[i] = static_cast<double>(w[i]) - 0.25 * (nesterov ? g + 0.5 * v_expected[i] : v_expected[i]);
      }
      REQUIRE(kernels::sum_of_squares(w.data(), n) == Approx(squares).epsilon(1e-5));
      kernels::sgd_update(w.data(), grad.data(), velocity.data(), n,
                          {.rate = T(0.25), .momentum = T(0.5), .weight_decay = T(0.125), .nesterov = nesterov});
      double worst = 0;
      for (std::size_t i = 0; i < size; ++i)
        worst = std::max({worst, std::abs(static_cast<double>(w[i]) - w_expected[i]),
                          std::abs(static_cast<double>(velocity[i]) - v_expected[i])});
      REQUIRE(worst <= 20 * static_cast<double>(std::numeric_limits<T>::epsilon()));
    }
  });
}

TEST_CASE("a sum of squares goes beyond float's range, and tells what is not finite") {
  isa::on_every_one([&] {
    std::vector<float> x(5000, 1.0F);
    x[4100] = 2e19F;
    REQUIRE(kernels::sum_of_squares(x.data(), 5000) == Approx(4e38).epsilon(1e-6));
    x[3] = std::numeric_limits<float>::infinity();
    REQUIRE(kernels::sum_of_squares(x.data(), 5000) == std::numeric_limits<double>::infinity());
    x[3] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE(std::isnan(kernels::sum_of_squares(x.data(), 5000)));
  });
}

namespace {

// Batch-norm of x (rows, channels) by naive loops: how far the kernels are from them.
template <class T>
struct BatchNormCase {
  Index rows, channels;
  bool relu, add;  // add: behind a residual
  std::size_t c = static_cast<std::size_t>(channels);
  std::size_t size = static_cast<std::size_t>(rows) * c;
  double n = static_cast<double>(rows);
  std::vector<T> x = random_values<T>(size, 6), residual = random_values<T>(size, 7), dy = random_values<T>(size, 8);
  std::vector<T> mean{}, inv_std{}, scale{}, offset{}, y{};

  double at(std::size_t r, std::size_t j) const { return static_cast<double>(x[r * c + j]); }
  double scale_at(std::size_t j) const { return static_cast<double>(scale[j]); }
  kernels::NormRows<T> call() const {
    kernels::NormRows<T> s;
    s.rows = rows;
    s.channels = channels;
    s.x = x.data();
    s.scale = scale.data();
    s.offset = offset.data();
    s.relu = relu;
    return s;
  }

  double moments() {
    for (T& value : x) value += T(10);  // far from zero: cancellation would show
    const std::vector<T> gamma = random_values<T>(c, 9);
    const std::vector<T> beta = random_values<T>(c, 10);
    std::vector<double> found_mean(c, 0.0);
    std::vector<double> found_variance(c, 0.0);
    kernels::channel_moments(rows, channels, x.data(), found_mean.data(), found_variance.data());
    for (std::vector<T>* list : {&mean, &inv_std, &scale, &offset}) list->resize(c);
    double worst = 0;
    for (std::size_t j = 0; j < c; ++j) {
      double m = 0;
      double v = 0;
      for (std::size_t r = 0; r < size / c; ++r) m += at(r, j) / n;
      for (std::size_t r = 0; r < size / c; ++r) v += (at(r, j) - m) * (at(r, j) - m) / n;
      worst = std::max({worst, std::abs(found_mean[j] - m) / 10, std::abs(found_variance[j] - v)});
      mean[j] = static_cast<T>(m);
      inv_std[j] = static_cast<T>(1 / std::sqrt(v + 0.01));
      scale[j] = gamma[j] * inv_std[j];
      offset[j] = beta[j] - mean[j] * scale[j];
    }
    return worst;
  }

  double forward() {
    y.resize(size);
    kernels::NormRows<T> s = call();
    s.residual = add ? residual.data() : nullptr;
    kernels::channel_affine(s, y.data());
    double worst = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t j = i % c;
      double wanted = static_cast<double>(x[i]) * scale_at(j) + static_cast<double>(offset[j]) +
                      (add ? static_cast<double>(residual[i]) : 0.0);
      if (relu) wanted = std::max(wanted, 0.0);
      worst = std::max(worst, std::abs(static_cast<double>(y[i]) - wanted) / (1 + 20 * std::abs(scale_at(j))));
    }
    return worst;
  }

  // With batch statistics, behind the residual and the ReLU where asked. Without a residual the ReLU's mask is made
  // from x.
  double backward() const {
    kernels::NormRows<T> s = call();
    s.mean = mean.data();
    s.dy = dy.data();
    s.y = add ? y.data() : nullptr;
    std::vector<T> dx(size);
    std::vector<T> dgamma(c);
    std::vector<T> dbeta(c);
    std::vector<T> masked(size);
    const kernels::NormGradients<T> out{dx.data(), dgamma.data(), dbeta.data(), add ? masked.data() : nullptr};
    kernels::batch_norm_backward(s, inv_std.data(), {}, out);
    double worst = 0;
    for (std::size_t j = 0; j < c; ++j) {
      double sum = 0;
      double sum_xhat = 0;
      const auto xhat = [&](std::size_t r) {
        return (at(r, j) - static_cast<double>(mean[j])) * static_cast<double>(inv_std[j]);
      };
      const auto g = [&](std::size_t r) {
        return relu && !(y[r * c + j] > T(0)) ? 0.0 : static_cast<double>(dy[r * c + j]);
      };
      for (std::size_t r = 0; r < size / c; ++r) {
        sum += g(r);
        sum_xhat += g(r) * xhat(r);
        if (add) worst = std::max(worst, std::abs(static_cast<double>(masked[r * c + j]) - g(r)));
      }
      const double size_of_sums = 10 * (1 + std::sqrt(n));
      worst = std::max({worst, std::abs(static_cast<double>(dbeta[j]) - sum) / size_of_sums,
                        std::abs(static_cast<double>(dgamma[j]) - sum_xhat) / size_of_sums});
      for (std::size_t r = 0; r < size / c; ++r) {
        const double wanted = scale_at(j) * (g(r) - sum / n - xhat(r) * sum_xhat / n);
        worst =
            std::max(worst, std::abs(static_cast<double>(dx[r * c + j]) - wanted) / (1 + 20 * std::abs(scale_at(j))));
      }
    }
    return worst;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("batch-norm kernels agree with naive loops for any number of channels", "", float, double) {
  const double tolerance = std::is_same_v<TestType, float> ? 2e-5 : 1e-12;
  isa::on_every_one([&] {
    for (const Index rows : {1, 2, 7, 300}) {
      for (const Index channels : {1, 3, 4, 8, 15, 16, 17, 24, 33, 64, 127, 192}) {
        for (const int kind : {0, 1, 2, 3}) {
          const bool relu = kind % 2 == 1, add = kind < 2;
          INFO("rows " << rows << ", channels " << channels << ", relu " << relu << ", residual " << add);
          BatchNormCase<TestType> norm{.rows = rows, .channels = channels, .relu = relu, .add = add};
          REQUIRE(norm.moments() <= tolerance);
          REQUIRE(norm.forward() <= tolerance);
          REQUIRE(norm.backward() <= tolerance);
        }
      }
    }
  });
}
