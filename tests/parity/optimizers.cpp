// SPDX-License-Identifier: MIT
// Optimisers, clipping and the schedule that LibTorch has, over some steps with made-up gradients.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <span>

#include "contexture/autograd/elementwise.hpp"
#include "contexture/core/error.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
#include "parity.hpp"

namespace parity {
namespace {

using contexture::message;
using contexture::NamedParameter;

bool has_gradient(const Tensor<double>& t) { return t.dimension() > 0; }

// Parameters at the start, and for every step a rate and a gradient for each; an empty one: none in this step.
struct Course {
  std::vector<Tensor<double>> start;
  std::vector<double> rates;
  std::vector<std::vector<Tensor<double>>> gradients;
};

Course course(Draw& draw) {
  Course c;
  for (Index i = draw.between(1, 4); i > 0; --i)
    c.start.push_back(
        draw.tensor(draw.of({Shape{draw.extent(1, 40)}, Shape{draw.extent(1, 20), draw.extent(1, 20)},
                             Shape{draw.extent(1, 3), draw.extent(1, 3), draw.extent(1, 12), draw.extent(1, 16)}})));
  for (Index step = draw.between(10, 30); step > 0; --step) {
    c.rates.push_back(draw.uniform(0.001, 0.1));
    c.gradients.emplace_back();
    for (const Tensor<double>& p : c.start)
      c.gradients.back().push_back(draw.one_in(8) ? Tensor<double>() : draw.tensor(p.shape(), draw.uniform(0.1, 3)));
    // A step without any gradient is refused by ours.
    if (std::none_of(c.gradients.back().begin(), c.gradients.back().end(), has_gradient))
      c.gradients.back()[0] = draw.tensor(c.start[0].shape());
  }
  return c;
}

template <class T>
void set_gradient(Variable<T>& parameter, const Tensor<double>& gradient) {
  parameter.zero_grad();
  if (has_gradient(gradient))
    contexture::sum(contexture::mul(parameter, Variable<T>(converted<T>(gradient)))).backward();
}

template <class T>
std::vector<NamedParameter<T>> parameters(const std::vector<Tensor<double>>& values) {
  std::vector<NamedParameter<T>> list;
  for (std::size_t i = 0; i < values.size(); ++i)
    list.push_back({"p" + std::to_string(i), Variable<T>(converted<T>(values[i]), true)});
  return list;
}

// Runs a course; make() makes an optimiser of the parameters.
template <class T, class Make>
Side our_course(const Course& c, const Make& make) {
  std::vector<NamedParameter<T>> list = parameters<T>(c.start);
  const auto optimizer = make(list);
  Side side;
  for (std::size_t step = 0; step < c.rates.size(); ++step) {
    for (std::size_t i = 0; i < list.size(); ++i) set_gradient(list[i].variable, c.gradients[step][i]);
    optimizer->step(c.rates[step]);
  }
  for (const NamedParameter<T>& p : list) side.values.push_back(to_torch(p.variable.value(), Layout::same));
  return side;
}

using Tensors = std::vector<torch::Tensor>;
using TheirStep = std::function<void(double rate)>;  // reads the tensors' gradients

Side their_course(const Course& c, torch::ScalarType type, const std::function<TheirStep(Tensors&)>& make) {
  Tensors list;
  for (const Tensor<double>& p : c.start) list.push_back(to_torch(p, Layout::same).to(type).requires_grad_(true));
  const TheirStep step_of = make(list);
  for (std::size_t step = 0; step < c.rates.size(); ++step) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Tensor<double>& g = c.gradients[step][i];
      list[i].mutable_grad() = has_gradient(g) ? to_torch(g, Layout::same).to(type) : torch::Tensor();
    }
    step_of(c.rates[step]);
  }
  Side side;
  for (const torch::Tensor& p : list) side.values.push_back(p.detach());
  return side;
}

// `ours` is called as ours.operator()<T>(parameters).
template <class Ours>
void compare_course(Row& row, const std::string& what, const Course& c, const Ours& ours,
                    const std::function<TheirStep(Tensors&)>& theirs) {
  const auto make = [&]<class T>(const std::vector<NamedParameter<T>>& list) {
    return ours.template operator()<T>(list);
  };
  enter(row, what, their_course(c, torch::kFloat64, theirs), our_course<double>(c, make), our_course<float>(c, make),
        their_course(c, torch::kFloat32, theirs));
}

// Theirs as a step: parameters of rank 2 and more are decayed, or all.
template <class Optimizer, class Options>
std::function<TheirStep(Tensors&)> stepping(const Options& options, double decay, bool decay_all) {
  return [=](Tensors& list) -> TheirStep {
    Tensors decayed, others;
    for (const torch::Tensor& p : list) (decay_all || p.dim() > 1 ? decayed : others).push_back(p);
    Options none = options, with = options;
    none.weight_decay(0);
    with.weight_decay(decay);
    std::vector<torch::optim::OptimizerParamGroup> groups;
    if (!decayed.empty()) groups.emplace_back(decayed, std::make_unique<Options>(with));
    if (!others.empty()) groups.emplace_back(others, std::make_unique<Options>(none));
    const auto optimizer = std::make_shared<Optimizer>(groups, options);
    return [optimizer](double rate) {
      for (auto& group : optimizer->param_groups()) static_cast<Options&>(group.options()).lr(rate);
      optimizer->step();
    };
  };
}

void one_sgd(Draw& draw, Row& row) {
  const Course c = course(draw);
  const double momentum = draw.one_in(4) ? 0.0 : draw.uniform(0.5, 0.99), decay = draw.of({0.0, 5e-4, 0.1});
  const bool nesterov = momentum > 0 && draw.one_in(2), decay_all = draw.one_in(2);
  compare_course(
      row, message("momentum ", momentum, nesterov ? ", nesterov" : "", ", decay ", decay), c,
      [&]<class T>(const std::vector<NamedParameter<T>>& list) {
        return std::make_unique<contexture::Sgd<T>>(
            list, contexture::SgdOptions{
                      .momentum = momentum, .nesterov = nesterov, .weight_decay = decay, .decay_all = decay_all});
      },
      stepping<torch::optim::SGD>(torch::optim::SGDOptions(0.1).momentum(momentum).nesterov(nesterov), decay,
                                  decay_all));
}

void one_adamw(Draw& draw, Row& row) {
  const Course c = course(draw);
  const double beta1 = draw.uniform(0, 0.95), beta2 = draw.uniform(0.9, 0.999), decay = draw.of({0.0, 1e-2, 0.1});
  const double epsilon = draw.of({1e-8, 1e-4});
  const bool decay_all = draw.one_in(2);
  compare_course(
      row, message("betas ", beta1, " and ", beta2, ", decay ", decay, ", epsilon ", epsilon), c,
      [&]<class T>(const std::vector<NamedParameter<T>>& list) {
        return std::make_unique<contexture::AdamW<T>>(
            list,
            contexture::AdamWOptions{
                .beta1 = beta1, .beta2 = beta2, .epsilon = epsilon, .weight_decay = decay, .decay_all = decay_all});
      },
      stepping<torch::optim::AdamW>(torch::optim::AdamWOptions(0.1).betas({beta1, beta2}).eps(epsilon), decay,
                                    decay_all));
}

// Muon's step in LibTorch's operations, as its author's program has it (kellerjordan.github.io/posts/muon): on the
// matrix itself, where ours works on its Gram matrix. The step keeps the weights' norm (optim/muon.hpp).
void their_muon_step(const torch::Tensor& weight, torch::Tensor& velocity, double rate, double momentum) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor& g = weight.grad();
  if (!g.defined()) return;
  velocity = momentum * velocity + g;
  const std::int64_t columns = weight.size(3);
  torch::Tensor x = (g + momentum * velocity).reshape({-1, columns});
  const bool tall = x.size(0) > x.size(1);
  x = x / x.norm();
  if (tall) x = x.t();
  for (int step = 0; step < 5; ++step) {
    const torch::Tensor a = torch::mm(x, x.t());
    x = 3.4445 * x + torch::mm(-4.7750 * a + 2.0315 * torch::mm(a, a), x);
  }
  if (tall) x = x.t();
  const torch::Tensor before = weight.norm();
  const double size = std::sqrt(static_cast<double>(std::min(x.size(0), x.size(1))));
  weight.sub_(rate * before / size * x.reshape(weight.sizes()));
  weight.mul_(before / weight.norm());
}

void one_muon(Draw& draw, Row& row) {
  Course c = course(draw);
  const Shape shape{draw.extent(1, 3), draw.extent(1, 3), draw.extent(1, 12), draw.extent(1, 16)};
  c.start = {draw.tensor(shape)};
  for (auto& gradients : c.gradients) gradients = {draw.tensor(shape)};
  const double momentum = draw.uniform(0, 0.95);
  compare_course(
      row, message(shape, ", momentum ", momentum), c,
      [&]<class T>(const std::vector<NamedParameter<T>>& list) {
        return std::make_unique<contexture::Muon<T>>(list, contexture::MuonOptions{.rate = 0.2, .momentum = momentum});
      },
      [=](Tensors& list) -> TheirStep {
        auto velocity = std::make_shared<torch::Tensor>(torch::zeros_like(list[0]).detach());
        return [=](double rate) { their_muon_step(list[0], *velocity, 0.2 * rate, momentum); };
      });
}

// Norm and clipped gradients of random ones.
template <class T>
Side our_clipping(const std::vector<Tensor<double>>& gradients, double most) {
  std::vector<NamedParameter<T>> list = parameters<T>(gradients);
  for (std::size_t i = 0; i < list.size(); ++i) set_gradient(list[i].variable, gradients[i]);
  const double norm = contexture::clip_grad_norm(std::span<NamedParameter<T>>(list), most);
  Side side{{torch::tensor(norm, torch::kFloat64)}, {}};
  for (const NamedParameter<T>& p : list) side.gradients.push_back(to_torch(p.variable.grad(), Layout::same));
  return side;
}

Side their_clipping(const std::vector<Tensor<double>>& gradients, double most, torch::ScalarType type) {
  Tensors list;
  for (const Tensor<double>& g : gradients) {
    list.push_back(to_torch(g, Layout::same).to(type).requires_grad_(true));
    list.back().mutable_grad() = list.back().detach().clone();
  }
  const double norm = torch::nn::utils::clip_grad_norm_(list, most);
  Side side{{torch::tensor(norm, torch::kFloat64)}, {}};
  // They divide by norm + 1e-6, which is taken out again.
  const double mended = norm + 1e-6 > most ? (norm + 1e-6) / norm : 1;
  for (const torch::Tensor& p : list) side.gradients.push_back(p.grad() * mended);
  return side;
}

void one_clipping(Draw& draw, Row& row) {
  std::vector<Tensor<double>> gradients;
  for (Index i = draw.between(1, 5); i > 0; --i)
    gradients.push_back(draw.tensor({draw.extent(1, 60), draw.extent(1, 60)}, draw.uniform(0.01, 3)));
  const double most = draw.uniform(0.1, 100);
  enter(row, message(gradients.size(), " gradients, at most ", most), their_clipping(gradients, most, torch::kFloat64),
        our_clipping<double>(gradients, most), our_clipping<float>(gradients, most),
        their_clipping(gradients, most, torch::kFloat32));
}

// A schedule's rates in every step of its run, beside the expected ones.
void compare_schedule(Row& row, const contexture::Schedule& schedule, const std::vector<double>& expected) {
  std::vector<double> own;
  for (std::int64_t step = 0; step < schedule.total_steps; ++step) own.push_back(schedule(step));
  const Side reference{{torch::tensor(expected, torch::kFloat64)}, {}}, ours{{torch::tensor(own, torch::kFloat64)}, {}};
  enter(row,
        message(schedule.total_steps, " steps, warm-up ", schedule.warmup_fraction, ", start ", schedule.start,
                ", end ", schedule.end),
        reference, ours, ours, reference);
}

// Beside StepLR, the only schedule of LibTorch's C++.
void one_step_schedule(Draw& draw, Row& row) {
  const Index total = draw.between(3, 60), every = draw.between(1, 20);
  contexture::Schedule schedule{.kind = contexture::ScheduleKind::step,
                                .peak = draw.uniform(0.01, 1),
                                .total_steps = total,
                                .warmup_fraction = 0,
                                .milestones = {},
                                .gamma = draw.uniform(0.1, 0.9)};
  for (Index at = every; at < total; at += every)
    schedule.milestones.push_back(static_cast<double>(at) / static_cast<double>(total - 1));
  torch::optim::SGD optimizer({torch::zeros({1}, torch::requires_grad())}, torch::optim::SGDOptions(schedule.peak));
  torch::optim::StepLR theirs(optimizer, static_cast<unsigned>(every), schedule.gamma);
  std::vector<double> expected;
  for (Index step = 0; step < total; ++step) {
    theirs.step();  // unlike Python's, before the step that it is for
    expected.push_back(static_cast<torch::optim::SGDOptions&>(optimizer.param_groups()[0].options()).lr());
    optimizer.step();
  }
  compare_schedule(row, schedule, expected);
}

// The next three: classes of torch/optim/lr_scheduler.py, which C++ has not, written as they go from step to step.

// OneCycleLR(anneal_strategy="linear"). Its rise ends at step pct_start * total - 1, ours after a share of the way
// from the first step to the last: pct_start is chosen so that it is the same step.
void one_cycle_schedule(Draw& draw, Row& row) {
  const contexture::Schedule schedule{.kind = contexture::ScheduleKind::one_cycle,
                                      .peak = draw.uniform(0.01, 1),
                                      .total_steps = draw.between(3, 60),
                                      .warmup_fraction = draw.uniform(0.05, 0.95),
                                      .start = draw.uniform(0.01, 0.5),
                                      .end = draw.uniform(0.0001, 0.01)};
  const auto total = static_cast<double>(schedule.total_steps);
  const double pct_start = (schedule.warmup_fraction * (total - 1) + 1) / total;
  const double div_factor = 1 / schedule.start, final_div_factor = schedule.start / schedule.end;
  const double initial = schedule.peak / div_factor, least = initial / final_div_factor;
  const double rise_end = pct_start * total - 1, fall_end = total - 1;
  std::vector<double> expected;
  for (double step = 0; step < total; ++step) {
    const bool rises = step <= rise_end;
    const double share = rises ? step / rise_end : (step - rise_end) / (fall_end - rise_end);
    expected.push_back(rises ? (schedule.peak - initial) * share + initial
                             : (least - schedule.peak) * share + schedule.peak);
  }
  compare_schedule(row, schedule, expected);
}

// CosineAnnealingLR.
void one_cosine_schedule(Draw& draw, Row& row) {
  const contexture::Schedule schedule{.kind = contexture::ScheduleKind::cosine,
                                      .peak = draw.uniform(0.01, 1),
                                      .total_steps = draw.between(3, 60),
                                      .warmup_fraction = 0,
                                      .end = draw.uniform(0, 0.1)};
  const double t_max = static_cast<double>(schedule.total_steps - 1), eta_min = schedule.end * schedule.peak;
  const double pi = std::acos(-1.0);
  std::vector<double> expected{schedule.peak};
  for (double step = 1; step <= t_max; ++step)
    expected.push_back((1 + std::cos(pi * step / t_max)) / (1 + std::cos(pi * (step - 1) / t_max)) *
                           (expected.back() - eta_min) +
                       eta_min);
  compare_schedule(row, schedule, expected);
}

// LinearLR.
void one_warmup_schedule(Draw& draw, Row& row) {
  const Index total = draw.between(3, 60), rise = draw.between(1, static_cast<int>(total) - 1);
  const contexture::Schedule schedule{
      .kind = contexture::ScheduleKind::constant,
      .peak = draw.uniform(0.01, 1),
      .total_steps = total,
      .warmup_fraction = static_cast<double>(rise) / static_cast<double>(total - 1),
      .start = draw.uniform(0.01, 0.9),
  };
  std::vector<double> expected{schedule.peak * schedule.start};
  for (Index step = 1; step < total; ++step) {
    const double grown =
        static_cast<double>(rise) * schedule.start + static_cast<double>(step - 1) * (1 - schedule.start);
    expected.push_back(step > rise ? expected.back() : expected.back() * (1 + (1 - schedule.start) / grown));
  }
  compare_schedule(row, schedule, expected);
}

}  // namespace

std::vector<Row> compare_optimizers(const Run& run) {
  std::vector<Row> rows;
  const auto all = [&](const char* name, const Limits& limits, const std::function<void(Draw&, Row&)>& each) {
    rows.push_back(compare_all({.name = name, .limits = limits}, run.configurations, run.seed, each));
  };
  all("Sgd, 10 to 30 steps", roundings(64, 0, "some 3 roundings a step"), one_sgd);
  all("AdamW, 10 to 30 steps", roundings(128, 0, "some 8 roundings a step, some of small differences"), one_adamw);
  all("Muon, 10 to 30 steps", roundings(1000, 0, "5 polynomials of products of matrices a step"), one_muon);
  all("clip_grad_norm", roundings(100, 100, "a sum of up to 18,000 squares, and a product"), one_clipping);
  all("Schedule, steps", roundings(64, 0, "theirs multiplies rate by rate"), one_step_schedule);
  all("Schedule, one-cycle", roundings(64, 0, "differences of shares of a run"), one_cycle_schedule);
  all("Schedule, cosine", roundings(64, 0, "theirs multiplies rate by rate"), one_cosine_schedule);
  all("Schedule, warm-up", roundings(64, 0, "theirs multiplies rate by rate"), one_warmup_schedule);
  return rows;
}

}  // namespace parity
