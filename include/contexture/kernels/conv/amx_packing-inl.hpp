// SPDX-License-Identifier: MIT
// Bodies of kernels/conv/amx_packing.hpp; see there.

namespace contexture::kernels::CONTEXTURE_ISA {

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

// 32 channels of a pixel; what follows the last channel is anything, or zero at the end of the tensor.
CONTEXTURE_INLINE VecN<std::uint16_t, 32> load_pixel(const detail::conv::PixelsCall& call, Index position,
                                                     Index channel) {
  if (position >= call.count || call.offsets[position] < 0) return VecN<std::uint16_t, 32>{};
  const bfloat16* const from = call.from + call.offsets[position] + channel;
  if (from + 32 <= call.end) return load<bfloat16, 32>(from);
  return load_part<bfloat16, 32>(from, call.end - from);
}

// The 16-bit numbers of two vectors in turns, of the first or the second half of each quarter.
#define CONTEXTURE_TURNS(q, h)                                                                                     \
  8 * (q) + (h), 8 * (q) + (h) + 32, 8 * (q) + (h) + 1, 8 * (q) + (h) + 33, 8 * (q) + (h) + 2, 8 * (q) + (h) + 34, \
      8 * (q) + (h) + 3, 8 * (q) + (h) + 35
template <int HALF>
CONTEXTURE_INLINE VecN<std::uint32_t, 16> in_turns(VecN<std::uint16_t, 32> a, VecN<std::uint16_t, 32> b) {
  return (VecN<std::uint32_t, 16>)__builtin_shufflevector(a, b, CONTEXTURE_TURNS(0, 4 * HALF),
                                                          CONTEXTURE_TURNS(1, 4 * HALF), CONTEXTURE_TURNS(2, 4 * HALF),
                                                          CONTEXTURE_TURNS(3, 4 * HALF));
}
#undef CONTEXTURE_TURNS

CONTEXTURE_KERNEL inline void amx_channels_first(const detail::conv::PixelsCall& call) {
  for (Index channel = 0; channel < call.channels; channel += 32)
    for (Index position = 0; position < call.count; position += 32) {
      VecN<std::uint32_t, 16> low[16], high[16];  // a pair of positions each, in the order of in_turns()
      CONTEXTURE_UNROLL for (int i = 0; i < 16; ++i) {
        const VecN<std::uint16_t, 32> a = load_pixel(call, position + 2 * i, channel);
        const VecN<std::uint16_t, 32> b = load_pixel(call, position + 2 * i + 1, channel);
        low[i] = in_turns<0>(a, b);
        high[i] = in_turns<1>(a, b);
      }
      bfloat16* const to = call.to + channel * call.pitch + position;
      transpose_step<8>(low);
      transpose_step<4>(low);
      transpose_step<2>(low);
      transpose_step<1>(low);
      CONTEXTURE_UNROLL for (int i = 0; i < 16; ++i)
          store<bfloat16, 32>(to + (i / 4 * 8 + i % 4) * call.pitch, (VecN<std::uint16_t, 32>)low[i]);
      transpose_step<8>(high);
      transpose_step<4>(high);
      transpose_step<2>(high);
      transpose_step<1>(high);
      CONTEXTURE_UNROLL for (int i = 0; i < 16; ++i)
          store<bfloat16, 32>(to + (i / 4 * 8 + 4 + i % 4) * call.pitch, (VecN<std::uint16_t, 32>)high[i]);
    }
}

CONTEXTURE_KERNEL inline void amx_pixel_pairs(const detail::conv::PixelsCall& call) {
  for (Index position = 0; position < call.count; position += 2)
    for (Index channel = 0; channel < call.channels; channel += 32) {
      const VecN<std::uint16_t, 32> a = load_pixel(call, position, channel),
                                    b = load_pixel(call, position + 1, channel);
      const VecN<std::uint32_t, 16> low = in_turns<0>(a, b), high = in_turns<1>(a, b);
      bfloat16* const to = call.to + channel / 16 * call.pitch + position * 16;
      store<std::uint32_t, 16>(
          reinterpret_cast<std::uint32_t*>(to),
          __builtin_shufflevector(low, high, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23));
      if (channel + 16 < call.channels)
        store<std::uint32_t, 16>(
            reinterpret_cast<std::uint32_t*>(to + call.pitch),
            __builtin_shufflevector(low, high, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31));
    }
}
#else
CONTEXTURE_KERNEL inline void amx_channels_first(const detail::conv::PixelsCall& call) {
  for (Index position = 0; position < call.count; ++position)
    for (Index channel = 0; channel < call.channels; ++channel)
      call.to[channel * call.pitch + position] =
          call.offsets[position] < 0 ? bfloat16{} : call.from[call.offsets[position] + channel];
}
CONTEXTURE_KERNEL inline void amx_pixel_pairs(const detail::conv::PixelsCall& call) {
  for (Index position = 0; position < call.count; ++position)
    for (Index channel = 0; channel < (call.channels + 15) / 16 * 16; ++channel)
      call.to[channel / 16 * call.pitch + (position / 2 * 16 + channel % 16) * 2 + position % 2] =
          call.offsets[position] < 0 || channel >= call.channels ? bfloat16{}
                                                                 : call.from[call.offsets[position] + channel];
}
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

}  // namespace contexture::kernels::CONTEXTURE_ISA
