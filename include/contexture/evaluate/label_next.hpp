// SPDX-License-Identifier: MIT
// Which images to label next: those that stand for the largest part of what is still uncertain and far from all labels.
// Greedy facility location on frozen features, weighted by uncertainty (Wei, Iyer and Bilmes, "Submodularity in Data
// Subset Selection and Active Learning", ICML 2015). Not part of the umbrella header: it brings BLAS.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/linalg.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/nearest_neighbours.hpp"
#include "contexture/kernels/matmul.hpp"

namespace contexture {

/// An image to label.
struct LabelNext {
  Index image = 0;         ///< row of the unlabelled features
  double uncertainty = 0;  ///< 1 - (highest - second highest probability), 0..1
  double gain = 0;         ///< uncertain images that it stands for, beside those before it in the list
};

/// Options of label_next().
struct LabelNextOptions {
  Index count = 50;      ///< images wanted
  Index most = 4000;     ///< of more unlabelled images, so many are looked at, drawn at random by `seed`
  double reach = 0.3;    ///< an image stands for others at a squared distance of this times that to the labels
  double certain = 0.5;  ///< what a certain image counts, where an uncertain one counts 1: of few labels even the
                         ///< certainty is not to be trusted
  std::uint64_t seed = 1;
};

namespace detail {

/// 1 - (highest - second highest) of every row of p (N,classes), 0..1.
inline std::vector<double> margins(const Tensor<float>& p) {
  const std::size_t classes = p.shape()[1];
  std::vector<double> out;
  for (std::size_t i = 0; i < p.shape()[0]; ++i) {
    float first = 0, second = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      const float v = p(i, c);
      second = v > first ? first : std::max(second, v);
      first = std::max(first, v);
    }
    out.push_back(1 - static_cast<double>(first - second));
  }
  return out;
}

// Squared distances, 2 - 2 cos, of unit vectors (M,F) to each other, as (M,M).
inline Tensor<float> squared_distances(const Tensor<float>& unit) {
  const Index m = dim(unit, 0), f = dim(unit, 1);
  Tensor<float> out = empty<float>({static_cast<std::size_t>(m), static_cast<std::size_t>(m)});
  kernels::matmul(Transpose::no, Transpose::yes, m, m, f, unit.data(), unit.data(), 0.0F, out.data());
  for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = std::max(0.0F, 2 - 2 * out.data()[i]);
  return out;
}

}  // namespace detail

/// The images whose labels would help most, the best first. `labelled` (L,F) and `unlabelled` (M,F) are features of a
/// frozen encoder, `probabilities` (M,classes) what a classifier says of the latter. Each of the images taken adds to
///   sum_i w_i max_{j taken or labelled} exp(-|x_i - x_j|^2 / h),   w_i = certain + (1 - certain) uncertainty_i,
/// as much as any could, where x are the features less their mean, scaled to length 1. Throws std::invalid_argument for
/// sizes that do not fit together and options that make no sense.
[[nodiscard]] inline std::vector<LabelNext> label_next(const Tensor<float>& labelled, const Tensor<float>& unlabelled,
                                                       const Tensor<float>& probabilities,
                                                       const LabelNextOptions& options = {}) {
  require(labelled.dimension() == 2 && unlabelled.dimension() == 2 && dim(labelled, 1) == dim(unlabelled, 1) &&
              dim(labelled, 0) >= 1 && probabilities.dimension() == 2 &&
              probabilities.shape()[0] == unlabelled.shape()[0],
          "label_next: features ", labelled.shape(), " and ", unlabelled.shape(), ", probabilities ",
          probabilities.shape());
  require(options.count >= 0 && options.most >= 1 && options.reach > 0 && options.certain >= 0 && options.certain <= 1,
          "label_next: count ", options.count, ", most ", options.most, ", reach ", options.reach, ", certain ",
          options.certain);
  const Index f = dim(labelled, 1);
  std::vector<Index> looked_at = numbered(dim(unlabelled, 0));
  if (dim(unlabelled, 0) > options.most) {
    Rng stream = Rng(options.seed).split("label next");
    stream.shuffle(looked_at);
    looked_at.resize(static_cast<std::size_t>(options.most));
    std::sort(looked_at.begin(), looked_at.end());
  }
  const auto m = static_cast<Index>(looked_at.size());
  if (m == 0) return {};
  Tensor<float> asked = select_rows(unlabelled, looked_at), known = labelled;
  const Moments moments = row_moments(asked);
  for (Tensor<float>* values : {&asked, &known})
    for (std::size_t i = 0; i < values->size(); ++i)
      values->data()[i] -= static_cast<float>(moments.mean.data()[i % static_cast<std::size_t>(f)]);
  asked = detail::unit_rows(asked);
  const Neighbours nearest = nearest_neighbours(known, asked, 1);
  std::vector<double> distance;
  double mean = 0;
  for (const float similarity : nearest.similarity) {
    distance.push_back(std::max(0.0, 2 - 2 * static_cast<double>(similarity)));
    mean += distance.back() / static_cast<double>(m);
  }
  const double h = std::max(options.reach * mean, 1e-6);
  const std::vector<double> uncertainty = detail::margins(select_rows(probabilities, looked_at));
  std::vector<double> weight, covered;
  for (std::size_t i = 0; i < distance.size(); ++i) {
    weight.push_back(options.certain + (1 - options.certain) * uncertainty[i]);
    covered.push_back(std::exp(-distance[i] / h));
  }
  Tensor<float> near = detail::squared_distances(asked);
  parallel_for(m, 16, [&](Index begin, Index end) {
    for (Index i = begin * m; i < end * m; ++i) near.data()[i] = std::exp(-near.data()[i] / static_cast<float>(h));
  });
  std::vector<LabelNext> out;
  std::vector<double> gain(static_cast<std::size_t>(m));
  std::vector<bool> taken(static_cast<std::size_t>(m), false);
  for (Index n = 0; n < std::min(options.count, m); ++n) {
    parallel_for(m, 16, [&](Index begin, Index end) {
      for (Index x = begin; x < end; ++x) {
        const float* const row = near.data() + x * m;
        double sum = 0;
        for (std::size_t i = 0; i < weight.size(); ++i) {
          const double more = static_cast<double>(row[i]) - covered[i];
          if (more > 0) sum += weight[i] * more;
        }
        gain[static_cast<std::size_t>(x)] = taken[static_cast<std::size_t>(x)] ? -1 : sum;
      }
    });
    const auto best = static_cast<std::size_t>(std::max_element(gain.begin(), gain.end()) - gain.begin());
    taken[best] = true;
    out.push_back({looked_at[best], uncertainty[best], gain[best]});
    const float* const row = near.data() + static_cast<Index>(best) * m;
    for (std::size_t i = 0; i < covered.size(); ++i) covered[i] = std::max(covered[i], static_cast<double>(row[i]));
  }
  return out;
}

}  // namespace contexture
