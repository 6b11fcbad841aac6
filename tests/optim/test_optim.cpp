// SPDX-License-Identifier: MIT
// Optimisers: ten steps against recurrences written out in double; schedules at their corners.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "contexture/nn/layers.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/optim/weight_average.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace contexture;

namespace {

// A matrix (decayed) and a vector (not), with loss sum(a * w^2 / 2 + b * w).
struct Problem {
  std::vector<NamedParameter<double>> parameters;
  Tensor<double> curvature = empty<double>({2, 3});

  Problem() {
    Rng rng(4);
    Tensor<double> matrix = empty<double>({2, 3});
    for (double& x : matrix.storage()) x = static_cast<double>(rng.normal());
    for (double& x : curvature.storage()) x = 0.5 + static_cast<double>(rng.uniform());
    Tensor<double> vector = full<double>({2}, 0.7);
    parameters.push_back({"matrix", Variable<double>(std::move(matrix), true)});
    parameters.push_back({"vector", Variable<double>(std::move(vector), true)});
  }

  void backward() {
    for (auto& p : parameters) p.variable.zero_grad();
    const Variable<double> m = parameters[0].variable;
    const Variable<double> v = parameters[1].variable;
    const Variable<double> loss = add(scale(sum(mul(mul(m, m), Variable<double>(curvature))), 0.5), sum(mul(v, v)));
    loss.backward();
  }
};

}  // namespace

TEST_CASE("an optimiser without parameters, and a step without gradients, are mistakes") {
  CHECK_THROWS_WITH(Sgd<float>({}), Catch::Matchers::ContainsSubstring("no parameters"));
  CHECK_THROWS_WITH(AdamW<float>(Sequential<float>().parameters()),
                    Catch::Matchers::ContainsSubstring("no parameters"));
  Linear<float> layer(3, 2, Rng(1));
  const Tensor<float> before = layer.parameters()[0].variable.value();
  Sgd<float> sgd(layer.parameters());
  CHECK_THROWS_WITH(sgd.step(0.1), Catch::Matchers::ContainsSubstring("call backward()"));
  sum(layer(Variable<float>(full<float>({4, 3}, 1.0F)))).backward();
  sgd.step(0.1);
  CHECK(layer.parameters()[0].variable.value() != before);
  sgd.zero_grad();
  CHECK_THROWS_AS(sgd.step(0.1), std::logic_error);
}

TEST_CASE("SGD: ten steps equal the recurrence, weight decay on matrices only") {
  for (const bool nesterov : {false, true}) {
    Problem problem;
    Tensor<double> w = problem.parameters[0].variable.value();
    Tensor<double> u = problem.parameters[1].variable.value();
    Tensor<double> vw = zeros<double>({2, 3});
    Tensor<double> vu = zeros<double>({2});
    Sgd<double> optimizer(problem.parameters, {.momentum = 0.9, .nesterov = nesterov, .weight_decay = 0.1});
    for (int step = 0; step < 10; ++step) {
      const double lr = 0.05 / (1 + step);
      problem.backward();
      optimizer.step(lr);
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double g = problem.curvature.data()[i] * w.data()[i] + 0.1 * w.data()[i];
        vw.data()[i] = 0.9 * vw.data()[i] + g;
        w.data()[i] -= lr * (nesterov ? g + 0.9 * vw.data()[i] : vw.data()[i]);
      }
      for (std::size_t i = 0; i < u.size(); ++i) {
        const double g = 2 * u.data()[i];
        vu.data()[i] = 0.9 * vu.data()[i] + g;
        u.data()[i] -= lr * (nesterov ? g + 0.9 * vu.data()[i] : vu.data()[i]);
      }
    }
    for (std::size_t i = 0; i < w.size(); ++i)
      CHECK(problem.parameters[0].variable.value().data()[i] == Approx(w.data()[i]).epsilon(1e-12));
    for (std::size_t i = 0; i < u.size(); ++i)
      CHECK(problem.parameters[1].variable.value().data()[i] == Approx(u.data()[i]).epsilon(1e-12));
  }
}

TEST_CASE("Muon's orthogonaliser: singular values near 1, in both shapes, as the quintic applied to the whole matrix") {
  for (const auto& [rows, columns] : {std::pair<Index, Index>{45, 6}, {6, 45}, {8, 8}, {1, 5}, {5, 1}}) {
    CAPTURE(rows, columns);
    Rng rng(static_cast<std::uint64_t>(10 * rows + columns));
    std::vector<double> x(static_cast<std::size_t>(rows * columns));
    for (double& v : x) v = 3 * static_cast<double>(rng.normal());
    const Tensor<double> tensor = orthogonalizer<double>(rows, columns, x.data(), {});
    REQUIRE(tensor.shape() == Shape(2, static_cast<std::size_t>(std::min(rows, columns))));
    const std::vector<double> q(tensor.data(), tensor.data() + tensor.size());
    const auto product = [](Index m, Index n, Index k, const auto& left, const auto& right) {
      std::vector<double> out(static_cast<std::size_t>(m * n));
      for (Index i = 0; i < m; ++i)
        for (Index j = 0; j < n; ++j)
          for (Index l = 0; l < k; ++l) out[static_cast<std::size_t>(i * n + j)] += left(i, l) * right(l, j);
      return out;
    };
    const auto plain = [](const std::vector<double>& a, Index width) {
      return [&a, width](Index i, Index j) { return a[static_cast<std::size_t>(i * width + j)]; };
    };
    const auto transposed = [](const std::vector<double>& a, Index width) {
      return [&a, width](Index i, Index j) { return a[static_cast<std::size_t>(j * width + i)]; };
    };
    const bool tall = rows >= columns;
    const std::vector<double> result = tall ? product(rows, columns, columns, plain(x, columns), plain(q, columns))
                                            : product(rows, columns, rows, plain(q, rows), plain(x, columns));

    // X / |X|, then five times X (a + b X'X + c (X'X)^2).
    const NewtonSchulz coefficients;
    double squares = 0;
    for (const double v : x) squares += v * v;
    std::vector<double> expected = x;
    for (double& v : expected) v /= std::sqrt(squares);
    for (int step = 0; step < coefficients.steps; ++step) {
      const auto gram = product(columns, columns, rows, transposed(expected, columns), plain(expected, columns));
      auto poly = product(columns, columns, columns, plain(gram, columns), plain(gram, columns));
      for (std::size_t i = 0; i < poly.size(); ++i) poly[i] = coefficients.b * gram[i] + coefficients.c * poly[i];
      for (Index i = 0; i < columns; ++i) poly[static_cast<std::size_t>(i * columns + i)] += coefficients.a;
      expected = product(rows, columns, columns, plain(expected, columns), plain(poly, columns));
    }
    double norm = 0;
    for (std::size_t i = 0; i < result.size(); ++i) {
      CHECK(result[i] == Approx(expected[i]).margin(1e-9));
      norm += result[i] * result[i];
    }
    const double mean_square = norm / static_cast<double>(std::min(rows, columns));  // of the singular values
    CHECK(mean_square > 0.68 * 0.68);
    CHECK(mean_square < 1.21 * 1.21);
  }
}

TEST_CASE("Muon's orthogonaliser: zeros for a matrix of zeros or with a NaN") {
  std::vector<float> x(12, 0.0F);
  CHECK((orthogonalizer<float>(4, 3, x.data(), {}) == zeros<float>({3, 3})));
  x[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK((orthogonalizer<float>(4, 3, x.data(), {}) == zeros<float>({3, 3})));
  for (const float wild : {std::numeric_limits<float>::infinity(), -1e30F}) {
    x[5] = wild;
    CHECK((orthogonalizer<float>(4, 3, x.data(), {}) == zeros<float>({3, 3})));
  }
  // Where gradients end, the velocity fades through numbers whose squares are too small to be divided by.
  for (float tiny = 1e-15F; tiny > 0; tiny *= 0.5F) {
    std::fill(x.begin(), x.end(), tiny);
    const Tensor<float> q = orthogonalizer<float>(4, 3, x.data(), {});
    for (const float value : q.storage()) REQUIRE(std::isfinite(value));
  }
}

TEST_CASE("Muon's orthogonaliser undoes the size of a matrix, large or small") {
  const Tensor<double> x = tensors::random_tensor<double>({6, 4}, 3);
  const Tensor<double> q = orthogonalizer<double>(6, 4, x.data(), {});
  for (const double factor : {1e-3, 1e3}) {
    Tensor<double> scaled = x;
    for (double& v : scaled.storage()) v *= factor;
    const Tensor<double> other = orthogonalizer<double>(6, 4, scaled.data(), {});
    for (std::size_t i = 0; i < q.size(); ++i) CHECK(factor * other.data()[i] == Approx(q.data()[i]).margin(1e-9));
  }
}

TEST_CASE("Muon leaves a convolution without a gradient alone") {
  Variable<float> with(full<float>({1, 1, 2, 2}, 1.0F), true), without(full<float>({1, 1, 2, 2}, 1.0F), true);
  Muon<float> muon({{"with", with}, {"without", without}});
  sum(with).backward();
  muon.step(0.1);
  CHECK(without.value() == full<float>({1, 1, 2, 2}, 1.0F));
  CHECK(with.value() != full<float>({1, 1, 2, 2}, 1.0F));
}

TEST_CASE("Muon keeps weights of zero at zero: their norm stays") {
  Variable<float> weights(zeros<float>({1, 1, 2, 2}), true);
  Muon<float> muon({{"weights", weights}});
  sum(weights).backward();
  muon.step(0.1);
  CHECK(weights.value() == zeros<float>({1, 1, 2, 2}));
}

TEST_CASE("Muon: a convolution's weights turn by the rate and keep their norm, all others go as with SGD") {
  Rng rng(9);
  const auto random = [&rng](const Shape& shape) {
    Tensor<double> t = empty<double>(shape);
    for (double& x : t.storage()) x = static_cast<double>(rng.normal());
    return t;
  };
  const auto norm = [](const Tensor<double>& t) {
    double squares = 0;
    for (std::size_t i = 0; i < t.size(); ++i) squares += t.data()[i] * t.data()[i];
    return std::sqrt(squares);
  };
  const Tensor<double> slope = random({3, 3, 4, 5});
  Variable<double> conv(random({3, 3, 4, 5}), true);
  Problem problem;
  Problem same;
  Sgd<double> sgd(same.parameters, {.weight_decay = 0.1});
  problem.parameters.push_back({"conv", conv});
  Muon<double> muon(problem.parameters, {.rate = 0.5, .weight_decay = 0.1});
  const double before = norm(conv.value());
  for (int step = 0; step < 5; ++step) {
    const Tensor<double> old = conv.value();
    problem.backward();
    conv.zero_grad();
    sum(mul(conv, Variable<double>(slope))).backward();
    muon.step(0.1);
    same.backward();
    sgd.step(0.1);
    CHECK(norm(conv.value()) == Approx(before).epsilon(1e-12));
    double along = 0, moved = 0;
    for (std::size_t i = 0; i < old.size(); ++i) {
      const double difference = conv.value().data()[i] - old.data()[i];
      along += difference * slope.data()[i];
      moved += difference * difference;
    }
    CHECK(along < 0);                                     // downhill
    CHECK(std::sqrt(moved) / before > 0.5 * 0.1 * 0.65);  // singular values of 0.68 to 1.2, less what
    CHECK(std::sqrt(moved) / before < 0.5 * 0.1 * 1.25);  // went along the weights and was scaled away
  }
  for (const std::size_t i : {0U, 1U}) {
    const Tensor<double>& ours = problem.parameters[i].variable.value();
    for (std::size_t k = 0; k < ours.size(); ++k)
      CHECK(ours.data()[k] == Approx(same.parameters[i].variable.value().data()[k]).epsilon(1e-12));
  }
  CHECK_THROWS_AS(Muon<double>(problem.parameters, {.rate = 0}), std::invalid_argument);
  CHECK_THROWS_AS(Muon<double>(problem.parameters, {.momentum = 1}), std::invalid_argument);
}

TEST_CASE("AdamW: ten steps equal the paper's algorithm") {
  Problem problem;
  Tensor<double> w = problem.parameters[0].variable.value();
  Tensor<double> m = zeros<double>({2, 3});
  Tensor<double> v = zeros<double>({2, 3});
  AdamW<double> optimizer(problem.parameters, {.weight_decay = 0.05});
  for (int t = 1; t <= 10; ++t) {
    problem.backward();
    optimizer.step(0.01);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = problem.curvature.data()[i] * w.data()[i];
      m.data()[i] = 0.9 * m.data()[i] + 0.1 * g;
      v.data()[i] = 0.999 * v.data()[i] + 0.001 * g * g;
      const double m_hat = m.data()[i] / (1 - std::pow(0.9, t));
      const double v_hat = v.data()[i] / (1 - std::pow(0.999, t));
      w.data()[i] -= 0.01 * (m_hat / (std::sqrt(v_hat) + 1e-8) + 0.05 * w.data()[i]);
    }
  }
  for (std::size_t i = 0; i < w.size(); ++i)
    CHECK(problem.parameters[0].variable.value().data()[i] == Approx(w.data()[i]).epsilon(1e-10));
}

TEST_CASE("AdamW in float takes 1 - beta from double") {
  Variable<float> w(full<float>({1}, 1.0F), true);
  AdamW<float> optimizer({{"w", w}});
  w.backward(full<float>({1}, 3.0F));
  optimizer.step(0.1);
  for (const NamedState<float>& state : optimizer.state()) {
    if (state.name == "m.w") CHECK(state.tensor->data()[0] == Approx(0.1 * 3).epsilon(2e-7));
    if (state.name == "v.w") CHECK(state.tensor->data()[0] == Approx(0.001 * 9).epsilon(2e-7));
  }
}

TEST_CASE("float steps on every ISA follow the double recurrence, tails included") {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    for (const std::size_t n : {1U, 7U, 16U, 35U}) {
      Tensor<float> w = full<float>({n}, 1.0F), g = full<float>({n}, 0.5F), v = full<float>({n}, 0.25F);
      kernels::sgd_update(w.data(), g.data(), v.data(), static_cast<Index>(n),
                          {.rate = 0.1F, .momentum = 0.9F, .weight_decay = 0.01F, .nesterov = true});
      const double grad = 0.5 + 0.01;
      const double velocity = 0.9 * 0.25 + grad;
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(static_cast<double>(v.data()[i]) == Approx(velocity));
        CHECK(static_cast<double>(w.data()[i]) == Approx(1.0 - 0.1 * (grad + 0.9 * velocity)));
      }
    }
  }
  set_isa(before);
}

TEST_CASE("frozen parameters stay, and state has names") {
  Problem problem;
  Sgd<double> optimizer(problem.parameters);
  problem.backward();
  problem.parameters[0].variable.set_requires_grad(false);
  const Tensor<double> kept = problem.parameters[0].variable.value();
  optimizer.step(0.1);
  CHECK(problem.parameters[0].variable.value() == kept);
  CHECK(problem.parameters[1].variable.value()(0) != 0.7);
  CHECK(optimizer.state()[1].name == "velocity.vector");
  CHECK_THROWS_AS(optimizer.step(std::nan("")), std::invalid_argument);
  CHECK_THROWS_AS(optimizer.step(-1), std::invalid_argument);
}

TEST_CASE("at rate 0 no weight changes by a bit, and the optimiser remembers the gradients all the same") {
  const auto parameters = [] {
    std::vector<NamedParameter<float>> list;
    Rng rng(3);
    for (const Shape& shape : {Shape{3, 3, 4, 5}, Shape{6, 7}, Shape{5}}) {
      Tensor<float> t = empty<float>(shape);
      for (float& x : t.storage()) x = rng.normal();
      list.push_back({std::to_string(list.size()), Variable<float>(std::move(t), true)});
    }
    return list;
  };
  const auto check = [&](auto make) {
    std::vector<NamedParameter<float>> list = parameters();
    std::vector<Tensor<float>> before;
    for (const auto& p : list) before.push_back(p.variable.value());
    auto optimizer = make(list);
    for (const float gradient : {1e-40F, 1.0F, 1e10F, 0.0F}) {
      for (auto& p : list) {
        p.variable.zero_grad();
        sum(scale(p.variable, gradient)).backward();
      }
      optimizer.step(0);
      for (std::size_t i = 0; i < list.size(); ++i) REQUIRE((list[i].variable.value() == before[i]));
    }
    bool remembers = false;
    for (const NamedState<float>& state : optimizer.state())
      for (const float x : state.tensor->storage()) remembers = remembers || x > 1e8F;
    CHECK(remembers);
  };
  check([](const auto& list) { return Sgd<float>(list); });
  check([](const auto& list) { return AdamW<float>(list); });
  check([](const auto& list) { return Muon<float>(list); });
}

TEST_CASE("gradients of zero leave a weight to its decay alone") {
  for (const double decay : {0.0, 0.1}) {
    Problem sgd_problem, adam_problem;
    Sgd<double> sgd(sgd_problem.parameters, {.weight_decay = decay});
    AdamW<double> adam(adam_problem.parameters, {.weight_decay = decay});
    const Tensor<double> start = sgd_problem.parameters[0].variable.value();
    for (auto* problem : {&sgd_problem, &adam_problem})
      for (auto& p : problem->parameters) {
        p.variable.zero_grad();
        sum(scale(p.variable, 0.0)).backward();
      }
    sgd.step(0.5);
    adam.step(0.5);
    for (std::size_t i = 0; i < 6; ++i) {
      // Nesterov's first step is 1.9 times the gradient.
      CHECK(sgd_problem.parameters[0].variable.value().data()[i] ==
            Approx(start.data()[i] * (1 - 0.5 * 1.9 * decay)).epsilon(1e-12));
      CHECK(adam_problem.parameters[0].variable.value().data()[i] ==
            Approx(start.data()[i] * (1 - 0.5 * decay)).epsilon(1e-12));
    }
    for (auto* problem : {&sgd_problem, &adam_problem})
      CHECK(problem->parameters[1].variable.value() == full<double>({2}, 0.7));
  }
}

TEST_CASE("a parameter that modules share is updated once and counts once") {
  Problem once, twice;
  auto list = twice.parameters;
  list.push_back(list[0]);
  list.back().name = "again";
  Sgd<double> a(once.parameters), b(list);
  once.backward();
  twice.backward();
  CHECK(clip_grad_norm<double>(list, 0.5) == clip_grad_norm<double>(once.parameters, 0.5));
  a.step(0.1);
  b.step(0.1);
  CHECK(twice.parameters[0].variable.value() == once.parameters[0].variable.value());
}

TEST_CASE("AdamW: a parameter that was frozen begins as at the first step") {
  Problem fresh, frozen;
  AdamW<double> a(fresh.parameters), b(frozen.parameters);
  frozen.parameters[0].variable.set_requires_grad(false);
  const Tensor<double> kept = frozen.parameters[0].variable.value();
  for (int i = 0; i < 50; ++i) {
    frozen.backward();
    b.step(0.1);
  }
  REQUIRE(frozen.parameters[0].variable.value() == kept);
  frozen.parameters[0].variable.set_requires_grad(true);
  for (Problem* problem : {&fresh, &frozen}) {
    problem->backward();
    for (double& g : problem->parameters[0].variable.mutable_grad().storage()) g = 0.3;
  }
  a.step(0.1);
  b.step(0.1);
  CHECK(frozen.parameters[0].variable.value() == fresh.parameters[0].variable.value());
}

TEST_CASE("parameters by name have learning rates of their own") {
  const auto stepped = [](auto make, double lr, double matrix_factor) {
    Problem problem;
    auto optimizer = make(problem.parameters);
    if (matrix_factor != 1) optimizer.scale_rate("mat", matrix_factor);
    for (int i = 0; i < 3; ++i) {
      problem.backward();
      optimizer.step(lr);
    }
    return std::pair(problem.parameters[0].variable.value(), problem.parameters[1].variable.value());
  };
  const auto check = [&](auto make) {
    const auto plain = stepped(make, 0.1, 1), slow = stepped(make, 0.05, 1), mixed = stepped(make, 0.1, 0.5);
    CHECK(mixed.first == slow.first);
    CHECK(mixed.second == plain.second);
    CHECK_FALSE(plain.first == slow.first);
  };
  check([](const auto& parameters) { return Sgd<double>(parameters); });
  check([](const auto& parameters) { return AdamW<double>(parameters); });
  Problem problem;
  Sgd<double> optimizer(problem.parameters);
  CHECK_THROWS_WITH(optimizer.scale_rate("encoder.", 0.5), Catch::Matchers::ContainsSubstring("encoder."));
  CHECK_THROWS_AS(optimizer.scale_rate("matrix", -1), std::invalid_argument);
}

TEST_CASE("a weight decay that is scaled by name is a smaller decay for those names alone") {
  const auto stepped = [](auto make, double decay, double matrix_factor) {
    Problem problem;
    auto optimizer = make(problem.parameters, decay);
    if (matrix_factor != 1) optimizer.scale_decay("mat", matrix_factor);
    problem.backward();
    optimizer.step(0.1);
    return std::pair(problem.parameters[0].variable.value(), problem.parameters[1].variable.value());
  };
  const auto check = [&](auto make) {
    const auto plain = stepped(make, 0.5, 1), none = stepped(make, 0.0, 1), mixed = stepped(make, 0.5, 0);
    CHECK(mixed.first == none.first);
    CHECK(mixed.second == plain.second);
    CHECK_FALSE(plain.first == none.first);
    CHECK_FALSE(plain.second == none.second);
  };
  check([](const auto& parameters, double decay) {
    return Sgd<double>(parameters, {.weight_decay = decay, .decay_all = true});
  });
  check([](const auto& parameters, double decay) {
    return AdamW<double>(parameters, {.weight_decay = decay, .decay_all = true});
  });
  Problem problem;
  Sgd<double> optimizer(problem.parameters);
  CHECK_THROWS_WITH(optimizer.scale_decay("encoder.", 0.5), Catch::Matchers::ContainsSubstring("scale_decay"));
}

TEST_CASE("gradient clipping scales the joint norm down to the bound, and only down") {
  Problem problem;
  problem.backward();
  const double norm = clip_grad_norm<double>(problem.parameters, 1e9);
  double squares = 0;
  for (auto& p : problem.parameters)
    for (const double g : p.variable.grad().storage()) squares += g * g;
  CHECK(norm == Approx(std::sqrt(squares)));
  CHECK(clip_grad_norm<double>(problem.parameters, norm / 4) == Approx(norm));
  CHECK(clip_grad_norm<double>(problem.parameters, 1e9) == Approx(norm / 4));
  CHECK_THROWS_AS(clip_grad_norm<double>(problem.parameters, 0), std::invalid_argument);
}

TEST_CASE("optimisers refuse options that make no sense, at the bounds exactly") {
  const Problem problem;
  const auto adam = [&](const AdamWOptions& options) { AdamW<double>(problem.parameters, options); };
  CHECK_NOTHROW(adam({.beta1 = 0, .beta2 = 0, .weight_decay = 0}));
  for (const AdamWOptions& wrong :
       {AdamWOptions{.beta1 = 1}, AdamWOptions{.beta1 = -0.1}, AdamWOptions{.beta2 = 1}, AdamWOptions{.beta2 = -0.1},
        AdamWOptions{.epsilon = 0}, AdamWOptions{.weight_decay = -1}})
    CHECK_THROWS_AS(adam(wrong), std::invalid_argument);
  const auto sgd = [&](const SgdOptions& options) { Sgd<double>(problem.parameters, options); };
  CHECK_NOTHROW(sgd({.momentum = 0, .weight_decay = 0}));
  for (const SgdOptions& wrong :
       {SgdOptions{.momentum = 1}, SgdOptions{.momentum = -0.1}, SgdOptions{.weight_decay = -1}})
    CHECK_THROWS_AS(sgd(wrong), std::invalid_argument);
  CHECK_THROWS_AS(Muon<double>(problem.parameters, {.rate = 0}), std::invalid_argument);
  CHECK_THROWS_AS(Muon<double>(problem.parameters, {.orthogonalization = {.steps = 0}}), std::invalid_argument);
}

TEST_CASE("an optimiser clears all gradients") {
  Problem problem;
  Sgd<double> optimizer(problem.parameters);
  problem.backward();
  optimizer.zero_grad();
  for (auto& p : problem.parameters)
    if (p.variable.has_grad())
      for (const double g : p.variable.grad().storage()) CHECK(g == 0);
}

TEST_CASE("an average of weights follows the recurrence, goes in and out of the module, and is refused elsewhere") {
  BatchNorm<float> module(3);
  TensorMap kept;
  detail::WeightAverage average(module, kept, 20);
  REQUIRE(kept.size() == 4);  // scale, shift, and both running statistics
  const TensorList tensors = state_tensors(module);
  double expected = static_cast<double>(tensors[0].second->data()[1]);
  for (int step = 1; step <= 200; ++step) {
    for (const auto& [name, tensor] : tensors) std::fill_n(tensor->data(), 3, 0.1F * static_cast<float>(step % 7));
    average.update(step);
    const double decay = std::min(0.95, (1.0 + step) / (10.0 + step));  // 19 of 20, after fewer steps less
    expected = decay * expected + (1 - decay) * 0.1 * (step % 7);
    for (const auto& [name, tensor] : kept)
      if (name == tensors[0].first) REQUIRE(tensor.data()[1] == Approx(expected).margin(1e-5));
  }
  const float weights = tensors[0].second->data()[1], averaged = kept.at(tensors[0].first).data()[1];
  average.exchange();
  CHECK(tensors[0].second->data()[1] == averaged);
  CHECK(kept.at(tensors[0].first).data()[1] == weights);
  average.exchange();
  CHECK(tensors[0].second->data()[1] == weights);

  const detail::WeightAverage resumed(module, kept, 20);  // goes on with what there is
  CHECK(kept.at(tensors[0].first).data()[1] == averaged);
  TensorMap none;
  detail::WeightAverage off(module, none, 1.5);  // a window of less than two steps
  off.update(1);
  CHECK(none.empty());
  TensorMap other = kept;
  other.begin()->second = zeros<float>({4});
  CHECK_THROWS_WITH(detail::WeightAverage(module, other, 20), Catch::Matchers::ContainsSubstring("has no"));
  other.erase(other.begin());
  CHECK_THROWS_AS(detail::WeightAverage(module, other, 20), InputError);
}

TEST_CASE("tensors are copied out and restored by name and shape, all or none") {
  BatchNorm<float> module(3);
  Rng rng(5);
  TensorList tensors = state_tensors(module);
  for (const auto& [name, tensor] : tensors)
    for (float& x : tensor->storage()) x = rng.normal();
  TensorMap saved;
  copy_tensors(tensors, saved);
  const float* const memory = saved.begin()->second.data();
  BatchNorm<float> other(3);
  restore_tensors(saved, state_tensors(other), "test");
  for (std::size_t i = 0; i < tensors.size(); ++i) CHECK((*state_tensors(other)[i].second == *tensors[i].second));
  for (const auto& [name, tensor] : tensors) std::fill_n(tensor->data(), 3, 2.0F);
  copy_tensors(tensors, saved);
  CHECK(saved.begin()->second.data() == memory);  // its memory is used again
  CHECK(saved.begin()->second.data()[2] == 2.0F);

  const float before = state_tensors(other)[0].second->data()[0];
  BatchNorm<float> wider(4);
  CHECK_THROWS_WITH(restore_tensors(saved, state_tensors(wider), "file"),
                    Catch::Matchers::ContainsSubstring("expected (4)"));
  TensorMap renamed = saved;
  renamed["other"] = renamed.begin()->second;
  CHECK_THROWS_AS(restore_tensors(renamed, state_tensors(other), "file"), InputError);
  renamed.erase(renamed.begin());
  CHECK_THROWS_WITH(restore_tensors(renamed, state_tensors(other), "file"),
                    Catch::Matchers::ContainsSubstring("file: no tensor '"));
  CHECK(state_tensors(other)[0].second->data()[0] == before);

  Sgd<float> optimizer(module.parameters());
  const TensorList state = state_tensors(optimizer);
  REQUIRE(state.size() == 2);
  CHECK(state[0].first == "velocity." + module.parameters()[0].name);
}

TEST_CASE("schedules at their corners") {
  const Schedule cycle{.kind = ScheduleKind::one_cycle, .peak = 0.4, .total_steps = 101, .warmup_fraction = 0.25};
  CHECK(cycle(0) == 0.0);
  CHECK(cycle(25) == Approx(0.4));
  CHECK(cycle(12) == Approx(0.4 * 0.48));
  CHECK(cycle(100) == Approx(0.0).margin(1e-12));
  CHECK(cycle(1000) == Approx(0.0).margin(1e-12));
  const Schedule cosine{.kind = ScheduleKind::cosine, .peak = 1, .total_steps = 101, .warmup_fraction = 0, .end = 0.1};
  CHECK(cosine(0) == Approx(1.0));
  CHECK(cosine(50) == Approx(0.55));
  CHECK(cosine(100) == Approx(0.1));
  const Schedule step{.kind = ScheduleKind::step, .peak = 1, .total_steps = 101, .warmup_fraction = 0};
  CHECK(step(49) == 1.0);
  CHECK(step(50) == Approx(0.1));
  CHECK(step(100) == Approx(0.01));
  const Schedule warm{
      .kind = ScheduleKind::constant, .peak = 2, .total_steps = 11, .warmup_fraction = 0.5, .start = 0.5};
  CHECK(warm(0) == Approx(1.0));
  CHECK(warm(2) == Approx(2 * (0.5 + 0.5 * 0.2 / 0.5)));
  CHECK(warm(5) == Approx(2.0));
  const Schedule all_warm{.kind = ScheduleKind::one_cycle, .peak = 2, .total_steps = 5, .warmup_fraction = 1};
  CHECK(all_warm(3) == Approx(1.5));
  CHECK(all_warm(4) == 2);
  CHECK(Schedule{.peak = 0.3, .total_steps = 1}(0) == 0.3);  // the only step is no warm-up
  CHECK(Schedule{.peak = 0.3, .total_steps = 2}(0) == 0.3);
  CHECK(Schedule{.peak = 0.3, .total_steps = 2}(1) == 0.3);
  CHECK(Schedule{.peak = 0.3, .total_steps = 3, .warmup_fraction = 0.5}(0) == 0);
  CHECK(Schedule{.peak = 0, .total_steps = 9}(4) == 0);
  for (const Schedule& wrong : {Schedule{.peak = std::nan("")}, Schedule{.peak = -0.1}, Schedule{.total_steps = 0},
                                Schedule{.warmup_fraction = -0.1}, Schedule{.warmup_fraction = 1.1}})
    CHECK_THROWS_AS(wrong(0), std::invalid_argument);
}
