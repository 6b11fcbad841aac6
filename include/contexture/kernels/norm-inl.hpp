// Bodies of kernels/norm.hpp; see there. x and its like are (rows, channels), rows contiguous.
// Each helper treats N neighbouring channels over all its rows, so that the channels' constants
// and sums stay in registers; rows are walked with stride `channels`.

namespace contexture::kernels::CONTEXTURE_ISA {

// Calls BODY(N) for blocks of N channels from `c` on: full vectors, then halves down to 1.
#define CONTEXTURE_CHANNEL_BLOCKS(BODY)                              \
  Index c = 0;                                                       \
  for (; c + kLanes<T> <= channels; c += kLanes<T>) BODY(kLanes<T>); \
  if constexpr (kLanes < T >> 8) {                                   \
    if (c + 8 <= channels) {                                         \
      BODY(8);                                                       \
      c += 8;                                                        \
    }                                                                \
  }                                                                  \
  if constexpr (kLanes < T >> 4) {                                   \
    if (c + 4 <= channels) {                                         \
      BODY(4);                                                       \
      c += 4;                                                        \
    }                                                                \
  }                                                                  \
  for (; c < channels; ++c) BODY(1);

template <class T, int N>
CONTEXTURE_INLINE void add_to_doubles(VecN<T, N> v, double* out) {
  for (int i = 0; i < N; ++i) out[i] += static_cast<double>(lane<T, N>(v, i));
}

// sum += x - shift, square += (x - shift)^2 over at most a few hundred rows.
template <class T, int N>
CONTEXTURE_INLINE void moments_block(Index rows, Index channels, const T* x, const T* shift, double* sum,
                                     double* square) {
  const VecN<T, N> k = load<T, N>(shift);
  VecN<T, N> s0{}, s1{}, q0{}, q1{};  // two chains hide the latency of the additions
  Index r = 0;
  for (; r + 2 <= rows; r += 2) {
    const VecN<T, N> a = load<T, N>(x + r * channels) - k;
    const VecN<T, N> b = load<T, N>(x + (r + 1) * channels) - k;
    s0 += a;
    s1 += b;
    q0 += a * a;
    q1 += b * b;
  }
  if (r < rows) {
    const VecN<T, N> a = load<T, N>(x + r * channels) - k;
    s0 += a;
    q0 += a * a;
  }
  add_to_doubles<T, N>(s0 + s1, sum);
  add_to_doubles<T, N>(q0 + q1, square);
}

template <class T>
CONTEXTURE_KERNEL void moments(Index rows, Index channels, const T* x, const T* shift, double* sum, double* square) {
#define CONTEXTURE_BODY(N) moments_block<T, N>(rows, channels, x + c, shift + c, sum + c, square + c)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

template <class T, int N>
CONTEXTURE_INLINE void affine_block(Index rows, Index channels, const T* x, const T* scale, const T* offset,
                                    const T* residual, bool relu, T* y) {
  const VecN<T, N> a = load<T, N>(scale);
  const VecN<T, N> b = load<T, N>(offset);
  const VecN<T, N> zero{};
  for (Index r = 0; r < rows; ++r) {
    VecN<T, N> v = load<T, N>(x + r * channels) * a + b;
    if (residual != nullptr) v += load<T, N>(residual + r * channels);
    if (relu) v = v < zero ? zero : v;
    store<T, N>(y + r * channels, v);
  }
}

template <class T>
CONTEXTURE_KERNEL void affine(Index rows, Index channels, const T* x, const T* scale, const T* offset,
                              const T* residual, bool relu, T* y) {
#define CONTEXTURE_BODY(N) \
  affine_block<T, N>(rows, channels, x + c, scale + c, offset + c, residual ? residual + c : residual, relu, y + c)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

// What the backward passes share: dy with the ReLU's mask applied.
template <class T, int N>
CONTEXTURE_INLINE VecN<T, N> masked(VecN<T, N> dy, VecN<T, N> x, const T* y, VecN<T, N> a, VecN<T, N> b, bool relu) {
  const VecN<T, N> zero{};
  if (!relu) return dy;
  if (y != nullptr) return load<T, N>(y) > zero ? dy : zero;
  return x * a + b > zero ? dy : zero;
}

template <class T, int N>
CONTEXTURE_INLINE void backward_sums_block(Index rows, Index channels, const T* x, const T* dy, const T* y,
                                           const T* mean, const T* scale, const T* offset, bool relu, double* sum_dy,
                                           double* sum_dy_x, T* masked_dy) {
  const VecN<T, N> m = load<T, N>(mean);
  const VecN<T, N> a = load<T, N>(scale);
  const VecN<T, N> b = load<T, N>(offset);
  VecN<T, N> s{}, q{};
  for (Index r = 0; r < rows; ++r) {
    const VecN<T, N> v = load<T, N>(x + r * channels);
    const VecN<T, N> g =
        masked<T, N>(load<T, N>(dy + r * channels), v, y != nullptr ? y + r * channels : y, a, b, relu);
    s += g;
    q += g * (v - m);
    if (masked_dy != nullptr) store<T, N>(masked_dy + r * channels, g);
  }
  add_to_doubles<T, N>(s, sum_dy);
  add_to_doubles<T, N>(q, sum_dy_x);
}

template <class T>
CONTEXTURE_KERNEL void backward_sums(Index rows, Index channels, const T* x, const T* dy, const T* y, const T* mean,
                                     const T* scale, const T* offset, bool relu, double* sum_dy, double* sum_dy_x,
                                     T* masked_dy) {
#define CONTEXTURE_BODY(N)                                                                                       \
  backward_sums_block<T, N>(rows, channels, x + c, dy + c, y ? y + c : y, mean + c, scale + c, offset + c, relu, \
                            sum_dy + c, sum_dy_x + c, masked_dy ? masked_dy + c : masked_dy)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

template <class T, int N>
CONTEXTURE_INLINE void backward_input_block(Index rows, Index channels, const T* x, const T* dy, const T* scale,
                                            const T* offset, bool relu, const T* factor_x, const T* constant, T* dx) {
  const VecN<T, N> a = load<T, N>(scale);
  const VecN<T, N> b = load<T, N>(offset);
  const VecN<T, N> f = load<T, N>(factor_x);
  const VecN<T, N> k = load<T, N>(constant);
  for (Index r = 0; r < rows; ++r) {
    const VecN<T, N> v = load<T, N>(x + r * channels);
    const VecN<T, N> g = masked<T, N>(load<T, N>(dy + r * channels), v, static_cast<const T*>(nullptr), a, b, relu);
    store<T, N>(dx + r * channels, a * g + f * v + k);
  }
}

template <class T>
CONTEXTURE_KERNEL void backward_input(Index rows, Index channels, const T* x, const T* dy, const T* scale,
                                      const T* offset, bool relu, const T* factor_x, const T* constant, T* dx) {
#define CONTEXTURE_BODY(N)                                                                                           \
  backward_input_block<T, N>(rows, channels, x + c, dy + c, scale + c, offset + c, relu, factor_x + c, constant + c, \
                             dx + c)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

#undef CONTEXTURE_CHANNEL_BLOCKS

}  // namespace contexture::kernels::CONTEXTURE_ISA
