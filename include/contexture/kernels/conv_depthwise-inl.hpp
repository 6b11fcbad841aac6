// Depthwise convolution kernels, compiled once per instruction set; vectors run over channels.

namespace contexture::kernels::CONTEXTURE_ISA {

// out (channels) = bias + sum over taps of source (channels) * weights (channels).
template <class T>
CONTEXTURE_KERNEL void depthwise_pixel(const T* source, const T* weights, const detail::conv::Tap* taps, Index count,
                                       Index channels, const T* bias, T* out) {
  constexpr Index width = kLanes<T>;
  Index c = 0;
  for (; c + width <= channels; c += width) {
    Vec<T> sum{};
    if (bias != nullptr) sum = load(bias + c);
    for (Index t = 0; t < count; ++t) sum += load(source + taps[t].source + c) * load(weights + taps[t].weights + c);
    store(out + c, sum);
  }
  for (; c < channels; ++c) {
    T sum = bias != nullptr ? bias[c] : T(0);
    for (Index t = 0; t < count; ++t) sum += source[taps[t].source + c] * weights[taps[t].weights + c];
    out[c] = sum;
  }
}

// sums [tap][channels] += source (channels) * gradient (channels) for every tap.
template <class T>
CONTEXTURE_KERNEL void depthwise_weights(const T* source, const T* gradient, const detail::conv::Tap* taps, Index count,
                                         Index channels, T* sums) {
  constexpr Index width = kLanes<T>;
  Index c = 0;
  for (; c + width <= channels; c += width) {
    const Vec<T> g = load(gradient + c);
    for (Index t = 0; t < count; ++t) {
      T* sum = sums + taps[t].weights + c;
      store(sum, load(sum) + g * load(source + taps[t].source + c));
    }
  }
  for (; c < channels; ++c)
    for (Index t = 0; t < count; ++t) sums[taps[t].weights + c] += gradient[c] * source[taps[t].source + c];
}

template <class T>
CONTEXTURE_KERNEL detail::conv::DepthwiseKernels<T> depthwise_kernels() {
  return {&depthwise_pixel<T>, &depthwise_weights<T>};
}

}  // namespace contexture::kernels::CONTEXTURE_ISA
