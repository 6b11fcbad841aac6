// The compiled mode: convolutions and batch normalisation, which cost every translation unit that uses them
// many seconds, compiled once. Linking contexture::compiled instead of contexture::contexture is all
// there is to it; the headers then only declare what this file instantiates.
#include "contexture/kernels/conv.hpp"
#include "contexture/kernels/norm.hpp"

namespace contexture::kernels {

#define CONTEXTURE_INSTANTIATE(T, P)                                                      \
  template void conv2d_forward<P>(const ConvShape&, const P*, const T*, const T*, P*);    \
  template void conv2d_backward_data<P>(const ConvShape&, const P*, const T*, P*);        \
  template void conv2d_backward_weights<P>(const ConvShape&, const P*, const P*, T*, T*); \
  template void channel_moments<P>(Index, Index, const P*, double*, double*);             \
  template void channel_affine<T, P>(const NormRows<T, P>&, P*);                          \
  template void batch_norm_backward<T, P>(const NormRows<T, P>&, const T*, bool, const NormGradients<T, P>&);
CONTEXTURE_INSTANTIATE(float, float)
CONTEXTURE_INSTANTIATE(double, double)
CONTEXTURE_INSTANTIATE(float, bfloat16)
#undef CONTEXTURE_INSTANTIATE

}  // namespace contexture::kernels
