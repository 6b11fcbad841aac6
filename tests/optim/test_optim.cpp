// Optimisers: ten steps against recurrences written out in double; schedules at their corners.
#include <cmath>

#include "contexture/autograd/autograd.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
#include "support/catch.hpp"

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

TEST_CASE("float steps on every ISA follow the double recurrence, tails included") {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    for (const std::size_t n : {1U, 7U, 16U, 35U}) {
      Tensor<float> w = full<float>({n}, 1.0F), g = full<float>({n}, 0.5F), v = full<float>({n}, 0.25F);
      kernels::sgd_update(w.data(), g.data(), v.data(), static_cast<Index>(n), 0.1F, 0.9F, 0.01F, true);
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
  CHECK_THROWS_WITH(optimizer.scale_rate("encoder.", 0.5), Catch::Matchers::Contains("encoder."));
  CHECK_THROWS_AS(optimizer.scale_rate("matrix", -1), std::invalid_argument);
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
  CHECK(warm(5) == Approx(2.0));
  CHECK_THROWS_AS((Schedule{.peak = std::nan("")}(0)), std::invalid_argument);
}
