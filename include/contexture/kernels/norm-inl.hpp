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
template <class T, int N, int W>
CONTEXTURE_INLINE void moments_block(Index rows, Index channels, const T* x, const T* shift, double* sum,
                                     double* square) {
  VecN<T, N> k[W], s[2][W]{}, q[2][W]{};  // two chains hide the latency of the additions
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) k[j] = load<T, N>(shift + j * N);
  Index r = 0;
  for (; r + 2 <= rows; r += 2) {
    CONTEXTURE_UNROLL for (int i = 0; i < 2; ++i) CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
      const VecN<T, N> a = load<T, N>(x + (r + i) * channels + j * N) - k[j];
      s[i][j] += a;
      q[i][j] += a * a;
    }
  }
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
    if (r < rows) {
      const VecN<T, N> a = load<T, N>(x + r * channels + j * N) - k[j];
      s[0][j] += a;
      q[0][j] += a * a;
    }
    add_to_doubles<T, N>(s[0][j] + s[1][j], sum + j * N);
    add_to_doubles<T, N>(q[0][j] + q[1][j], square + j * N);
  }
}

template <class T>
CONTEXTURE_KERNEL void moments(Index rows, Index channels, const T* x, const T* shift, double* sum, double* square) {
#define CONTEXTURE_BODY(N, W) moments_block<T, N, W>(rows, channels, x + c, shift + c, sum + c, square + c)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

template <class T, int N, int W>
CONTEXTURE_INLINE void affine_block(Index rows, Index channels, const T* x, const T* scale, const T* offset,
                                    const T* residual, bool relu, T* y) {
  VecN<T, N> a[W], b[W];
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) a[j] = load<T, N>(scale + j * N), b[j] = load<T, N>(offset + j * N);
  const VecN<T, N> zero{};
  for (Index r = 0; r < rows; ++r) {
    CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
      const Index at = r * channels + j * N;
      VecN<T, N> v = load<T, N>(x + at) * a[j] + b[j];
      if (residual != nullptr) v += load<T, N>(residual + at);
      if (relu) v = v < zero ? zero : v;
      store<T, N>(y + at, v);
    }
  }
}

template <class T>
CONTEXTURE_KERNEL void affine(Index rows, Index channels, const T* x, const T* scale, const T* offset,
                              const T* residual, bool relu, T* y) {
#define CONTEXTURE_BODY(N, W) \
  affine_block<T, N, W>(rows, channels, x + c, scale + c, offset + c, residual ? residual + c : residual, relu, y + c)
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

template <class T, int N, int W>
CONTEXTURE_INLINE void backward_sums_block(Index rows, Index channels, const T* x, const T* dy, const T* y,
                                           const T* mean, const T* scale, const T* offset, bool relu, double* sum_dy,
                                           double* sum_dy_x, T* masked_dy) {
  VecN<T, N> m[W], a[W], b[W], s[W]{}, q[W]{};
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
    m[j] = load<T, N>(mean + j * N);
    a[j] = load<T, N>(scale + j * N);
    b[j] = load<T, N>(offset + j * N);
  }
  for (Index r = 0; r < rows; ++r) {
    CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
      const Index at = r * channels + j * N;
      const VecN<T, N> v = load<T, N>(x + at);
      const VecN<T, N> g = masked<T, N>(load<T, N>(dy + at), v, y != nullptr ? y + at : y, a[j], b[j], relu);
      s[j] += g;
      q[j] += g * (v - m[j]);
      if (masked_dy != nullptr) store<T, N>(masked_dy + at, g);
    }
  }
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
    add_to_doubles<T, N>(s[j], sum_dy + j * N);
    add_to_doubles<T, N>(q[j], sum_dy_x + j * N);
  }
}

template <class T>
CONTEXTURE_KERNEL void backward_sums(Index rows, Index channels, const T* x, const T* dy, const T* y, const T* mean,
                                     const T* scale, const T* offset, bool relu, double* sum_dy, double* sum_dy_x,
                                     T* masked_dy) {
#define CONTEXTURE_BODY(N, W)                                                                                       \
  backward_sums_block<T, N, W>(rows, channels, x + c, dy + c, y ? y + c : y, mean + c, scale + c, offset + c, relu, \
                               sum_dy + c, sum_dy_x + c, masked_dy ? masked_dy + c : masked_dy)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

template <class T, int N, int W>
CONTEXTURE_INLINE void backward_input_block(Index rows, Index channels, const T* x, const T* dy, const T* scale,
                                            const T* offset, bool relu, const T* factor_x, const T* constant, T* dx) {
  VecN<T, N> a[W], b[W], f[W], k[W];
  CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
    a[j] = load<T, N>(scale + j * N);
    b[j] = load<T, N>(offset + j * N);
    f[j] = load<T, N>(factor_x + j * N);
    k[j] = load<T, N>(constant + j * N);
  }
  for (Index r = 0; r < rows; ++r) {
    CONTEXTURE_UNROLL for (int j = 0; j < W; ++j) {
      const Index at = r * channels + j * N;
      const VecN<T, N> v = load<T, N>(x + at);
      const VecN<T, N> g = masked<T, N>(load<T, N>(dy + at), v, static_cast<const T*>(nullptr), a[j], b[j], relu);
      store<T, N>(dx + at, a[j] * g + f[j] * v + k[j]);
    }
  }
}

template <class T>
CONTEXTURE_KERNEL void backward_input(Index rows, Index channels, const T* x, const T* dy, const T* scale,
                                      const T* offset, bool relu, const T* factor_x, const T* constant, T* dx) {
#define CONTEXTURE_BODY(N, W)                                                                             \
  backward_input_block<T, N, W>(rows, channels, x + c, dy + c, scale + c, offset + c, relu, factor_x + c, \
                                constant + c, dx + c)
  CONTEXTURE_CHANNEL_BLOCKS(CONTEXTURE_BODY)
#undef CONTEXTURE_BODY
}

#undef CONTEXTURE_CHANNEL_BLOCKS
#undef CONTEXTURE_BLOCKS_OF

}  // namespace contexture::kernels::CONTEXTURE_ISA
