// The compiled mode: the convolutions, which cost every translation unit that uses them several
// seconds, compiled once. Linking contexture::compiled instead of contexture::contexture is all
// there is to it; the headers then only declare what this file instantiates.
#include "contexture/kernels/conv.hpp"

namespace contexture::kernels {

#define CONTEXTURE_INSTANTIATE(T)                                                      \
  template void conv2d_forward<T>(const ConvShape&, const T*, const T*, const T*, T*); \
  template void conv2d_backward_data<T>(const ConvShape&, const T*, const T*, T*);     \
  template void conv2d_backward_weights<T>(const ConvShape&, const T*, const T*, T*, T*);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE

}  // namespace contexture::kernels

namespace contexture::detail::conv {

template void direct_forward<bfloat16>(const ConvShape&, const bfloat16*, const float*, const float*, bfloat16*);
template void direct_backward_data<bfloat16>(const ConvShape&, const bfloat16*, const float*, bfloat16*);
template void direct_backward_weights<Bfloat16Pair>(const ConvShape&, const bfloat16*, const bfloat16*, float*);

}  // namespace contexture::detail::conv
