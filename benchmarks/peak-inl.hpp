// SPDX-License-Identifier: MIT
// The multiply-add peak of one core, per instruction set: independent chains that live in registers, nothing else in
// the loop. Each runs so often, and returns how many additions and multiplications those were.

namespace contexture::kernels::CONTEXTURE_ISA {

inline constexpr int kChains = CONTEXTURE_VECTOR_BYTES == 64 ? 24 : 12;

// `numbers`: a factor, a term, and where the sum goes, so that the compiler knows none of them.
CONTEXTURE_KERNEL inline Index fma_chains(Index iterations, float* numbers) {
  Vec<float> sum[kChains];
  const Vec<float> a = broadcast<float>(numbers[0]), b = broadcast<float>(numbers[1]);
  CONTEXTURE_UNROLL for (int i = 0; i < kChains; ++i) sum[i] = b * static_cast<float>(i);
  for (Index n = 0; n < iterations; ++n) {
    CONTEXTURE_UNROLL for (int i = 0; i < kChains; ++i) sum[i] = sum[i] * a + b;
  }
  CONTEXTURE_UNROLL for (int i = 1; i < kChains; ++i) sum[0] += sum[i];
  numbers[2] = sum_lanes<float>(sum[0]);
  return iterations * 2 * kChains * kLanes<float>;
}

#if defined(CONTEXTURE_NATIVE_PAIRS)
// The same of pairs of bfloat16, all of them 1.
CONTEXTURE_KERNEL inline Index pair_chains(Index iterations, float* numbers) {
  Vec<float> sum[kChains] = {};
  const Vec<std::uint32_t> ones = broadcast<std::uint32_t>(0x3f803f80u);
  for (Index n = 0; n < iterations; ++n) {
    CONTEXTURE_UNROLL for (int i = 0; i < kChains; ++i) __asm__("vdpbf16ps %1, %1, %0" : "+v"(sum[i]) : "v"(ones));
  }
  CONTEXTURE_UNROLL for (int i = 1; i < kChains; ++i) sum[0] += sum[i];
  numbers[2] = sum_lanes<float>(sum[0]);
  return iterations * 4 * kChains * kLanes<float>;
}

// And of whole tiles: two sums of 16 x 16, as the kernels have them, each multiply-adding 16 x 32 by 32 x 16.
CONTEXTURE_KERNEL inline Index tile_chains(Index iterations, float* numbers) {
  std::uint32_t ones[256];
  for (int i = 0; i < 256; ++i) ones[i] = 0x3f803f80u;
  amx_configure<bfloat16>(16, 16, 32);
  tile_zero<0>();
  tile_zero<1>();
  tile_load<2>(ones, 64);
  tile_load<3>(ones, 64);
  for (Index n = 0; n < iterations; ++n) {
    tile_multiply<0, 2, 3>();
    tile_multiply<1, 2, 3>();
  }
  float sums[256];
  tile_store<0>(sums, 64);
  tile_release();
  numbers[2] = sums[0];
  return iterations * 2 * 2 * 16 * 16 * 32;
}
#endif

}  // namespace contexture::kernels::CONTEXTURE_ISA
