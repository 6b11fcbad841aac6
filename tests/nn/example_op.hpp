// SPDX-License-Identifier: MIT
// An op and a layer of one's own, as docs/HACKING.md shows them from the first #include on.
#pragma once

#include "contexture/autograd/variable.hpp"
#include "contexture/nn/module.hpp"

namespace example {

using namespace contexture;

/// PReLU (He et al., arXiv 1502.01852): x where x > 0, else slope * x, with a slope for each channel.
/// x (...,C), slope (C) -> (...,C). Throws std::invalid_argument for other shapes.
template <class T>
Variable<T> prelu(const Variable<T>& x, const Variable<T>& slope) {
  require(!x.shape().empty() && slope.shape() == Shape{x.shape().back()}, "prelu: x ", x.shape(), ", slope ",
          slope.shape(), ", expected a slope for each of x's channels");
  const std::size_t channels = slope.size();
  Tensor<T> y = x.value();
  for (std::size_t i = 0; i < y.size(); ++i)
    if (y.data()[i] < T(0)) y.data()[i] *= slope.value().data()[i % channels];

  // saved() values, never a Variable: that would be a cycle.
  return record<T>("prelu", std::move(y), {x, slope},
                   [x = x.saved(), slope = slope.saved()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     const std::size_t n = slope->size();
                     Tensor<T> dslope = zeros<T>({n});
                     for (std::size_t i = 0; i < g.size(); ++i) {
                       if (x->data()[i] >= T(0)) continue;
                       dslope.data()[i % n] += g.data()[i] * x->data()[i];
                       g.data()[i] *= slope->data()[i % n];
                     }
                     in.add(0, std::move(g));
                     in.add(1, std::move(dslope));
                   });
}

struct PReluOptions {
  double initial = 0.25;  ///< the paper's
};

/// PReLU as a layer: x (...,channels) -> the same shape; slope (channels), trained.
template <class T>
class PRelu final : public UnaryModule<T> {
 public:
  explicit PRelu(Index channels, const PReluOptions& options = {}) {
    require(channels >= 1, "PRelu: ", channels, " channels, expected at least 1");
    slope_ = Variable<T>(full<T>({static_cast<std::size_t>(channels)}, static_cast<T>(options.initial)), true);
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return prelu(x, slope_); }

  [[nodiscard]] PRelu clone() const { return with_state_of(*this, PRelu(static_cast<Index>(slope_.size()))); }

 protected:
  void visit(ModuleVisitor<T>& v) override { v.parameter("slope", slope_); }

 private:
  Variable<T> slope_;
};

}  // namespace example
