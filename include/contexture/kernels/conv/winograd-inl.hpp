// SPDX-License-Identifier: MIT
// The transforms of Winograd convolution, compiled once per instruction set; vectors run over
// channels. See winograd_tiles.hpp for what they are called with.

namespace contexture::kernels::CONTEXTURE_ISA {

// One-dimensional transforms of F(M,3), in Lavin and Gray's names (arXiv 1509.09308), for the
// interpolation points 0, 1, -1 (and 2, -2), infinity. Each maps kIn to kOut vectors.
template <class T, int M>
struct WinogradInput;  // B^T
template <class T, int M>
struct WinogradWeights;  // G
template <class T, int M>
struct WinogradOutput;  // A^T
template <class T, int M>
struct WinogradGradient;  // A: of the output's gradient, for the weight gradient
template <class T, int M>
struct WinogradWeightGradient;  // G^T

template <class T>
struct WinogradInput<T, 2> {
  static constexpr int kIn = 4, kOut = 4;
  CONTEXTURE_INLINE static void apply(const Vec<T>* d, Vec<T>* o) {
    o[0] = d[0] - d[2];
    o[1] = d[1] + d[2];
    o[2] = d[2] - d[1];
    o[3] = d[1] - d[3];
  }
};
template <class T>
struct WinogradWeights<T, 2> {
  static constexpr int kIn = 3, kOut = 4;
  CONTEXTURE_INLINE static void apply(const Vec<T>* g, Vec<T>* o) {
    const Vec<T> even = (g[0] + g[2]) * T(0.5), odd = g[1] * T(0.5);
    o[0] = g[0];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = g[2];
  }
};
template <class T>
struct WinogradOutput<T, 2> {
  static constexpr int kIn = 4, kOut = 2;
  CONTEXTURE_INLINE static void apply(const Vec<T>* m, Vec<T>* o) {
    o[0] = m[0] + m[1] + m[2];
    o[1] = m[1] - m[2] - m[3];
  }
};
template <class T>
struct WinogradGradient<T, 2> {
  static constexpr int kIn = 2, kOut = 4;
  CONTEXTURE_INLINE static void apply(const Vec<T>* y, Vec<T>* o) {
    o[0] = y[0];
    o[1] = y[0] + y[1];
    o[2] = y[0] - y[1];
    o[3] = -y[1];
  }
};
template <class T>
struct WinogradWeightGradient<T, 2> {
  static constexpr int kIn = 4, kOut = 3;
  CONTEXTURE_INLINE static void apply(const Vec<T>* u, Vec<T>* o) {
    const Vec<T> sum = (u[1] + u[2]) * T(0.5);
    o[0] = u[0] + sum;
    o[1] = (u[1] - u[2]) * T(0.5);
    o[2] = sum + u[3];
  }
};

template <class T>
struct WinogradInput<T, 4> {
  static constexpr int kIn = 6, kOut = 6;
  CONTEXTURE_INLINE static void apply(const Vec<T>* d, Vec<T>* o) {
    const Vec<T> a = d[4] - d[2] * T(4), b = d[3] - d[1] * T(4);
    const Vec<T> c = d[4] - d[2], e = (d[3] - d[1]) * T(2);
    o[0] = d[0] * T(4) - d[2] * T(5) + d[4];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = d[1] * T(4) - d[3] * T(5) + d[5];
  }
};
template <class T>
struct WinogradWeights<T, 4> {
  static constexpr int kIn = 3, kOut = 6;
  CONTEXTURE_INLINE static void apply(const Vec<T>* g, Vec<T>* o) {
    const Vec<T> even = (g[0] + g[2]) * T(-1.0 / 6), odd = g[1] * T(-1.0 / 6);
    const Vec<T> far = g[0] * T(1.0 / 24) + g[2] * T(1.0 / 6), near = g[1] * T(1.0 / 12);
    o[0] = g[0] * T(0.25);
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = far + near;
    o[4] = far - near;
    o[5] = g[2];
  }
};
template <class T>
struct WinogradOutput<T, 4> {
  static constexpr int kIn = 6, kOut = 4;
  CONTEXTURE_INLINE static void apply(const Vec<T>* m, Vec<T>* o) {
    const Vec<T> a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    o[0] = m[0] + a + c;
    o[1] = b + d * T(2);
    o[2] = a + c * T(4);
    o[3] = b + d * T(8) + m[5];
  }
};
template <class T>
struct WinogradGradient<T, 4> {
  static constexpr int kIn = 4, kOut = 6;
  CONTEXTURE_INLINE static void apply(const Vec<T>* y, Vec<T>* o) {
    const Vec<T> a = y[0] + y[2], b = y[1] + y[3];
    const Vec<T> c = y[0] + y[2] * T(4), d = y[1] * T(2) + y[3] * T(8);
    o[0] = y[0];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = y[3];
  }
};
template <class T>
struct WinogradWeightGradient<T, 4> {
  static constexpr int kIn = 6, kOut = 3;
  CONTEXTURE_INLINE static void apply(const Vec<T>* u, Vec<T>* o) {
    const Vec<T> a = (u[1] + u[2]) * T(-1.0 / 6), b = (u[2] - u[1]) * T(1.0 / 6);
    const Vec<T> c = u[3] + u[4], d = (u[3] - u[4]) * T(1.0 / 12);
    o[0] = u[0] * T(0.25) + a + c * T(1.0 / 24);
    o[1] = b + d;
    o[2] = a + c * T(1.0 / 6) + u[5];
  }
};

// In the transforms of squares below, columns come first, then rows. The array between the two is
// aligned, since 36 vectors do not fit into registers.

// Pixels of an image to transformed points: the input (B^T d B) or the output's gradient
// (A dy A^T). Channels of a point are stored in pieces.
template <class T, class P, class Op>
CONTEXTURE_KERNEL void winograd_scatter(const detail::conv::WinogradTile<T, P>& tile) {
  constexpr Index width = kLanes<T>;
  constexpr int in = Op::kIn, out = Op::kOut;
  const P* from[in * in];  // padding is read from a row of zeros
  for (int i = 0; i < in; ++i)
    for (int j = 0; j < in; ++j) {
      const bool inside = i >= tile.row_begin && i < tile.row_end && j >= tile.col_begin && j < tile.col_end;
      from[i * in + j] = inside ? tile.pixels + i * tile.row_stride + j * tile.pixel_stride : tile.zeros;
    }
  // The tile to the right comes next: its new columns are fetched meanwhile.
  for (int i = 0; i < in; ++i) {
    const P* ahead = tile.pixels + i * tile.row_stride + in * tile.pixel_stride;
    for (Index e = 0; e < (out - 2) * tile.pixel_stride; e += detail::conv::kBlock<T>) __builtin_prefetch(ahead + e);
  }
  Index piece_at = 0;
  T* to = tile.points;
  for (Index c = 0; c < tile.channels; c += width) {
    const Index valid = tile.channels - c;
    alignas(CONTEXTURE_VECTOR_BYTES) Vec<T> half[out][in];
    CONTEXTURE_UNROLL for (int j = 0; j < in; ++j) {
      Vec<T> d[in], o[out];
      if (valid >= width) {
        CONTEXTURE_UNROLL for (int i = 0; i < in; ++i) d[i] = load_as<T>(from[i * in + j] + c);
      } else {
        for (int i = 0; i < in; ++i) d[i] = load_part<P, kLanes<T>, T>(from[i * in + j] + c, valid);
      }
      Op::apply(d, o);
      CONTEXTURE_UNROLL for (int i = 0; i < out; ++i) half[i][j] = o[i];
    }
    CONTEXTURE_UNROLL for (int i = 0; i < out; ++i) {
      Vec<T> o[out];
      Op::apply(half[i], o);
      T* row = to + piece_at + i * out * tile.point_step;
      if (piece_at + width <= tile.piece) {
        CONTEXTURE_UNROLL for (int j = 0; j < out; ++j) store(row + j * tile.point_step, o[j]);
      } else {  // a piece of one vector and a half
        for (int j = 0; j < out; ++j) store_part<T>(row + j * tile.point_step, o[j], width / 2);
      }
    }
    piece_at += width;
    if (piece_at >= tile.piece) {
      piece_at = 0;
      to += tile.piece_step;
    }
  }
}

// Transformed points (contiguous vectors a point) to pixels, plus bias: A^T m A.
template <class T, class P, class Op>
CONTEXTURE_KERNEL void winograd_gather(const detail::conv::WinogradTile<T, P>& tile) {
  constexpr Index width = kLanes<T>;
  constexpr int in = Op::kIn, out = Op::kOut;
  for (Index c = 0; c < tile.channels; c += width) {
    const Index valid = tile.channels - c;
    alignas(CONTEXTURE_VECTOR_BYTES) Vec<T> half[out][in];
    CONTEXTURE_UNROLL for (int j = 0; j < in; ++j) {
      Vec<T> m[in], o[out];
      CONTEXTURE_UNROLL for (int i = 0; i < in; ++i) m[i] = load(tile.points + (i * in + j) * tile.point_step + c);
      Op::apply(m, o);
      CONTEXTURE_UNROLL for (int i = 0; i < out; ++i) half[i][j] = o[i];
    }
    const Vec<T> bias = load(tile.bias + c);
    CONTEXTURE_UNROLL for (int i = 0; i < out; ++i) {
      if (i >= tile.row_end) break;
      Vec<T> o[out];
      Op::apply(half[i], o);
      P* to = tile.pixels + i * tile.row_stride + c;
      if (tile.col_end == out && valid >= width) {
        CONTEXTURE_UNROLL for (int j = 0; j < out; ++j) store_as<T>(to + j * tile.pixel_stride, o[j] + bias);
      } else {
        for (int j = 0; j < tile.col_end; ++j)
          if (valid >= width)
            store_as<T>(to + j * tile.pixel_stride, o[j] + bias);
          else
            store_part<P, kLanes<T>, T>(to + j * tile.pixel_stride, o[j] + bias, valid);
      }
    }
  }
}

// Packed weights [tap][c][NV vectors], taps in reverse order where `flipped`, to points
// [point][c][NV vectors]; count is the number of elements of one tap.
template <class T, class Op>
CONTEXTURE_KERNEL void winograd_weights(const T* taps, T* points, Index count, bool flipped) {
  constexpr int out = Op::kOut;
  constexpr Index width = kLanes<T>;
  for (Index next = 0; next < count; next += width) {
    // The last vector is moved back where it would be half empty (there are at least two halves).
    const Index at = next + width <= count ? next : count - width;
    alignas(CONTEXTURE_VECTOR_BYTES) Vec<T> half[out][3];
    CONTEXTURE_UNROLL for (int j = 0; j < 3; ++j) {
      Vec<T> g[3], o[out];
      CONTEXTURE_UNROLL for (int i = 0; i < 3; ++i) g[i] =
          load(taps + (flipped ? 8 - (i * 3 + j) : i * 3 + j) * count + at);
      Op::apply(g, o);
      CONTEXTURE_UNROLL for (int i = 0; i < out; ++i) half[i][j] = o[i];
    }
    CONTEXTURE_UNROLL for (int i = 0; i < out; ++i) {
      Vec<T> o[out];
      Op::apply(half[i], o);
      CONTEXTURE_UNROLL for (int j = 0; j < out; ++j) store(points + (i * out + j) * count + at, o[j]);
    }
  }
}

template <class T, class P, int M>
CONTEXTURE_KERNEL detail::conv::WinogradKernels<T, P> winograd_kernels() {
  detail::conv::WinogradKernels<T, P> table{};
  table.input = &winograd_scatter<T, P, WinogradInput<T, M>>;
  table.gradient = &winograd_scatter<T, P, WinogradGradient<T, M>>;
  table.output = &winograd_gather<T, P, WinogradOutput<T, M>>;
  table.weight_gradient = &winograd_gather<T, T, WinogradWeightGradient<T, M>>;
  table.weights = &winograd_weights<T, WinogradWeights<T, M>>;
  return table;
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
