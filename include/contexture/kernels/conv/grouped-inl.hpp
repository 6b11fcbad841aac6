// SPDX-License-Identifier: MIT
// Kernels for groups of 1, 2 or 4 channels, compiled once per instruction set; see grouped.hpp.
// Vectors run over output channels, across groups; lane k needs channel j of its own group, which is
// a permutation of the vector of the same channels of the source.

namespace contexture::kernels::CONTEXTURE_ISA {

// Lane k of the result is lane k / G * G + j of v.
template <class T, int N, int G, int J, int... K>
CONTEXTURE_INLINE VecN<T, N> group_channel(VecN<T, N> v, std::integer_sequence<int, K...>) {
  if constexpr (G == 1)
    return v;
  else
    return __builtin_shufflevector(v, v, (K / G * G + J)...);
}

template <class T, int N, int G, int J>
CONTEXTURE_INLINE VecN<T, N> group_channel(VecN<T, N> v) {
  return group_channel<T, N, G, J>(v, std::make_integer_sequence<int, N>());
}

// Pixels that are computed at once: sums and sources fill half of the registers each.
inline constexpr int kGroupedPixels = CONTEXTURE_VECTOR_BYTES == 64 ? 8 : 4;

// P pixels by N channels of the output, summed over the taps.
template <class T, int N, int G, int P>
CONTEXTURE_INLINE void grouped_block(const detail::conv::GroupedCall<T>& call, Index c, const T* source, T* out) {
  // What the next row of pixels will read first, and write.
  CONTEXTURE_UNROLL for (int p = 0; p < P; ++p) {
    __builtin_prefetch(source + call.ahead + p * call.source_step + c);
    __builtin_prefetch(out + call.out_ahead + p * call.out_step + c, 1);
  }
  VecN<T, N> sum[P];
  VecN<T, N> start{};
  if (call.bias != nullptr) start = load<T, N>(call.bias + c);
  CONTEXTURE_UNROLL for (int p = 0; p < P; ++p) sum[p] = start;
  for (Index t = 0; t < call.tap_count; ++t) {
    const T* w = call.weights + call.taps[t].weights * G * call.channels + c;
    const T* x = source + call.taps[t].source + c;
    VecN<T, N> pixel[P];
    CONTEXTURE_UNROLL for (int p = 0; p < P; ++p) pixel[p] = load<T, N>(x + p * call.source_step);
#define CONTEXTURE_BODY(J)                                           \
  if constexpr (J < G) {                                             \
    const VecN<T, N> weights = load<T, N>(w + J * call.channels);    \
    CONTEXTURE_UNROLL for (int p = 0; p < P; ++p) sum[p] +=          \
        group_channel<T, N, G, (J < G ? J : 0)>(pixel[p]) * weights; \
  }
    CONTEXTURE_BODY(0)
    CONTEXTURE_BODY(1)
    CONTEXTURE_BODY(2)
    CONTEXTURE_BODY(3)
#undef CONTEXTURE_BODY
  }
  CONTEXTURE_UNROLL for (int p = 0; p < P; ++p) store<T, N>(out + p * call.out_step + c, sum[p]);
}

template <class T, int N, int G>
CONTEXTURE_INLINE void grouped_channels(const detail::conv::GroupedCall<T>& call, Index c) {
  Index pixel = 0;
  for (; pixel + kGroupedPixels <= call.pixels; pixel += kGroupedPixels)
    grouped_block<T, N, G, kGroupedPixels>(call, c, call.source + pixel * call.source_step,
                                           call.out + pixel * call.out_step);
  for (; pixel + 2 <= call.pixels; pixel += 2)
    grouped_block<T, N, G, 2>(call, c, call.source + pixel * call.source_step, call.out + pixel * call.out_step);
  if (pixel < call.pixels)
    grouped_block<T, N, G, 1>(call, c, call.source + pixel * call.source_step, call.out + pixel * call.out_step);
}

// sums [tap][j][channels] += the tap's source pixel's channel j of the group * gradient pixel, over a run of pixels,
// for S neighbouring taps: a value of the gradient is read once for all of them.
template <class T, int N, int G, int S>
CONTEXTURE_INLINE void grouped_weight_taps(const detail::conv::GroupedWeightCall<T>& call, Index c) {
  // Pixels take turns between two sets of sums where one set is too few chains to hide the additions' latency.
  constexpr int kWays = S * G >= 6 ? 1 : 2;
  VecN<T, N> sum[kWays][S][G] = {};
  const T* x = call.source + c;
  const T* dy = call.gradient + c;
#define CONTEXTURE_BODY(J) \
  if constexpr (J < G) sum[way][s][J < G ? J : 0] += group_channel<T, N, G, (J < G ? J : 0)>(pixel) * gradient;
#define CONTEXTURE_PIXEL(WAY)                                     \
  {                                                               \
    constexpr int way = WAY;                                      \
    const VecN<T, N> gradient = load<T, N>(dy);                   \
    CONTEXTURE_UNROLL for (int s = 0; s < S; ++s) {               \
      const VecN<T, N> pixel = load<T, N>(x + s * call.tap_step); \
      CONTEXTURE_BODY(0)                                          \
      CONTEXTURE_BODY(1)                                          \
      CONTEXTURE_BODY(2)                                          \
      CONTEXTURE_BODY(3)                                          \
    }                                                             \
    if constexpr (S > 1) {                                        \
      __builtin_prefetch(x + call.ahead);                         \
      __builtin_prefetch(dy + call.gradient_ahead);               \
    }                                                             \
    x += call.source_step;                                        \
    dy += call.gradient_step;                                     \
  }
  Index left = call.pixels;
  for (; left >= kWays; left -= kWays) {
    CONTEXTURE_PIXEL(0)
    if constexpr (kWays == 2) CONTEXTURE_PIXEL(kWays - 1)
  }
  if (left > 0) CONTEXTURE_PIXEL(0)
#undef CONTEXTURE_PIXEL
#undef CONTEXTURE_BODY
  CONTEXTURE_UNROLL for (int s = 0; s < S; ++s) CONTEXTURE_UNROLL for (int j = 0; j < G; ++j) {
    T* const to = call.sums + (s * G + j) * call.channels + c;
    VecN<T, N> total = load<T, N>(to) + sum[0][s][j];
    if constexpr (kWays == 2) total += sum[1][s][j];
    store<T, N>(to, total);
  }
}

template <class T, int N, int G>
CONTEXTURE_INLINE void grouped_weight_channels(const detail::conv::GroupedWeightCall<T>& call, Index c) {
  if (call.taps == detail::conv::kGroupedTaps)
    grouped_weight_taps<T, N, G, detail::conv::kGroupedTaps>(call, c);
  else
    grouped_weight_taps<T, N, G, 1>(call, c);
}

// Calls FUNCTION<T, N, G>(call, c) for blocks of N channels: full vectors, then halves down to G.
#define CONTEXTURE_GROUPED_BLOCKS(FUNCTION)                                                  \
  Index c = 0;                                                                               \
  for (; c + kLanes<T> <= call.channels; c += kLanes<T>) FUNCTION<T, kLanes<T>, G>(call, c); \
  if constexpr (kLanes < T >> 8)                                                             \
    for (; c + 8 <= call.channels; c += 8) FUNCTION<T, 8, G>(call, c);                       \
  if constexpr (kLanes < T >> 4)                                                             \
    for (; c + 4 <= call.channels; c += 4) FUNCTION<T, 4, G>(call, c);                       \
  if constexpr (kLanes < T >> 2 && G <= 2)                                                   \
    for (; c + 2 <= call.channels; c += 2) FUNCTION<T, 2, G>(call, c);                       \
  if constexpr (G == 1)                                                                      \
    for (; c < call.channels; ++c) FUNCTION<T, 1, G>(call, c);

template <class T, int G>
CONTEXTURE_KERNEL void grouped_pixels(const detail::conv::GroupedCall<T>& call) {
  CONTEXTURE_GROUPED_BLOCKS(grouped_channels)
}

template <class T, int G>
CONTEXTURE_KERNEL void grouped_weights(const detail::conv::GroupedWeightCall<T>& call) {
  CONTEXTURE_GROUPED_BLOCKS(grouped_weight_channels)
}
#undef CONTEXTURE_GROUPED_BLOCKS

template <class T>
CONTEXTURE_KERNEL detail::conv::GroupedKernels<T> grouped_kernels(Index group) {
  // Baseline vectors of doubles hold two channels: no groups of 4.
  if constexpr (kLanes<T> >= 4)
    if (group == 4) return {&grouped_pixels<T, 4>, &grouped_weights<T, 4>};
  if (group == 2) return {&grouped_pixels<T, 2>, &grouped_weights<T, 2>};
  if (group == 1) return {&grouped_pixels<T, 1>, &grouped_weights<T, 1>};
  return {};
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
