// SPDX-License-Identifier: MIT
// The order of the images in training.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// The order in which images are seen: every epoch is a new permutation of the given images, and a
/// batch that reaches the end of one epoch is filled up from the next, so all batches are full.
/// A pure function of (seed, step), without state: safe to share between threads.
class EpochSampler {
 public:
  /// Throws std::invalid_argument when there are no indices or batch < 1.
  EpochSampler(std::vector<Index> indices, Index batch, const Rng& rng)
      : indices_(std::move(indices)), batch_(batch), rng_(rng) {
    require(!indices_.empty(), "EpochSampler: no images");
    require(batch >= 1, "EpochSampler: batch of ", batch, ", expected 1 or more");
    half_bits_ = std::max(1, (static_cast<int>(std::bit_width(indices_.size() - 1)) + 1) / 2);
  }

  /// The image numbers of batch `step` >= 0.
  [[nodiscard]] std::vector<Index> batch(std::int64_t step) const {
    require(step >= 0, "EpochSampler::batch: step ", step, ", expected 0 or more");
    std::vector<Index> result;
    result.reserve(static_cast<std::size_t>(batch_));
    const auto n = static_cast<std::int64_t>(indices_.size());
    std::int64_t epoch = -1;
    Keys keys{};
    for (std::int64_t position = step * batch_; position < (step + 1) * batch_; ++position) {
      if (position / n != epoch) {
        epoch = position / n;
        Rng stream = rng_.split(static_cast<std::uint64_t>(epoch));
        for (std::uint32_t& key : keys) key = stream();
      }
      result.push_back(indices_[permuted(static_cast<std::uint64_t>(position % n), keys)]);
    }
    return result;
  }

  /// Steps after which every image has been seen.
  [[nodiscard]] std::int64_t steps_per_epoch() const { return (size() + batch_ - 1) / batch_; }
  [[nodiscard]] Index size() const { return static_cast<Index>(indices_.size()); }
  [[nodiscard]] Index batch_size() const { return batch_; }

 private:
  static constexpr int kRounds = 8;
  using Keys = std::array<std::uint32_t, kRounds>;

  // A permutation that needs no table: a Feistel network on the next even number of bits, walked
  // until it lands inside the range again (Black and Rogaway, "Ciphers with arbitrary finite
  // domains", CT-RSA 2002). At most four steps are expected.
  [[nodiscard]] std::size_t permuted(std::uint64_t i, const Keys& keys) const {
    const std::uint32_t mask = half_bits_ >= 32 ? ~0U : (1U << half_bits_) - 1U;
    do {
      auto left = static_cast<std::uint32_t>(i >> half_bits_);
      auto right = static_cast<std::uint32_t>(i) & mask;
      for (const std::uint32_t key : keys) {
        const std::uint32_t next = left ^ (hash(right ^ key) & mask);
        left = right;
        right = next;
      }
      i = static_cast<std::uint64_t>(left) << half_bits_ | right;
    } while (i >= indices_.size());
    return static_cast<std::size_t>(i);
  }

  static std::uint32_t hash(std::uint32_t x) {  // murmur3's finaliser
    x = (x ^ (x >> 16)) * 0x85ebca6bU;
    x = (x ^ (x >> 13)) * 0xc2b2ae35U;
    return x ^ (x >> 16);
  }

  std::vector<Index> indices_;
  Index batch_;
  Rng rng_;
  int half_bits_;
};

}  // namespace contexture
