// SPDX-License-Identifier: MIT
// How autograd/norm.hpp computes: statistics in double, of one process's rows or of all.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "contexture/autograd/conv-inl.hpp"
#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/norm.hpp"
#include "contexture/autograd/variable-inl.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/profile.hpp"
#include "contexture/kernels/norm.hpp"

namespace contexture {

namespace detail {

// Mean and biased variance of each channel.
class ChannelMoments {
 public:
  explicit ChannelMoments(std::size_t channels) : both_(2 * channels) {}

  [[nodiscard]] std::size_t channels() const { return both_.size() / 2; }
  [[nodiscard]] double* data() { return both_.data(); }  // (2, channels)
  [[nodiscard]] double& mean(std::size_t c) { return both_[c]; }
  [[nodiscard]] double& variance(std::size_t c) { return both_[channels() + c]; }
  [[nodiscard]] double mean(std::size_t c) const { return both_[c]; }
  [[nodiscard]] double variance(std::size_t c) const { return both_[channels() + c]; }

 private:
  std::vector<double> both_;
};

// Turns the moments of this process's rows into those of all processes' rows, and returns how many these are. Sums are
// taken of differences to `shift`, which all have alike and which is near the mean once a few batches were seen.
template <class T>
double add_up_moments(ProcessGroup& group, double rows, const Tensor<T>& shift, ChannelMoments& moments) {
  const std::size_t width = moments.channels();
  std::vector<double> sums(2 * width + 1);
  for (std::size_t c = 0; c < width; ++c) {
    const double off = moments.mean(c) - static_cast<double>(shift.data()[c]);
    sums[c] = rows * off;
    sums[width + c] = rows * (moments.variance(c) + off * off);
  }
  sums[2 * width] = rows;
  group.sum(sums);
  const double all = sums[2 * width];
  for (std::size_t c = 0; c < width; ++c) {
    const double off = sums[c] / all;
    moments.mean(c) = static_cast<double>(shift.data()[c]) + off;
    moments.variance(c) = std::max(0.0, sums[width + c] / all - off * off);
  }
  return all;
}

// Where the statistics of this thread's batches are from.
inline kernels::NormStatistics norm_statistics(bool of_batch, Index rows) {
  ProcessGroup* const group = shared_norm();
  if (!of_batch || group == nullptr) return {.of_batch = of_batch};
  return {.of_batch = true, .whole = [group, rows](std::span<double> sums) {
            std::vector<double> all(sums.begin(), sums.end());
            all.push_back(static_cast<double>(rows));
            group->sum(all);
            std::copy_n(all.begin(), sums.size(), sums.begin());
            return all.back();
          }};
}

// What batch_norm() takes away and divides by: in training the moments of x (...,C), which move the running ones, else
// the running ones. `known`: those of x, where somebody had them already.
template <class T, class P>
ChannelMoments batch_norm_moments(const Tensor<P>& x, Tensor<T>& running_mean, Tensor<T>& running_variance,
                                  const BatchNormOptions& options, const ChannelMoments* known) {
  const std::size_t width = running_mean.size();
  ChannelMoments moments(width);
  if (options.training) {
    const auto channels = static_cast<Index>(width);
    const Index own = static_cast<Index>(x.size()) / channels;
    if (known != nullptr)
      moments = *known;
    else
      kernels::channel_moments(own, channels, x.data(), moments.data(), moments.data() + channels);
    auto rows = static_cast<double>(own);
    if (ProcessGroup* const group = shared_norm()) rows = add_up_moments(*group, rows, running_mean, moments);
    require(rows >= 2, "batch_norm: training on input ", x.shape(),
            ", expected at least two values a channel: a larger batch, or evaluation mode (Inference)");
    const double unbiased = rows / (rows - 1);
    for (std::size_t c = 0; c < width; ++c) {
      T& rm = running_mean.data()[c];
      T& rv = running_variance.data()[c];
      rm = static_cast<T>((1 - options.momentum) * static_cast<double>(rm) + options.momentum * moments.mean(c));
      rv = static_cast<T>((1 - options.momentum) * static_cast<double>(rv) +
                          options.momentum * moments.variance(c) * unbiased);
    }
  } else {
    for (std::size_t c = 0; c < width; ++c) {
      moments.mean(c) = static_cast<double>(running_mean.data()[c]);
      moments.variance(c) = static_cast<double>(running_variance.data()[c]);
    }
  }
  return moments;
}

// Mean, 1 / std, scale and offset of each channel, one after the other: saved for backward.
template <class T>
std::shared_ptr<Workspace<T>> batch_norm_constants(const ChannelMoments& moments, const Variable<T>& gamma,
                                                   const Variable<T>& beta, double epsilon) {
  const std::size_t width = moments.channels();
  auto constants = std::make_shared<Workspace<T>>(4 * width);
  T* const mean = constants->data();
  for (std::size_t c = 0; c < width; ++c) {
    const double inverse = 1.0 / std::sqrt(moments.variance(c) + epsilon);
    const double g = gamma.defined() ? static_cast<double>(gamma.value().data()[c]) : 1.0;
    const double b = beta.defined() ? static_cast<double>(beta.value().data()[c]) : 0.0;
    mean[c] = static_cast<T>(moments.mean(c));
    mean[width + c] = static_cast<T>(inverse);
    mean[2 * width + c] = static_cast<T>(g * inverse);
    mean[3 * width + c] = static_cast<T>(b - moments.mean(c) * g * inverse);
  }
  return constants;
}

// x, residual and what comes out stored as P.
template <class P, class T>
Variable<T> batch_norm_as(const std::array<Variable<T>, 4>& inputs, Tensor<T>& running_mean,
                          Tensor<T>& running_variance, const BatchNormOptions& options, const ChannelMoments* known) {
  const auto& [x_variable, gamma, beta, residual] = inputs;
  const double bytes = static_cast<double>(x_variable.size()) * sizeof(P);
  const int sweeps = (options.training && known == nullptr ? 3 : 2) + (residual.defined() ? 1 : 0);
  const OpTimer timer("batch_norm forward", bytes * sweeps);
  const std::shared_ptr<const Tensor<P>> x = stored_as<P>(x_variable), added = stored_as<P>(residual);
  const auto channels = static_cast<Index>(running_mean.size());
  const auto constants = batch_norm_constants(batch_norm_moments(*x, running_mean, running_variance, options, known),
                                              gamma, beta, options.epsilon);
  auto y = std::make_shared<Tensor<P>>(empty_like(*x));
  kernels::NormRows<T, P> s{.rows = static_cast<Index>(x->size()) / channels, .channels = channels, .x = x->data()};
  s.scale = constants->data() + 2 * channels;
  s.offset = constants->data() + 3 * channels;
  s.residual = added != nullptr ? added->data() : nullptr;
  s.relu = options.relu;
  kernels::channel_affine(s, y->data());

  // Behind a residual addition the ReLU's mask can't be had from x alone: keep the output's value.
  const bool mask_from_output = options.relu && residual.defined();
  s.mean = constants->data();
  s.y = mask_from_output ? y->data() : nullptr;
  s.residual = nullptr;
  auto backward = [s, constants, mask_from_output, bytes, statistics = norm_statistics(options.training, s.rows), x,
                   y = mask_from_output ? std::shared_ptr<const Tensor<P>>(y) : nullptr](Tensor<P> g,
                                                                                         const InputGradients<T>& in) {
    // x and the gradient twice, what comes out; behind a residual also the output, and the gradient before the ReLU.
    const OpTimer backward_timer("batch_norm backward", bytes * (5 + (mask_from_output ? 2 : in.wanted(3) ? 1 : 0)));
    kernels::NormRows<T, P> rows_of = s;
    rows_of.dy = g.data();
    const T* const inv_std_of = s.mean + s.channels;
    Tensor<T> dgamma = empty<T>({static_cast<std::size_t>(s.channels)});
    Tensor<T> dbeta = empty_like(dgamma);
    kernels::NormGradients<T, P> out{g.data(), dgamma.data(), dbeta.data()};
    if (in.wanted(3) || mask_from_output) {
      // The masked gradient overwrites g: it is the residual's gradient.
      Tensor<P> dx = empty_like(g);
      out.dx = dx.data();
      out.masked_dy = g.data();
      kernels::batch_norm_backward(rows_of, inv_std_of, statistics, out);
      in.add(3, std::move(g));
      in.add(0, std::move(dx));
    } else {
      kernels::batch_norm_backward(rows_of, inv_std_of, statistics, out);
      in.add(0, std::move(g));
    }
    in.add(1, std::move(dgamma));
    in.add(2, std::move(dbeta));
  };
  const std::initializer_list<OpAttribute> attributes{{"training", options.training},
                                                      {"epsilon", options.epsilon},
                                                      {"relu", options.relu},
                                                      {"mean", &running_mean},
                                                      {"variance", &running_variance}};
  return record_as<T>({"batch_norm", attributes}, std::move(y), inputs, std::move(backward));
}

// Throws unless batch_norm() can take these: gamma, beta and residual of `inputs`, of which the first is not looked at.
template <class T>
void require_batch_norm(const Shape& shape, const std::array<Variable<T>, 4>& inputs, const Tensor<T>& running_mean,
                        const Tensor<T>& running_variance, const BatchNormOptions& options) {
  const auto& [x, gamma, beta, residual] = inputs;
  require(shape.size() >= 2, "batch_norm: input ", shape, ", expected (N,...,C)");
  const Index channels = dim(shape, -1);
  const auto width = static_cast<std::size_t>(channels);
  require(running_mean.size() == width && running_variance.size() == width, "batch_norm: input ", shape, " has ",
          channels, " channels, running statistics have ", running_mean.size());
  require_batch_norm_options("batch_norm", options.epsilon, options.momentum);
  require(gamma.defined() == beta.defined(), "batch_norm: gamma and beta come together");
  if (gamma.defined())
    require(gamma.size() == width && beta.size() == width, "batch_norm: gamma ", gamma.shape(), " and beta ",
            beta.shape(), " for input ", shape);
  if (residual.defined())
    require(residual.shape() == shape, "batch_norm: residual ", residual.shape(), " for input ", shape);
}

// batch_norm(); `known`: in training, the moments of x, unless null.
template <class T>
[[nodiscard]] Variable<T> batch_norm_of(const std::array<Variable<T>, 4>& inputs, Tensor<T>& running_mean,
                                        Tensor<T>& running_variance, const BatchNormOptions& options,
                                        const ChannelMoments* known) {
  require_batch_norm(inputs[0].shape(), inputs, running_mean, running_variance, options);
  if constexpr (std::is_same_v<T, float>)
    if (inputs[0].saved_reduced() != nullptr)
      return batch_norm_as<bfloat16>(inputs, running_mean, running_variance, options, known);
  return batch_norm_as<T>(inputs, running_mean, running_variance, options, known);
}

}  // namespace detail

template <class T>
Variable<T> batch_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta, Tensor<T>& running_mean,
                       Tensor<T>& running_variance, const BatchNormOptions& options, const Variable<T>& residual) {
  return detail::batch_norm_of<T>({x, gamma, beta, residual}, running_mean, running_variance, options, nullptr);
}

namespace detail {

// In evaluation, where nothing is recorded: normalised before the sums of the convolution are rounded.
template <class P, class T>
[[nodiscard]] Variable<T> conv2d_batch_norm_as(const kernels::ConvShape& s, const Variable<T>& x,
                                               const Variable<T>& weight, const BatchNormArguments<T>& norm) {
  const std::shared_ptr<const Tensor<P>> input = conv2d_input<P>(x), residual = stored_as<P>(norm.residual);
  auto y = std::make_shared<Tensor<P>>(empty<P>(conv2d_result(s)));
  const auto constants =
      batch_norm_constants(batch_norm_moments(*y, norm.running_mean, norm.running_variance, norm.options, nullptr),
                           norm.gamma, norm.beta, norm.options.epsilon);
  kernels::conv2d_forward(s, input->data(), weight.value().data(),
                          {.bias = constants->data() + 3 * s.k,
                           .scale = constants->data() + 2 * s.k,
                           .residual = residual != nullptr ? residual->data() : nullptr,
                           .relu = norm.options.relu},
                          y->data());
  return record_as<T>("conv2d_batch_norm", std::move(y), std::span<const Variable<T>>(), nullptr);
}

}  // namespace detail

template <class T>
Variable<T> conv2d_batch_norm(const Variable<T>& x, const Variable<T>& weight, const Conv2dOptions& options,
                              const BatchNormArguments<T>& norm) {
  const std::array<Variable<T>, 5> inputs{x, weight, norm.gamma, norm.beta, norm.residual};
  if (norm.options.training || !detail::only_asked<T>(inputs)) {
    detail::ChannelMoments moments(weight.defined() && !weight.shape().empty() ? weight.shape().back() : 0);
    const Variable<T> y =
        detail::conv2d_with_moments(x, weight, {}, options, norm.options.training ? moments.data() : nullptr);
    return detail::batch_norm_of<T>({y, norm.gamma, norm.beta, norm.residual}, norm.running_mean, norm.running_variance,
                                    norm.options, norm.options.training ? &moments : nullptr);
  }
  const kernels::ConvShape s = detail::conv2d_shape(x, weight, {}, options);
  detail::require_batch_norm<T>(detail::conv2d_result(s), {x, norm.gamma, norm.beta, norm.residual}, norm.running_mean,
                                norm.running_variance, norm.options);
  if constexpr (std::is_same_v<T, float>)
    if (detail::conv2d_is_reduced<T>(s)) return detail::conv2d_batch_norm_as<bfloat16>(s, x, weight, norm);
  return detail::conv2d_batch_norm_as<T>(s, x, weight, norm);
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                          \
  template Variable<T> batch_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta, \
                                  Tensor<T>& running_mean, Tensor<T>& running_variance,                    \
                                  const BatchNormOptions& options, const Variable<T>& residual);           \
  template Variable<T> conv2d_batch_norm(const Variable<T>& x, const Variable<T>& weight,                  \
                                         const Conv2dOptions& options, const BatchNormArguments<T>& norm);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
