// SPDX-License-Identifier: MIT
// What the two translation units of the consumer share.
#pragma once

#include <cstdint>
#include <vector>

#include "contexture/contexture.hpp"

struct Examples {
  contexture::Tensor<float> images;  // (N,8,8,1)
  std::vector<std::int32_t> labels;
};

/// Images with one bright horizontal (label 0) or vertical (label 1) stroke.
Examples strokes(std::size_t count, const contexture::Rng& rng);

/// Two convolutions, a global average, a linear layer: (N,8,8,1) -> (N,2).
class Network {
 public:
  explicit Network(const contexture::Rng& rng);
  contexture::Variable<float> logits(const contexture::Variable<float>& images);
  std::vector<contexture::NamedParameter<float>> parameters() { return layers_.parameters(); }

 private:
  contexture::Sequential<float> layers_;
  contexture::Linear<float> head_;
};
