// SPDX-License-Identifier: MIT
// Register tiles whose storage and accumulator differ, as those of a short storage type will: float sums in double.
#include <cmath>
#include <cstdint>
#include <tuple>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/kernels/conv/tiles.hpp"
#include "contexture/kernels/reduce.hpp"
#include "kernels/conv_reference.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;
using namespace contexture::tests;
using namespace contexture::detail::conv;

// The outer product of source and gradient, summed over `lanes`, in double: what both kinds of tile compute.
std::vector<double> product(const std::vector<float>& a, const std::vector<float>& b, Index rows, Index columns) {
  std::vector<double> sums(static_cast<std::size_t>(rows * columns), 0.0);
  const Index terms = static_cast<Index>(a.size()) / rows;
  for (Index t = 0; t < terms; ++t)
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j)
        sums[static_cast<std::size_t>(i * columns + j)] +=
            static_cast<double>(a[static_cast<std::size_t>(t * rows + i)]) *
            b[static_cast<std::size_t>(t * columns + j)];
  return sums;
}

TEST_CASE("tiles: float storage, double sums") {
  const Settings settings;
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    const TileKernels<float, double> kernels = select_tile_kernels<float, double>();
    for (const TileKind kind : {kOneVector, kTwoVectors, kOneAndAHalf}) {
      if (kind == kOneAndAHalf && !kernels.half_vectors) continue;
      const Index wide = kernels.wide(kind), terms = 37;
      for (Index rows = 2; rows <= kernels.max_rows[kind]; rows += 2) {
        INFO(to_string(isa) << ", kind " << kind << ", " << rows << " rows");
        Random random{static_cast<std::uint64_t>(rows)};
        // Alternating large terms: a sum in float would be off by whole numbers.
        std::vector<float> a = random.values<float>(terms * rows), b = random.values<float>(terms * wide);
        for (Index i = 0; i < 2 * rows; ++i) a[static_cast<std::size_t>(i)] = i < rows ? 1e9F : -1e9F;
        for (Index j = 0; j < wide; ++j) b[static_cast<std::size_t>(wide + j)] = b[static_cast<std::size_t>(j)];
        const std::vector<double> want = product(a, b, rows, wide);

        std::vector<double> sums(want.size(), 0.0);
        const Position origin{0, 0};
        WeightTileCall<float, double> weights{};
        weights.source = a.data();
        weights.source_step = rows;
        weights.gradient = b.data();
        weights.lane_step = wide;
        weights.positions = &origin;
        weights.position_count = 1;
        weights.lanes = terms;
        weights.out = sums.data();
        kernels.weight_tile[kind][rows / 2 - 1](weights);
        for (std::size_t i = 0; i < want.size(); ++i) CHECK(std::abs(sums[i] - want[i]) <= 1e-6);

        if (rows > kernels.max_lanes) continue;
        // The same product by a data tile: lanes are the rows, one channel a term; the last channel is not written.
        std::vector<float> transposed(a.size()), out(want.size(), 99.0F);
        for (Index t = 0; t < terms; ++t)
          for (Index i = 0; i < rows; ++i)
            transposed[static_cast<std::size_t>(i * terms + t)] = a[static_cast<std::size_t>(t * rows + i)];
        const std::vector<double> bias(static_cast<std::size_t>(wide), 0.5);
        const Tap tap{0, 0};
        TileCall<float, double> data{};
        data.source = transposed.data();
        data.weights = b.data();
        data.taps = &tap;
        data.tap_count = 1;
        data.channels = terms;
        data.bias = bias.data();
        data.valid_channels = wide - 1;
        data.lane_step = terms;
        data.first_out = out.data();
        data.next_out = out.data() + wide;
        data.out_step = wide;
        kernels.tile_in_place[kind][rows / 2 - 1](data);
        for (std::size_t i = 0; i < want.size(); ++i)
          if ((i + 1) % static_cast<std::size_t>(wide) == 0)
            CHECK(out[i] == 99.0F);
          else
            CHECK(std::abs(out[i] - (want[i] + 0.5)) <= 1e-5);
      }
    }
  }
}

TEST_CASE("reduce: zeros, sums in the order of chunks, bias gradient") {
  std::vector<float> values{1, 2, 3, 4, 5, 6};
  fill_zero(values.data(), 0);
  CHECK(values[0] == 1);
  fill_zero(values.data() + 1, 1);
  CHECK(values == std::vector<float>{1, 0, 3, 4, 5, 6});

  std::vector<float> out(2);
  reduce_in_order(values.data(), 3, 2, out.data());
  CHECK(out == std::vector<float>{9, 10});
  // In the chunks' order: 1e8 + 1 - 1e8 is 0 in float, 1e8 - 1e8 + 1 is 1.
  for (const auto& [second, third, sum] : {std::tuple{1.0F, -1e8F, 0.0F}, std::tuple{-1e8F, 1.0F, 1.0F}}) {
    std::vector<float> partial{1e8F, second, third};
    reduce_in_order(partial.data(), 3, 1, partial.data());  // in place
    CHECK(partial[0] == sum);
  }

  const Index pixels = 1300;
  std::vector<double> dy(static_cast<std::size_t>(pixels * 3)), dbias(3, 7.0);
  for (Index i = 0; i < pixels; ++i)
    for (Index k = 0; k < 3; ++k) dy[static_cast<std::size_t>(i * 3 + k)] = static_cast<double>(i * (k + 1));
  bias_gradient(dy.data(), pixels, 3, dbias.data());
  const double sum = static_cast<double>(pixels * (pixels - 1) / 2);
  CHECK(dbias == std::vector<double>{sum, 2 * sum, 3 * sum});
}

}  // namespace
