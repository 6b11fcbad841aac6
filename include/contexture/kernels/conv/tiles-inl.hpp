// Register-blocked convolution kernels, compiled once per instruction set; see conv_direct.hpp
// for the layouts and for the loops around them.

namespace contexture::kernels::CONTEXTURE_ISA {

// Accumulator registers that leave room for weights and one broadcast: 28 of 32, or 12 of 16.
inline constexpr int kConvAccumulators = CONTEXTURE_VECTOR_BYTES == 64 ? 28 : 12;

// Stores the first `count` elements, fewer than a vector, in pieces of fixed size.
template <class T, int N = kLanes<T>>
CONTEXTURE_INLINE void store_part(T* to, VecN<T, N> v, Index count) {
  T spill[N];
  store<T, N>(spill, v);
  const T* from = spill;
  if constexpr (kLanes < T >> 8)
    if ((count & 8) != 0) {
      __builtin_memcpy(to, from, 8 * sizeof(T));
      to += 8;
      from += 8;
    }
  if constexpr (kLanes < T >> 4)
    if ((count & 4) != 0) {
      __builtin_memcpy(to, from, 4 * sizeof(T));
      to += 4;
      from += 4;
    }
  if constexpr (kLanes < T >> 2)
    if ((count & 2) != 0) {
      __builtin_memcpy(to, from, 2 * sizeof(T));
      to += 2;
      from += 2;
    }
  if ((count & 1) != 0) *to = *from;
}

// The first `count` elements, fewer than a vector; the rest are zero.
template <class T, int N = kLanes<T>>
CONTEXTURE_INLINE VecN<T, N> load_part(const T* from, Index count) {
  T spill[N] = {};
  T* to = spill;
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
  return load<T, N>(spill);
}

// Where a lane of the tile is written to.
template <class T, bool IN_PLACE>
CONTEXTURE_INLINE T* lane_out(const detail::conv::TileCall<T>& call, int lane) {
  if constexpr (!IN_PLACE) return call.out[lane];
  return lane == 0 ? call.first_out : call.next_out + (lane - 1) * call.out_step;
}

// One tile of the output: MR lanes by NV vectors and HALF half vectors of channels, summed over the
// taps and the source channels. Lanes are the pixels at the same position of MR images, a packed block
// apart; or, IN_PLACE, neighbouring pixels or windows where they lie in memory, call.lane_step apart. Those are
// short tiles, which have no more to do between the multiply-adds of one and of the next than they must.
template <class T, int MR, int NV, int HALF = 0, bool IN_PLACE = false>
CONTEXTURE_KERNEL void conv_tile(const detail::conv::TileCall<T>& call) {
  constexpr Index block = detail::conv::kBlock<T>, width = kLanes<T>;
  const Index lane_step = IN_PLACE ? call.lane_step : block;
  constexpr int half_width = kLanes<T> / 2;
  Vec<T> sum[MR][NV];
  VecN<T, half_width> half_sum[MR];
  CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
    CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] = load(call.bias + j * width);
    if constexpr (HALF == 1) half_sum[i] = load<T, half_width>(call.bias + NV * width);
  }
  // The output's lines arrive while the tile is computed; in place, those of the next tile.
  CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
    const T* const out = lane_out<T, IN_PLACE>(call, IN_PLACE ? MR + i : i);
    CONTEXTURE_UNROLL for (int j = 0; j < NV + HALF; ++j) __builtin_prefetch(out + j * width, 1);
  }
  for (Index t = 0; t < call.tap_count; ++t) {
    const T* a = call.source + call.taps[t].source;
    const T* b = call.weights + call.taps[t].weights * call.weights_step;
    for (Index left = call.channels; left > 0; left -= IN_PLACE ? left : block, a += MR * block) {
      const Index steps = IN_PLACE || left < block ? left : block;
      for (Index c = 0; c < steps; ++c, b += NV * width + HALF * half_width) {
        Vec<T> w[NV];
        VecN<T, half_width> half_w{};
        CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) w[j] = load(b + j * width);
        if constexpr (HALF == 1) half_w = load<T, half_width>(b + NV * width);
        CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
          const T x = a[i * lane_step + c];
          CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] += x * w[j];
          if constexpr (HALF == 1) half_sum[i] += x * half_w;
        }
      }
    }
  }
  if (call.valid_channels == NV * width + HALF * half_width) {
    CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
      T* const out = lane_out<T, IN_PLACE>(call, i);
      CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) store(out + j * width, sum[i][j]);
      if constexpr (HALF == 1) store<T, half_width>(out + NV * width, half_sum[i]);
    }
    return;
  }
  // In each lane, whole vectors and then the first `part` elements of the next.
  const Index part = call.valid_channels % width, whole = call.valid_channels / width;
  CONTEXTURE_UNROLL for (int i = 0; i < MR; ++i) {
    T* const out = lane_out<T, IN_PLACE>(call, i);
    CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) {
      if (j < whole) store(out + j * width, sum[i][j]);
      if (j == whole) store_part<T>(out + j * width, sum[i][j], part);
    }
    if constexpr (HALF == 1)
      if (whole == NV) store_part<T, half_width>(out + NV * width, half_sum[i], part);
  }
}

// Adds to CR rows by NV vectors and HALF half vectors of the weight gradient the outer products of
// source pixels and output-gradient pixels, over positions and lanes.
template <class T, int CR, int NV, int HALF = 0>
CONTEXTURE_KERNEL void conv_weight_tile(const detail::conv::WeightTileCall<T>& call) {
  constexpr Index width = kLanes<T>;
  constexpr int half_width = kLanes<T> / 2;
  constexpr Index wide = NV * width + HALF * half_width;
  Vec<T> sum[CR][NV];
  VecN<T, half_width> half_sum[CR];
  CONTEXTURE_UNROLL for (int i = 0; i < CR; ++i) {
    CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] = load(call.out + i * wide + j * width);
    if constexpr (HALF == 1) half_sum[i] = load<T, half_width>(call.out + i * wide + NV * width);
  }
  for (Index p = 0; p < call.position_count; ++p) {
    const T* x = call.source + call.positions[p].source;
    const T* dy = call.gradient + call.positions[p].gradient * call.gradient_step;
    for (Index lane = 0; lane < call.lanes; ++lane, x += call.source_step, dy += call.lane_step) {
      CONTEXTURE_UNROLL for (int j = 0; j < NV + HALF; ++j) __builtin_prefetch(dy + call.ahead + j * width);
      __builtin_prefetch(x + call.source_ahead);
      Vec<T> g[NV];
      VecN<T, half_width> half_g{};
      CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) g[j] = load(dy + j * width);
      if constexpr (HALF == 1) half_g = load<T, half_width>(dy + NV * width);
      CONTEXTURE_UNROLL for (int i = 0; i < CR; ++i) {
        CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] += x[i] * g[j];
        if constexpr (HALF == 1) half_sum[i] += x[i] * half_g;
      }
    }
  }
  CONTEXTURE_UNROLL for (int i = 0; i < CR; ++i) {
    CONTEXTURE_UNROLL for (int j = 0; j < NV; ++j) store(call.out + i * wide + j * width, sum[i][j]);
    if constexpr (HALF == 1) store<T, half_width>(call.out + i * wide + NV * width, half_sum[i]);
  }
}

// Copies `channels` elements of each of `pixels` pixels to `to`, in pieces of `piece` elements
// (a multiple of half a vector) that lie piece_step apart; the last piece is filled up with zeros.
// What lies `ahead` elements on is what will be packed next: it is fetched into L2.
template <class T>
CONTEXTURE_KERNEL void conv_pack(const T* from, Index pixels, Index pixel_stride, Index channels, Index piece, T* to,
                                 Index pixel_step, Index piece_step, Index ahead) {
  constexpr Index width = kLanes<T>;
  constexpr int half = kLanes<T> / 2;
  for (Index pixel = 0; pixel < pixels; ++pixel, from += pixel_stride, to += pixel_step) {
    T* out = to;
    Index c = 0;
    for (Index line = 0; line < channels; line += detail::conv::kBlock<T>)
      __builtin_prefetch(from + line + ahead, 0, 2);
    for (; c + piece <= channels; c += piece, out += piece_step)
      for (Index i = 0; i < piece; i += width)
        if (i + width <= piece)
          store(out + i, load(from + c + i));
        else
          store<T, half>(out + i, load<T, half>(from + c + i));
    for (Index i = 0; c < channels && i < piece; i += half) {  // the last piece, half a vector at a time
      const Index left = channels - c - i;
      VecN<T, half> v{};
      if (left >= half)
        v = load<T, half>(from + c + i);
      else if (left > 0)
        v = load_part<T, half>(from + c + i, left);
      store<T, half>(out + i, v);
    }
  }
}

// Register tiles of one kind, of 2, 4, ... ROWS lanes or rows.
template <class T, int NV, int HALF, int ROWS>
CONTEXTURE_KERNEL void fill_tiles(detail::conv::DirectKernels<T>& table, detail::conv::TileKind kind) {
  if constexpr (ROWS > 2) fill_tiles<T, NV, HALF, ROWS - 2>(table, kind);
  table.tile[kind][ROWS / 2 - 1] = &conv_tile<T, ROWS, NV, HALF>;
  table.tile_in_place[kind][ROWS / 2 - 1] = &conv_tile<T, ROWS, NV, HALF, true>;
}
template <class T, int NV, int HALF, int ROWS>
CONTEXTURE_KERNEL void fill_weight_tiles(detail::conv::DirectKernels<T>& table, detail::conv::TileKind kind) {
  if constexpr (ROWS > 2) fill_weight_tiles<T, NV, HALF, ROWS - 2>(table, kind);
  table.weight_tile[kind][ROWS / 2 - 1] = &conv_weight_tile<T, ROWS, NV, HALF>;
  table.max_rows[kind] = ROWS;
}

template <class T>
CONTEXTURE_KERNEL detail::conv::DirectKernels<T> direct_kernels() {
  using namespace detail::conv;
  constexpr int lanes = kConvAccumulators / 2;  // in tiles of two vectors, and for simplicity in the others
  DirectKernels<T> table{};
  table.width = kLanes<T>;
  table.pack = &conv_pack<T>;
  table.max_lanes = lanes;
  fill_tiles<T, 1, 0, lanes>(table, kOneVector);
  fill_tiles<T, 2, 0, lanes>(table, kTwoVectors);
  fill_weight_tiles<T, 1, 0, 10>(table, kOneVector);
  if constexpr (kConvAccumulators == 28) {
    table.half_vectors = true;
    fill_tiles<T, 1, 1, lanes>(table, kOneAndAHalf);
    fill_weight_tiles<T, 2, 0, 10>(table, kTwoVectors);
    fill_weight_tiles<T, 1, 1, 10>(table, kOneAndAHalf);
    table.weight_tile[kOneVector][7] = &conv_weight_tile<T, 16, 1>;  // for a whole block at once
  } else {
    fill_weight_tiles<T, 2, 0, 6>(table, kTwoVectors);
  }
  return table;
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
