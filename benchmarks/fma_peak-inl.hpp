// The multiply-add peak of one core, per instruction set: independent chains that live in
// registers, nothing else in the loop.

namespace contexture::kernels::CONTEXTURE_ISA {

inline constexpr int kChains = CONTEXTURE_VECTOR_BYTES == 64 ? 24 : 12;

CONTEXTURE_KERNEL inline float fma_chains(Index iterations, float scale, float shift) {
  Vec<float> sum[kChains];
  const Vec<float> a = scale - Vec<float>{}, b = shift - Vec<float>{};
  CONTEXTURE_UNROLL for (int i = 0; i < kChains; ++i) sum[i] = b * static_cast<float>(i);
  for (Index n = 0; n < iterations; ++n) {
    CONTEXTURE_UNROLL for (int i = 0; i < kChains; ++i) sum[i] = sum[i] * a + b;
  }
  CONTEXTURE_UNROLL for (int i = 1; i < kChains; ++i) sum[0] += sum[i];
  return sum_lanes<float>(sum[0]);
}

CONTEXTURE_KERNEL inline Index fma_chain_flops() { return 2 * kChains * kLanes<float>; }

}  // namespace contexture::kernels::CONTEXTURE_ISA
