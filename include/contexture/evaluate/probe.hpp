// SPDX-License-Identifier: MIT
// What frozen features are worth: a linear probe and k nearest neighbours on the globally averaged feature map of
// every stage of an encoder, with one or more shares of the labels. The protocols are those of the literature, so that
// numbers compare; docs/evaluation.md tells them. Not part of the umbrella header: it brings xtensor-blas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/linear_probe.hpp"
#include "contexture/evaluate/nearest_neighbours.hpp"
#include "contexture/models/backbone.hpp"

namespace contexture {

/// Images to probe encoders with.
struct ProbeImages {
  const Dataset& data;                      ///< must outlive it
  Split split;                              ///< of the training images: fitted on, and validated on
  std::vector<double> fractions;            ///< shares of split.train whose labels are used
  std::vector<std::vector<Index>> subsets;  ///< of every share, places in split.train
  std::vector<Index> test;                  ///< test images; empty: left alone
};

/// Options of a probe of frozen features.
struct ProbeOptions {
  double validation = 0.1;             ///< share of the training images held out
  std::vector<double> fractions{1.0};  ///< of the labels
  std::uint64_t seed = 1;              ///< splits and draws labels as the experiments with this seed do
  bool test = true;                    ///< ask about the test images too
};

/// Splits a data set as the experiments of the same seed do. Throws InputError for fewer than two classes, no test
/// images where they are to be used, or too few to hold some out.
[[nodiscard]] inline ProbeImages probe_images(const Dataset& data, const ProbeOptions& options) {
  require_input(data.class_names.size() >= 2, "data set ", data.name, ": ", data.class_names.size(),
                " classes, expected at least 2");
  require_input(!options.test || data.test.count > 0, "data set ", data.name, ": no test images");
  const Rng rng(options.seed);
  ProbeImages out{data,
                  stratified_split(data.train.labels, options.validation, rng.split("validation")),
                  options.fractions,
                  {},
                  numbered(options.test ? data.test.count : 0)};
  require_input(!out.split.validation.empty(), "data set ", data.name, ": no images left for validation");
  for (const double fraction : options.fractions) {
    std::vector<Index>& places = out.subsets.emplace_back();
    std::size_t at = 0;
    for (const Index i :
         label_subset(data.train.labels, out.split.train, fraction, rng.split("labels"), data.class_names)) {
      while (out.split.train[at] != i) ++at;  // both ascend
      places.push_back(static_cast<Index>(at));
    }
  }
  return out;
}

/// Accuracies, 0..1.
struct ProbeScore {
  double validation = 0;
  std::optional<double> test;  ///< empty: the test images were left alone
};

/// One stage with one share of the labels.
struct ProbeResult {
  double fraction = 1;
  Index labels = 0;
  ProbeScore linear = {}, knn = {};
  double penalty = 0;  ///< of the linear probe
};

/// One stage with all shares.
struct StageProbes {
  std::string stage;  ///< "stem", "stage 1", ...
  Index features = 0;
  std::vector<ProbeResult> results;  ///< one a share
};

/// Probes every stage of an encoder, from the stem on; the encoder's mode is as before afterwards.
[[nodiscard]] inline std::vector<StageProbes> probe_encoder(Backbone<float>& encoder,
                                                            const Normalization& normalization,
                                                            const ProbeImages& images) {
  const Dataset& data = images.data;
  const auto classes = static_cast<Index>(data.class_names.size());
  const auto labels_of = [&](const std::vector<Index>& indices) {
    std::vector<std::int32_t> labels;
    for (const Index i : indices) labels.push_back(data.train.labels[static_cast<std::size_t>(i)]);
    return labels;
  };
  const std::vector<std::int32_t> train_labels = labels_of(images.split.train);
  const std::vector<std::int32_t> held_out_labels = labels_of(images.split.validation);
  const std::vector<Tensor<float>> train = stage_features(encoder, data.train, images.split.train, normalization);
  const std::vector<Tensor<float>> held_out =
      stage_features(encoder, data.train, images.split.validation, normalization);
  const std::vector<Tensor<float>> test = stage_features(encoder, data.test, images.test, normalization);
  std::vector<StageProbes> out;
  for (std::size_t s = 0; s < train.size(); ++s) {
    StageProbes stage{stage_name(s), dim(train[s], 1), {}};
    for (std::size_t f = 0; f < images.fractions.size(); ++f) {
      LabelledFeatures used{select_rows(train[s], images.subsets[f]), {}};
      for (const Index i : images.subsets[f]) used.labels.push_back(train_labels[static_cast<std::size_t>(i)]);
      const LinearProbe linear = fit_linear_probe(used, {held_out[s], held_out_labels}, classes);
      ProbeResult result{.fraction = images.fractions[f], .labels = used.count(), .penalty = linear.penalty};
      result.linear.validation = linear.validation_accuracy;
      result.knn.validation = agreement(knn_predict(used, held_out[s], classes), held_out_labels);
      if (!images.test.empty()) {
        result.linear.test = agreement(predict(linear, test[s]), data.test.labels);
        result.knn.test = agreement(knn_predict(used, test[s], classes), data.test.labels);
      }
      stage.results.push_back(result);
    }
    out.push_back(std::move(stage));
  }
  return out;
}

}  // namespace contexture
