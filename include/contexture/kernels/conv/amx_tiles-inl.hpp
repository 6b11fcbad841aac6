// SPDX-License-Identifier: MIT
// Tiles of AMX, as instructions where the processor has them (CONTEXTURE_NATIVE_PAIRS) and number by number elsewhere;
// see amx_tiles.hpp for what they are called with. Registers: 0 and 1 are the sums of two tiles of rows by the first
// tile of columns, 5 and 6 by the second; 2 and 4 are the rows' factors, 3 is the columns'.

namespace contexture::kernels::CONTEXTURE_ISA {

#if defined(CONTEXTURE_NATIVE_PAIRS)
template <int R>
CONTEXTURE_INLINE void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "n"(R));
}
template <int R>
CONTEXTURE_INLINE void tile_load(const void* from, Index stride) {
  __asm__ volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "n"(R), "r"(from), "r"(stride) : "memory");
}
template <int R>
CONTEXTURE_INLINE void tile_store(void* to, Index stride) {
  __asm__ volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "n"(R), "r"(to), "r"(stride) : "memory");
}
template <int SUM, int ROWS, int COLUMNS>
CONTEXTURE_INLINE void tile_multiply() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "n"(SUM), "n"(ROWS), "n"(COLUMNS));
}
CONTEXTURE_INLINE void tile_configure(const detail::conv::AmxConfig& config) {
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
}
CONTEXTURE_INLINE void tile_release() { __asm__ volatile("tilerelease"); }
#else
template <int R>
CONTEXTURE_INLINE void tile_zero() {
  detail::conv::AmxRegisters::of_thread().zero(R);
}
template <int R>
CONTEXTURE_INLINE void tile_load(const void* from, Index stride) {
  detail::conv::AmxRegisters::of_thread().load(R, from, stride);
}
template <int R>
CONTEXTURE_INLINE void tile_store(void* to, Index stride) {
  detail::conv::AmxRegisters::of_thread().store(R, to, stride);
}
template <int SUM, int ROWS, int COLUMNS>
CONTEXTURE_INLINE void tile_multiply() {
  detail::conv::AmxRegisters::of_thread().multiply(SUM, ROWS, COLUMNS);
}
CONTEXTURE_INLINE void tile_configure(const detail::conv::AmxConfig& config) {
  detail::conv::AmxRegisters::of_thread().config = config;
}
CONTEXTURE_INLINE void tile_release() { detail::conv::AmxRegisters::of_thread() = {}; }
#endif

// For sums of two tiles, of `first` and of `second` rows, by tiles of 16 columns, products `depth` bfloat16 long.
template <class T>
CONTEXTURE_KERNEL void amx_configure(Index first, Index second, Index depth) {
  detail::conv::AmxConfig config{};
  config.palette = 1;
  config.set(0, first, 64);
  config.set(2, first, 2 * depth);
  config.set(3, depth / 2, 64);
  config.set(5, first, 64);
  if (second > 0) {
    config.set(1, second, 64);
    config.set(4, second, 2 * depth);
    config.set(6, second, 64);
  }
  tile_configure(config);
}

template <class T>
CONTEXTURE_KERNEL void amx_release() {
  tile_release();
}

template <int ROWS, int COLUMNS>
CONTEXTURE_INLINE void zero_sums() {
  tile_zero<0>();
  if constexpr (ROWS == 2) tile_zero<1>();
  if constexpr (COLUMNS == 2) tile_zero<5>();
  if constexpr (ROWS == 2 && COLUMNS == 2) tile_zero<6>();
}
// From and to rows `pitch` floats apart, the second tile of rows `next` floats behind the first.
template <int ROWS, int COLUMNS>
CONTEXTURE_INLINE void load_sums(const float* from, Index next, Index pitch) {
  tile_load<0>(from, 4 * pitch);
  if constexpr (ROWS == 2) tile_load<1>(from + next, 4 * pitch);
  if constexpr (COLUMNS == 2) tile_load<5>(from + 16, 4 * pitch);
  if constexpr (ROWS == 2 && COLUMNS == 2) tile_load<6>(from + next + 16, 4 * pitch);
}
template <int ROWS, int COLUMNS>
CONTEXTURE_INLINE void store_sums(float* to, Index next, Index pitch) {
  tile_store<0>(to, 4 * pitch);
  if constexpr (ROWS == 2) tile_store<1>(to + next, 4 * pitch);
  if constexpr (COLUMNS == 2) tile_store<5>(to + 16, 4 * pitch);
  if constexpr (ROWS == 2 && COLUMNS == 2) tile_store<6>(to + next + 16, 4 * pitch);
}
// Adds to them the products of a step; *_next: bytes from a tile of rows, of columns, to the second.
template <int ROWS, int COLUMNS>
CONTEXTURE_INLINE void amx_multiply(const void* a, Index a_next, Index a_stride, const void* b, Index b_next,
                                    Index b_stride) {
  tile_load<3>(b, b_stride);
  tile_load<2>(a, a_stride);
  tile_multiply<0, 2, 3>();
  if constexpr (ROWS == 2) {
    tile_load<4>(static_cast<const char*>(a) + a_next, a_stride);
    tile_multiply<1, 4, 3>();
  }
  if constexpr (COLUMNS == 2) {
    tile_load<3>(static_cast<const char*>(b) + b_next, b_stride);
    tile_multiply<5, 2, 3>();
    if constexpr (ROWS == 2) tile_multiply<6, 4, 3>();
  }
}

// a * b + c, rounded once.
CONTEXTURE_INLINE Vec<float> multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) {
#if defined(CONTEXTURE_NATIVE_PAIRS)
  return a * b + c;
#else
  for (int i = 0; i < kLanes<float>; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
#endif
}

// The sums over a tile's pixels of up to 32 channels, and of their squares.
struct PixelSums {
  static constexpr int kVectors = 32 / kLanes<float>;
  Vec<float> sum[kVectors]{}, square[kVectors]{};

  CONTEXTURE_INLINE void add(int vector, Vec<float> stored) {
    sum[vector] += stored;
    square[vector] += stored * stored;
  }
  CONTEXTURE_INLINE void add_to(const detail::conv::TileEpilogue& epilogue, Index valid) const {
    float sums[32], squares[32];
    CONTEXTURE_UNROLL for (int j = 0; j < kVectors; ++j) {
      store(sums + j * kLanes<float>, sum[j]);
      store(squares + j * kLanes<float>, square[j]);
    }
    double* const to = epilogue.sums;
    double* const squares_to = to + epilogue.squares;
    for (Index c = 0; c < valid; ++c) to[c] += static_cast<double>(sums[c]);
    for (Index c = 0; c < valid; ++c) squares_to[c] += static_cast<double>(squares[c]);
  }
};

// Stores the first `valid` sums of a pixel behind what the epilogue does; `counted` gets what was stored, unless null.
CONTEXTURE_INLINE void store_pixel(const detail::conv::TileEpilogue& epilogue, bfloat16* out, const float* sums,
                                   const float* bias, Index valid, PixelSums* counted) {
  constexpr int width = kLanes<float>;
  const Vec<float> zero{};
  CONTEXTURE_UNROLL for (int j = 0; j < PixelSums::kVectors; ++j) {
    const Index c = j * width;
    if (c >= valid) break;
    const bool whole = c + width <= valid;
    Vec<float> v = multiply_add(load(sums + c), load(epilogue.scale + c), load(bias + c));
    if (epilogue.residual != nullptr) {
      const bfloat16* const more = epilogue.residual + (out - epilogue.out) + c;
      v += whole ? load_as<float>(more) : load_part<bfloat16, width, float>(more, valid - c);
    }
    if (epilogue.relu) v = v < zero ? zero : v;
    if (whole)
      store_as<float>(out + c, v);
    else
      store_part<bfloat16, width, float>(out + c, v, valid - c);
    if (counted != nullptr)
      counted->add(j, whole ? load_as<float>(out + c) : load_part<bfloat16, width, float>(out + c, valid - c));
  }
}

#if defined(CONTEXTURE_NATIVE_PAIRS)
CONTEXTURE_INLINE VecN<std::uint16_t, 32> rounded_line(Vec<float> low, Vec<float> high) {
  VecN<std::uint16_t, 32> rounded;
  __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(rounded) : "v"(low), "v"(high));
  return rounded;
}

// The same of 16 or 32 channels, all of them, of up to 16 pixels, [pixel][pitch] sums. Of 32 channels the two halves of
// what is counted are those of even and of odd number.
template <int VECTORS, bool RESIDUAL, bool COUNTED>
CONTEXTURE_INLINE void store_pixels(const detail::conv::TileEpilogue& epilogue, bfloat16* const* to, const float* sums,
                                    Index pitch, const float* bias, Index pixels, PixelSums& counted) {
  Vec<float> scale[VECTORS], shift[VECTORS], v[VECTORS];
  CONTEXTURE_UNROLL for (int j = 0; j < VECTORS; ++j) {
    scale[j] = load(epilogue.scale + 16 * j);
    shift[j] = load(bias + 16 * j);
  }
  const Vec<float> least = Vec<float>{} + (epilogue.relu ? 0.0f : -__builtin_inff());
  for (Index i = 0; i < pixels; ++i, sums += pitch) {
    bfloat16* const out = to[i];
    if (out == epilogue.unused) continue;
    CONTEXTURE_UNROLL for (int j = 0; j < VECTORS; ++j) {
      v[j] = multiply_add(load(sums + 16 * j), scale[j], shift[j]);
      if constexpr (RESIDUAL) v[j] += load_as<float>(epilogue.residual + (out - epilogue.out) + 16 * j);
      v[j] = v[j] < least ? least : v[j];
    }
    if constexpr (VECTORS == 2) {
      const VecN<std::uint16_t, 32> line = rounded_line(v[0], v[1]);
      store<bfloat16, 32>(out, line);
      if constexpr (COUNTED) {
        const VecN<std::uint32_t, 16> stored = (VecN<std::uint32_t, 16>)line;
        counted.add(0, (Vec<float>)(stored << 16));
        counted.add(1, (Vec<float>)(stored & 0xffff0000u));
      }
    } else {
      store_as<float>(out, v[0]);
      if constexpr (COUNTED) counted.add(0, load_as<float>(out));
    }
  }
}

// All ROWS tiles of pixels by that.
template <int ROWS, int VECTORS>
CONTEXTURE_INLINE void store_tiles(const detail::conv::TileEpilogue& epilogue, bfloat16* const* to, const float* sums,
                                   Index tile_step, Index pitch, const float* bias, Index pixels) {
  PixelSums counted;
  for (int t = 0; t < ROWS; ++t, sums += tile_step, to += pixels) {
    if (epilogue.sums != nullptr)
      store_pixels<VECTORS, false, true>(epilogue, to, sums, pitch, bias, pixels, counted);
    else if (epilogue.residual != nullptr)
      store_pixels<VECTORS, true, false>(epilogue, to, sums, pitch, bias, pixels, counted);
    else
      store_pixels<VECTORS, false, false>(epilogue, to, sums, pitch, bias, pixels, counted);
  }
  if (epilogue.sums == nullptr) return;
  if constexpr (VECTORS == 2)  // channels in their order again
    for (Vec<float>(*const halves)[2] : {&counted.sum, &counted.square}) {
      const Vec<float> even = (*halves)[0], odd = (*halves)[1];
      (*halves)[0] = __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      (*halves)[1] = __builtin_shufflevector(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
  counted.add_to(epilogue, 16 * VECTORS);
}
#endif

// What a tile ends with: ROWS tiles of `pixels` rows of sums, `tile_step` apart, which go `to` a place each.
template <int ROWS>
CONTEXTURE_INLINE void store_epilogue(const detail::conv::TileEpilogue& epilogue, bfloat16* const* to,
                                      const float* sums, Index tile_step, Index pitch, const float* bias, Index pixels,
                                      Index valid) {
  const bool counts = epilogue.sums != nullptr;
#if defined(CONTEXTURE_NATIVE_PAIRS)
  const bool both = counts && epilogue.residual != nullptr;
  if (valid == 32 && !both) return store_tiles<ROWS, 2>(epilogue, to, sums, tile_step, pitch, bias, pixels);
  if (valid == 16 && !both) return store_tiles<ROWS, 1>(epilogue, to, sums, tile_step, pitch, bias, pixels);
#endif
  PixelSums counted;
  for (int t = 0; t < ROWS; ++t, sums += tile_step, to += pixels)
    for (Index i = 0; i < pixels; ++i)
      if (to[i] != epilogue.unused)
        store_pixel(epilogue, to[i], sums + i * pitch, bias, valid, counts ? &counted : nullptr);
  if (counts) counted.add_to(epilogue, valid);
}

// A tile of the output: call.lanes lanes, which fill ROWS tiles, by one or two tiles of channels, summed over taps and
// blocks of source channels. A lane's channels of a block are a line of 64 bytes.
template <class T, int ROWS, int COLUMNS>
CONTEXTURE_KERNEL void amx_conv_tile(const detail::conv::TileCall<T, float>& call) {
  constexpr Index line = detail::conv::kBlock<T>, pitch = 32;
  const Index wide = call.weights_step / call.channels, rows = call.lanes / ROWS;
  alignas(64) float sums[16 * ROWS * pitch];
  zero_sums<ROWS, COLUMNS>();
  for (Index t = 0; t < call.tap_count; ++t) {
    const T* a = call.source + call.taps[t].source;
    const T* b = call.weights + call.taps[t].weights * call.weights_step;
    for (Index c = 0; c < call.channels; c += call.block, a += call.lanes * line, b += call.block * wide)
      amx_multiply<ROWS, COLUMNS>(a, 64 * rows, 64, b, 64, 4 * wide);
  }
  store_sums<ROWS, COLUMNS>(sums, rows * pitch, pitch);
  store_epilogue<ROWS>(*call.epilogue, call.out, sums, rows * pitch, pitch, call.bias, rows, call.valid_channels);
}

// ROWS tiles of pixels by COLUMNS of channels.
template <int ROWS, int COLUMNS>
CONTEXTURE_KERNEL void amx_rows_tile(const detail::conv::RowsCall& call) {
  constexpr Index pitch = 16 * COLUMNS;
  alignas(64) float sums[16 * ROWS * pitch];
  const bfloat16* const source = call.source[0];
  const Index stride = 2 * call.source_pixel, next = ROWS == 2 ? 2 * (call.source[1] - source) : 0;
  const Index taps = call.taps, row_step = call.row_step, steps = call.steps, depth = call.depth, rows = call.rows;
  const Index next_column = 2 * call.column_step;
  const bfloat16* b = call.weights;
  zero_sums<ROWS, COLUMNS>();
  for (Index tap = 0; tap < taps; ++tap) {
    const bfloat16* a = source + tap * row_step;
    for (Index step = 0; step < steps; ++step, a += depth, b += 16 * depth)
      amx_multiply<ROWS, COLUMNS>(a, next, stride, b, next_column, 64);
  }
  store_sums<ROWS, COLUMNS>(sums, 16 * pitch, pitch);
  bfloat16* to[16 * ROWS];
  for (int tile = 0; tile < ROWS; ++tile)
    for (Index i = 0; i < rows; ++i) {
      const Index place = call.places[tile][i];
      to[tile * rows + i] = place >= 0 && i >= call.fresh[tile] ? call.out[tile] + place : nullptr;
    }
  store_epilogue<ROWS>(*call.epilogue, to, sums, 16 * pitch, pitch, call.bias, rows, call.valid_channels);
}

// Adds to the weight gradient, ROWS by COLUMNS tiles of it, the products of source pixels [channel][16 pairs of images]
// and output-gradient pixels [pair of images][call.lane_step channels], over positions.
template <class T, int ROWS, int COLUMNS>
CONTEXTURE_KERNEL void amx_weight_tile(const detail::conv::WeightTileCall<T, float>& call) {
  const Index pitch = 4 * call.lane_step;  // bytes of a row of sums, and of a pair's channels
  load_sums<ROWS, COLUMNS>(call.out, 16 * call.lane_step, call.lane_step);
  for (Index p = 0; p < call.position_count; ++p)
    amx_multiply<ROWS, COLUMNS>(call.source + call.positions[p].source, 16 * 64, 64,
                                call.gradient + call.positions[p].gradient * call.gradient_step, 64, pitch);
  store_sums<ROWS, COLUMNS>(call.out, 16 * call.lane_step, call.lane_step);
}

// Adds to the weight gradient the products of source channels and pairs of output-gradient pixels, over positions.
template <int ROWS>
CONTEXTURE_KERNEL void amx_rows_weight_tile(const detail::conv::RowsWeightCall& call) {
  const Index stride = 2 * call.source_pitch, steps = call.steps;
  const bfloat16* a = call.source;
  const bfloat16* b = call.gradient;
  float* const out = call.out;
  load_sums<ROWS, 1>(out, 16 * call.pitch, call.pitch);
  for (Index step = 0; step < steps; ++step, a += 32, b += 512) amx_multiply<ROWS, 1>(a, 16 * stride, stride, b, 0, 64);
  store_sums<ROWS, 1>(out, 16 * call.pitch, call.pitch);
}

// Of the data passes (T = bfloat16) or of the weight gradient (pairs).
template <class T>
CONTEXTURE_KERNEL detail::conv::TileKernels<T> amx_kernels() {
  using namespace detail::conv;
  TileKernels<T> table{};
  static_cast<TileExtents&>(table) = kAmxExtents;
  table.configure = &amx_configure<T>;
  table.release = &amx_release<T>;
  if constexpr (std::is_same_v<T, bfloat16>) {
    table.pack = &amx_pack<T>;
    table.rows_tile[0][0] = &amx_rows_tile<1, 1>;
    table.rows_tile[0][1] = &amx_rows_tile<1, 2>;
    table.rows_tile[1][0] = &amx_rows_tile<2, 1>;
    table.rows_tile[1][1] = &amx_rows_tile<2, 2>;
    for (int i = 0; i < kMaxLanes / 2; ++i) {
      table.tile[kOneVector][i] = i < 8 ? &amx_conv_tile<T, 1, 1> : &amx_conv_tile<T, 2, 1>;
      table.tile[kTwoVectors][i] = i < 8 ? &amx_conv_tile<T, 1, 2> : &amx_conv_tile<T, 2, 2>;
    }
  } else {
    table.pack = &conv_pack<T>;
    table.transpose = &amx_transpose<T>;
    table.rows_weight_tile[0] = &amx_rows_weight_tile<1>;
    table.rows_weight_tile[1] = &amx_rows_weight_tile<2>;
    table.channels_first = &amx_channels_first;
    table.pixel_pairs = &amx_pixel_pairs;
    table.weight_tile[kOneVector][0] = &amx_weight_tile<T, 1, 1>;
    table.weight_tile[kOneVector][1] = &amx_weight_tile<T, 2, 1>;
    table.weight_tile[kTwoVectors][0] = &amx_weight_tile<T, 1, 2>;
    table.weight_tile[kTwoVectors][1] = &amx_weight_tile<T, 2, 2>;
  }
  return table;
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
