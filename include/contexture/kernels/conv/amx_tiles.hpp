// SPDX-License-Identifier: MIT
// AMX, the tile registers of Intel's Xeons since 2023: eight registers of up to 16 rows of 64 bytes, and one
// instruction that multiplies two of them, 16 x 32 by 32 x 16 bfloat16, into a third of floats.
//
// The register tiles of the direct algorithm fit them as they are: a tile's rows are lanes, the same pixel of 16 images
// (32, with two tiles), which packing lays out a cache line apart; its columns are output channels; what is summed over
// are the source channels, up to 32 of a block, as pairs. The weight gradient is summed over images: its rows are
// source channels, and packed pixels are transposed to [channel][pair of images]. Ends are cut by the shape of the
// tiles. Wide maps have tiles of neighbouring pixels instead (rows.hpp, rows_weights.hpp).
//
// Seven of the eight registers are used: two by two sums, both factors of the rows, and one of the columns, so a
// product needs one load. With two sums it needs one and a half, and takes 7.9 ns instead of 7.0 (a Xeon of 2023,
// numbers as they occur). Whether lines are whole decides more: where a pixel begins within one, a product takes twice
// as long or more.
//
// AmxRegisters does the same number by number, on any processor, for tests: Intel's manual gives the order of the sums.
// In a product of two tiles the first and the second of all pairs are summed on their own, added, and added to what was
// there; numbers below 2^-126 are zero, and roundings go to nearest, whatever the processor is set to.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/conv/amx_packing.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/tiles.hpp"

namespace contexture::detail::conv {

// What ldtilecfg reads.
struct alignas(64) AmxConfig {
  std::uint8_t palette, start_row, reserved[14];
  std::uint16_t row_bytes[16];
  std::uint8_t rows[16];

  void set(int tile, Index row_count, Index bytes) {
    rows[tile] = static_cast<std::uint8_t>(row_count);
    row_bytes[tile] = static_cast<std::uint16_t>(bytes);
  }
};
static_assert(sizeof(AmxConfig) == 64);

// The registers of one thread.
struct AmxRegisters {
  AmxConfig config{};
  alignas(64) unsigned char data[8][16][64] = {};

  static AmxRegisters& of_thread() {
    thread_local AmxRegisters registers;
    return registers;
  }

  void zero(int tile) { std::memset(data[tile], 0, sizeof data[tile]); }
  void load(int tile, const void* from, Index stride) {
    zero(tile);
    for (int r = 0; r < config.rows[tile]; ++r)
      std::memcpy(data[tile][r], static_cast<const char*>(from) + r * stride, config.row_bytes[tile]);
  }
  void store(int tile, void* to, Index stride) const {
    for (int r = 0; r < config.rows[tile]; ++r)
      std::memcpy(static_cast<char*>(to) + r * stride, data[tile][r], config.row_bytes[tile]);
  }
  // sum (rows x columns) += a (rows x pairs) * b (pairs x columns); the caller's arithmetic has no denormals.
  void multiply(int sum, int a, int b) {
    for (int row = 0; row < config.rows[sum]; ++row)
      for (int column = 0; column < config.row_bytes[sum] / 4; ++column) {
        float first = 0, second = 0;
        for (int pair = 0; pair < config.row_bytes[a] / 4; ++pair) {
          first = std::fma(number(a, row, 2 * pair), number(b, pair, 2 * column), first);
          second = std::fma(number(a, row, 2 * pair + 1), number(b, pair, 2 * column + 1), second);
        }
        float total = 0;
        std::memcpy(&total, data[sum][row] + 4 * column, 4);
        total += first + second;
        std::memcpy(data[sum][row] + 4 * column, &total, 4);
      }
  }

 private:
  [[nodiscard]] float number(int tile, int row, int index) const {
    bfloat16 value;
    std::memcpy(&value, data[tile][row] + 2 * index, 2);
    return static_cast<float>(value);
  }
};

inline constexpr TileExtents kAmxExtents{.width = 16, .max_lanes = 32, .half_vectors = false};

}  // namespace contexture::detail::conv

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/conv/amx_tiles-inl.hpp"
#define CONTEXTURE_KERNEL_PAIRS
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::detail::conv {

// Whether AMX multiplies bfloat16 now, or its emulation.
[[nodiscard]] inline bool uses_amx() {
  const Bfloat16Unit unit = active_bfloat16_unit();
  return unit == Bfloat16Unit::amx || unit == Bfloat16Unit::emulated_amx;
}

// The tiles of what multiplies numbers of type T now.
template <class T>
TileKernels<T> active_tile_kernels() {
  if constexpr (!std::is_same_v<T, Accumulator<T>>) {
#if defined(CONTEXTURE_HAS_X86_ISAS)
    if (active_bfloat16_unit() == Bfloat16Unit::amx) return kernels::isa_avx512_bf16::amx_kernels<T>();
#endif
    if (active_bfloat16_unit() == Bfloat16Unit::emulated_amx) return kernels::isa_baseline::amx_kernels<T>();
  }
  return kernels::select_tile_kernels<T>();
}

// An epilogue as tiles read it: bias and scale are whole vectors, and there. Tiles of float and of double read the bias
// alone.
template <class T>
class PaddedEpilogue {
 public:
  PaddedEpilogue(const ConvEpilogue<T>& epilogue, const T* out, Index channels, Index padded)
      : constants_(static_cast<std::size_t>(2 * padded)) {
    Accumulator<T>* const bias = constants_.data();
    Accumulator<T>* const scale = bias + padded;
    std::fill_n(bias, 2 * padded, Accumulator<T>(0));
    if (epilogue.bias != nullptr) std::copy_n(epilogue.bias, channels, bias);
    if (epilogue.scale != nullptr)
      std::copy_n(epilogue.scale, channels, scale);
    else
      std::fill_n(scale, channels, Accumulator<T>(1));
    if constexpr (std::is_same_v<T, bfloat16>)
      tile_ = {.scale = scale, .out = out, .residual = epilogue.residual, .relu = epilogue.relu, .squares = channels};
  }
  PaddedEpilogue(const PaddedEpilogue&) = delete;
  PaddedEpilogue& operator=(const PaddedEpilogue&) = delete;

  [[nodiscard]] const Accumulator<T>* bias() const { return constants_.data(); }
  [[nodiscard]] const TileEpilogue& tile() const { return tile_; }

 private:
  Workspace<Accumulator<T>> constants_;
  TileEpilogue tile_;
};

}  // namespace contexture::detail::conv
