// SPDX-License-Identifier: MIT
// The passes of a 2-D convolution (kernels/conv.hpp) for who calls them: with contexture::compiled they are declared,
// and the algorithms stay out of the source.
#pragma once

#include <type_traits>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/kernels/conv/shape.hpp"

#if defined(CONTEXTURE_COMPILED)

namespace contexture::kernels {

template <class T>
void conv2d_forward(const ConvShape&, const T*, const Accumulator<T>*, const std::type_identity_t<ConvEpilogue<T>>&,
                    T*);
template <class T>
void conv2d_backward_data(const ConvShape&, const T*, const Accumulator<T>*, T*, Gradients);
template <class T>
void conv2d_backward_weights(const ConvShape&, const T*, const T*, Accumulator<T>*, Accumulator<T>*);

#define CONTEXTURE_INSTANTIATE(T)                                                                                   \
  CONTEXTURE_EXTERN template void conv2d_forward<T>(const ConvShape&, const T*, const Accumulator<T>*,              \
                                                    const std::type_identity_t<ConvEpilogue<T>>&, T*);              \
  CONTEXTURE_EXTERN template void conv2d_backward_data<T>(const ConvShape&, const T*, const Accumulator<T>*, T*,    \
                                                          Gradients);                                               \
  CONTEXTURE_EXTERN template void conv2d_backward_weights<T>(const ConvShape&, const T*, const T*, Accumulator<T>*, \
                                                             Accumulator<T>*);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
CONTEXTURE_INSTANTIATE(bfloat16)
#undef CONTEXTURE_INSTANTIATE

}  // namespace contexture::kernels

#else
#include "contexture/kernels/conv.hpp"
#endif
