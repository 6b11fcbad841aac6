// SPDX-License-Identifier: MIT
// Bodies of kernels/norm.hpp; see there. x and its like are (rows, channels), rows contiguous.
// Each helper treats W times N neighbouring channels over all its rows, so that the channels' constants
// and sums stay in registers; rows are walked with stride `channels`. All rows are read once, from memory:
// several vectors of a row at a time keep that near to the order in which the lines lie there.

namespace contexture::kernels::CONTEXTURE_ISA {

// Vectors of a row at a time: sums and constants, five registers each, fit the 32 or 16 there are.
inline constexpr int kNormVectors = CONTEXTURE_VECTOR_BYTES == 64 ? 4 : 2;

// Calls BODY(N, W) for blocks of W * N channels from `c` on: several full vectors, one, then halves down to 1.
#define CONTEXTURE_BLOCKS_OF(BODY, N, W) \
  for (; c + (W) * (N) <= channels; c += (W) * (N)) BODY(N, W);
#define CONTEXTURE_CHANNEL_BLOCKS(BODY)                                    \
  Index c = 0;                                                             \
  CONTEXTURE_BLOCKS_OF(BODY, kLanes<T>, kNormVectors)                      \
  if constexpr (kNormVectors > 2) CONTEXTURE_BLOCKS_OF(BODY, kLanes<T>, 2) \
  CONTEXTURE_BLOCKS_OF(BODY, kLanes<T>, 1)                                 \
  if constexpr (kLanes < T >> 8) CONTEXTURE_BLOCKS_OF(BODY, 8, 1)          \
  if constexpr (kLanes < T >> 4) CONTEXTURE_BLOCKS_OF(BODY, 4, 1)          \
  CONTEXTURE_BLOCKS_OF(BODY, 1, 1)

template <class T, int N>
CONTEXTURE_INLINE void add_to_doubles(VecN<T, N> v, double* out) {
  for (int i = 0; i < N; ++i) out[i] += static_cast<double>(lane<T, N>(v, i));
}

// sum += x - shift, square += (x - shift)^2 over at most a few hundred rows.
template <class T, class P, int N, int W>
CONTEXTURE_INLINE void moments_block(NormRows<T, P> s, const P* shift, double* sum, double* square) {
  VecN<T, N> k[W], a[2][W]{}, q[2][W]{};  // two chains hide the latency of the additions
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) k[j] = load_as<T, P, N>(shift + j * N);
  Index r = 0;
  for (; r + 2 <= s.rows; r += 2) {
    CONTEXTURE_UNROLL for (int i = 0; i < 2; ++i) CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
      const VecN<T, N> d = load_as<T, P, N>(s.x + (r + i) * s.channels + j * N) - k[j];
      a[i][j] += d;
      q[i][j] += d * d;
    }
  }
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
    if (r < s.rows) {
      const VecN<T, N> d = load_as<T, P, N>(s.x + r * s.channels + j * N) - k[j];
      a[0][j] += d;
      q[0][j] += d * d;
    }
    add_to_doubles<T, N>(a[0][j] + a[1][j], sum + j * N);
    add_to_doubles<T, N>(q[0][j] + q[1][j], square + j * N);
  }
}

template <class T, class P>
CONTEXTURE_KERNEL void moments(const NormRows<T, P>& s, const P* shift, double* sum, double* square) {
  const Index channels = s.channels;
#define CONTEXTURE_BODY(N, W) moments_block<T, P, N, W>(s.from(c), shift + c, sum + c, square + c)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

template <class T, class P, int N, int W>
CONTEXTURE_INLINE void affine_block(NormRows<T, P> s, P* y) {
  VecN<T, N> a[W], b[W];
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) a[j] = load<T, N>(s.scale + j * N), b[j] = load<T, N>(s.offset + j * N);
  const VecN<T, N> zero{};
  for (Index r = 0; r < s.rows; ++r) {
    CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
      const Index at = r * s.channels + j * N;
      VecN<T, N> v = load_as<T, P, N>(s.x + at) * a[j] + b[j];
      if (s.residual != nullptr) v += load_as<T, P, N>(s.residual + at);
      if (s.relu) v = v < zero ? zero : v;
      store_as<T, P, N>(y + at, v);
    }
  }
}

template <class T, class P>
CONTEXTURE_KERNEL void affine(const NormRows<T, P>& s, P* y) {
  const Index channels = s.channels;
#define CONTEXTURE_BODY(N, W) affine_block<T, P, N, W>(s.from(c), y + c)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

// What the backward passes share: dy with the ReLU's mask applied.
template <class T, class P, int N>
CONTEXTURE_INLINE VecN<T, N> masked(VecN<T, N> dy, VecN<T, N> x, const P* y, VecN<T, N> a, VecN<T, N> b, bool relu) {
  const VecN<T, N> zero{};
  if (!relu) return dy;
  if (y != nullptr) return load_as<T, P, N>(y) > zero ? dy : zero;
  return x * a + b > zero ? dy : zero;
}

template <class T, class P, int N, int W>
CONTEXTURE_INLINE void backward_sums_block(NormRows<T, P> s, double* sum_dy, double* sum_dy_x, P* masked_dy) {
  VecN<T, N> m[W], a[W], b[W], sum[W]{}, q[W]{};
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
    m[j] = load<T, N>(s.mean + j * N);
    a[j] = load<T, N>(s.scale + j * N);
    b[j] = load<T, N>(s.offset + j * N);
  }
  for (Index r = 0; r < s.rows; ++r) {
    CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
      const Index at = r * s.channels + j * N;
      const VecN<T, N> v = load_as<T, P, N>(s.x + at);
      const P* const y = s.y != nullptr ? s.y + at : s.y;
      const VecN<T, N> g = masked<T, P, N>(load_as<T, P, N>(s.dy + at), v, y, a[j], b[j], s.relu);
      sum[j] += g;
      q[j] += g * (v - m[j]);
      if (masked_dy != nullptr) store_as<T, P, N>(masked_dy + at, g);
    }
  }
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
    add_to_doubles<T, N>(sum[j], sum_dy + j * N);
    add_to_doubles<T, N>(q[j], sum_dy_x + j * N);
  }
}

template <class T, class P>
CONTEXTURE_KERNEL void backward_sums(const NormRows<T, P>& s, double* sum_dy, double* sum_dy_x, P* masked_dy) {
  const Index channels = s.channels;
#define CONTEXTURE_BODY(N, W) \
  backward_sums_block<T, P, N, W>(s.from(c), sum_dy + c, sum_dy_x + c, masked_dy ? masked_dy + c : masked_dy)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

template <class T, class P, int N, int W>
CONTEXTURE_INLINE void backward_input_block(NormRows<T, P> s, const T* factor_x, const T* constant, P* dx) {
  VecN<T, N> a[W], b[W], f[W], k[W];
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
    a[j] = load<T, N>(s.scale + j * N);
    b[j] = load<T, N>(s.offset + j * N);
    f[j] = load<T, N>(factor_x + j * N);
    k[j] = load<T, N>(constant + j * N);
  }
  for (Index r = 0; r < s.rows; ++r) {
    CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
      const Index at = r * s.channels + j * N;
      const VecN<T, N> v = load_as<T, P, N>(s.x + at);
      const P* const none = nullptr;
      const VecN<T, N> g = masked<T, P, N>(load_as<T, P, N>(s.dy + at), v, none, a[j], b[j], s.relu);
      store_as<T, P, N>(dx + at, a[j] * g + f[j] * v + k[j]);
    }
  }
}

template <class T, class P>
CONTEXTURE_KERNEL void backward_input(const NormRows<T, P>& s, const T* factor_x, const T* constant, P* dx) {
  const Index channels = s.channels;
#define CONTEXTURE_BODY(N, W) backward_input_block<T, P, N, W>(s.from(c), factor_x + c, constant + c, dx + c)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

#undef CONTEXTURE_CHANNEL_BLOCKS
#undef CONTEXTURE_BLOCKS_OF

}  // namespace contexture::kernels::CONTEXTURE_ISA
