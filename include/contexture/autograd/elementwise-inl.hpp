// SPDX-License-Identifier: MIT
// How autograd/elementwise.hpp computes.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "contexture/kernels/gelu.hpp"

namespace contexture {

namespace detail {

template <class T>
Index count(const Tensor<T>& t) {
  return static_cast<Index>(t.size());
}

template <class T>
void require_same_shape(const char* op, const Variable<T>& a, const Variable<T>& b) {
  require(a.shape() == b.shape(), op, ": shapes ", a.shape(), " and ", b.shape(), ", expected the same");
}

}  // namespace detail

template <class T>
Variable<T> relu(const Variable<T>& x) {
  auto y = std::make_shared<Tensor<T>>(empty_like(x.value()));
  kernels::relu_forward(x.value().data(), y->data(), detail::count(*y));
  return record<T>("relu", y, std::span(&x, 1), [y](Tensor<T> g, const detail::InputGradients<T>& in) {
    kernels::relu_backward(y->data(), g.data(), detail::count(g));
    in.add(0, std::move(g));
  });
}

template <class T>
Variable<T> gelu(const Variable<T>& x) {
  Tensor<T> y = empty_like(x.value());
  kernels::gelu_forward(x.value().data(), y.data(), detail::count(y));
  return record<T>("gelu", std::move(y), {x}, [x = x.saved()](Tensor<T> g, const detail::InputGradients<T>& in) {
    kernels::gelu_backward(x->data(), g.data(), detail::count(g));
    in.add(0, std::move(g));
  });
}

template <class T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b) {
  detail::require_same_shape("add", a, b);
  Tensor<T> y = empty_like(a.value());
  kernels::add(a.value().data(), b.value().data(), y.data(), detail::count(y));
  return record<T>("add", std::move(y), {a, b}, [](Tensor<T> g, const detail::InputGradients<T>& in) {
    if (in.wanted(0)) in.add(0, g);
    in.add(1, std::move(g));
  });
}

template <class T>
Variable<T> subtract(const Variable<T>& a, const Variable<T>& b) {
  detail::require_same_shape("subtract", a, b);
  Tensor<T> y = a.value();
  kernels::axpby(T(-1), b.value().data(), T(1), y.data(), detail::count(y));
  return record<T>("subtract", std::move(y), {a, b}, [](Tensor<T> g, const detail::InputGradients<T>& in) {
    if (in.wanted(0)) in.add(0, g);
    if (!in.wanted(1)) return;
    kernels::scale(T(-1), g.data(), g.data(), detail::count(g));
    in.add(1, std::move(g));
  });
}

template <class T>
Variable<T> mul(const Variable<T>& a, const Variable<T>& b) {
  detail::require_same_shape("mul", a, b);
  Tensor<T> y = empty_like(a.value());
  kernels::multiply(a.value().data(), b.value().data(), y.data(), detail::count(y));
  return record<T>("mul", std::move(y), {a, b},
                   [a = a.saved(), b = b.saved()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     if (in.wanted(0)) {
                       Tensor<T> da = empty_like(g);
                       kernels::multiply(g.data(), b->data(), da.data(), detail::count(g));
                       in.add(0, std::move(da));
                     }
                     if (!in.wanted(1)) return;
                     kernels::multiply(g.data(), a->data(), g.data(), detail::count(g));
                     in.add(1, std::move(g));
                   });
}

template <class T>
Variable<T> scale(const Variable<T>& x, std::type_identity_t<T> factor) {
  Tensor<T> y = empty_like(x.value());
  kernels::scale(factor, x.value().data(), y.data(), detail::count(y));
  return record<T>({"scale", {{"factor", factor}}}, std::move(y), {x},
                   [factor](Tensor<T> g, const detail::InputGradients<T>& in) {
                     kernels::scale(factor, g.data(), g.data(), detail::count(g));
                     in.add(0, std::move(g));
                   });
}

template <class T>
Variable<T> sum(const Variable<T>& x) {
  double total = 0;
  for (const T v : x.value().storage()) total += static_cast<double>(v);
  return record<T>("sum", full<T>({}, static_cast<T>(total)), {x},
                   [shape = x.shape()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     in.add(0, full<T>(shape, g.data()[0]));
                   });
}

template <class T>
Variable<T> mean(const Variable<T>& x) {
  require(x.size() > 0, "mean: empty tensor of shape ", x.shape());
  return scale(sum(x), T(1) / static_cast<T>(x.size()));
}

template <class T>
Variable<T> dropout(const Variable<T>& x, float p, const Rng& rng) {
  require(p >= 0.0F && p < 1.0F, "dropout: probability ", p, ", expected 0 <= p < 1");
  if (p == 0.0F) return x;
  Tensor<T> y = empty_like(x.value());
  auto keep = std::make_shared<Workspace<std::uint8_t>>(x.size());
  Index first = 0;
  if (ProcessGroup* const group = shared_batch()) {
    const std::vector<Index> counts = gather_value(*group, detail::count(y));
    first = std::accumulate(counts.begin(), counts.begin() + group->rank(), Index{0});
  }
  kernels::dropout_forward(x.value().data(), y.data(), keep->data(), detail::count(y), p, rng, first);
  return record<T>("dropout", std::move(y), {x}, [keep, p](Tensor<T> g, const detail::InputGradients<T>& in) {
    kernels::dropout_backward(keep->data(), g.data(), detail::count(g), p);
    in.add(0, std::move(g));
  });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                   \
  template Variable<T> relu(const Variable<T>& x);                                  \
  template Variable<T> gelu(const Variable<T>& x);                                  \
  template Variable<T> add(const Variable<T>& a, const Variable<T>& b);             \
  template Variable<T> subtract(const Variable<T>& a, const Variable<T>& b);        \
  template Variable<T> mul(const Variable<T>& a, const Variable<T>& b);             \
  template Variable<T> scale(const Variable<T>& x, std::type_identity_t<T> factor); \
  template Variable<T> sum(const Variable<T>& x);                                   \
  template Variable<T> mean(const Variable<T>& x);                                  \
  template Variable<T> dropout(const Variable<T>& x, float p, const Rng& rng);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
