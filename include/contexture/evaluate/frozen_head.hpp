// SPDX-License-Identifier: MIT
// A linear head on frozen features from few labels: its penalty is chosen by cross-validation, since nothing can be
// spared for validation, and every labelled image gets an answer of a head that did not see it. Not part of the
// umbrella header: it brings xtensor-blas.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/linear_probe.hpp"
#include "contexture/kernels/softmax.hpp"

namespace contexture {

/// A head, and what heads of the same kind say of images that they did not see.
struct FrozenHead {
  LinearProbe probe;                 ///< of all images; validation_accuracy is the cross-validated one
  std::vector<LinearProbe> of_fold;  ///< those that did not see the images of a fold
  Tensor<float> held_out;            ///< (N,classes): probabilities, each image's by the head that did not see it
  double log_loss = 0;               ///< of held_out, nats an image
};

namespace detail {

// The rows of all views, one view after the other.
inline LabelledFeatures rows_of_views(std::span<const Tensor<float>> views, std::span<const Index> rows,
                                      std::span<const std::int32_t> labels) {
  const auto features = static_cast<std::size_t>(dim(views[0], 1));
  LabelledFeatures out{empty<float>({rows.size() * views.size(), features}), {}};
  for (std::size_t v = 0; v < views.size(); ++v) {
    const Tensor<float> some = select_rows(views[v], rows);
    std::copy(some.data(), some.data() + some.size(), out.values.data() + v * some.size());
    for (const Index i : rows) out.labels.push_back(labels[static_cast<std::size_t>(i)]);
  }
  return out;
}

}  // namespace detail

/// Probabilities (N,K) of a head for features (N,F) of one or more views of the same images: the softmax of the mean of
/// its logits.
[[nodiscard]] inline Tensor<float> head_probabilities(const LinearProbe& probe, std::span<const Tensor<float>> views) {
  require(!views.empty(), "head_probabilities: no views");
  Tensor<float> mean = probe_logits(probe, views[0]);
  for (const Tensor<float>& view : views.subspan(1)) {
    const Tensor<float> more = probe_logits(probe, view);
    require(more.shape() == mean.shape(), "head_probabilities: views of ", mean.shape(), " and ", more.shape());
    for (std::size_t i = 0; i < mean.size(); ++i) mean.data()[i] += more.data()[i];
  }
  for (std::size_t i = 0; i < mean.size(); ++i) mean.data()[i] /= static_cast<float>(views.size());
  kernels::softmax(dim(mean, 0), dim(mean, 1), mean.data(), mean.data());
  return mean;
}

/// Mean of -log p of the labels, nats, no probability taken for less than 1e-7. p (N,classes).
[[nodiscard]] inline double log_loss(const Tensor<float>& p, std::span<const std::int32_t> labels) {
  require(p.dimension() == 2 && p.shape()[0] == labels.size() && !labels.empty(), "log_loss: ", p.shape(), " for ",
          labels.size(), " labels");
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    sum -= std::log(std::max(1e-7, static_cast<double>(p(i, static_cast<std::size_t>(labels[i])))));
  return sum / static_cast<double>(labels.size());
}

/// Multinomial logistic regression on features (N,F) of one or more views of N images (an image and its mirror image),
/// whose L2 penalty has the lowest cross-validated log-loss; `fold` as stratified_folds() gives it. Throws
/// std::invalid_argument for sizes that do not fit together, no images, labels outside [0, classes).
[[nodiscard]] inline FrozenHead fit_frozen_head(std::span<const Tensor<float>> views,
                                                std::span<const std::int32_t> labels, std::span<const int> fold,
                                                Index classes, const LinearProbeOptions& options = {}) {
  require(!views.empty() && !labels.empty() && fold.size() == labels.size() && !options.penalties.empty(),
          "fit_frozen_head: ", views.size(), " views, ", labels.size(), " labels, ", fold.size(), " folds, ",
          options.penalties.size(), " penalties");
  for (const Tensor<float>& view : views)
    require(view.dimension() == 2 && view.shape()[0] == labels.size() && view.shape() == views[0].shape(),
            "fit_frozen_head: features ", view.shape(), " for ", labels.size(), " labels");
  for (const std::int32_t label : labels)
    require(label >= 0 && label < classes, "fit_frozen_head: label ", label, " of ", classes, " classes");
  const std::size_t n = labels.size(), tried = options.penalties.size();
  std::vector<Tensor<float>> held_out(tried, zeros<float>({n, static_cast<std::size_t>(classes)}));
  const int folds = *std::max_element(fold.begin(), fold.end()) + 1;
  FrozenHead out;
  std::vector<std::vector<LinearProbe>> of_fold(tried);
  for (int f = 0; f < folds; ++f) {
    std::vector<Index> inside, outside;
    for (std::size_t i = 0; i < n; ++i) (fold[i] == f ? outside : inside).push_back(static_cast<Index>(i));
    require(!inside.empty() && !outside.empty(), "fit_frozen_head: fold ", f, " has ", outside.size(), " of ", n,
            " images");
    const LabelledFeatures train = detail::rows_of_views(views, inside, labels);
    std::vector<Tensor<float>> asked;
    for (const Tensor<float>& view : views) asked.push_back(select_rows(view, outside));
    detail::SoftmaxRegression regression(train, classes);
    for (std::size_t p = 0; p < tried; ++p) {
      out.probe.iterations += regression.minimise(options.penalties[p], options.max_iterations, options.tolerance);
      of_fold[p].push_back(regression.probe());
      const Tensor<float> answers = head_probabilities(of_fold[p].back(), asked);
      for (std::size_t k = 0; k < outside.size(); ++k)
        std::copy_n(answers.data() + static_cast<Index>(k) * classes, classes,
                    held_out[p].data() + outside[k] * classes);
    }
  }
  std::size_t best = 0;
  for (std::size_t p = 0; p < tried; ++p) {
    const double loss = log_loss(held_out[p], labels);
    if (p > 0 && !(loss < out.log_loss)) continue;
    best = p;
    out.log_loss = loss;
  }
  std::vector<Index> all;
  for (std::size_t i = 0; i < n; ++i) all.push_back(static_cast<Index>(i));
  const LabelledFeatures train = detail::rows_of_views(views, all, labels);
  detail::SoftmaxRegression regression(train, classes);
  std::int64_t iterations = out.probe.iterations;
  for (std::size_t p = 0; p <= best; ++p)
    iterations += regression.minimise(options.penalties[p], options.max_iterations, options.tolerance);
  out.probe = regression.probe();
  out.probe.penalty = options.penalties[best];
  out.probe.iterations = iterations;
  out.held_out = std::move(held_out[best]);
  out.of_fold = std::move(of_fold[best]);
  out.probe.validation_accuracy = agreement(likeliest_classes(out.held_out), labels);
  return out;
}

}  // namespace contexture
