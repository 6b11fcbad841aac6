// SPDX-License-Identifier: MIT
// What it brings to label the images that label_next() names instead of others: the accuracy, on images kept for
// testing, of a head on frozen features that learns from both.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contexture/data/split.hpp"
#include "contexture/evaluate/frozen_head.hpp"
#include "contexture/evaluate/label_next.hpp"

namespace label_next_gain {

using namespace contexture;

struct Problem {
  LabelledFeatures pool, test;  // labels of the pool are given out one by one
  Index classes = 0;
};

// Test accuracies, 0..1.
struct Gain {
  double before = 0;     // with the first labels
  double chosen = 0;     // with those of label_next()
  double random = 0;     // with as many drawn at random: the mean of three draws
  double uncertain = 0;  // with those of the smallest margins
};

inline FrozenHead head_of(const Problem& problem, const std::vector<Index>& known, const Rng& rng) {
  std::vector<std::int32_t> labels;
  for (const Index i : known) labels.push_back(problem.pool.labels[static_cast<std::size_t>(i)]);
  const std::vector<int> folds = stratified_folds(labels, numbered(static_cast<Index>(known.size())), 5, rng);
  const std::vector<Tensor<float>> views{select_rows(problem.pool.values, known)};
  return fit_frozen_head(views, labels, folds, problem.classes);
}

inline double accuracy_with(const Problem& problem, std::vector<Index> known, const std::vector<Index>& more,
                            const Rng& rng) {
  known.insert(known.end(), more.begin(), more.end());
  return agreement(predict(head_of(problem, known, rng).probe, problem.test.values), problem.test.labels);
}

// Begins with `first` labels of every class and adds `count` of the pool's other images; all is drawn by the seed.
inline Gain measure(const Problem& problem, Index first, Index count, std::uint64_t seed,
                    const LabelNextOptions& options = {}) {
  const Rng rng(seed);
  std::vector<Index> order = numbered(problem.pool.count()), known, rest;
  Rng shuffling = rng.split("first labels");
  shuffling.shuffle(order);
  std::vector<Index> of_class(static_cast<std::size_t>(problem.classes), 0);
  for (const Index i : order) {
    Index& have = of_class[static_cast<std::size_t>(problem.pool.labels[static_cast<std::size_t>(i)])];
    (have < first ? known : rest).push_back(i);
    ++have;
  }
  const Rng folds = rng.split("folds");
  const FrozenHead head = head_of(problem, known, folds);
  Gain gain;
  gain.before = agreement(predict(head.probe, problem.test.values), problem.test.labels);
  const Tensor<float> asked = select_rows(problem.pool.values, rest);
  const Tensor<float> p = head_probabilities(head.probe, {&asked, 1});
  LabelNextOptions wanted = options;
  wanted.count = count;
  std::vector<Index> chosen;
  for (const LabelNext& next : label_next(select_rows(problem.pool.values, known), asked, p, wanted))
    chosen.push_back(rest[static_cast<std::size_t>(next.image)]);
  gain.chosen = accuracy_with(problem, known, chosen, folds);
  for (std::uint64_t draw = 0; draw < 3; ++draw) {
    Rng stream = rng.split("drawn").split(draw);
    std::vector<Index> drawn = rest;
    stream.shuffle(drawn);
    drawn.resize(static_cast<std::size_t>(count));
    gain.random += accuracy_with(problem, known, drawn, folds) / 3;
  }
  const std::vector<double> uncertainty = contexture::detail::margins(p);
  std::vector<Index> by_margin = numbered(static_cast<Index>(rest.size()));
  std::stable_sort(by_margin.begin(), by_margin.end(), [&](Index a, Index b) {
    return uncertainty[static_cast<std::size_t>(a)] > uncertainty[static_cast<std::size_t>(b)];
  });
  std::vector<Index> uncertain;
  for (Index k = 0; k < count; ++k)
    uncertain.push_back(rest[static_cast<std::size_t>(by_margin[static_cast<std::size_t>(k)])]);
  gain.uncertain = accuracy_with(problem, known, uncertain, folds);
  return gain;
}

// Of paired differences: their mean, and half the width of its 95 % interval (Student's t).
struct Difference {
  double mean = 0, half = 0;
  int above = 0;  // how many are above 0
};

inline Difference difference(const std::vector<double>& values) {
  // Two-sided 95 % points for 1, 2, ... degrees of freedom.
  constexpr double kT[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
  const auto n = static_cast<double>(values.size());
  Difference out;
  for (const double v : values) {
    out.mean += v / n;
    out.above += v > 0;
  }
  double squares = 0;
  for (const double v : values) squares += (v - out.mean) * (v - out.mean);
  out.half = kT[std::min<std::size_t>(values.size() - 2, 8)] * std::sqrt(squares / (n - 1) / n);
  return out;
}

}  // namespace label_next_gain
