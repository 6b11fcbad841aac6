// SPDX-License-Identifier: MIT
// How autograd/loss.hpp computes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "contexture/autograd/elementwise-inl.hpp"
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/loss.hpp"
#include "contexture/autograd/math-inl.hpp"
#include "contexture/autograd/math.hpp"
#include "contexture/autograd/reduce.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/kernels/softmax.hpp"

namespace contexture {

namespace detail {

template <class T>
void check_cross_entropy(const CrossEntropyOptions<T>& options, Index classes) {
  require(options.class_weights.empty() || static_cast<Index>(options.class_weights.size()) == classes,
          "softmax_cross_entropy: ", options.class_weights.size(), " class weights for ", classes, " classes");
  for (const T weight : options.class_weights)
    require(weight >= T(0) && is_finite(weight), "softmax_cross_entropy: class weight ", weight,
            ", expected a finite number >= 0");
  require(options.label_smoothing >= 0 && options.label_smoothing < 1, "softmax_cross_entropy: label smoothing ",
          options.label_smoothing, ", expected 0 <= s < 1");
}

// The loss as an op whose gradient is known already.
template <class T>
Variable<T> cross_entropy_of(T loss, const Variable<T>& logits, std::shared_ptr<Tensor<T>> gradient) {
  return record<T>("softmax_cross_entropy", full<T>({}, loss), {logits},
                   [gradient](Tensor<T> g, const InputGradients<T>& in) {
                     kernels::scale(g.data()[0], gradient->data(), gradient->data(), count(*gradient));
                     in.add(0, std::move(*gradient));
                   });
}

}  // namespace detail

template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, std::span<const std::int32_t> labels,
                                  const CrossEntropyOptions<T>& options) {
  require(logits.value().dimension() == 2 && logits.shape()[0] == labels.size() && !labels.empty(),
          "softmax_cross_entropy: logits ", logits.shape(), " for ", labels.size(),
          " labels, expected (N,C) for N >= 1");
  const Index rows = dim(logits.value(), 0);
  const Index classes = dim(logits.value(), 1);
  detail::check_cross_entropy(options, classes);
  for (const std::int32_t label : labels)
    require(label >= 0 && label < classes, "softmax_cross_entropy: label ", label, ", expected 0 to ", classes - 1);
  auto gradient = std::make_shared<Tensor<T>>(empty_like(logits.value()));
  const T loss = kernels::softmax_cross_entropy(rows, classes, logits.value().data(), labels.data(),
                                                options.class_weights.empty() ? nullptr : options.class_weights.data(),
                                                static_cast<T>(options.label_smoothing), gradient->data());
  return detail::cross_entropy_of(loss, logits, std::move(gradient));
}

template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Tensor<T>& targets,
                                  const CrossEntropyOptions<T>& options) {
  require(logits.value().dimension() == 2 && logits.shape() == targets.shape() && logits.shape()[0] >= 1,
          "softmax_cross_entropy: logits ", logits.shape(), " for soft targets ", targets.shape(),
          ", expected (N,C) twice, for N >= 1");
  const Index rows = dim(logits.value(), 0);
  const Index classes = dim(logits.value(), 1);
  detail::check_cross_entropy(options, classes);
  for (std::size_t i = 0; i < targets.size(); ++i)
    require(targets.data()[i] >= T(0) && is_finite(targets.data()[i]), "softmax_cross_entropy: soft target ",
            targets.data()[i], ", expected a finite number >= 0");
  auto gradient = std::make_shared<Tensor<T>>(empty_like(logits.value()));
  const T loss = kernels::soft_cross_entropy(rows, classes, logits.value().data(), targets.data(),
                                             options.class_weights.empty() ? nullptr : options.class_weights.data(),
                                             static_cast<T>(options.label_smoothing), gradient->data());
  return detail::cross_entropy_of(loss, logits, std::move(gradient));
}

template <class T>
Index count_correct(const Tensor<T>& logits, std::span<const std::int32_t> labels) {
  require(logits.dimension() == 2 && logits.shape()[0] == labels.size(), "count_correct: logits ", logits.shape(),
          " for ", labels.size(), " labels, expected (N,C)");
  const Index classes = dim(logits, 1);
  Index correct = 0;
  const T* row = logits.data();
  for (const std::int32_t label : labels) {
    correct += std::max_element(row, row + classes) - row == label;
    row += classes;
  }
  return correct;
}

template <class T>
Variable<T> mse_loss(const Variable<T>& a, const Variable<T>& b) {
  detail::require_same_shape("mse_loss", a, b);
  const Variable<T> difference = subtract(a, b);
  return mean(mul(difference, difference));
}

template <class T>
Variable<T> l1_loss(const Variable<T>& a, const Variable<T>& b) {
  detail::require_same_shape("l1_loss", a, b);
  return mean(abs(subtract(a, b)));
}

template <class T>
Variable<T> huber_loss(const Variable<T>& a, const Variable<T>& b, std::type_identity_t<T> delta) {
  detail::require_same_shape("huber_loss", a, b);
  require(delta > T(0), "huber_loss: delta ", delta, ", expected more than 0");
  return mean(detail::unary_op(
      "huber_loss", subtract(a, b),
      [=](T d) {
        const T size = std::abs(d);
        return size <= delta ? d * d / T(2) : delta * (size - delta / T(2));
      },
      [=](T d, T) { return std::clamp(d, -delta, delta); }));
}

template <class T>
Variable<T> sigmoid_cross_entropy(const Variable<T>& logits, const Tensor<T>& targets) {
  require(logits.shape() == targets.shape() && logits.size() > 0, "sigmoid_cross_entropy: logits ", logits.shape(),
          ", targets ", targets.shape(), ", expected the same and not empty");
  double total = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const T t = targets.data()[i], x = logits.value().data()[i];
    require(t >= T(0) && t <= T(1), "sigmoid_cross_entropy: target ", t, ", expected 0 to 1");
    total += static_cast<double>(std::max(x, T(0)) - x * t + std::log1p(std::exp(-std::abs(x))));
  }
  const T mean = static_cast<T>(total / static_cast<double>(targets.size()));
  return record<T>("sigmoid_cross_entropy", full<T>({}, mean), {logits},
                   [x = logits.saved(), targets](Tensor<T> g, const detail::InputGradients<T>& in) {
                     Tensor<T> dx = empty_like(*x);
                     const T factor = g.data()[0] / static_cast<T>(dx.size());
                     for (std::size_t i = 0; i < dx.size(); ++i)
                       dx.data()[i] = factor * (detail::sigmoid_of(x->data()[i]) - targets.data()[i]);
                     in.add(0, std::move(dx));
                   });
}

template <class T>
Variable<T> triplet_loss(const Variable<T>& anchor, const Variable<T>& positive, const Variable<T>& negative,
                         std::type_identity_t<T> margin) {
  detail::require_same_shape("triplet_loss", anchor, positive);
  detail::require_same_shape("triplet_loss", anchor, negative);
  require(anchor.shape().size() == 2, "triplet_loss: shape ", anchor.shape(), ", expected (N,D)");
  const auto distance = [&](const Variable<T>& other) {
    const Variable<T> d = anchor - other + T(1e-6);
    return sqrt(sum(d * d, {1}));
  };
  return mean(relu(distance(positive) - distance(negative) + margin));
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                             \
  template Variable<T> softmax_cross_entropy(const Variable<T>& logits, std::span<const std::int32_t> labels, \
                                             const CrossEntropyOptions<T>& options);                          \
  template Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Tensor<T>& targets,             \
                                             const CrossEntropyOptions<T>& options);                          \
  template Index count_correct(const Tensor<T>& logits, std::span<const std::int32_t> labels);                \
  template Variable<T> mse_loss(const Variable<T>& a, const Variable<T>& b);                                  \
  template Variable<T> l1_loss(const Variable<T>& a, const Variable<T>& b);                                   \
  template Variable<T> huber_loss(const Variable<T>& a, const Variable<T>& b, std::type_identity_t<T> delta); \
  template Variable<T> sigmoid_cross_entropy(const Variable<T>& logits, const Tensor<T>& targets);            \
  template Variable<T> triplet_loss(const Variable<T>& anchor, const Variable<T>& positive,                   \
                                    const Variable<T>& negative, std::type_identity_t<T> margin);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
