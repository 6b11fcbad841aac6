// Bodies of kernels/elementwise.hpp; see there. Compiled once per instruction set.

namespace contexture::kernels::CONTEXTURE_ISA {

// Runs step<N>(i) over [0, n): full vectors, then single elements. A macro, since lambdas are
// not allowed inside a target region.
#define CONTEXTURE_FLAT_LOOP(...)              \
  Index i = 0;                                 \
  for (; i + kLanes<T> <= n; i += kLanes<T>) { \
    constexpr int N = kLanes<T>;               \
    __VA_ARGS__                                \
  }                                            \
  for (; i < n; ++i) {                         \
    constexpr int N = 1;                       \
    __VA_ARGS__                                \
  }

template <class T>
CONTEXTURE_KERNEL void relu_forward(const T* x, T* y, Index n) {
  CONTEXTURE_FLAT_LOOP({
    const VecN<T, N> v = load<T, N>(x + i);
    const VecN<T, N> zero{};
    store<T, N>(y + i, v < zero ? zero : v);  // this way round, NaN passes through
  })
}

template <class T>
CONTEXTURE_KERNEL void relu_backward(const T* y, T* grad, Index n) {
  CONTEXTURE_FLAT_LOOP({
    const VecN<T, N> v = load<T, N>(y + i);
    const VecN<T, N> g = load<T, N>(grad + i);
    const VecN<T, N> zero{};
    store<T, N>(grad + i, v > zero ? g : zero);
  })
}

template <class T>
CONTEXTURE_KERNEL void add(const T* a, const T* b, T* y, Index n) {
  CONTEXTURE_FLAT_LOOP({
    const VecN<T, N> u = load<T, N>(a + i);
    const VecN<T, N> v = load<T, N>(b + i);
    store<T, N>(y + i, u + v);
  })
}

template <class T>
CONTEXTURE_KERNEL void multiply(const T* a, const T* b, T* y, Index n) {
  CONTEXTURE_FLAT_LOOP({
    const VecN<T, N> u = load<T, N>(a + i);
    const VecN<T, N> v = load<T, N>(b + i);
    store<T, N>(y + i, u * v);
  })
}

template <class T>
CONTEXTURE_KERNEL void axpby(T alpha, const T* x, T beta, T* y, Index n) {
  CONTEXTURE_FLAT_LOOP({
    const VecN<T, N> u = load<T, N>(x + i);
    const VecN<T, N> v = load<T, N>(y + i);
    store<T, N>(y + i, alpha * u + beta * v);
  })
}

template <class T>
CONTEXTURE_KERNEL void scale(T alpha, const T* x, T* y, Index n) {
  CONTEXTURE_FLAT_LOOP({
    const VecN<T, N> u = load<T, N>(x + i);
    store<T, N>(y + i, alpha * u);
  })
}

template <class T>
CONTEXTURE_KERNEL double sum_of_squares(const T* x, Index n) {
  double total = 0;
  constexpr Index kBlock = 4096;  // float lanes hold at most 256 addends before they go to double
  for (Index begin = 0; begin < n; begin += kBlock) {
    const Index end = begin + kBlock < n ? begin + kBlock : n;
    Vec<T> acc{};
    Index i = begin;
    for (; i + kLanes<T> <= end; i += kLanes<T>) {
      const Vec<T> v = load(x + i);
      acc += v * v;
    }
    double block = static_cast<double>(sum_lanes<T>(acc));
    for (; i < end; ++i) block += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    total += block;
  }
  return total;
}

// One pass over value, gradient and momentum buffer; see kernels/elementwise.hpp.
template <class T>
CONTEXTURE_KERNEL void sgd_update(T* w, const T* grad, T* velocity, Index n, T lr, T momentum, T weight_decay,
                                  bool nesterov) {
  const T look_ahead = nesterov ? momentum : T(0);
  const T own = nesterov ? T(1) : T(0);
  CONTEXTURE_FLAT_LOOP({
    const VecN<T, N> p = load<T, N>(w + i);
    const VecN<T, N> g = load<T, N>(grad + i) + weight_decay * p;
    const VecN<T, N> v = momentum * load<T, N>(velocity + i) + g;
    store<T, N>(velocity + i, v);
    const VecN<T, N> update = nesterov ? own * g + look_ahead * v : v;
    store<T, N>(w + i, p - lr * update);
  })
}

#undef CONTEXTURE_FLAT_LOOP

}  // namespace contexture::kernels::CONTEXTURE_ISA
