// SPDX-License-Identifier: MIT
// Compiles one kernel source once per instruction set. Usage, in a kernel's public header and
// after all its includes:
//   #define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/relu-inl.hpp"
//   #include "contexture/kernels/for_each_isa.hpp"
// Inside the source, everything lives in namespace contexture::kernels::CONTEXTURE_ISA; each
// function is marked CONTEXTURE_KERNEL (an entry point) or CONTEXTURE_INLINE (a helper), and
// uses raw pointers and Vec<T> only: no std templates and no lambdas, whose instantiations the
// linker would merge across instruction sets. Callers pick with CONTEXTURE_DISPATCH. A source that multiplies
// bfloat16 is compiled once more for processors that do so (CONTEXTURE_KERNEL_PAIRS, CONTEXTURE_DISPATCH_PAIRS).
// Deliberately without an include guard.

#ifndef CONTEXTURE_KERNEL_SOURCE
#error "define CONTEXTURE_KERNEL_SOURCE before including for_each_isa.hpp"
#endif

#ifndef CONTEXTURE_DISPATCH

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/cpu.hpp"

#if defined(__clang__)
#define CONTEXTURE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CONTEXTURE_UNROLL _Pragma("GCC unroll 64")
#endif
#define CONTEXTURE_INLINE [[gnu::always_inline]] CONTEXTURE_KERNEL inline
#if defined(__x86_64__) && defined(__GNUC__)
#define CONTEXTURE_HAS_X86_ISAS 1
// Returns call, e.g. relu<T>(x, y, n), of the active instruction set's namespace.
// Of a source that multiplies bfloat16: its emulation has the same bits everywhere, and no need of AVX-512.
#define CONTEXTURE_DISPATCH_PAIRS(...)                                                                                 \
  if (::contexture::active_bfloat16_unit() == ::contexture::Bfloat16Unit::avx512) return isa_avx512_bf16::__VA_ARGS__; \
  if (::contexture::active_isa() != ::contexture::Isa::baseline) return isa_avx2::__VA_ARGS__;                         \
  return isa_baseline::__VA_ARGS__
#define CONTEXTURE_DISPATCH(...)                                    \
  switch (::contexture::active_isa()) {                             \
    case ::contexture::Isa::avx512: return isa_avx512::__VA_ARGS__; \
    case ::contexture::Isa::avx2: return isa_avx2::__VA_ARGS__;     \
    case ::contexture::Isa::baseline: break;                        \
  }                                                                 \
  return isa_baseline::__VA_ARGS__
#else
#define CONTEXTURE_DISPATCH(...) return isa_baseline::__VA_ARGS__
#define CONTEXTURE_DISPATCH_PAIRS(...) return isa_baseline::__VA_ARGS__
#endif
#endif

#define CONTEXTURE_ISA isa_baseline
#define CONTEXTURE_VECTOR_BYTES 16
#define CONTEXTURE_KERNEL
#include "contexture/kernels/vec-inl.hpp"
#include CONTEXTURE_KERNEL_SOURCE
#undef CONTEXTURE_ISA
#undef CONTEXTURE_VECTOR_BYTES
#undef CONTEXTURE_KERNEL

#if defined(CONTEXTURE_HAS_X86_ISAS)
#define CONTEXTURE_ISA isa_avx2
#define CONTEXTURE_VECTOR_BYTES 32
#define CONTEXTURE_KERNEL __attribute__((target("avx2,fma,bmi,bmi2,f16c")))
#include "contexture/kernels/vec-inl.hpp"
#include CONTEXTURE_KERNEL_SOURCE
#undef CONTEXTURE_ISA
#undef CONTEXTURE_VECTOR_BYTES
#undef CONTEXTURE_KERNEL

#define CONTEXTURE_ISA isa_avx512
#define CONTEXTURE_VECTOR_BYTES 64
#define CONTEXTURE_KERNEL __attribute__((target("avx2,fma,bmi,bmi2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd")))
#include "contexture/kernels/vec-inl.hpp"
#include CONTEXTURE_KERNEL_SOURCE
#undef CONTEXTURE_ISA
#undef CONTEXTURE_KERNEL

#if defined(CONTEXTURE_KERNEL_PAIRS)
#define CONTEXTURE_ISA isa_avx512_bf16
#define CONTEXTURE_NATIVE_PAIRS
#define CONTEXTURE_KERNEL \
  __attribute__((         \
      target("avx2,fma,bmi,bmi2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512bf16,amx-tile,amx-bf16")))
#include "contexture/kernels/vec-inl.hpp"
#include CONTEXTURE_KERNEL_SOURCE
#undef CONTEXTURE_ISA
#undef CONTEXTURE_NATIVE_PAIRS
#undef CONTEXTURE_KERNEL
#endif
#undef CONTEXTURE_VECTOR_BYTES
#endif

#undef CONTEXTURE_KERNEL_PAIRS
#undef CONTEXTURE_KERNEL_SOURCE
