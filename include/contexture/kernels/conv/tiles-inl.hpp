// SPDX-License-Identifier: MIT
// The register tiles, compiled once per instruction set; see tiles.hpp for what they are called with.
// T is what is stored, Sum what is summed in.

namespace contexture::kernels::CONTEXTURE_ISA {

// Accumulator registers that leave room for weights and one broadcast: 28 of 32, or 12 of 16.
inline constexpr int kConvAccumulators = CONTEXTURE_VECTOR_BYTES == 64 ? 28 : 12;

// What a multiply-add takes: of the weights N vector elements, of the data one for all of them. Of bfloat16 that are
// pairs, whose products are both added: the second one first, as processors do it.
template <class T>
inline constexpr bool kPairs = !std::is_same_v<T, Accumulator<T>>;

template <class Sum, class T, int N = kLanes<Sum>>
CONTEXTURE_INLINE auto load_weights(const T* from) {
  if constexpr (kPairs<T>)
    return *reinterpret_cast<const VecN<std::uint32_t, N>*>(from);
  else
    return load_as<Sum, T, N>(from);
}
template <class Sum, class T>
CONTEXTURE_INLINE auto load_factor(const T* from) {
  if constexpr (kPairs<T>) {
    std::uint32_t pair;
    __builtin_memcpy(&pair, from, sizeof pair);
    return pair;
  } else {
    return static_cast<Sum>(*from);
  }
}
template <class Sum, int N>
CONTEXTURE_INLINE VecN<Sum, N> multiply_add(VecN<Sum, N> sum, Sum x, VecN<Sum, N> w) {
  return sum + x * w;
}
template <class Sum, int N>
CONTEXTURE_INLINE VecN<Sum, N> multiply_add(VecN<Sum, N> sum, std::uint32_t x, VecN<std::uint32_t, N> w) {
  const VecN<std::uint32_t, N> all = broadcast<std::uint32_t, N>(x);
#if defined(CONTEXTURE_NATIVE_PAIRS)
  if constexpr (N >= 4) {  // g++ and clang name the intrinsics' types differently
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(all), "v"(w));
    return sum;
  }
#endif
  sum += (VecN<Sum, N>)(all & 0xffff0000u) * (VecN<Sum, N>)(w & 0xffff0000u);
  sum += (VecN<Sum, N>)(all << 16) * (VecN<Sum, N>)(w << 16);
  return sum;
}

// Stores the first `count` elements, fewer than a vector, in pieces of fixed size.
template <class T, int N = kLanes<T>, class Sum = T>
CONTEXTURE_INLINE void store_part(T* to, VecN<Sum, N> v, Index count) {
  static_assert(N <= 16);
  T spill[N];
  store_as<Sum, T, N>(spill, v);
  const T* from = spill;
  if constexpr (N > 8)
    if ((count & 8) != 0) {
      __builtin_memcpy(to, from, 8 * sizeof(T));
      to += 8;
      from += 8;
    }
  if constexpr (N > 4)
    if ((count & 4) != 0) {
      __builtin_memcpy(to, from, 4 * sizeof(T));
      to += 4;
      from += 4;
    }
  if constexpr (N > 2)
    if ((count & 2) != 0) {
      __builtin_memcpy(to, from, 2 * sizeof(T));
      to += 2;
      from += 2;
    }
  if ((count & 1) != 0) *to = *from;
}

// The first `count` elements, fewer than a vector; the rest are zero.
template <class T, int N = kLanes<T>, class Sum = T>
CONTEXTURE_INLINE VecN<Sum, N> load_part(const T* from, Index count) {
  static_assert(N <= 32);
  T spill[N] = {};
  T* to = spill;
  if constexpr (N > 16)
    if ((count & 16) != 0) {
      __builtin_memcpy(to, from, 16 * sizeof(T));
      to += 16;
      from += 16;
    }
  if constexpr (N > 8)
    if ((count & 8) != 0) {
      __builtin_memcpy(to, from, 8 * sizeof(T));
      to += 8;
      from += 8;
    }
  if constexpr (N > 4)
    if ((count & 4) != 0) {
      __builtin_memcpy(to, from, 4 * sizeof(T));
      to += 4;
      from += 4;
    }
  if constexpr (N > 2)
    if ((count & 2) != 0) {
      __builtin_memcpy(to, from, 2 * sizeof(T));
      to += 2;
      from += 2;
    }
  if ((count & 1) != 0) *to = *from;
  return load_as<Sum, T, N>(spill);
}

// Where a lane of the tile is written to.
template <bool IN_PLACE, class T, class Sum>
CONTEXTURE_INLINE T* lane_out(const detail::conv::TileCall<T, Sum>& call, int lane) {
  if constexpr (!IN_PLACE) return call.out[lane];
  return lane == 0 ? call.first_out : call.next_out + (lane - 1) * call.out_step;
}

// One tile of the output: MR lanes by NV vectors and HALF half vectors of channels, summed over the
// taps and the source channels. Lanes are the pixels at the same position of MR images, a packed block
// apart; or, IN_PLACE, neighbouring pixels or windows where they lie in memory, call.lane_step apart. Those are
// short tiles, which have no more to do between the multiply-adds of one and of the next than they must.
template <class T, class Sum, int MR, int NV, int HALF = 0, bool IN_PLACE = false>
CONTEXTURE_KERNEL void conv_tile(const detail::conv::TileCall<T, Sum>& call) {
  constexpr Index block = detail::conv::kBlock<T>, width = kLanes<Sum>, step = detail::conv::kChannelsAStep<T>;
  const Index lane_step = IN_PLACE ? call.lane_step : block;
  constexpr int half_width = kLanes<Sum> / 2;
  Vec<Sum> sum[MR][NV];
  VecN<Sum, half_width> half_sum[MR];
  CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
    CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] = load(call.bias + j * width);
    if constexpr (HALF == 1) half_sum[i] = load<Sum, half_width>(call.bias + NV * width);
  }
  // The output's lines arrive while the tile is computed; in place, those of the next tile.
  CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
    const T* const out = lane_out<IN_PLACE>(call, IN_PLACE ? MR + i : i);
    CONTEXTURE_UNROLL for (int j = 0; j < NV + HALF; ++j) __builtin_prefetch(out + j * width, 1);
  }
  for (Index t = 0; t < call.tap_count; ++t) {
    const T* a = call.source + call.taps[t].source;
    const T* b = call.weights + call.taps[t].weights * call.weights_step;
    for (Index left = call.channels; left > 0; left -= IN_PLACE ? left : block, a += MR * block) {
      const Index steps = IN_PLACE || left < block ? left : block;
      for (Index c = 0; c < steps; c += step, b += step * (NV * width + HALF * half_width)) {
        decltype(load_weights<Sum>(b)) w[NV];
        decltype(load_weights<Sum, T, half_width>(b)) half_w{};
        CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) w[j] = load_weights<Sum>(b + j * step * width);
        if constexpr (HALF == 1) half_w = load_weights<Sum, T, half_width>(b + NV * step * width);
        CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
          const auto x = load_factor<Sum>(a + i * lane_step + c);
          CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] = multiply_add<Sum, kLanes<Sum>>(sum[i][j], x, w[j]);
          if constexpr (HALF == 1) half_sum[i] = multiply_add<Sum, half_width>(half_sum[i], x, half_w);
        }
      }
    }
  }
  if (call.valid_channels == NV * width + HALF * half_width) {
    CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
      T* const out = lane_out<IN_PLACE>(call, i);
      CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) store_as<Sum>(out + j * width, sum[i][j]);
      if constexpr (HALF == 1) store_as<Sum, T, half_width>(out + NV * width, half_sum[i]);
    }
    return;
  }
  // In each lane, whole vectors and then the first `part` elements of the next.
  const Index part = call.valid_channels % width, whole = call.valid_channels / width;
  CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
    T* const out = lane_out<IN_PLACE>(call, i);
    CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) {
      if (j < whole) store_as<Sum>(out + j * width, sum[i][j]);
      if (j == whole) store_part<T, kLanes<Sum>, Sum>(out + j * width, sum[i][j], part);
    }
    if constexpr (HALF == 1)
      if (whole == NV) store_part<T, half_width, Sum>(out + NV * width, half_sum[i], part);
  }
}

// Adds to CR rows by NV vectors and HALF half vectors of the weight gradient the outer products of
// source pixels and output-gradient pixels, over positions and lanes.
template <class T, class Sum, int CR, int NV, int HALF = 0>
CONTEXTURE_KERNEL void conv_weight_tile(const detail::conv::WeightTileCall<T, Sum>& call) {
  constexpr Index width = kLanes<Sum>;
  constexpr int half_width = kLanes<Sum> / 2;
  constexpr Index wide = NV * width + HALF * half_width;
  Vec<Sum> sum[CR][NV];
  VecN<Sum, half_width> half_sum[CR];
  CONTEXTURE_UNROLL for (int i = 0; i < CR; ++i) {
    CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] = load(call.out + i * wide + j * width);
    if constexpr (HALF == 1) half_sum[i] = load<Sum, half_width>(call.out + i * wide + NV * width);
  }
  for (Index p = 0; p < call.position_count; ++p) {
    const T* x = call.source + call.positions[p].source;
    const T* dy = call.gradient + call.positions[p].gradient * call.gradient_step;
    for (Index lane = 0; lane < call.lanes; ++lane, x += call.source_step, dy += call.lane_step) {
      CONTEXTURE_UNROLL for (int j = 0; j < NV + HALF; ++j) __builtin_prefetch(dy + call.ahead + j * width);
      __builtin_prefetch(x + call.source_ahead);
      decltype(load_weights<Sum>(dy)) g[NV];
      decltype(load_weights<Sum, T, half_width>(dy)) half_g{};
      CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) g[j] = load_weights<Sum>(dy + j * width);
      if constexpr (HALF == 1) half_g = load_weights<Sum, T, half_width>(dy + NV * width);
      CONTEXTURE_UNROLL for (int i = 0; i < CR; ++i) {
        const auto value = load_factor<Sum>(x + i);
        CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] =
            multiply_add<Sum, kLanes<Sum>>(sum[i][j], value, g[j]);
        if constexpr (HALF == 1) half_sum[i] = multiply_add<Sum, half_width>(half_sum[i], value, half_g);
      }
    }
  }
  CONTEXTURE_UNROLL for (int i = 0; i < CR; ++i) {
    CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) store(call.out + i * wide + j * width, sum[i][j]);
    if constexpr (HALF == 1) store<Sum, half_width>(call.out + i * wide + NV * width, half_sum[i]);
  }
}

// N elements of what is packed: as they are, or pairs out of two images.
template <class T, int N>
CONTEXTURE_INLINE VecN<T, N> load_packed(const detail::conv::Stored<T>* from, const detail::conv::Stored<T>* second) {
  if constexpr (std::is_same_v<T, detail::conv::Stored<T>>) {
    return load<T, N>(from);
  } else {
    VecN<T, N> pairs = __builtin_convertvector((load<bfloat16, N>(from)), VecN<T, N>);
    if (second != nullptr) pairs |= __builtin_convertvector((load<bfloat16, N>(second)), VecN<T, N>) << 16;
    return pairs;
  }
}
template <class T, int N>
CONTEXTURE_INLINE VecN<T, N> load_packed_part(const detail::conv::Stored<T>* from,
                                              const detail::conv::Stored<T>* second, Index count) {
  if constexpr (std::is_same_v<T, detail::conv::Stored<T>>) {
    return load_part<T, N>(from, count);
  } else {
    T pairs[N] = {};
    for (Index i = 0; i < count; ++i)
      pairs[i] = from[i].bits | (second != nullptr ? static_cast<std::uint32_t>(second[i].bits) << 16 : 0u);
    return load<T, N>(pairs);
  }
}

// Copies the pixels; a last piece that is not full is filled up with zeros.
template <class T>
CONTEXTURE_KERNEL void conv_pack(const detail::conv::PackCall<T>& call) {
  constexpr Index width = kLanes<T>;
  constexpr int half = kLanes<T> / 2;
  // Copies: the compiler takes it that a store of a vector may change what `call` holds.
  const Index pixels = call.pixels, pixel_stride = call.pixel_stride, channels = call.channels;
  const Index pixel_step = call.pixel_step, piece = call.piece, piece_step = call.piece_step, ahead = call.ahead;
  const detail::conv::Stored<T>*from = call.from, *second = call.second;
  T* to = call.to;
  for (Index pixel = 0; pixel < pixels; ++pixel, from += pixel_stride, to += pixel_step) {
    T* out = to;
    Index c = 0;
    for (Index line = 0; line < channels; line += detail::conv::kBlock<T>)
      __builtin_prefetch(from + line + ahead, 0, 2);
    for (; c + piece <= channels; c += piece, out += piece_step)
      for (Index i = 0; i < piece; i += width) {
        const detail::conv::Stored<T>* const other = second != nullptr ? second + c + i : nullptr;
        if (i + width <= piece)
          store(out + i, load_packed<T, width>(from + c + i, other));
        else
          store<T, half>(out + i, load_packed<T, half>(from + c + i, other));
      }
    for (Index i = 0; c < channels && i < piece; i += half) {  // the last piece, half a vector at a time
      const Index left = channels - c - i;
      const detail::conv::Stored<T>* const other = second != nullptr ? second + c + i : nullptr;
      VecN<T, half> v{};
      if (left >= half)
        v = load_packed<T, half>(from + c + i, other);
      else if (left > 0)
        v = load_packed_part<T, half>(from + c + i, other, left);
      store<T, half>(out + i, v);
    }
    if (second != nullptr) second += pixel_stride;
  }
}

// Register tiles of one kind, of 2, 4, ... ROWS lanes or rows.
template <class T, class Sum, int NV, int HALF, int ROWS>
CONTEXTURE_KERNEL void fill_tiles(detail::conv::TileKernels<T, Sum>& table, detail::conv::TileKind kind) {
  if constexpr (ROWS > 2) fill_tiles<T, Sum, NV, HALF, ROWS - 2>(table, kind);
  table.tile[kind][ROWS / 2 - 1] = &conv_tile<T, Sum, ROWS, NV, HALF>;
  if constexpr (!kPairs<T>) table.tile_in_place[kind][ROWS / 2 - 1] = &conv_tile<T, Sum, ROWS, NV, HALF, true>;
}
template <class T, class Sum, int NV, int HALF, int ROWS>
CONTEXTURE_KERNEL void fill_weight_tiles(detail::conv::TileKernels<T, Sum>& table, detail::conv::TileKind kind) {
  if constexpr (ROWS > 2) fill_weight_tiles<T, Sum, NV, HALF, ROWS - 2>(table, kind);
  table.weight_tile[kind][ROWS / 2 - 1] = &conv_weight_tile<T, Sum, ROWS, NV, HALF>;
  table.max_rows[kind] = ROWS;
}

template <class Sum>
CONTEXTURE_KERNEL detail::conv::TileExtents tile_extents() {
  // Lanes in tiles of two vectors, and for simplicity in the others.
  return {kLanes<Sum>, kConvAccumulators / 2, kConvAccumulators == 28};
}

template <class T, class Sum>
CONTEXTURE_KERNEL detail::conv::TileKernels<T, Sum> tile_kernels() {
  using namespace detail::conv;
  constexpr int lanes = kConvAccumulators / 2;
  TileKernels<T, Sum> table{};
  static_cast<TileExtents&>(table) = tile_extents<Sum>();
  table.pack = &conv_pack<T>;
  // Pairs of images are what weight gradients are made of, and bfloat16 what the data passes read and write.
  constexpr bool data = std::is_same_v<T, Stored<T>>, weights = !std::is_same_v<T, bfloat16>;
  if constexpr (data) {
    fill_tiles<T, Sum, 1, 0, lanes>(table, kOneVector);
    fill_tiles<T, Sum, 2, 0, lanes>(table, kTwoVectors);
    if constexpr (kConvAccumulators == 28) fill_tiles<T, Sum, 1, 1, lanes>(table, kOneAndAHalf);
  }
  if constexpr (weights) {
    fill_weight_tiles<T, Sum, 1, 0, 10>(table, kOneVector);
    if constexpr (kConvAccumulators == 28) {
      fill_weight_tiles<T, Sum, 2, 0, 10>(table, kTwoVectors);
      fill_weight_tiles<T, Sum, 1, 1, 10>(table, kOneAndAHalf);
      table.weight_tile[kOneVector][7] = &conv_weight_tile<T, Sum, 16, 1>;  // for a whole block at once
    } else {
      fill_weight_tiles<T, Sum, 2, 0, 6>(table, kTwoVectors);
    }
  }
  return table;
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
