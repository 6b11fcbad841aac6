// SPDX-License-Identifier: MIT
// Counter-based random numbers: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011). The state is a key and a counter, so a stream can be split by
// name or number without drawing from it: every consumer of a run derives its own stream from
// the run's seed, and adding a consumer changes no other's numbers. Results are the same on
// every platform (the standard library's distributions are not, and are not used); normal() is up to
// the last bits of the platform's log and cos.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <utility>

#include "contexture/core/error.hpp"

namespace contexture {
namespace detail {

/// Ten rounds of Philox-4x32: a bijection of the 128-bit counter for every key.
constexpr std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                                     std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

}  // namespace detail

/// A stream of random numbers; a cheap value. Not for two threads at once: split it instead.
class Rng {
 public:
  using result_type = std::uint32_t;

  explicit Rng(std::uint64_t seed = 0) noexcept : key_(mix(seed)) {}

  /// An independent stream; the same (parent, number) gives the same stream however many
  /// numbers were drawn from the parent.
  [[nodiscard]] Rng split(std::uint64_t number) const noexcept {
    Rng child;
    child.key_ = mix(key_ ^ mix(number + 0x632be59bd9b4e019ULL));
    return child;
  }

  /// An independent stream by name.
  [[nodiscard]] Rng split(std::string_view name) const noexcept {
    std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return split(hash);
  }

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return 0xffffffffU; }

  /// What tells this stream from others. Numbers 4 i to 4 i + 3 of it are Philox of the counter (i mod 2^32, i / 2^32,
  /// 0, 0) with the key's low and high word: for kernels that make many at once.
  [[nodiscard]] std::uint64_t key() const noexcept { return key_; }

  /// 32 uniform bits.
  result_type operator()() noexcept {
    if (used_ == 4) refill();
    return block_[used_++];
  }

  std::uint64_t bits64() noexcept {
    const std::uint64_t high = (*this)();
    return high << 32 | (*this)();
  }

  /// Uniform in [0, 1) with 24 bits.
  float uniform() noexcept { return static_cast<float>((*this)() >> 8) * 0x1p-24F; }
  /// Uniform in [low, high).
  float uniform(float low, float high) noexcept {
    const float x = low + (high - low) * uniform();
    return x == high ? low : x;  // rounding reaches `high` about once in 2^24 draws
  }

  /// Uniform integer in [0, n), n > 0, without bias (Lemire's multiply-and-reject).
  std::uint32_t below(std::uint32_t n) {
    require(n > 0, "Rng::below: empty range");
    std::uint64_t product = std::uint64_t{(*this)()} * n;
    auto low = static_cast<std::uint32_t>(product);
    if (low < n) {
      const std::uint32_t threshold = (0U - n) % n;
      while (low < threshold) {
        product = std::uint64_t{(*this)()} * n;
        low = static_cast<std::uint32_t>(product);
      }
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

  /// Uniform integer in [low, high], both included.
  int between(int low, int high) {
    require(low <= high, "Rng::between: empty range [", low, ", ", high, "]");
    const std::uint32_t count = static_cast<std::uint32_t>(high) - static_cast<std::uint32_t>(low) + 1U;
    const std::uint32_t offset = count == 0 ? (*this)() : below(count);  // 0: all 2^32 of them
    return static_cast<int>(static_cast<std::uint32_t>(low) + offset);
  }

  /// True with probability p.
  bool bernoulli(float p) noexcept { return uniform() < p; }

  /// Standard normal (Box-Muller; one of the pair is dropped so that the stream has no hidden state).
  float normal() noexcept {
    const float u = 1.0F - uniform();  // (0, 1]
    const float v = uniform();
    return std::sqrt(-2.0F * std::log(u)) * std::cos(2.0F * std::numbers::pi_v<float> * v);
  }

  /// Fisher-Yates shuffle of a random-access range of fewer than 2^32 elements; throws std::invalid_argument for more.
  template <class Range>
  void shuffle(Range& range) {
    require(range.size() <= max(), "Rng::shuffle: ", range.size(), " elements, expected fewer than 2^32");
    for (std::size_t i = range.size(); i > 1; --i) {
      using std::swap;
      swap(range[i - 1], range[below(static_cast<std::uint32_t>(i))]);
    }
  }

 private:
  static std::uint64_t mix(std::uint64_t z) noexcept {  // splitmix64's finaliser
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  void refill() noexcept {
    block_ = detail::philox4x32_10({low32(counter_), high32(counter_), 0, 0}, {low32(key_), high32(key_)});
    ++counter_;
    used_ = 0;
  }

  static constexpr std::uint32_t low32(std::uint64_t x) noexcept { return static_cast<std::uint32_t>(x); }
  static constexpr std::uint32_t high32(std::uint64_t x) noexcept { return static_cast<std::uint32_t>(x >> 32); }

  std::uint64_t key_;
  std::uint64_t counter_ = 0;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
};

}  // namespace contexture
