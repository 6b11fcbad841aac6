// SPDX-License-Identifier: MIT
// 2-D convolution: the three passes behind one entry point each, with the algorithm chosen by
// shape. Plain functions on pointers; shapes are checked, pointers are not.
#pragma once

#include <type_traits>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/profile.hpp"
#include "contexture/kernels/conv/choose.hpp"
#include "contexture/kernels/conv/direct.hpp"
#include "contexture/kernels/conv/direct_weights.hpp"
#include "contexture/kernels/conv/grouped.hpp"
#include "contexture/kernels/conv/im2col.hpp"
#include "contexture/kernels/conv/pointwise.hpp"
#include "contexture/kernels/conv/rows.hpp"
#include "contexture/kernels/conv/rows_weights.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/stem.hpp"
#include "contexture/kernels/conv/winograd.hpp"
#include "contexture/kernels/conv/winograd_weights.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::kernels {

/// y (N,P,Q,K) = x (N,H,W,C) convolved with w (R,S,C/groups,K), plus bias (K) where it is not
/// null. Overwrites y. With T = bfloat16 images and their gradients are that; weights are rounded to it where products
/// of it are made; sums and the gradient of the weights are float. Throws std::invalid_argument for impossible shapes.
template <class T>
void conv2d_forward(const ConvShape& shape, const T* x, const Accumulator<T>* w, const Accumulator<T>* bias, T* y) {
  shape.validate();
  const detail::OpTimer timer("conv2d forward");
  if (shape.output_size() == 0) return;
  if (shape.c == 0) {  // the bias alone
    for (Index i = 0; i < shape.output_size(); ++i)
      y[i] = static_cast<T>(bias == nullptr ? Accumulator<T>(0) : bias[i % shape.k]);
    return;
  }
  const ConvAlgorithm algorithm = choose_algorithm<T>(shape, ConvPass::forward);
  switch (algorithm) {
    case ConvAlgorithm::winograd2: return detail::conv::winograd_forward<T, 2>(shape, x, w, bias, y);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_forward<T, 4>(shape, x, w, bias, y);
    case ConvAlgorithm::direct: return detail::conv::direct_forward(shape, x, w, bias, y);
    default: break;
  }
  if constexpr (!std::is_same_v<T, bfloat16>) switch (algorithm) {
      case ConvAlgorithm::im2col: return detail::conv::im2col_forward(shape, x, w, bias, y);
      case ConvAlgorithm::stem: return detail::conv::stem_forward(shape, x, w, bias, y);
      case ConvAlgorithm::pointwise: return detail::conv::pointwise_forward(shape, x, w, bias, y);
      case ConvAlgorithm::grouped: return detail::conv::grouped_forward(shape, x, w, bias, y);
      default: break;
    }
  else if (algorithm == ConvAlgorithm::rows)
    detail::conv::rows_forward(shape, x, w, bias, y);
}

/// dx (N,H,W,C), the gradient with respect to the input, from dy (N,P,Q,K). Overwrites dx.
template <class T>
void conv2d_backward_data(const ConvShape& shape, const T* dy, const Accumulator<T>* w, T* dx) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward data");
  if (shape.input_size() == 0) return;
  if (shape.output_size() == 0) return fill_zero(dx, shape.input_size());
  const ConvAlgorithm algorithm = choose_algorithm<T>(shape, ConvPass::backward_data);
  switch (algorithm) {
    case ConvAlgorithm::winograd2: return detail::conv::winograd_backward_data<T, 2>(shape, dy, w, dx);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_backward_data<T, 4>(shape, dy, w, dx);
    case ConvAlgorithm::stem:  // computes no such pass
    case ConvAlgorithm::direct: return detail::conv::direct_backward_data(shape, dy, w, dx);
    default: break;
  }
  if constexpr (!std::is_same_v<T, bfloat16>) switch (algorithm) {
      case ConvAlgorithm::im2col: return detail::conv::im2col_backward_data(shape, dy, w, dx);
      case ConvAlgorithm::pointwise: return detail::conv::pointwise_backward_data(shape, dy, w, dx);
      case ConvAlgorithm::grouped: return detail::conv::grouped_backward_data(shape, dy, w, dx);
      default: break;
    }
  else if (algorithm == ConvAlgorithm::rows)
    detail::conv::rows_backward_data(shape, dy, w, dx);
}

/// dw (R,S,C/groups,K) and, where it is not null, dbias (K), summed over the batch. Overwrites
/// both. Partial sums are combined in an order that depends on the shape only.
template <class T>
void conv2d_backward_weights(const ConvShape& shape, const T* x, const T* dy, Accumulator<T>* dw,
                             Accumulator<T>* dbias) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward weights");
  if (dbias != nullptr) bias_gradient(dy, shape.out_pixels(), shape.k, dbias);
  if (shape.weight_size() == 0) return;
  if (shape.output_size() == 0) return fill_zero(dw, shape.weight_size());
  using Element = std::conditional_t<std::is_same_v<T, bfloat16>, detail::conv::Bfloat16Pair, T>;
  const ConvAlgorithm algorithm = choose_algorithm<T>(shape, ConvPass::backward_weights);
  switch (algorithm) {
    case ConvAlgorithm::winograd2: return detail::conv::winograd_backward_weights<T, 2>(shape, x, dy, dw);
    case ConvAlgorithm::winograd4: return detail::conv::winograd_backward_weights<T, 4>(shape, x, dy, dw);
    case ConvAlgorithm::direct: return detail::conv::direct_backward_weights<Element>(shape, x, dy, dw);
    default: break;
  }
  if constexpr (!std::is_same_v<T, bfloat16>) switch (algorithm) {
      case ConvAlgorithm::im2col: return detail::conv::im2col_backward_weights(shape, x, dy, dw);
      case ConvAlgorithm::stem: return detail::conv::stem_backward_weights(shape, x, dy, dw);
      case ConvAlgorithm::pointwise: return detail::conv::pointwise_backward_weights(shape, x, dy, dw);
      case ConvAlgorithm::grouped: return detail::conv::grouped_backward_weights(shape, x, dy, dw);
      default: break;
    }
  else if (algorithm == ConvAlgorithm::rows)
    detail::conv::rows_backward_weights(shape, x, dy, dw);
}

}  // namespace contexture::kernels

#include "contexture/kernels/conv_passes.hpp"
