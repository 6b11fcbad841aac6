// SPDX-License-Identifier: MIT
// Convolution: the promises that a random comparison cannot see (bits, NaN, memory, empty and impossible shapes).
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv.hpp"
#include "kernels/conv_reference.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;
using namespace contexture::tests;

TEST_CASE("conv2d: the same bits with any number of threads") {
  const Settings settings;
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::im2col, ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4})
    for (int i = 0; i < 40; ++i) {
      Random random{500 + static_cast<std::uint64_t>(i)};
      ConvShape shape = (i % 4 == 0 ? random_pointwise_shape : random_shape)(random, 400000);
      if (algorithm == ConvAlgorithm::winograd2 || algorithm == ConvAlgorithm::winograd4) {
        shape.r = shape.s = 3;
        shape.stride_h = shape.stride_w = shape.dilation_h = shape.dilation_w = shape.groups = 1;
        shape.pad_h = shape.pad_w = 1;
      }
      const Problem<float> problem(shape, random);
      INFO("seed " << 500 + i << ", " << to_string(algorithm) << ", " << describe(problem.shape));
      set_conv_algorithm(algorithm);
      set_num_threads(1);
      const Results<float> one(problem, false);
      for (const int threads : {2, 3, 7}) {
        set_num_threads(threads);
        const Results<float> many(problem, false);
        CHECK(one.y == many.y);
        CHECK(one.dx == many.dx);
        CHECK(one.dw == many.dw);
        CHECK(one.dbias == many.dbias);
      }
    }
}

TEST_CASE("conv2d: an image gives the same bits alone and in a batch (direct)") {
  const Settings settings;
  set_conv_algorithm(ConvAlgorithm::direct);
  for (int i = 0; i < 30; ++i) {
    Random random{900 + static_cast<std::uint64_t>(i)};
    ConvShape shape = random_shape(random, 20000);
    shape.n = 19;
    const Problem<float> batch(shape, random);
    const Results<float> all(batch, false);
    INFO("seed " << 900 + i << ", " << describe(shape));
    shape.n = 1;
    for (const Index image : {0, 13, 18}) {
      Problem<float> single(shape, random);
      single.w = batch.w;
      single.bias = batch.bias;
      const auto part = [image](const std::vector<float>& v, Index size) {
        return std::vector<float>(v.begin() + image * size, v.begin() + (image + 1) * size);
      };
      single.x = part(batch.x, shape.input_size());
      single.dy = part(batch.dy, shape.output_size());
      const Results<float> one(single, false);
      CHECK(one.y == part(all.y, shape.output_size()));
      CHECK(one.dx == part(all.dx, shape.input_size()));
    }
  }
}

TEST_CASE("conv2d: NaN and infinity reach exactly the elements that depend on them") {
  const Settings settings;
  for (int i = 0; i < 60; ++i) {
    Random random{1500 + static_cast<std::uint64_t>(i)};
    Problem<float> problem(random_shape(random, 60000), random);
    const float poison[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()};
    for (std::vector<float>* v : {&problem.x, &problem.dy})
      for (int times = 0; times < 3 && !v->empty(); ++times)
        (*v)[static_cast<std::size_t>(random.integer(0, static_cast<Index>(v->size()) - 1))] =
            poison[random.integer(0, 2)];
    const References<float> want(problem);
    INFO("seed " << 1500 + i << ", " << describe(problem.shape));
    const auto same_class = [](const std::vector<float>& got, const Reference& reference) {
      for (std::size_t at = 0; at < got.size(); ++at) {
        const double expected = reference.sum[at];
        if (std::isnan(expected)   ? !std::isnan(got[at])
            : std::isinf(expected) ? expected != got[at]
                                   : !std::isfinite(got[at]))
          return false;
      }
      return true;
    };
    for (const ConvAlgorithm algorithm : {ConvAlgorithm::im2col, ConvAlgorithm::direct}) {
      set_conv_algorithm(algorithm);
      for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
        if (isa > supported_isa()) continue;
        set_isa(isa);
        const Results<float> got(problem, false);
        INFO(to_string(algorithm) << ", " << to_string(isa));
        CHECK(same_class(got.y, want.y));
        CHECK(same_class(got.dx, want.dx));
        // In the weight gradient the zeros of the padding meet a non-finite dy in im2col only.
        if (algorithm == ConvAlgorithm::direct && problem.shape.s * problem.shape.c > 16)
          CHECK(same_class(got.dw, want.dw));
      }
    }
  }
}

#if defined(__linux__)
TEST_CASE("conv2d: images of more than 2^31 elements") {
  const Settings settings;
  // 3 x 2^30 elements of address space, of which a 1x1 kernel with a stride of 8192 reads 48.
  const ConvShape shape{.n = 3, .h = 32768, .w = 32768, .c = 1, .k = 4, .stride_h = 8192, .stride_w = 8192};
  const auto bytes = static_cast<std::size_t>(shape.input_size()) * sizeof(float);
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    WARN("no address space for " << bytes << " bytes");
    return;
  }
  float* const x = static_cast<float*>(memory);
  const std::vector<float> w{1, 2, 3, 4};
  std::vector<float> want_y, dy, want_dw(4, 0.0F);
  for (Index pixel = 0; pixel < shape.out_pixels(); ++pixel) {
    const Index n = pixel / 16, p = pixel / 4 % 4, q = pixel % 4;
    const auto value = static_cast<float>(pixel + 1);
    x[((n * shape.h + p * 8192) * shape.w + q * 8192)] = value;
    for (std::size_t k = 0; k < 4; ++k) {
      want_y.push_back(value * w[k]);
      dy.push_back(static_cast<float>(k + 1));
      want_dw[k] += value * static_cast<float>(k + 1);
    }
  }
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::im2col, ConvAlgorithm::direct}) {
    INFO(to_string(algorithm));
    set_conv_algorithm(algorithm);
    std::vector<float> y(want_y.size()), dw(4);
    conv2d_forward<float>(shape, x, w.data(), {}, y.data());
    conv2d_backward_weights<float>(shape, x, dy.data(), dw.data(), nullptr);
    CHECK(y == want_y);
    CHECK(dw == want_dw);
  }
  munmap(memory, bytes);
}
#endif

TEST_CASE("conv2d: denormals are computed, not flushed") {
  const Settings settings;
  ConvShape shape{.n = 3, .h = 4, .w = 4, .c = 5, .k = 6, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  Random random{9};
  Problem<float> problem(shape, random);
  for (float& v : problem.x) v *= 1e-38f;
  for (float& v : problem.bias) v = 0;
  set_conv_algorithm(ConvAlgorithm::direct);
  const Results<float> results(problem, false);
  const References<float> want(problem);
  for (std::size_t i = 0; i < results.y.size(); ++i)
    CHECK(std::abs(static_cast<double>(results.y[i]) - want.y.sum[i]) <= 1e-43);
}

TEST_CASE("conv2d: empty batches, kernels that do not fit, no channels") {
  const Settings settings;
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::im2col, ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4}) {
    set_conv_algorithm(algorithm);
    Random random{3};
    for (const ConvShape& shape :
         {ConvShape{.n = 0, .h = 8, .w = 8, .c = 4, .k = 4, .r = 3, .s = 3},
          ConvShape{.n = 2, .h = 2, .w = 2, .c = 4, .k = 4, .r = 3, .s = 3},
          ConvShape{.n = 2, .h = 2, .w = 2, .c = 0, .k = 4},
          ConvShape{.n = 2, .h = 6, .w = 6, .c = 0, .k = 4, .r = 3, .s = 3},
          ConvShape{.n = 2, .h = 6, .w = 6, .c = 4, .k = 0, .r = 3, .s = 3},
          ConvShape{.n = 2, .h = 2, .w = 2, .c = 4, .k = 0}, ConvShape{.n = 2, .h = 0, .w = 2, .c = 4, .k = 4}}) {
      INFO(to_string(algorithm) << ", " << describe(shape));
      const Problem<float> problem(shape, random);
      const References<float> want(problem);
      const Results<float> got(problem, false);
      check_close("forward", got.y, want.y);
      check_close("backward_data", got.dx, want.dx);
      check_close("backward_weights", got.dw, want.dw);
      check_close("bias", got.dbias, want.dbias);
    }
  }
}

TEST_CASE("conv2d: without bias") {
  const Settings settings;
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::im2col, ConvAlgorithm::direct}) {
    set_conv_algorithm(algorithm);
    Random random{4};
    Problem<float> problem(ConvShape{.n = 2, .h = 5, .w = 5, .c = 4, .k = 9, .r = 3, .s = 3}, random);
    const Results<float> got(problem, false, false);
    for (float& b : problem.bias) b = 0;
    check_close("forward", got.y, References<float>(problem).y);
  }
}

TEST_CASE("conv2d: impossible shapes are refused") {
  float value = 0;
  const auto run = [&](const ConvShape& shape) { conv2d_forward<float>(shape, &value, &value, {}, &value); };
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 3, .k = 4, .groups = 2}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 3, .groups = 2}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .groups = 0}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .r = 0}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .stride_h = 0}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .pad_w = -1}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .dilation_w = 0}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = -1, .h = 4, .w = 4, .c = 4, .k = 4}), std::invalid_argument);
}

#if !defined(CONTEXTURE_POOL_BYPASS)
TEST_CASE("conv2d: a repeated call takes no memory from the system") {
  const Settings settings;
  set_num_threads(1);
  Random random{5};
  const Problem<float> problem(
      ConvShape{.n = 20, .h = 8, .w = 8, .c = 24, .k = 40, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1}, random);
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::im2col, ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4}) {
    set_conv_algorithm(algorithm);
    const Results<float> warm(problem, false);
    const std::uint64_t before = memory_stats().system_allocations;
    const Results<float> again(problem, false);
    CHECK(memory_stats().system_allocations == before);
    CHECK(warm.y == again.y);
  }
}
#endif

}  // namespace
