// SPDX-License-Identifier: MIT
// How a pretext task is evaluated and shown.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/picture.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_batch.hpp"
#include "contexture/ssl/pretext_picture.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

template <class T>
PretextPicture PretextTask<T>::picture(const ImageSet& images, Index image, const Rng& rng) const {
  PretextPicture out{picture_of(images, image), {}};
  const Tensor<float> seen = make_batch(images, std::array{image}, rng).inputs;
  const Index count = dim(seen, 0), height = dim(seen, 1), width = dim(seen, 2), channels = dim(seen, 3);
  const auto columns = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(count))));
  for (Index n = 0; n < count; ++n) {
    const float* const values = seen.data() + n * height * width * channels;
    out.patches.push_back({n / columns, n % columns, 0, 0, {}, picture_of(values, height, width, channels)});
  }
  return out;
}

template <class T>
Variable<T> input_variable(const Tensor<float>& values) {
  if constexpr (std::is_same_v<T, float>) {
    return Variable<T>(values);
  } else {
    Tensor<T> converted = empty<T>(values.shape());
    std::copy(values.data(), values.data() + values.size(), converted.data());
    return Variable<T>(std::move(converted));
  }
}

namespace detail {

template <class T>
void require_channels(const char* task, const PretextImages& images, const Backbone<T>& encoder) {
  require(encoder.description().in_channels == images.channels, task, ": images of ", images.channels,
          " channels, the encoder takes ", encoder.description().in_channels);
}

// Adds a batch's answers to sums over examples: loss, and right answers in the place of accuracy.
template <class T>
void add_answers(const PretextLoss<T>& answer, PretextEvaluation& sums) {
  sums.loss += static_cast<double>(answer.loss.item()) * static_cast<double>(answer.count);
  sums.accuracy += static_cast<double>(answer.correct);
  sums.count += answer.count;
  sums.parts.resize(answer.parts.size());
  for (std::size_t i = 0; i < answer.parts.size(); ++i) add_answers(answer.parts[i], sums.parts[i]);
}

inline void append_sums(const PretextEvaluation& sums, std::vector<double>& numbers) {
  numbers.insert(numbers.end(), {sums.loss, sums.accuracy, static_cast<double>(sums.count)});
  numbers.push_back(static_cast<double>(sums.parts.size()));
  for (const PretextEvaluation& part : sums.parts) append_sums(part, numbers);
}

// Adds what append_sums() wrote; returns where it ends.
inline const double* add_sums(const double* numbers, PretextEvaluation& sums) {
  sums.loss += numbers[0];
  sums.accuracy += numbers[1];
  sums.count += static_cast<Index>(numbers[2]);
  sums.parts.resize(std::max(sums.parts.size(), static_cast<std::size_t>(numbers[3])));
  const auto parts = static_cast<std::size_t>(numbers[3]);
  numbers += 4;
  for (std::size_t i = 0; i < parts; ++i) numbers = add_sums(numbers, sums.parts[i]);
  return numbers;
}

// Sums over all processes, which may have had different numbers of batches, or none.
inline void add_up_processes(PretextEvaluation& sums) {
  ProcessGroup& group = process_group();
  if (group.size() == 1) return;
  std::vector<double> own;
  append_sums(sums, own);
  const std::vector<double> all = gather_values<double>(group, own);
  sums = {};
  for (const double* at = all.data(); at != all.data() + all.size();) at = add_sums(at, sums);
}

inline void divide_by_count(PretextEvaluation& sums) {
  const auto count = static_cast<double>(std::max<Index>(sums.count, 1));
  sums.loss /= count;
  sums.accuracy /= count;
  for (PretextEvaluation& part : sums.parts) divide_by_count(part);
}

}  // namespace detail

template <class T>
PretextEvaluation evaluate_pretext(PretextTask<T>& task, Backbone<T>& encoder, const ImageSet& images,
                                   std::span<const Index> indices, Index batch_size, const Rng& rng) {
  require(batch_size >= 1, "evaluate_pretext: batch of ", batch_size, ", expected 1 or more");
  require(!indices.empty(), "evaluate_pretext: no images");
  const Inference inference;
  PretextEvaluation result;
  const auto total = static_cast<Index>(indices.size());
  const Index batches = pretext_evaluation_batches(total, batch_size);
  const Part own = part_of(process_group());
  for (Index b = own.begin(batches); b < own.end(batches); ++b) {
    const Index begin = b * total / batches, end = (b + 1) * total / batches;
    const auto part = indices.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    const PretextBatch batch = task.make_batch(images, part, rng.split(static_cast<std::uint64_t>(b)));
    detail::add_answers(task.loss(encoder, batch), result);
  }
  detail::add_up_processes(result);
  detail::divide_by_count(result);
  return result;
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                                    \
  template class PretextTask<T>;                                                                                     \
  template Variable<T> input_variable(const Tensor<float>& values);                                                  \
  template void detail::require_channels(const char* task, const PretextImages& images, const Backbone<T>& encoder); \
  template PretextEvaluation evaluate_pretext(PretextTask<T>& task, Backbone<T>& encoder, const ImageSet& images,    \
                                              std::span<const Index> indices, Index batch_size, const Rng& rng);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
