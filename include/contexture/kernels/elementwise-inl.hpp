// SPDX-License-Identifier: MIT
// Bodies of kernels/elementwise.hpp; see there. Compiled once per instruction set.

namespace contexture::kernels::CONTEXTURE_ISA {

// Runs step<N>(i) over [0, n): full vectors, then single elements. A macro, since lambdas are
// not allowed inside a target region.
#define CONTEXTURE_FLAT_LOOP(...)                     \
  constexpr int full_vector = kLanes<Accumulator<T>>; \
  Index i = 0;                                        \
  for (; i + full_vector <= n; i += full_vector) {    \
    constexpr int N = full_vector;                    \
    __VA_ARGS__                                       \
  }                                                   \
  for (; i < n; ++i) {                                \
    constexpr int N = 1;                              \
    __VA_ARGS__                                       \
  }

// One type of stored number into another.
template <class T, class To>
CONTEXTURE_KERNEL void convert(const T* x, To* y, Index n) {
  CONTEXTURE_FLAT_LOOP({ store_as<float, To, N>(y + i, load_as<float, T, N>(x + i)); })
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

template <class T, class To>
CONTEXTURE_KERNEL void add(const T* a, const T* b, To* y, Index n) {
  CONTEXTURE_FLAT_LOOP({
    using Sum = Accumulator<T>;
    store_as<Sum, To, N>(y + i, load_as<Sum, T, N>(a + i) + load_as<Sum, T, N>(b + i));
  })
}

// pairs[i] = first[i] in the lower half and second[i], or 0 where that is null, in the upper one, as bfloat16.
template <class T>
CONTEXTURE_KERNEL void round_to_pairs(const T* first, const T* second, std::uint32_t* pairs, Index n) {
  CONTEXTURE_FLAT_LOOP({
    VecN<std::uint32_t, N> v = rounded_bits<N>(load<T, N>(first + i));
    if (second != nullptr) v |= rounded_bits<N>(load<T, N>(second + i)) << 16;
    store<std::uint32_t, N>(pairs + i, v);
  })
}

// Copies `count` pixels of `channels` channels to pixels of `wide`, which zeros fill up.
template <class T>
CONTEXTURE_KERNEL void widen_pixels(const T* from, Index channels, T* to, Index wide, Index count) {
  if (channels == 3 && wide == 4) {  // the colours of an image
    for (Index i = 0; i < count; ++i, from += 3, to += 4) {
      const T pixel[4] = {from[0], from[1], from[2], T{}};
      __builtin_memcpy(to, pixel, sizeof pixel);
    }
    return;
  }
  for (Index i = 0; i < count; ++i, from += channels, to += wide)
    for (Index c = 0; c < wide; ++c) to[c] = c < channels ? from[c] : T{};
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
  constexpr Index kBlock = 32 * kLanes<T>;  // a lane of floats holds at most 32 addends before they go to double
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
    if (block - block != 0) {  // a square beyond the range of T, or an x that is not finite
      block = 0;
      for (Index j = begin; j < end; ++j) block += static_cast<double>(x[j]) * static_cast<double>(x[j]);
    }
    total += block;
  }
  return total;
}

// The first and second half of a and b taken lane by lane in turn: a0 b0 a1 b1 ...
template <class V, int... K>
CONTEXTURE_INLINE V interleave_low(V a, V b, std::integer_sequence<int, K...>) {
  return __builtin_shufflevector(a, b, (K / 2 + K % 2 * static_cast<int>(sizeof...(K)))...);
}
template <class V, int... K>
CONTEXTURE_INLINE V interleave_high(V a, V b, std::integer_sequence<int, K...>) {
  constexpr int n = static_cast<int>(sizeof...(K));
  return __builtin_shufflevector(a, b, (n / 2 + K / 2 + K % 2 * n)...);
}

// 0 1 2 ...; by its lanes, since an element written by a variable index is a wild address to g++ 14's AddressSanitizer
template <class V, int... K>
CONTEXTURE_INLINE V ascending(std::integer_sequence<int, K...>) {
  return V{K...};
}

// x * word, x and word below 2^32. Where the target has no product of 64 bits, g++ 12 makes three of 32 of it.
CONTEXTURE_INLINE Vec<std::uint64_t> product_of_words(Vec<std::uint64_t> x, std::uint64_t word) {
#if defined(CONTEXTURE_HAS_X86_ISAS) && !defined(__clang__) && CONTEXTURE_VECTOR_BYTES < 64
  using Words = Vec<std::int32_t>;
  const Vec<std::uint64_t> words = broadcast<std::uint64_t>(word);
#if CONTEXTURE_VECTOR_BYTES == 32
  return reinterpret_cast<Vec<std::uint64_t>>(
      __builtin_ia32_pmuludq256(reinterpret_cast<Words>(x), reinterpret_cast<Words>(words)));
#else
  return reinterpret_cast<Vec<std::uint64_t>>(
      __builtin_ia32_pmuludq128(reinterpret_cast<Words>(x), reinterpret_cast<Words>(words)));
#endif
#else
  return x * word;
#endif
}

// The Philox-4x32-10 of core/rng.hpp, a counter a lane: the 4 numbers of each of the kLanes counters from `counter` on,
// in the order of the stream. A 32-bit word fills the lower half of a lane, for the products of 64 bits.
CONTEXTURE_INLINE void philox_numbers(std::uint64_t counter, std::uint64_t key, std::uint32_t* out) {
  constexpr int L = kLanes<std::uint64_t>;
  using V = Vec<std::uint64_t>;
  constexpr auto lanes = std::make_integer_sequence<int, L>();
  const V count = ascending<V>(lanes) + counter;
  constexpr std::uint64_t low = 0xffffffffU;
  V x0 = count & low;
  V x1 = count >> 32;
  V x2{};
  V x3{};
  std::uint64_t k0 = key & low;
  std::uint64_t k1 = key >> 32;
  CONTEXTURE_UNROLL for (int round = 0; round < 10; ++round) {
    const V p0 = product_of_words(x0, 0xD2511F53U);
    const V p1 = product_of_words(x2, 0xCD9E8D57U);
    x0 = (p1 >> 32) ^ x1 ^ k0;
    x1 = p1 & low;
    x2 = (p0 >> 32) ^ x3 ^ k1;
    x3 = p0 & low;
    k0 = (k0 + 0x9E3779B9U) & low;
    k1 = (k1 + 0xBB67AE85U) & low;
  }
  const V first = x0 | x1 << 32;  // little-endian: x0 comes first in memory
  const V second = x2 | x3 << 32;
  auto* words = reinterpret_cast<V*>(out);
  words[0] = interleave_low(first, second, lanes);
  words[1] = interleave_high(first, second, lanes);
}

// A uniform number of 24 bits, as Rng::uniform() makes it, keeps an element unless it is below p.
template <class T>
CONTEXTURE_KERNEL void dropout_forward(const T* x, T* y, std::uint8_t* keep, Index n, float p, std::uint64_t key) {
  constexpr int N = kLanes<T>;
  constexpr Index kGroup = 4 * kLanes<std::uint64_t>;
  using Keep = VecN<std::uint8_t, N>;
  const T factor = T(1) / (T(1) - static_cast<T>(p));
  const T limit = static_cast<T>(p) * T(0x1p24);  // exact: a power of two
  std::uint32_t numbers[kGroup];
  std::uint64_t counter = 0;
  Index begin = 0;
  for (; begin + kGroup <= n; begin += kGroup) {
    philox_numbers(counter, key, numbers);
    counter += kLanes<std::uint64_t>;
    CONTEXTURE_UNROLL for (Index i = 0; i < kGroup; i += N) {
      const VecN<std::int32_t, N> bits =
          __builtin_convertvector(load<std::uint32_t, N>(numbers + i) >> 8, VecN<std::int32_t, N>);
      const auto kept = __builtin_convertvector(bits, VecN<T, N>) >= limit;
      const VecN<T, N> zero{};
      const VecN<T, N> v = load<T, N>(x + begin + i) * factor;
      store<T, N>(y + begin + i, kept ? v : zero);
      store<std::uint8_t, N>(keep + begin + i, __builtin_convertvector(kept, Keep) & 1);
    }
  }
  if (begin == n) return;
  philox_numbers(counter, key, numbers);
  for (Index i = begin; i < n; ++i) {
    const bool kept = static_cast<T>(numbers[i - begin] >> 8) >= limit;
    keep[i] = kept;
    y[i] = kept ? x[i] * factor : T(0);
  }
}

template <class T>
CONTEXTURE_KERNEL void dropout_backward(const std::uint8_t* keep, T* grad, Index n, T factor) {
  constexpr int N = kLanes<T>;
  using Bits = VecN<std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>, N>;
  Index i = 0;
  for (; i + N <= n; i += N) {
    using Halves =
        VecN<std::uint16_t, N>;  // between: g++ 12 widens by a factor of 2 only without falling back to scalars
    const Bits kept = __builtin_convertvector(__builtin_convertvector(load<std::uint8_t, N>(keep + i), Halves), Bits);
    const VecN<T, N> zero{};
    const VecN<T, N> v = load<T, N>(grad + i) * factor;
    store<T, N>(grad + i, kept != 0 ? v : zero);
  }
  for (; i < n; ++i) grad[i] = keep[i] != 0 ? grad[i] * factor : T(0);
}

// One pass over value, gradient and momentum buffer; see kernels/elementwise.hpp.
template <class T>
CONTEXTURE_KERNEL void sgd_update(T* w, const T* grad, T* velocity, Index n, const SgdStep<T>& step) {
  // Copies: the compiler takes it that a store of a vector may change what `step` holds.
  const T rate = step.rate, momentum = step.momentum, weight_decay = step.weight_decay;
  const bool nesterov = step.nesterov;
  const T look_ahead = nesterov ? momentum : T(0);
  const T own = nesterov ? T(1) : T(0);
  CONTEXTURE_FLAT_LOOP({
    const VecN<T, N> p = load<T, N>(w + i);
    const VecN<T, N> g = load<T, N>(grad + i) + weight_decay * p;
    const VecN<T, N> v = momentum * load<T, N>(velocity + i) + g;
    store<T, N>(velocity + i, v);
    const VecN<T, N> update = nesterov ? own * g + look_ahead * v : v;
    store<T, N>(w + i, p - rate * update);
  })
}

#undef CONTEXTURE_FLAT_LOOP

}  // namespace contexture::kernels::CONTEXTURE_ISA
