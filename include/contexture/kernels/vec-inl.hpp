// Vec<T>: the widest vector of the instruction set being compiled, as a GCC/clang vector type;
// VecN<T, N>: one of N lanes (N = 1 is plain T), for the tails. Arithmetic operators and
// comparisons come with the types, and `mask ? a : b` selects lane by lane. Included by
// for_each_isa.hpp, once per instruction set (the guards below make repeats harmless).
#if (CONTEXTURE_VECTOR_BYTES == 16 && !defined(CONTEXTURE_VEC_16)) || \
    (CONTEXTURE_VECTOR_BYTES == 32 && !defined(CONTEXTURE_VEC_32)) || \
    (CONTEXTURE_VECTOR_BYTES == 64 && !defined(CONTEXTURE_VEC_64))
#if CONTEXTURE_VECTOR_BYTES == 16
#define CONTEXTURE_VEC_16
#elif CONTEXTURE_VECTOR_BYTES == 32
#define CONTEXTURE_VEC_32
#else
#define CONTEXTURE_VEC_64
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

}  // namespace contexture::kernels::CONTEXTURE_ISA
#endif
