// SPDX-License-Identifier: MIT
// Bodies of kernels/gelu.hpp for float; see there. Compiled once per instruction set. Whole vectors only: the caller's
// last elements go through a vector of their own, so that every element is computed the same way wherever it lies.

namespace contexture::kernels::CONTEXTURE_ISA {

// erf as x P(x^2) / Q(x^2), |x| clamped to 4, where erf is 1 in float; absolute error below 3e-7 (the rational function
// of Eigen's generic_fast_erf_float).
CONTEXTURE_INLINE Vec<float> erf_of(Vec<float> x) {
  const Vec<float> four = broadcast<float>(4.0F);
  x = x > four ? four : x;
  x = x < -four ? -four : x;
  const Vec<float> s = x * x;
  Vec<float> p = broadcast<float>(-2.72614225801306e-10F);
  p = p * s + 2.77068142495902e-08F;
  p = p * s - 2.10102402082508e-06F;
  p = p * s - 5.69250639462346e-05F;
  p = p * s - 7.34990630326855e-04F;
  p = p * s - 2.95459980854025e-03F;
  p = p * s - 1.60960333262415e-02F;
  Vec<float> q = broadcast<float>(-1.45660718464996e-05F);
  q = q * s - 2.13374055278905e-04F;
  q = q * s - 1.68282697438203e-03F;
  q = q * s - 7.37332916720468e-03F;
  q = q * s - 1.42647390514189e-02F;
  return x * p / q;
}

// exp(x) for x <= 0, 0 below -87; relative error below 2e-7 (the polynomial of Cephes' expf).
CONTEXTURE_INLINE Vec<float> exp_of_negative(Vec<float> x) {
  using Bits = Vec<std::int32_t>;
  const Vec<float> lowest = broadcast<float>(-87.0F);
  const Vec<float> v = x < lowest ? lowest : x;
  const Vec<float> magic = broadcast<float>(12582912.0F);  // 1.5 * 2^23: its last bits are whole numbers
  const Vec<float> rounded = v * 1.44269504F + magic;
  const Vec<float> n = rounded - magic;
  const Vec<float> r = v - n * 0.693359375F + n * 2.12194440e-4F;  // ln 2 in two parts
  Vec<float> p = broadcast<float>(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const Bits exponent = (reinterpret_cast<Bits>(rounded) - reinterpret_cast<Bits>(magic) + 127) << 23;
  const Vec<float> zero{};
  return x < lowest ? zero : p * reinterpret_cast<Vec<float>>(exponent);
}

CONTEXTURE_INLINE Vec<float> gelu_of(Vec<float> x) { return 0.5F * x * (1.0F + erf_of(x * 0.707106781F)); }

// The derivative Phi(x) + x phi(x).
CONTEXTURE_INLINE Vec<float> gelu_slope(Vec<float> x) {
  const Vec<float> density = 0.398942280F * exp_of_negative(-0.5F * x * x);
  return 0.5F * (1.0F + erf_of(x * 0.707106781F)) + x * density;
}

// Copies up to kLanes<float> elements, without a call into code of another instruction set.
CONTEXTURE_INLINE void copy_few(const float* from, float* to, Index n) {
  for (Index i = 0; i < n; ++i) to[i] = from[i];
}

CONTEXTURE_KERNEL inline void gelu_forward(const float* x, float* y, Index n) {
  constexpr Index kStep = kLanes<float>;
  Index i = 0;
  for (; i + kStep <= n; i += kStep) store<float>(y + i, gelu_of(load<float>(x + i)));
  if (i == n) return;
  float last[kStep] = {};
  copy_few(x + i, last, n - i);
  store<float>(last, gelu_of(load<float>(last)));
  copy_few(last, y + i, n - i);
}

CONTEXTURE_KERNEL inline void gelu_backward(const float* x, float* grad, Index n) {
  constexpr Index kStep = kLanes<float>;
  Index i = 0;
  for (; i + kStep <= n; i += kStep) store<float>(grad + i, load<float>(grad + i) * gelu_slope(load<float>(x + i)));
  if (i == n) return;
  float last[kStep] = {};
  copy_few(x + i, last, n - i);
  store<float>(last, gelu_slope(load<float>(last)));
  for (Index k = 0; i + k < n; ++k) grad[i + k] *= last[k];
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
