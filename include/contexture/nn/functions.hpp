// SPDX-License-Identifier: MIT
// Functions without parameters as modules, for Sequential.
#pragma once

#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/math.hpp"
#include "contexture/autograd/pool.hpp"
#include "contexture/autograd/shape.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {
namespace detail {

template <class T>
class FunctionModule : public UnaryModule<T> {
 protected:
  void visit(ModuleVisitor<T>&) override {}
};

}  // namespace detail

/// max(x, 0).
template <class T>
class Relu final : public detail::FunctionModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return relu(x); }
  [[nodiscard]] Relu clone() const { return with_state_of(*this, Relu()); }
};

/// x * Phi(x).
template <class T>
class Gelu final : public detail::FunctionModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return gelu(x); }
  [[nodiscard]] Gelu clone() const { return with_state_of(*this, Gelu()); }
};

/// x * sigmoid(x).
template <class T>
class Silu final : public detail::FunctionModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return silu(x); }
  [[nodiscard]] Silu clone() const { return with_state_of(*this, Silu()); }
};

/// 1 / (1 + exp(-x)).
template <class T>
class Sigmoid final : public detail::FunctionModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return sigmoid(x); }
  [[nodiscard]] Sigmoid clone() const { return with_state_of(*this, Sigmoid()); }
};

/// tanh(x).
template <class T>
class Tanh final : public detail::FunctionModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return contexture::tanh(x); }
  [[nodiscard]] Tanh clone() const { return with_state_of(*this, Tanh()); }
};

/// (N,H,W,C) -> (N,C), the mean over all pixels.
template <class T>
class GlobalAvgPool final : public detail::FunctionModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return global_avg_pool(x); }
  [[nodiscard]] GlobalAvgPool clone() const { return with_state_of(*this, GlobalAvgPool()); }
};

/// (N,...) -> (N,D): what Linear takes.
template <class T>
class Flatten final : public detail::FunctionModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    return reshape(x, {x.shape().at(0), x.shape().at(0) == 0 ? 0 : x.size() / x.shape().at(0)});
  }
  [[nodiscard]] Flatten clone() const { return with_state_of(*this, Flatten()); }
};

/// The maximum of each window of (N,H,W,C).
template <class T>
class MaxPool2d final : public detail::FunctionModule<T> {
 public:
  explicit MaxPool2d(const Pool2dOptions& options = {}) : options_(options) {}
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return max_pool2d(x, options_); }
  [[nodiscard]] MaxPool2d clone() const { return with_state_of(*this, MaxPool2d(options_)); }

 private:
  Pool2dOptions options_;
};

/// The mean of each window of (N,H,W,C).
template <class T>
class AvgPool2d final : public detail::FunctionModule<T> {
 public:
  explicit AvgPool2d(const Pool2dOptions& options = {}) : options_(options) {}
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return avg_pool2d(x, options_); }
  [[nodiscard]] AvgPool2d clone() const { return with_state_of(*this, AvgPool2d(options_)); }

 private:
  Pool2dOptions options_;
};

/// Each pixel `factor` x `factor` times.
template <class T>
class Upsample2d final : public detail::FunctionModule<T> {
 public:
  explicit Upsample2d(Index factor) : factor_(factor) {
    require(factor >= 1, "Upsample2d: factor ", factor, ", expected at least 1");
  }
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return upsample2d(x, factor_); }
  [[nodiscard]] Upsample2d clone() const { return with_state_of(*this, Upsample2d(factor_)); }

 private:
  Index factor_;
};

}  // namespace contexture
