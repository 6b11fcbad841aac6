// 2-D convolution: the three passes behind one entry point each, with the algorithm chosen by
// shape. Plain functions on pointers; shapes are checked, pointers are not.
#pragma once

#include "contexture/core/profile.hpp"
#include "contexture/kernels/conv/choose.hpp"
#include "contexture/kernels/conv/direct.hpp"
#include "contexture/kernels/conv/direct_weights.hpp"
#include "contexture/kernels/conv/grouped.hpp"
#include "contexture/kernels/conv/im2col.hpp"
#include "contexture/kernels/conv/pointwise.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/stem.hpp"
#include "contexture/kernels/conv/winograd.hpp"
#include "contexture/kernels/conv/winograd_weights.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::kernels {

/// y (N,P,Q,K) = x (N,H,W,C) convolved with w (R,S,C/groups,K), plus bias (K) where it is not
/// null. Overwrites y. Throws std::invalid_argument for impossible shapes.
template <class T>
void conv2d_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  shape.validate();
  const detail::OpTimer timer("conv2d forward");
  if (shape.output_size() == 0) return;
  if (shape.c == 0) {  // the bias alone
    for (Index i = 0; i < shape.output_size(); ++i) y[i] = bias == nullptr ? T(0) : bias[i % shape.k];
    return;
  }
  switch (choose_algorithm<T>(shape, ConvPass::forward)) {
    case ConvAlgorithm::im2col: return detail::conv::im2col_forward(shape, x, w, bias, y);
    case ConvAlgorithm::direct: return detail::conv::direct_forward(shape, x, w, bias, y);
    case ConvAlgorithm::stem: return detail::conv::stem_forward(shape, x, w, bias, y);
    case ConvAlgorithm::pointwise: return detail::conv::pointwise_forward(shape, x, w, bias, y);
    case ConvAlgorithm::grouped: return detail::conv::grouped_forward(shape, x, w, bias, y);
    case ConvAlgorithm::winograd2: return detail::conv::winograd_forward<T, 2>(shape, x, w, bias, y);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_forward<T, 4>(shape, x, w, bias, y);
  }
}

/// dx (N,H,W,C), the gradient with respect to the input, from dy (N,P,Q,K). Overwrites dx.
template <class T>
void conv2d_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward data");
  if (shape.input_size() == 0) return;
  if (shape.output_size() == 0) return fill_zero(dx, shape.input_size());
  switch (choose_algorithm<T>(shape, ConvPass::backward_data)) {
    case ConvAlgorithm::im2col: return detail::conv::im2col_backward_data(shape, dy, w, dx);
    case ConvAlgorithm::stem:  // computes no such pass
    case ConvAlgorithm::direct: return detail::conv::direct_backward_data(shape, dy, w, dx);
    case ConvAlgorithm::pointwise: return detail::conv::pointwise_backward_data(shape, dy, w, dx);
    case ConvAlgorithm::grouped: return detail::conv::grouped_backward_data(shape, dy, w, dx);
    case ConvAlgorithm::winograd2: return detail::conv::winograd_backward_data<T, 2>(shape, dy, w, dx);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_backward_data<T, 4>(shape, dy, w, dx);
  }
}

/// dw (R,S,C/groups,K) and, where it is not null, dbias (K), summed over the batch. Overwrites
/// both. Partial sums are combined in an order that depends on the shape only.
template <class T>
void conv2d_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* dbias) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward weights");
  if (dbias != nullptr) bias_gradient(dy, shape.out_pixels(), shape.k, dbias);
  if (shape.weight_size() == 0) return;
  if (shape.output_size() == 0) return fill_zero(dw, shape.weight_size());
  switch (choose_algorithm<T>(shape, ConvPass::backward_weights)) {
    case ConvAlgorithm::im2col: return detail::conv::im2col_backward_weights(shape, x, dy, dw);
    case ConvAlgorithm::direct: return detail::conv::direct_backward_weights<T>(shape, x, dy, dw);
    case ConvAlgorithm::stem: return detail::conv::stem_backward_weights(shape, x, dy, dw);
    case ConvAlgorithm::pointwise: return detail::conv::pointwise_backward_weights(shape, x, dy, dw);
    case ConvAlgorithm::grouped: return detail::conv::grouped_backward_weights(shape, x, dy, dw);
    case ConvAlgorithm::winograd2: return detail::conv::winograd_backward_weights<T, 2>(shape, x, dy, dw);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_backward_weights<T, 4>(shape, x, dy, dw);
  }
}

/// The same in mixed precision: images and their gradients are bfloat16; weights are rounded to it where products of
/// bfloat16 are made; sums and the gradient of the weights are float.
inline void conv2d_forward(const ConvShape& shape, const bfloat16* x, const float* w, const float* bias, bfloat16* y) {
  shape.validate();
  const detail::OpTimer timer("conv2d forward");
  if (shape.output_size() == 0) return;
  if (shape.c == 0) {  // the bias alone
    for (Index i = 0; i < shape.output_size(); ++i) y[i] = bfloat16(bias == nullptr ? 0.0f : bias[i % shape.k]);
    return;
  }
  switch (choose_algorithm<bfloat16>(shape, ConvPass::forward)) {
    case ConvAlgorithm::winograd2: return detail::conv::winograd_forward<bfloat16, 2>(shape, x, w, bias, y);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_forward<bfloat16, 4>(shape, x, w, bias, y);
    default: return detail::conv::direct_forward(shape, x, w, bias, y);
  }
}
inline void conv2d_backward_data(const ConvShape& shape, const bfloat16* dy, const float* w, bfloat16* dx) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward data");
  if (shape.input_size() == 0) return;
  if (shape.output_size() == 0) return fill_zero(dx, shape.input_size());
  switch (choose_algorithm<bfloat16>(shape, ConvPass::backward_data)) {
    case ConvAlgorithm::winograd2: return detail::conv::winograd_backward_data<bfloat16, 2>(shape, dy, w, dx);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_backward_data<bfloat16, 4>(shape, dy, w, dx);
    default: return detail::conv::direct_backward_data(shape, dy, w, dx);
  }
}
inline void conv2d_backward_weights(const ConvShape& shape, const bfloat16* x, const bfloat16* dy, float* dw,
                                    float* dbias) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward weights");
  if (dbias != nullptr) bias_gradient(dy, shape.out_pixels(), shape.k, dbias);
  if (shape.weight_size() == 0) return;
  if (shape.output_size() == 0) return fill_zero(dw, shape.weight_size());
  switch (choose_algorithm<bfloat16>(shape, ConvPass::backward_weights)) {
    case ConvAlgorithm::winograd2: return detail::conv::winograd_backward_weights<bfloat16, 2>(shape, x, dy, dw);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_backward_weights<bfloat16, 4>(shape, x, dy, dw);
    default: return detail::conv::direct_backward_weights<detail::conv::Bfloat16Pair>(shape, x, dy, dw);
  }
}

#if defined(CONTEXTURE_COMPILED)  // set by the CMake target contexture::compiled; src/compiled.cpp has the code
extern template void conv2d_forward<float>(const ConvShape&, const float*, const float*, const float*, float*);
extern template void conv2d_forward<double>(const ConvShape&, const double*, const double*, const double*, double*);
extern template void conv2d_backward_data<float>(const ConvShape&, const float*, const float*, float*);
extern template void conv2d_backward_data<double>(const ConvShape&, const double*, const double*, double*);
extern template void conv2d_backward_weights<float>(const ConvShape&, const float*, const float*, float*, float*);
extern template void conv2d_backward_weights<double>(const ConvShape&, const double*, const double*, double*, double*);
#endif

}  // namespace contexture::kernels

#if defined(CONTEXTURE_COMPILED)
namespace contexture::detail::conv {
extern template void direct_forward<bfloat16>(const ConvShape&, const bfloat16*, const float*, const float*, bfloat16*);
extern template void direct_backward_data<bfloat16>(const ConvShape&, const bfloat16*, const float*, bfloat16*);
extern template void direct_backward_weights<Bfloat16Pair>(const ConvShape&, const bfloat16*, const bfloat16*, float*);
}  // namespace contexture::detail::conv
#endif
