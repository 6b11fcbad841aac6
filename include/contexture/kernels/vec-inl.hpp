// SPDX-License-Identifier: MIT
// Vec<T>: the widest vector of the instruction set being compiled, as a GCC/clang vector type;
// VecN<T, N>: one of N lanes (N = 1 is plain T), for the tails. Arithmetic operators and
// comparisons come with the types, and `mask ? a : b` selects lane by lane. Included by
// for_each_isa.hpp, once per instruction set (the guards below make repeats harmless).
#if (CONTEXTURE_VECTOR_BYTES == 16 && !defined(CONTEXTURE_VEC_16)) ||                                      \
    (CONTEXTURE_VECTOR_BYTES == 32 && !defined(CONTEXTURE_VEC_32)) ||                                      \
    (CONTEXTURE_VECTOR_BYTES == 64 && !defined(CONTEXTURE_NATIVE_PAIRS) && !defined(CONTEXTURE_VEC_64)) || \
    (defined(CONTEXTURE_NATIVE_PAIRS) && !defined(CONTEXTURE_VEC_64_PAIRS))
#if CONTEXTURE_VECTOR_BYTES == 16
#define CONTEXTURE_VEC_16
#elif CONTEXTURE_VECTOR_BYTES == 32
#define CONTEXTURE_VEC_32
#elif !defined(CONTEXTURE_NATIVE_PAIRS)
#define CONTEXTURE_VEC_64
#else
#define CONTEXTURE_VEC_64_PAIRS
#endif

namespace contexture::kernels::CONTEXTURE_ISA {

template <class T, int N>
struct VecOf {
  // NOLINTNEXTLINE(modernize-use-using): for a dependent type, the attributes belong to a typedef
  typedef T type __attribute__((vector_size(N * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <class T>
struct VecOf<T, 1> {
  using type = T;
};
template <int N>
struct VecOf<bfloat16, N> : VecOf<std::uint16_t, N> {};
template <>
struct VecOf<bfloat16, 1> : VecOf<std::uint16_t, 1> {};

template <class T, int N>
using VecN = typename VecOf<T, N>::type;
template <class T>
inline constexpr int kLanes = static_cast<int>(CONTEXTURE_VECTOR_BYTES / sizeof(T));
template <class T>
using Vec = VecN<T, kLanes<T>>;

template <class T, int N = kLanes<T>>
CONTEXTURE_INLINE VecN<T, N> load(const T* p) {
  return *reinterpret_cast<const VecN<T, N>*>(p);
}
template <class T, int N = kLanes<T>>
CONTEXTURE_INLINE void store(T* p, VecN<T, N> v) {
  *reinterpret_cast<VecN<T, N>*>(p) = v;
}
template <class T, int N = kLanes<T>>
CONTEXTURE_INLINE VecN<T, N> broadcast(T x) {
  return VecN<T, N>{} + x;
}
template <class T, int N = kLanes<T>>
CONTEXTURE_INLINE T lane(VecN<T, N> v, int i) {
  if constexpr (N == 1)
    return v;
  else
    return v[i];
}
template <class T, int N = kLanes<T>>
CONTEXTURE_INLINE T sum_lanes(VecN<T, N> v) {
  T total = lane<T, N>(v, 0);
  for (int i = 1; i < N; ++i) total += lane<T, N>(v, i);
  return total;
}

// N stored elements as numbers to compute with, and back, rounded as bfloat16's constructor does.
template <class Sum, class T, int N = kLanes<Sum>>
CONTEXTURE_INLINE VecN<Sum, N> load_as(const T* from) {
  if constexpr (std::is_same_v<T, Sum>) {
    return load<T, N>(from);
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    if constexpr (N == 1)
      return __builtin_bit_cast(float, static_cast<std::uint32_t>(from->bits) << 16);
    else
      return (VecN<float, N>)(__builtin_convertvector((load<T, N>(from)), VecN<std::uint32_t, N>) << 16);
  } else if constexpr (N == 1) {
    return static_cast<Sum>(*from);
  } else {
    return __builtin_convertvector((load<T, N>(from)), VecN<Sum, N>);
  }
}
template <int N>
CONTEXTURE_INLINE VecN<std::uint32_t, N> rounded_bits(VecN<float, N> v) {
  VecN<std::uint32_t, N> b{};
  __builtin_memcpy(&b, &v, sizeof b);
  const VecN<std::uint32_t, N> rounded = (b + 0x7fffu + (b >> 16 & 1u)) >> 16, nan = b >> 16 | 0x40u;
  return v != v ? nan : rounded;
}
template <class Sum, class T, int N = kLanes<Sum>>
CONTEXTURE_INLINE void store_as(T* to, VecN<Sum, N> v) {
  if constexpr (std::is_same_v<T, Sum>) {
    store<T, N>(to, v);
#if defined(CONTEXTURE_NATIVE_PAIRS)  // an instruction, which takes numbers below 2^-126 for zero, as the tiles do
  } else if constexpr (std::is_same_v<T, bfloat16> && (N == 16 || N == 8)) {
    VecN<std::uint16_t, N> rounded;
    __asm__("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(v));
    store<T, N>(to, rounded);
#endif
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    const VecN<std::uint32_t, N> bits = rounded_bits<N>(v);
    if constexpr (N == 1)
      to->bits = static_cast<std::uint16_t>(bits);
    else
      store<T, N>(to, __builtin_convertvector(bits, VecN<std::uint16_t, N>));
  } else if constexpr (N == 1) {
    *to = static_cast<T>(v);
  } else {
    store<T, N>(to, __builtin_convertvector(v, VecN<T, N>));
  }
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
#endif
