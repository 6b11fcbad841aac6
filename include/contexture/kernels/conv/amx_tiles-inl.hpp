// SPDX-License-Identifier: MIT
// Tiles of AMX, as instructions where the processor has them (CONTEXTURE_NATIVE_PAIRS) and number by number elsewhere;
// see amx_tiles.hpp for what they are called with. Registers: 0 to 3 are the sums of two by two tiles, 4 and 5 the
// rows' factors, 6 and 7 the columns'.

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

// For sums of `rows` by `wide` floats, products `depth` bfloat16 long.
template <class T>
CONTEXTURE_KERNEL void amx_configure(Index rows, Index wide, Index depth) {
  detail::conv::AmxConfig config{};
  config.palette = 1;
  for (int i = 0; i < 2; ++i) {
    const Index r = i == 0 ? (rows < 16 ? rows : 16) : rows - 16, w = i == 0 ? (wide < 16 ? wide : 16) : wide - 16;
    if (r > 0) config.set(4 + i, r, 2 * depth);
    if (w > 0) config.set(6 + i, depth / 2, 4 * w);
    for (int j = 0; j < 2; ++j) {
      const Index columns = j == 0 ? (wide < 16 ? wide : 16) : wide - 16;
      if (r > 0 && columns > 0) config.set(2 * i + j, r, 4 * columns);
    }
  }
  tile_configure(config);
}

template <class T>
CONTEXTURE_KERNEL void amx_release() {
  tile_release();
}

template <int ROWS, int COLUMNS>
CONTEXTURE_INLINE void amx_multiply(const void* a, Index a_stride, Index a_next, const void* b, Index b_stride) {
  tile_load<4>(a, a_stride);
  tile_load<6>(b, b_stride);
  tile_multiply<0, 4, 6>();
  if constexpr (COLUMNS == 2) {
    tile_load<7>(static_cast<const char*>(b) + 64, b_stride);
    tile_multiply<1, 4, 7>();
  }
  if constexpr (ROWS == 2) {
    tile_load<5>(static_cast<const char*>(a) + a_next, a_stride);
    tile_multiply<2, 5, 6>();
    if constexpr (COLUMNS == 2) tile_multiply<3, 5, 7>();
  }
}

// A tile of the output: call.lanes lanes, which fill ROWS tiles, by one or two tiles of channels, summed over taps and
// blocks of source channels. A lane's channels of a block are a line of 64 bytes.
template <class T, int ROWS, int COLUMNS>
CONTEXTURE_KERNEL void amx_conv_tile(const detail::conv::TileCall<T, float>& call) {
  constexpr Index line = detail::conv::kBlock<T>, width = kLanes<float>, pitch = 32;
  const Index wide = call.weights_step / call.channels;
  tile_zero<0>();
  if constexpr (COLUMNS == 2) tile_zero<1>();
  if constexpr (ROWS == 2) tile_zero<2>();
  if constexpr (ROWS == 2 && COLUMNS == 2) tile_zero<3>();
  for (Index t = 0; t < call.tap_count; ++t) {
    const T* a = call.source + call.taps[t].source;
    const T* b = call.weights + call.taps[t].weights * call.weights_step;
    for (Index c = 0; c < call.channels; c += call.block, a += call.lanes * line, b += call.block * wide)
      amx_multiply<ROWS, COLUMNS>(a, 64, 16 * 64, b, 4 * wide);
  }
  alignas(64) float sums[16 * ROWS * pitch];
  tile_store<0>(sums, 4 * pitch);
  if constexpr (COLUMNS == 2) tile_store<1>(sums + 16, 4 * pitch);
  if constexpr (ROWS == 2) tile_store<2>(sums + 16 * pitch, 4 * pitch);
  if constexpr (ROWS == 2 && COLUMNS == 2) tile_store<3>(sums + 16 * pitch + 16, 4 * pitch);
  for (Index i = 0; i < call.lanes; ++i) {
    T* const out = call.out[i];
    for (Index c = 0; c < call.valid_channels; c += width) {
      const Vec<float> v = load(sums + i * pitch + c) + load(call.bias + c);
      if (c + width <= call.valid_channels)
        store_as<float>(out + c, v);
      else
        store_part<T, kLanes<float>, float>(out + c, v, call.valid_channels - c);
    }
  }
}

// Adds to the weight gradient, ROWS by COLUMNS tiles of it, the products of source pixels [channel][16 pairs of images]
// and output-gradient pixels [pair of images][call.lane_step channels], over positions.
template <class T, int ROWS, int COLUMNS>
CONTEXTURE_KERNEL void amx_weight_tile(const detail::conv::WeightTileCall<T, float>& call) {
  const Index pitch = 4 * call.lane_step;  // bytes of a row of sums, and of a pair's channels
  float* const out = call.out;
  tile_load<0>(out, pitch);
  if constexpr (COLUMNS == 2) tile_load<1>(out + 16, pitch);
  if constexpr (ROWS == 2) tile_load<2>(out + 16 * call.lane_step, pitch);
  if constexpr (ROWS == 2 && COLUMNS == 2) tile_load<3>(out + 16 * call.lane_step + 16, pitch);
  for (Index p = 0; p < call.position_count; ++p)
    amx_multiply<ROWS, COLUMNS>(call.source + call.positions[p].source, 64, 16 * 64,
                                call.gradient + call.positions[p].gradient * call.gradient_step, pitch);
  tile_store<0>(out, pitch);
  if constexpr (COLUMNS == 2) tile_store<1>(out + 16, pitch);
  if constexpr (ROWS == 2) tile_store<2>(out + 16 * call.lane_step, pitch);
  if constexpr (ROWS == 2 && COLUMNS == 2) tile_store<3>(out + 16 * call.lane_step + 16, pitch);
}

// Copies the pixels, call.piece channels to a line of 64 bytes, which zeros fill up.
template <class T>
CONTEXTURE_KERNEL void amx_pack(const detail::conv::PackCall<T>& call) {
  constexpr Index width = kLanes<T>, line = detail::conv::kBlock<T>;
  for (Index pixel = 0; pixel < call.pixels; ++pixel) {
    const T* from = call.from + pixel * call.pixel_stride;
    T* to = call.to + pixel * call.pixel_step;
    for (Index left = call.channels; left > 0; left -= call.piece, from += call.piece, to += call.piece_step) {
      const Index count = left < call.piece ? left : call.piece;
      for (Index i = 0; i < line; i += width) {
        VecN<T, width> v{};
        if (i + width <= count)
          v = load<T, width>(from + i);
        else if (i < count)
          v = load_part<T, width>(from + i, count - i);
        store<T, width>(to + i, v);
      }
    }
  }
}

// Exchanges rows and columns of `count` squares of 16 x 16 numbers.
#if defined(CONTEXTURE_NATIVE_PAIRS)
template <int S>
CONTEXTURE_INLINE void transpose_step(VecN<std::uint32_t, 16>* rows) {
#define CONTEXTURE_LOW(j) ((j)&S ? 16 + (j)-S : (j))
#define CONTEXTURE_HIGH(j) ((j)&S ? 16 + (j) : (j) + S)
#define CONTEXTURE_SIXTEEN(f) \
  f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
  CONTEXTURE_UNROLL for (int i = 0; i < 16; ++i) {
    if ((i & S) != 0) continue;
    const VecN<std::uint32_t, 16> a = rows[i], b = rows[i + S];
    rows[i] = __builtin_shufflevector(a, b, CONTEXTURE_SIXTEEN(CONTEXTURE_LOW));
    rows[i + S] = __builtin_shufflevector(a, b, CONTEXTURE_SIXTEEN(CONTEXTURE_HIGH));
  }
#undef CONTEXTURE_LOW
#undef CONTEXTURE_HIGH
#undef CONTEXTURE_SIXTEEN
}
template <class T>
CONTEXTURE_KERNEL void amx_transpose(T* squares, Index count) {
  for (Index s = 0; s < count; ++s, squares += 256) {
    VecN<T, 16> rows[16];
    CONTEXTURE_UNROLL for (int i = 0; i < 16; ++i) rows[i] = load<T, 16>(squares + 16 * i);
    transpose_step<8>(rows);
    transpose_step<4>(rows);
    transpose_step<2>(rows);
    transpose_step<1>(rows);
    CONTEXTURE_UNROLL for (int i = 0; i < 16; ++i) store<T, 16>(squares + 16 * i, rows[i]);
  }
}
#else
template <class T>
CONTEXTURE_KERNEL void amx_transpose(T* squares, Index count) {
  for (Index s = 0; s < count; ++s, squares += 256)
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < i; ++j) {
        const T t = squares[16 * i + j];
        squares[16 * i + j] = squares[16 * j + i];
        squares[16 * j + i] = t;
      }
}
#endif

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
    for (int i = 0; i < kMaxLanes / 2; ++i) {
      table.tile[kOneVector][i] = i < 8 ? &amx_conv_tile<T, 1, 1> : &amx_conv_tile<T, 2, 1>;
      table.tile[kOneAndAHalf][i] = table.tile[kTwoVectors][i] =
          i < 8 ? &amx_conv_tile<T, 1, 2> : &amx_conv_tile<T, 2, 2>;
    }
  } else {
    table.pack = &conv_pack<T>;
    table.transpose = &amx_transpose<T>;
    table.weight_tile[kOneVector][0] = &amx_weight_tile<T, 1, 1>;
    table.weight_tile[kOneVector][1] = &amx_weight_tile<T, 2, 1>;
    table.weight_tile[kOneAndAHalf][0] = table.weight_tile[kTwoVectors][0] = &amx_weight_tile<T, 1, 2>;
    table.weight_tile[kOneAndAHalf][1] = table.weight_tile[kTwoVectors][1] = &amx_weight_tile<T, 2, 2>;
  }
  return table;
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
