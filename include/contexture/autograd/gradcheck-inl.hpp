// SPDX-License-Identifier: MIT
// How autograd/gradcheck.hpp compares.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/rng.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::string gradcheck(const std::function<Variable<double>(std::span<const Variable<double>>)>& f,
                                          std::vector<Variable<double>> inputs, const GradcheckOptions& options) {
  Rng rng(options.seed);
  const auto dot = [](const Tensor<double>& a, const Tensor<double>& b) {
    double total = 0;
    for (std::size_t i = 0; i < a.size(); ++i) total += a.data()[i] * b.data()[i];
    return total;
  };
  const auto random_like = [&rng](const Shape& shape) {
    Tensor<double> t = empty<double>(shape);
    for (double& x : t.storage()) x = static_cast<double>(rng.normal());
    return t;
  };
  const auto forward = [&] {
    const NoGrad no_grad;
    return f(inputs).value();
  };

  const auto compare = [&](const Tensor<double>& u, std::size_t input, const Tensor<double>& v) -> std::string {
    for (Variable<double>& x : inputs)
      if (x.requires_grad()) x.zero_grad();
    f(inputs).backward(u);
    Variable<double>& x = inputs[input];
    const double analytic = x.has_grad() ? dot(x.grad(), v) : 0.0;
    const Tensor<double> kept = x.value();
    const auto moved = [&](double sign) {
      for (std::size_t i = 0; i < kept.size(); ++i)
        x.mutable_value().data()[i] = kept.data()[i] + sign * options.step * v.data()[i];
      return dot(u, forward());
    };
    const double numeric = (moved(1) - moved(-1)) / (2 * options.step);
    x.mutable_value() = kept;
    const double error = std::abs(analytic - numeric) / std::max({1.0, std::abs(analytic), std::abs(numeric)});
    if (error <= options.tolerance) return {};  // this way round, NaN fails
    return message("input ", input, " ", x.shape(), ": backward says ", analytic, ", differences say ", numeric,
                   " (relative error ", error, ", tolerance ", options.tolerance, ", seed ", options.seed, ")");
  };

  require(options.directions >= 1 || options.full_jacobian, "gradcheck: ", options.directions,
          " directions, expected at least 1");
  require(std::any_of(inputs.begin(), inputs.end(), [](const auto& x) { return x.defined() && x.requires_grad(); }),
          "gradcheck: no input requires a gradient");
  const Shape out_shape = forward().shape();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined() || !inputs[i].requires_grad()) continue;
    for (int k = 0; k < options.directions; ++k) {
      const std::string problem = compare(random_like(out_shape), i, random_like(inputs[i].shape()));
      if (!problem.empty()) return problem;
    }
    if (!options.full_jacobian) continue;
    for (std::size_t o = 0; o < element_count(out_shape); ++o)
      for (std::size_t e = 0; e < inputs[i].size(); ++e) {
        Tensor<double> u = zeros<double>(out_shape);
        Tensor<double> v = zeros<double>(inputs[i].shape());
        u.data()[o] = 1;
        v.data()[e] = 1;
        const std::string problem = compare(u, i, v);
        if (!problem.empty()) return message("output element ", o, ", input element ", e, ": ", problem);
      }
  }
  return {};
}

}  // namespace contexture
