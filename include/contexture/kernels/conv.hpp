// SPDX-License-Identifier: MIT
// 2-D convolution: the three passes behind one entry point each, with the algorithm chosen by
// shape. Plain functions on pointers; shapes are checked, pointers are not.
#pragma once

#include <type_traits>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/memory.hpp"
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
#include "contexture/kernels/elementwise.hpp"
#include "contexture/kernels/norm.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::detail::conv {

// What a pass reads and writes of images and weights, and of `more` elements besides.
template <class T>
[[nodiscard]] double bytes_of(const ConvShape& shape, Index more = 0) {
  return static_cast<double>(shape.input_size() + shape.output_size() + more) * sizeof(T) +
         static_cast<double>(shape.weight_size()) * sizeof(Accumulator<T>);
}

// Whether an algorithm does all of an epilogue while its sums are in registers.
template <class T>
[[nodiscard]] bool fuses_epilogue(ConvAlgorithm algorithm, const ConvShape& shape) {
  return std::is_same_v<T, bfloat16> && uses_amx() && shape.groups == 1 &&
         (algorithm == ConvAlgorithm::direct || algorithm == ConvAlgorithm::rows);
}

// A forward pass with no more than a bias, or, of an algorithm that fuses them, with all of its epilogue.
template <class T>
void forward_by(ConvAlgorithm algorithm, const ConvShape& shape, const T* x, const Accumulator<T>* w,
                const ConvEpilogue<T>& epilogue, T* y) {
  switch (algorithm) {
    case ConvAlgorithm::winograd2: return winograd_forward<T, 2>(shape, x, w, epilogue.bias, y);
    case ConvAlgorithm::winograd4: return winograd_forward<T, 4>(shape, x, w, epilogue.bias, y);
    case ConvAlgorithm::direct: return direct_forward(shape, x, w, epilogue, y);
    default: break;
  }
  if constexpr (!std::is_same_v<T, bfloat16>) switch (algorithm) {
      case ConvAlgorithm::im2col: return im2col_forward(shape, x, w, epilogue.bias, y);
      case ConvAlgorithm::stem: return stem_forward(shape, x, w, epilogue.bias, y);
      case ConvAlgorithm::pointwise: return pointwise_forward(shape, x, w, epilogue.bias, y);
      case ConvAlgorithm::grouped: return grouped_forward(shape, x, w, epilogue.bias, y);
      default: break;
    }
  else if (algorithm == ConvAlgorithm::rows)
    rows_forward(shape, x, w, epilogue, y);
}

// What an epilogue does besides adding a bias, as sweeps over y.
template <class T>
void sweep_epilogue(const ConvShape& shape, const ConvEpilogue<T>& epilogue, T* y) {
  const int sweeps = (epilogue.scale != nullptr ? 2 : 0) + (epilogue.residual != nullptr ? 1 : 0) +
                     (epilogue.moments != nullptr ? 1 : 0);
  const OpTimer timer("batch_norm forward", static_cast<double>(sweeps * shape.output_size()) * sizeof(T));
  if (epilogue.scale != nullptr)
    kernels::channel_affine(kernels::NormRows<Accumulator<T>, T>{.rows = shape.out_pixels(),
                                                                 .channels = shape.k,
                                                                 .x = y,
                                                                 .scale = epilogue.scale,
                                                                 .offset = epilogue.bias,
                                                                 .residual = epilogue.residual,
                                                                 .relu = epilogue.relu},
                            y);
  if (epilogue.moments != nullptr)
    kernels::channel_moments(shape.out_pixels(), shape.k, y, epilogue.moments, epilogue.moments + shape.k);
}

}  // namespace contexture::detail::conv

namespace contexture::kernels {

/// y (N,P,Q,K) = x (N,H,W,C) convolved with w (R,S,C/groups,K), and what the epilogue says. Overwrites y. With T =
/// bfloat16 images and their gradients are that; weights are rounded to it where products of it are made; sums and the
/// gradient of the weights are float. Throws std::invalid_argument for impossible shapes, and for a scale without bias.
template <class T>
void conv2d_forward(const ConvShape& shape, const T* x, const Accumulator<T>* w,
                    const std::type_identity_t<ConvEpilogue<T>>& epilogue, T* y) {
  shape.validate();
  const bool scaled = epilogue.scale != nullptr;
  require(scaled ? epilogue.bias != nullptr : epilogue.residual == nullptr && !epilogue.relu,
          "conv2d_forward: an epilogue of scale, residual or ReLU, expected with both scale and bias");
  const ConvAlgorithm algorithm = choose_algorithm<T>(shape, ConvPass::forward);
  const bool fused = shape.output_size() > 0 && shape.c > 0 && detail::conv::fuses_epilogue<T>(algorithm, shape);
  ConvEpilogue<T> own = epilogue;
  if (!fused) own = {.bias = scaled ? nullptr : epilogue.bias};
  if (shape.output_size() > 0) {
    const Index residual = fused && own.residual != nullptr ? shape.output_size() : 0;
    const detail::OpTimer timer("conv2d forward", detail::conv::bytes_of<T>(shape, residual));
    if (shape.c > 0)
      detail::conv::forward_by(algorithm, shape, x, w, own, y);
    else  // the bias alone
      for (Index i = 0; i < shape.output_size(); ++i)
        y[i] = static_cast<T>(own.bias == nullptr ? Accumulator<T>(0) : own.bias[i % shape.k]);
  }
  if (!fused && (scaled || epilogue.moments != nullptr)) detail::conv::sweep_epilogue(shape, epilogue, y);
}

}  // namespace contexture::kernels

namespace contexture::detail::conv {

// Overwrites dx, or, with `add`, which takes an algorithm that fuses epilogues, adds to it.
template <class T>
void backward_data_by(ConvAlgorithm algorithm, const ConvShape& shape, const T* dy, const Accumulator<T>* w, T* dx,
                      bool add) {
  switch (algorithm) {
    case ConvAlgorithm::winograd2: return winograd_backward_data<T, 2>(shape, dy, w, dx);
    case ConvAlgorithm::winograd4: return winograd_backward_data<T, 4>(shape, dy, w, dx);
    case ConvAlgorithm::stem:  // computes no such pass
    case ConvAlgorithm::direct: return direct_backward_data(shape, dy, w, dx, add);
    default: break;
  }
  if constexpr (!std::is_same_v<T, bfloat16>) switch (algorithm) {
      case ConvAlgorithm::im2col: return im2col_backward_data(shape, dy, w, dx);
      case ConvAlgorithm::pointwise: return pointwise_backward_data(shape, dy, w, dx);
      case ConvAlgorithm::grouped: return grouped_backward_data(shape, dy, w, dx);
      default: break;
    }
  else if (algorithm == ConvAlgorithm::rows)
    rows_backward_data(shape, dy, w, dx, add);
}

}  // namespace contexture::detail::conv

namespace contexture::kernels {

/// dx (N,H,W,C), the gradient with respect to the input, from dy (N,P,Q,K).
template <class T>
void conv2d_backward_data(const ConvShape& shape, const T* dy, const Accumulator<T>* w, T* dx, Gradients gradients) {
  shape.validate();
  const bool add = gradients == Gradients::added;
  const detail::OpTimer timer("conv2d backward data", detail::conv::bytes_of<T>(shape, add ? shape.input_size() : 0));
  if (shape.input_size() == 0) return;
  if (shape.output_size() == 0) {
    if (!add) fill_zero(dx, shape.input_size());
    return;
  }
  const ConvAlgorithm algorithm = choose_algorithm<T>(shape, ConvPass::backward_data);
  const bool aside = add && !detail::conv::fuses_epilogue<T>(algorithm, shape);
  if (!aside) return detail::conv::backward_data_by(algorithm, shape, dy, w, dx, add);
  Workspace<T> more(static_cast<std::size_t>(shape.input_size()));
  detail::conv::backward_data_by(algorithm, shape, dy, w, more.data(), false);
  kernels::add(dx, more.data(), dx, shape.input_size());
}

/// dw (R,S,C/groups,K) and, where it is not null, dbias (K), summed over the batch. Overwrites
/// both. Partial sums are combined in an order that depends on the shape only.
template <class T>
void conv2d_backward_weights(const ConvShape& shape, const T* x, const T* dy, Accumulator<T>* dw,
                             Accumulator<T>* dbias) {
  shape.validate();
  const detail::OpTimer timer("conv2d backward weights", detail::conv::bytes_of<T>(shape));
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
