// 2-D convolution: the three passes behind one entry point each, with the algorithm chosen by
// shape. Plain functions on pointers; shapes are checked, pointers are not.
#pragma once

#include "contexture/kernels/conv_im2col.hpp"
#include "contexture/kernels/conv_shape.hpp"

namespace contexture::kernels {

/// y (N,P,Q,K) = x (N,H,W,C) convolved with w (R,S,C/groups,K), plus bias (K) where it is not
/// null. Overwrites y. Throws std::invalid_argument for impossible shapes.
template <class T>
void conv2d_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  shape.validate();
  if (shape.output_size() == 0) return;
  detail::conv::im2col_forward(shape, x, w, bias, y);
}

/// dx (N,H,W,C), the gradient with respect to the input, from dy (N,P,Q,K). Overwrites dx.
template <class T>
void conv2d_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  shape.validate();
  if (shape.input_size() == 0) return;
  if (shape.output_size() == 0) return detail::conv::fill_zero(dx, shape.input_size());
  detail::conv::im2col_backward_data(shape, dy, w, dx);
}

/// dw (R,S,C/groups,K) and, where it is not null, dbias (K), summed over the batch. Overwrites
/// both. Partial sums are combined in an order that depends on the shape only.
template <class T>
void conv2d_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* dbias) {
  shape.validate();
  if (dbias != nullptr) detail::conv::bias_gradient(dy, shape.out_pixels(), shape.k, dbias);
  if (shape.weight_size() == 0) return;
  if (shape.output_size() == 0) return detail::conv::fill_zero(dw, shape.weight_size());
  detail::conv::im2col_backward_weights(shape, x, dy, dw);
}

}  // namespace contexture::kernels
