// SPDX-License-Identifier: MIT
// Bodies of kernels/layer_norm.hpp; see there. x and its like are (rows, width), rows contiguous; vectors run along a
// row. A block of rows stays in the first-level cache, so that walking it twice costs little.

namespace contexture::kernels::CONTEXTURE_ISA {

// Sum over a row of x - shift, or of its square.
template <class T, bool kSquare>
CONTEXTURE_INLINE T row_sum(const T* x, Index width, T shift) {
  Vec<T> sums[2]{};  // two chains hide the latency of the additions
  Index i = 0;
  for (; i + 2 * kLanes<T> <= width; i += 2 * kLanes<T>) CONTEXTURE_UNROLL for (int k = 0; k < 2; ++k) {
      const Vec<T> d = load<T>(x + i + k * kLanes<T>) - shift;
      sums[k] += kSquare ? d * d : d;
    }
  for (; i + kLanes<T> <= width; i += kLanes<T>) {
    const Vec<T> d = load<T>(x + i) - shift;
    sums[0] += kSquare ? d * d : d;
  }
  T total = sum_lanes<T>(sums[0] + sums[1]);
  for (; i < width; ++i) total += kSquare ? (x[i] - shift) * (x[i] - shift) : x[i] - shift;
  return total;
}

// Mean and biased variance of every row. The mean is corrected by the differences to it: no cancellation far from zero.
template <class T>
CONTEXTURE_KERNEL void row_moments(Index rows, Index width, const T* x, T* mean, T* variance) {
  const T n = static_cast<T>(width);
  for (Index r = 0; r < rows; ++r, x += width) {
    const T first = x[0] + row_sum<T, false>(x, width, x[0]) / n;
    const T correction = row_sum<T, false>(x, width, first) / n;
    mean[r] = first + correction;
    variance[r] = row_sum<T, true>(x, width, mean[r]) / n;
  }
}

template <class T, int N>
CONTEXTURE_INLINE VecN<T, N> normalised(const T* x, T mean, T inv_std) {
  return (load<T, N>(x) - mean) * inv_std;
}

// Runs step<N>(i) over [0, width): full vectors, then single elements.
#define CONTEXTURE_ROW_LOOP(...)                     \
  {                                                  \
    Index i = 0;                                     \
    for (; i + kLanes<T> <= width; i += kLanes<T>) { \
      constexpr int N = kLanes<T>;                   \
      __VA_ARGS__                                    \
    }                                                \
    for (; i < width; ++i) {                         \
      constexpr int N = 1;                           \
      __VA_ARGS__                                    \
    }                                                \
  }

// y = (x - mean) * inv_std * gamma + beta.
template <class T>
CONTEXTURE_KERNEL void row_affine(const LayerNormRows<T>& s, T* y) {
  const Index width = s.width;
  const T *x = s.x, *const gamma = s.gamma, *const beta = s.beta;  // local: a store might change what s points to
  for (Index r = 0; r < s.rows; ++r, x += width, y += width) {
    const T mean = s.mean[r], inv_std = s.inv_std[r];
    if (gamma != nullptr)
      CONTEXTURE_ROW_LOOP({
        const VecN<T, N> v = normalised<T, N>(x + i, mean, inv_std) * load<T, N>(gamma + i) + load<T, N>(beta + i);
        store<T, N>(y + i, v);
      })
    else
      CONTEXTURE_ROW_LOOP({
        const VecN<T, N> v = normalised<T, N>(x + i, mean, inv_std);
        store<T, N>(y + i, v);
      })
  }
}

// dx of some rows (may be dy); their dgamma and dbeta are added up in T. With h = dy * gamma:
// dx = inv_std * (h - mean(h) - xhat * mean(h * xhat)).
template <class T>
CONTEXTURE_KERNEL void row_backward(const LayerNormRows<T>& s, const T* dy, T* dx, T* dgamma, T* dbeta) {
  const Index width = s.width;
  const T n = static_cast<T>(width);
  const T *x = s.x, *const gamma = s.gamma;  // local: a store might change what s points to
  for (Index r = 0; r < s.rows; ++r, x += width, dy += width, dx += width) {
    const T mean = s.mean[r], inv_std = s.inv_std[r];
    Vec<T> sums{}, products{};
    Index whole = 0;
    for (; whole + kLanes<T> <= width; whole += kLanes<T>) {
      const Vec<T> xhat = normalised<T, kLanes<T>>(x + whole, mean, inv_std);
      const Vec<T> g = load<T>(dy + whole);
      const Vec<T> h = gamma != nullptr ? g * load<T>(gamma + whole) : g;
      sums += h;
      products += h * xhat;
      store<T>(dgamma + whole, load<T>(dgamma + whole) + g * xhat);
      store<T>(dbeta + whole, load<T>(dbeta + whole) + g);
    }
    T sum = sum_lanes<T>(sums), product = sum_lanes<T>(products);
    for (; whole < width; ++whole) {
      const T xhat = (x[whole] - mean) * inv_std;
      const T h = gamma != nullptr ? dy[whole] * gamma[whole] : dy[whole];
      sum += h;
      product += h * xhat;
      dgamma[whole] += dy[whole] * xhat;
      dbeta[whole] += dy[whole];
    }
    const T along_ones = sum / n, along_x = product / n;
    CONTEXTURE_ROW_LOOP({
      const VecN<T, N> xhat = normalised<T, N>(x + i, mean, inv_std);
      VecN<T, N> h = load<T, N>(dy + i);
      if (gamma != nullptr) h *= load<T, N>(gamma + i);
      const VecN<T, N> v = (h - along_ones - xhat * along_x) * inv_std;
      store<T, N>(dx + i, v);
    })
  }
}

#undef CONTEXTURE_ROW_LOOP

}  // namespace contexture::kernels::CONTEXTURE_ISA
