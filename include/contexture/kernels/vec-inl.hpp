// Vec<T>: the widest vector of the instruction set being compiled, as a GCC/clang vector type.
// Arithmetic operators and comparisons come with the type. Included by for_each_isa.hpp, once
// per instruction set (the guards below make repeats harmless).
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

template <class T>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float type __attribute__((vector_size(CONTEXTURE_VECTOR_BYTES), aligned(4), may_alias));
  typedef std::int32_t mask __attribute__((vector_size(CONTEXTURE_VECTOR_BYTES)));
};
template <>
struct VecOf<double> {
  typedef double type __attribute__((vector_size(CONTEXTURE_VECTOR_BYTES), aligned(8), may_alias));
  typedef std::int64_t mask __attribute__((vector_size(CONTEXTURE_VECTOR_BYTES)));
};

template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
inline constexpr Index kLanes = static_cast<Index>(CONTEXTURE_VECTOR_BYTES / sizeof(T));

template <class T>
CONTEXTURE_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(p);
}
template <class T>
CONTEXTURE_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<Vec<T>*>(p) = v;
}
template <class T>
CONTEXTURE_INLINE Vec<T> broadcast(T x) {
  return Vec<T>{} + x;
}
template <class T>
CONTEXTURE_INLINE T sum_lanes(Vec<T> v) {
  T total = v[0];
  for (Index i = 1; i < kLanes<T>; ++i) total += v[i];
  return total;
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
#endif
