// SPDX-License-Identifier: MIT
// Weights packed once: the same answers, and no second packing.
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/packed_weights.hpp"
#include "kernels/conv_reference.hpp"

namespace {

using namespace contexture;
using namespace contexture::tests;

template <class T>
std::vector<T> forward(const ConvShape& shape, const std::vector<T>& x, const std::vector<Accumulator<T>>& w) {
  std::vector<T> y(static_cast<std::size_t>(shape.output_size()), T(99.0F));
  conv2d_forward<T>(shape, x.data(), w.data(), {}, y.data());
  return y;
}

// Every algorithm that packs, of 32-bit and of 16-bit numbers, each in its own and in any shape.
template <class T>
void check_kept(const ConvShape& shape, ConvAlgorithm algorithm, Random& random) {
  set_conv_algorithm(algorithm);
  INFO(to_string(algorithm) << ", " << describe(shape));
  std::vector<T> x;
  for (const float value : random.values<float>(shape.input_size())) x.push_back(T(value));
  std::vector<Accumulator<T>> w = random.values<Accumulator<T>>(shape.weight_size());
  const std::vector<T> expected = forward(shape, x, w);
  PackedWeights packed;
  for (int time = 0; time < 3; ++time) {
    const KeepPackedWeights kept(packed);
    CHECK(forward(shape, x, w) == expected);
    // Were they packed again, zeros would be: this is what nobody may do who keeps them.
    std::fill(w.begin(), w.end(), Accumulator<T>(0));
  }
  CHECK(forward(shape, x, w) != expected);  // without the guard nothing is kept
}

}  // namespace

TEST_CASE("packed weights: kept, and the same bits with every algorithm") {
  const Settings settings;
  Random random{91};
  const ConvShape plain{.n = 1, .h = 9, .w = 7, .c = 20, .k = 37, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  ConvShape point = plain, stem = plain, groups = plain;
  point.r = point.s = 1;
  point.pad_h = point.pad_w = 0;
  stem.c = 3;
  stem.w = 40;
  groups.c = 24;
  groups.k = 39;
  groups.groups = 3;
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    for (const ConvAlgorithm algorithm : {ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4}) {
      check_kept<float>(plain, algorithm, random);
      check_kept<double>(plain, algorithm, random);
      check_kept<bfloat16>(plain, algorithm, random);
    }
    check_kept<float>(point, ConvAlgorithm::pointwise, random);
    check_kept<float>(stem, ConvAlgorithm::stem, random);
    check_kept<float>(groups, ConvAlgorithm::direct, random);
  }
}

TEST_CASE("packed weights: one layer in several algorithms, precisions and instruction sets keeps each form") {
  const Settings settings;
  Random random{92};
  const ConvShape shape{.n = 1, .h = 8, .w = 8, .c = 16, .k = 32, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const std::vector<float> x = random.values<float>(shape.input_size()), w = random.values<float>(shape.weight_size());
  const std::vector<bfloat16> x16(x.begin(), x.end());
  PackedWeights packed;
  for (int time = 0; time < 2; ++time)
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
      for (const ConvAlgorithm algorithm :
           {ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4}) {
        if (isa > supported_isa()) continue;
        set_isa(isa);
        set_conv_algorithm(algorithm);
        const std::vector<float> expected = forward(shape, x, w);
        const std::vector<bfloat16> expected16 = forward(shape, x16, w);
        const KeepPackedWeights kept(packed);
        CHECK(forward(shape, x, w) == expected);
        CHECK(forward(shape, x16, w) == expected16);
      }
}

TEST_CASE("packed weights: several threads ask for the same form at once") {
  const Settings settings;
  set_num_threads(2);
  Random random{93};
  const ConvShape shape{.n = 1, .h = 8, .w = 8, .c = 64, .k = 64, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const std::vector<float> x = random.values<float>(shape.input_size()), w = random.values<float>(shape.weight_size());
  const std::vector<float> expected = forward(shape, x, w);
  PackedWeights packed;
  std::atomic<int> same{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      const KeepPackedWeights kept(packed);
      for (int time = 0; time < 5; ++time) same += forward(shape, x, w) == expected;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(same == 30);
}
