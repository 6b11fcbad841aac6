// SPDX-License-Identifier: MIT
// Checks an op's backward against finite differences, in double. A random direction v and a
// random cotangent u test the whole Jacobian J at once: u . J v from two forwards, against
// (J^T u) . v from one backward. Several directions are drawn; small inputs can be checked
// entry by entry.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/compiled.hpp"

namespace contexture {

/// Options of gradcheck().
struct GradcheckOptions {
  double step = 1e-5;       ///< h of the central difference
  double tolerance = 1e-6;  ///< relative to the larger of 1 and the magnitudes compared
  int directions = 4;
  bool full_jacobian = false;  ///< unit directions for every input element, and unit cotangents
  std::uint64_t seed = 1;
};

/// Differentiates f(inputs) with respect to every input that requires a gradient and compares.
/// Returns an empty string when all agree, else one line that says where and by how much. f must be
/// a pure function of the inputs' values. Throws std::invalid_argument where there is nothing to compare: no input that
/// requires a gradient, or no directions.
[[nodiscard]] CONTEXTURE_FUNCTION std::string gradcheck(
    const std::function<Variable<double>(std::span<const Variable<double>>)>& f, std::vector<Variable<double>> inputs,
    const GradcheckOptions& options = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/gradcheck-inl.hpp"
#endif
