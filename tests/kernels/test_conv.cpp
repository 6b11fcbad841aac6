// SPDX-License-Identifier: MIT
// Convolution: every algorithm, pass and instruction set against a naive loop in double.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv.hpp"
#include "kernels/conv_reference.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;
using namespace contexture::tests;

template <class T>
void check_random_shapes(ConvAlgorithm algorithm, std::uint64_t seed, int count, Index most_multiply_adds,
                         ConvShape (*make_shape)(Random&, Index) = &random_shape) {
  const Settings settings;
  for (int i = 0; i < count; ++i) {
    Random random{seed + static_cast<std::uint64_t>(i)};
    const Problem<T> problem(make_shape(random, most_multiply_adds), random);
    const References<T> reference(problem);
    set_conv_algorithm(algorithm);
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      // im2col has no kernels of its own: one instruction set is enough.
      if (isa > supported_isa() || (algorithm == ConvAlgorithm::im2col && isa != Isa::baseline)) continue;
      set_isa(isa);
      set_num_threads(1 + i % 3);
      INFO("seed " << seed + static_cast<std::uint64_t>(i) << ", " << to_string(algorithm) << ", " << to_string(isa)
                   << ", " << describe(problem.shape));
      const Results<T> results(problem, i % 2 == 1);
      check_close("forward", results.y, reference.y);
      check_close("backward_data", results.dx, reference.dx);
      check_close("backward_weights", results.dw, reference.dw);
      check_close("bias", results.dbias, reference.dbias);
    }
  }
}

TEST_CASE("conv2d: random shapes, im2col") {
  check_random_shapes<float>(ConvAlgorithm::im2col, 1000, 300, 60000);
  check_random_shapes<double>(ConvAlgorithm::im2col, 2000, 100, 60000);
}

TEST_CASE("conv2d: random shapes, direct") {
  check_random_shapes<float>(ConvAlgorithm::direct, 3000, 400, 60000);
  check_random_shapes<double>(ConvAlgorithm::direct, 4000, 150, 60000);
}

TEST_CASE("conv2d: random shapes of 1x1 kernels, direct") {
  check_random_shapes<float>(ConvAlgorithm::direct, 40000, 300, 300000, &random_pointwise_shape);
  check_random_shapes<double>(ConvAlgorithm::direct, 41000, 100, 300000, &random_pointwise_shape);
}

// Shapes for one algorithm, that it computes in the given passes.
struct NamedShape {
  ConvAlgorithm algorithm;
  bool forward, backward_data, backward_weights;
  ConvShape shape;
};

template <class T>
void check_named(const NamedShape& named, std::uint64_t seed) {
  Random random{seed};
  const Problem<T> problem(named.shape, random);
  const References<T> reference(problem);
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    INFO(to_string(named.algorithm) << ", " << to_string(isa) << ", " << describe(named.shape));
    const auto chosen = [&](ConvPass pass) { return choose_algorithm<T>(named.shape, pass) == named.algorithm; };
    CHECK(chosen(ConvPass::forward) == named.forward);
    CHECK(chosen(ConvPass::backward_data) == named.backward_data);
    CHECK(chosen(ConvPass::backward_weights) == named.backward_weights);
    const Results<T> results(problem, true);
    check_close("forward", results.y, reference.y);
    check_close("backward_data", results.dx, reference.dx);
    check_close("backward_weights", results.dw, reference.dw);
  }
}

TEST_CASE("conv2d: every algorithm is reached by its name") {
  const Settings settings;
  const auto im2col = ConvAlgorithm::im2col, direct = ConvAlgorithm::direct, stem = ConvAlgorithm::stem,
             pointwise = ConvAlgorithm::pointwise, grouped = ConvAlgorithm::grouped;
  // 16 and 32 channels fill whole vectors with every instruction set, 17 with none.
  for (const NamedShape& named : std::vector<NamedShape>{
           {im2col, true, true, true, {.n = 3, .h = 6, .w = 9, .c = 5, .k = 7, .r = 3, .s = 3, .stride_h = 2}},
           {direct, true, true, true, {.n = 3, .h = 6, .w = 9, .c = 25, .k = 17, .r = 3, .s = 3, .pad_h = 1}},
           {direct, true, true, true, {.n = 9, .h = 5, .w = 5, .c = 24, .k = 9, .r = 2, .s = 2, .groups = 3}},
           {direct, true, true, true, {.n = 3, .h = 6, .w = 5, .c = 17, .k = 15, .stride_h = 2, .stride_w = 2}},
           {stem, true, false, true, {.n = 3, .h = 6, .w = 17, .c = 2, .k = 16, .r = 3, .s = 3, .pad_w = 1}},
           {stem, true, false, true, {.n = 1, .h = 9, .w = 15, .c = 1, .k = 32, .r = 5, .s = 5, .pad_h = 2}},
           {stem, true, false, false, {.n = 3, .h = 7, .w = 18, .c = 2, .k = 17, .r = 3, .s = 3, .pad_w = 1}},
           {pointwise, true, true, true, {.n = 3, .h = 4, .w = 7, .c = 18, .k = 32}},
           {pointwise, true, true, true, {.n = 3, .h = 4, .w = 31, .c = 6, .k = 16, .stride_h = 3, .stride_w = 2}},
           {pointwise, true, true, false, {.n = 3, .h = 4, .w = 7, .c = 17, .k = 48}},
           {grouped, true, true, true, {.n = 3, .h = 6, .w = 9, .c = 21, .k = 21, .r = 3, .s = 3, .groups = 21}},
           {grouped, true, true, true, {.n = 3, .h = 6, .w = 9, .c = 22, .k = 22, .r = 5, .s = 5, .groups = 11}}}) {
    set_conv_algorithm(named.algorithm);
    check_named<float>(named, 7000);
    check_named<double>(named, 7001);
  }
}

// `direct` computes every shape, also those that the library gives to a faster form of it.
template <class T>
void check_direct_alone(std::uint64_t seed, int count, ConvShape (*make_shape)(Random&, Index)) {
  const Settings settings;
  for (int i = 0; i < count; ++i) {
    Random random{seed + static_cast<std::uint64_t>(i)};
    const Problem<T> problem(make_shape(random, 60000), random);
    const ConvShape& shape = problem.shape;
    if (shape.input_size() == 0 || shape.weight_size() == 0 || shape.output_size() == 0) continue;
    const References<T> reference(problem);
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      if (isa > supported_isa()) continue;
      set_isa(isa);
      set_num_threads(1 + i % 3);
      INFO("seed " << seed + static_cast<std::uint64_t>(i) << ", " << to_string(isa) << ", " << describe(shape));
      std::vector<T> y(problem.dy.size()), dx(problem.x.size()), dw(problem.w.size());
      detail::conv::direct_forward<T>(shape, problem.x.data(), problem.w.data(), {.bias = problem.bias.data()},
                                      y.data());
      detail::conv::direct_backward_data(shape, problem.dy.data(), problem.w.data(), dx.data());
      detail::conv::direct_backward_weights<T>(shape, problem.x.data(), problem.dy.data(), dw.data());
      check_close("forward", y, reference.y);
      check_close("backward_data", dx, reference.dx);
      check_close("backward_weights", dw, reference.dw);
    }
  }
}

TEST_CASE("conv2d: random shapes, direct without its faster forms") {
  check_direct_alone<float>(8000, 200, &random_shape);
  check_direct_alone<float>(9000, 100, &random_pointwise_shape);
  check_direct_alone<double>(9500, 60, &random_shape);
}

// Winograd's errors follow the largest terms of a tile, not those of the element: shapes it can
// compute against the direct algorithm in double, which the cases above check.
void check_winograd(ConvAlgorithm algorithm, std::uint64_t seed, int count, double tolerance) {
  const Settings settings;
  for (int i = 0; i < count; ++i) {
    Random random{seed + static_cast<std::uint64_t>(i)};
    ConvShape shape;
    shape.n = random.one_in(3) ? random.integer(6, 31) : random.integer(0, 5);
    shape.h = random.integer(1, 13);
    shape.w = random.integer(1, 13);
    shape.c = random.one_in(3) ? random.integer(12, 70) : random.integer(1, 9);
    shape.k = random.one_in(3) ? random.integer(14, 70) : random.integer(1, 17);
    shape.r = shape.s = 3;
    shape.pad_h = random.integer(0, 2);
    shape.pad_w = random.integer(0, 2);
    const Problem<float> problem(shape, random);
    Random again = random;
    Problem<double> exact(shape, again);
    exact.x.assign(problem.x.begin(), problem.x.end());
    exact.w.assign(problem.w.begin(), problem.w.end());
    exact.dy.assign(problem.dy.begin(), problem.dy.end());
    exact.bias.assign(problem.bias.begin(), problem.bias.end());
    set_conv_algorithm(ConvAlgorithm::direct);
    const Results<double> want(exact, false);
    set_conv_algorithm(algorithm);
    CHECK(choose_algorithm(shape, ConvPass::forward) == algorithm);
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      if (isa > supported_isa()) continue;
      set_isa(isa);
      set_num_threads(1 + i % 3);
      INFO("seed " << seed + static_cast<std::uint64_t>(i) << ", " << to_string(algorithm) << ", " << to_string(isa)
                   << ", " << describe(shape));
      const Results<float> got(problem, i % 2 == 1);
      // Largest error relative to the largest element; sums of few or cancelling terms are small.
      const auto error = [](const std::vector<float>& a, const std::vector<double>& b, double least) {
        double most = 0, scale = least;
        for (std::size_t at = 0; at < a.size(); ++at) {
          const double difference = std::abs(a[at] - b[at]);
          if (!(difference <= most)) most = difference;
          scale = std::max(scale, std::abs(b[at]));
        }
        return most / scale;
      };
      CHECK(error(got.y, want.y, 1.0) <= tolerance);
      CHECK(error(got.dx, want.dx, 1.0) <= tolerance);
      CHECK(error(got.dw, want.dw, 1.0) <= tolerance);
    }
  }
}

TEST_CASE("conv2d: random shapes, Winograd") {
  check_winograd(ConvAlgorithm::winograd2, 5000, 300, 1e-5);
  check_winograd(ConvAlgorithm::winograd4, 6000, 300, 1e-4);
}

TEST_CASE("conv2d: thousands of random shapes", "[.slow]") {
  check_random_shapes<float>(ConvAlgorithm::direct, 100000, 5000, 400000);
  check_random_shapes<float>(ConvAlgorithm::direct, 150000, 2000, 400000, &random_pointwise_shape);
  check_random_shapes<float>(ConvAlgorithm::im2col, 200000, 2000, 400000);
  check_random_shapes<double>(ConvAlgorithm::direct, 300000, 1000, 400000);
  check_winograd(ConvAlgorithm::winograd2, 400000, 2000, 1e-5);
  check_winograd(ConvAlgorithm::winograd4, 500000, 2000, 1e-4);
}

TEST_CASE("conv2d: the shapes of training, against im2col") {
  const Settings settings;
  struct Layer {
    Index n, size, c, k, kernel, stride;
  };
  // Stem, residual stages with their shortcuts, and the maps that 12-pixel patches give.
  for (const Layer& l : {Layer{17, 32, 3, 24, 3, 1},  Layer{16, 32, 16, 16, 3, 1},  Layer{15, 32, 24, 48, 3, 2},
                         Layer{14, 32, 24, 48, 1, 2}, Layer{29, 16, 48, 48, 3, 1},  Layer{28, 16, 32, 64, 3, 2},
                         Layer{20, 8, 96, 96, 3, 1},  Layer{33, 8, 64, 128, 1, 2},  Layer{31, 4, 192, 128, 3, 1},
                         Layer{40, 12, 24, 24, 3, 1}, Layer{40, 6, 48, 96, 3, 2},   Layer{64, 3, 96, 96, 3, 1},
                         Layer{64, 3, 96, 192, 3, 2}, Layer{64, 2, 192, 192, 3, 1}, Layer{64, 1, 64, 96, 3, 1},
                         Layer{1, 32, 48, 64, 3, 1},  Layer{2, 17, 20, 40, 5, 1},   Layer{3, 29, 1, 16, 3, 1},
                         Layer{1, 37, 3, 40, 5, 2},   Layer{2, 15, 5, 72, 3, 3}}) {
    ConvShape shape;
    shape.n = l.n;
    shape.h = shape.w = l.size;
    shape.c = l.c;
    shape.k = l.k;
    shape.r = shape.s = l.kernel;
    shape.stride_h = shape.stride_w = l.stride;
    shape.pad_h = shape.pad_w = l.kernel / 2;
    INFO(describe(shape));
    Random random{77};
    const Problem<float> problem(shape, random);
    set_conv_algorithm(ConvAlgorithm::im2col);
    const Results<float> want(problem, false);
    const auto relative_error = [](const std::vector<float>& a, const std::vector<float>& b) {
      double error = 0, norm = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        error += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
        norm += static_cast<double>(b[i]) * b[i];
      }
      return std::sqrt(error / norm);
    };
    struct Bound {
      ConvAlgorithm algorithm;
      double data, weights;
    };
    for (const Bound& bound : {Bound{ConvAlgorithm::direct, 1e-6, 2e-6}, Bound{ConvAlgorithm::winograd2, 1e-6, 4e-6},
                               Bound{ConvAlgorithm::winograd4, 5e-6, 1e-5}}) {
      set_conv_algorithm(bound.algorithm);
      const bool winograd = bound.algorithm != ConvAlgorithm::direct;
      if (winograd && choose_algorithm(shape, ConvPass::forward) != bound.algorithm) continue;
      INFO(to_string(bound.algorithm));
      const Results<float> got(problem, false);
      CHECK(relative_error(got.y, want.y) <= bound.data);
      CHECK(relative_error(got.dx, want.dx) <= bound.data);
      CHECK(relative_error(got.dw, want.dw) <= bound.weights);
      CHECK(got.dbias == want.dbias);
    }
  }
}

}  // namespace
