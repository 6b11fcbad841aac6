// SPDX-License-Identifier: MIT
// Flat loops over contiguous memory: activations, sums and the optimiser's update. Vectorised
// per instruction set, and threaded where there is enough to share. Pointers may alias exactly
// (in place) but not overlap partly.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::kernels {

/// Settings of one step of sgd_update.
template <class T>
struct SgdStep {
  T rate;
  T momentum = 0;
  T weight_decay = 0;
  bool nesterov = false;
};

/// Settings of one step of adamw_update.
template <class T>
struct AdamWStep {
  T rate, beta1, beta2, epsilon;
  T rest1, rest2;  ///< 1 - beta1 and 1 - beta2, rounded once: the float 1 - 0.999F is off by 5e-5 of itself
  T weight_decay = 0;
  T correction1, correction2;  ///< 1 - beta1^t and 1 - beta2^t for step t counted from 1
};

}  // namespace contexture::kernels

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/elementwise-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {

/// Elements a thread should get at least: below it, waking a thread costs more than it saves.
inline constexpr Index kElementwiseGrain = 32768;

namespace dispatch {  // one range, on the calling thread
template <class From, class To>
void convert(const From* x, To* y, Index n) {
  CONTEXTURE_DISPATCH(convert<From, To>(x, y, n));
}
template <class T>
void round_to_pairs(const T* first, const T* second, std::uint32_t* pairs, Index n) {
  CONTEXTURE_DISPATCH(round_to_pairs<T>(first, second, pairs, n));
}
template <class T>
void widen_pixels(const T* from, Index channels, T* to, Index wide, Index count) {
  CONTEXTURE_DISPATCH(widen_pixels<T>(from, channels, to, wide, count));
}
template <class T>
void relu_forward(const T* x, T* y, Index n) {
  CONTEXTURE_DISPATCH(relu_forward<T>(x, y, n));
}
template <class T>
void relu_backward(const T* y, T* grad, Index n) {
  CONTEXTURE_DISPATCH(relu_backward<T>(y, grad, n));
}
template <class T, class To>
void add(const T* a, const T* b, To* y, Index n) {
  CONTEXTURE_DISPATCH(add<T, To>(a, b, y, n));
}
template <class T>
void multiply(const T* a, const T* b, T* y, Index n) {
  CONTEXTURE_DISPATCH(multiply<T>(a, b, y, n));
}
template <class T>
void axpby(T alpha, const T* x, T beta, T* y, Index n) {
  CONTEXTURE_DISPATCH(axpby<T>(alpha, x, beta, y, n));
}
template <class T>
void scale(T alpha, const T* x, T* y, Index n) {
  CONTEXTURE_DISPATCH(scale<T>(alpha, x, y, n));
}
template <class T>
double sum_of_squares(const T* x, Index n) {
  CONTEXTURE_DISPATCH(sum_of_squares<T>(x, n));
}
template <class T>
void dropout_forward(const T* x, T* y, std::uint8_t* keep, Index n, float p, std::uint64_t key) {
  CONTEXTURE_DISPATCH(dropout_forward<T>(x, y, keep, n, p, key));
}
template <class T>
void dropout_backward(const std::uint8_t* keep, T* grad, Index n, T factor) {
  CONTEXTURE_DISPATCH(dropout_backward<T>(keep, grad, n, factor));
}
template <class T>
void sgd_update(T* w, const T* grad, T* velocity, Index n, const SgdStep<T>& step) {
  CONTEXTURE_DISPATCH(sgd_update<T>(w, grad, velocity, n, step));
}
}  // namespace dispatch

/// y[i] = x[i] in another type, of float and bfloat16; x and y must not overlap.
template <class From, class To>
void convert(const From* x, To* y, Index n) {
  parallel_for(n, kElementwiseGrain, [=](Index b, Index e) { dispatch::convert(x + b, y + b, e - b); });
}

/// y[i] = max(x[i], 0); NaN passes through.
template <class T>
void relu_forward(const T* x, T* y, Index n) {
  parallel_for(n, kElementwiseGrain, [=](Index b, Index e) { dispatch::relu_forward(x + b, y + b, e - b); });
}

/// grad[i] = y[i] > 0 ? grad[i] : 0, with y the output (or the input) of relu_forward.
template <class T>
void relu_backward(const T* y, T* grad, Index n) {
  parallel_for(n, kElementwiseGrain, [=](Index b, Index e) { dispatch::relu_backward(y + b, grad + b, e - b); });
}

/// y = a + b.
template <class T>
void add(const T* a, const T* b, T* y, Index n) {
  parallel_for(n, kElementwiseGrain, [=](Index s, Index e) { dispatch::add(a + s, b + s, y + s, e - s); });
}

/// y = a * b, element by element.
template <class T>
void multiply(const T* a, const T* b, T* y, Index n) {
  parallel_for(n, kElementwiseGrain, [=](Index s, Index e) { dispatch::multiply(a + s, b + s, y + s, e - s); });
}

/// y = alpha * x + beta * y.
template <class T>
void axpby(T alpha, const T* x, T beta, T* y, Index n) {
  parallel_for(n, kElementwiseGrain, [=](Index b, Index e) { dispatch::axpby(alpha, x + b, beta, y + b, e - b); });
}

/// y = alpha * x.
template <class T>
void scale(T alpha, const T* x, T* y, Index n) {
  parallel_for(n, kElementwiseGrain, [=](Index b, Index e) { dispatch::scale(alpha, x + b, y + b, e - b); });
}

/// Sum of squares, accumulated in double; the same bits with any number of threads.
template <class T>
[[nodiscard]] double sum_of_squares(const T* x, Index n) {
  const Index chunks = std::max<Index>(1, n / kElementwiseGrain);
  std::vector<double> partial(static_cast<std::size_t>(chunks), 0.0);
  parallel_chunks(n, chunks, [&](Index chunk, Index b, Index e) {
    partial[static_cast<std::size_t>(chunk)] = dispatch::sum_of_squares(x + b, e - b);
  });
  double total = 0;
  for (const double p : partial) total += p;
  return total;
}

/// Inverted dropout: y[i] = keep[i] ? x[i] / (1 - p) : 0, with keep[i] drawn from `rng`. Which
/// elements are dropped depends on `rng` and n only, not on threads or instruction set. Elements from `first` on of
/// something longer are dropped as they are in the whole of it.
template <class T>
void dropout_forward(const T* x, T* y, std::uint8_t* keep, Index n, float p, const Rng& rng, Index first = 0) {
  constexpr Index kBlock = 8192;        // elements that share one random stream
  const Index before = first % kBlock;  // elements of its first block that are left out
  const Index head = before == 0 ? 0 : std::min(n, kBlock - before);
  if (head > 0) {
    std::vector<T> from(static_cast<std::size_t>(before + head), T(0)), to(from.size());
    std::vector<std::uint8_t> kept(from.size());
    std::copy_n(x, head, from.data() + before);
    dispatch::dropout_forward(from.data(), to.data(), kept.data(), before + head, p,
                              rng.split(static_cast<std::uint64_t>(first / kBlock)).key());
    std::copy_n(to.data() + before, head, y);
    std::copy_n(kept.data() + before, head, keep);
  }
  const Index skipped = (first + kBlock - 1) / kBlock;
  parallel_for((n - head + kBlock - 1) / kBlock, 1, [=](Index begin, Index end) {
    for (Index block = begin; block < end; ++block) {
      const Index i = head + block * kBlock;
      dispatch::dropout_forward(x + i, y + i, keep + i, std::min(n - i, kBlock), p,
                                rng.split(static_cast<std::uint64_t>(skipped + block)).key());
    }
  });
}

/// grad[i] = keep[i] ? grad[i] / (1 - p) : 0.
template <class T>
void dropout_backward(const std::uint8_t* keep, T* grad, Index n, float p) {
  const T factor = T(1) / (T(1) - static_cast<T>(p));
  parallel_for(n, kElementwiseGrain,
               [=](Index b, Index e) { dispatch::dropout_backward(keep + b, grad + b, e - b, factor); });
}

/// Stochastic gradient descent with momentum, one pass (Sutskever et al., ICML 2013, in the form
/// that multiplies the whole velocity by the rate):
///   g = grad + weight_decay * w;  v = momentum * v + g;  w -= rate * (nesterov ? g + momentum * v : v).
/// w, grad, velocity: n elements.
template <class T>
void sgd_update(T* w, const T* grad, T* velocity, Index n, const SgdStep<T>& step) {
  parallel_for(n, kElementwiseGrain,
               [=](Index b, Index e) { dispatch::sgd_update(w + b, grad + b, velocity + b, e - b, step); });
}

/// AdamW, one pass (Loshchilov and Hutter, arXiv 1711.05101). w, grad and the moments m, v: n elements.
template <class T>
void adamw_update(T* w, const T* grad, T* m, T* v, Index n, const AdamWStep<T>& s) {
  parallel_for(n, kElementwiseGrain / 4, [=](Index b, Index e) {
    for (Index i = b; i < e; ++i) {
      m[i] = s.beta1 * m[i] + s.rest1 * grad[i];
      v[i] = s.beta2 * v[i] + s.rest2 * grad[i] * grad[i];
      const T step = (m[i] / s.correction1) / (std::sqrt(v[i] / s.correction2) + s.epsilon);
      w[i] -= s.rate * (step + s.weight_decay * w[i]);
    }
  });
}

}  // namespace contexture::kernels
