// SPDX-License-Identifier: MIT
// Convolution in mixed precision: every unit that multiplies bfloat16, and its emulation, against the naive loop over
// the numbers as they are rounded, and against each other bit for bit.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "kernels/conv_reference.hpp"

namespace {

using namespace contexture;
using namespace contexture::tests;

struct UnitSettings : Settings {
  Bfloat16Unit unit = active_bfloat16_unit();
  ~UnitSettings() {
    set_isa(supported_isa());
    set_bfloat16_unit(unit);
  }
};

std::vector<bfloat16> reduced(const std::vector<float>& from) {
  std::vector<bfloat16> to(from.size());
  std::transform(from.begin(), from.end(), to.begin(), [](float v) { return bfloat16(v); });
  return to;
}

// Both kinds of tiles that AMX has; where the second does not apply, and for other units, both are the first.
constexpr std::array kTilesOfAmx{ConvAlgorithm::direct, ConvAlgorithm::rows};

// Calls check() with every unit of this processor, and both kinds of tiles.
template <class Check>
void on_every_unit(const Check& check) {
  for (const ConvAlgorithm algorithm : kTilesOfAmx)
    for (const Bfloat16Unit unit : kBfloat16Units) {
      if (!has_bfloat16_unit(unit)) continue;
      INFO(to_string(unit) << ", " << to_string(algorithm));
      set_conv_algorithm(algorithm);
      set_bfloat16_unit(unit);
      check(algorithm);
    }
}

// Inputs that bfloat16 holds exactly.
Problem<float> rounded_problem(const ConvShape& shape, Random& random) {
  Problem<float> problem(shape, random);
  for (std::vector<float>* v : {&problem.x, &problem.w, &problem.dy})
    for (float& value : *v) value = static_cast<float>(bfloat16(value));
  return problem;
}

struct MixedResults {
  std::vector<bfloat16> y, dx;
  std::vector<float> dw, dbias;
  explicit MixedResults(const Problem<float>& problem)
      : y(problem.dy.size(), bfloat16(99.0f)),
        dx(problem.x.size(), bfloat16(99.0f)),
        dw(problem.w.size(), 99.0f),
        dbias(problem.bias.size(), 99.0f) {
    const std::vector<bfloat16> x = reduced(problem.x), dy = reduced(problem.dy);
    conv2d_forward(problem.shape, x.data(), problem.w.data(), {.bias = problem.bias.data()}, y.data());
    conv2d_backward_data(problem.shape, dy.data(), problem.w.data(), dx.data(), Gradients::overwritten);
    conv2d_backward_weights(problem.shape, x.data(), dy.data(), dw.data(), dbias.data());
  }
  friend bool operator==(const MixedResults&, const MixedResults&) = default;
};

// Of sums in float; what is stored is rounded once more, by at most a 512th. Winograd's rounding is larger: its own.
void check_mixed(const char* what, const std::vector<float>& got, const Reference& want, double stored, double looser) {
  std::size_t wrong = 0, where = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double bound = looser * std::numeric_limits<float>::epsilon() * (want.terms[i] + 2) * want.magnitude[i] +
                         stored * std::abs(want.sum[i]);
    if (!(std::abs(static_cast<double>(got[i]) - want.sum[i]) <= bound) && wrong++ == 0) where = i;
  }
  INFO(what << ": " << wrong << " of " << got.size() << " wrong, first at " << where << ": got "
            << (got.empty() ? 0.0f : got[where]) << ", expected " << (got.empty() ? 0.0 : want.sum[where]));
  CHECK(wrong == 0);
}

void check_against(const MixedResults& results, const References<float>& reference, double looser) {
  const auto widened = [](const std::vector<bfloat16>& from) {
    std::vector<float> to(from.size());
    std::transform(from.begin(), from.end(), to.begin(), [](bfloat16 v) { return static_cast<float>(v); });
    return to;
  };
  check_mixed("forward", widened(results.y), reference.y, 1.0 / 256, looser);
  check_mixed("backward_data", widened(results.dx), reference.dx, 1.0 / 256, looser);
  check_mixed("backward_weights", results.dw, reference.dw, 0, looser);
  check_mixed("bias", results.dbias, reference.dbias, 0, 1);
}

TEST_CASE("bfloat16: rounds to nearest even, keeps infinity and NaN") {
  CHECK(bfloat16(1.0f).bits == 0x3f80);
  CHECK(bfloat16(1.00390625f).bits == 0x3f80);  // halfway between 1 and the next: to even
  CHECK(bfloat16(1.01171875f).bits == 0x3f82);  // halfway, the other way
  CHECK(bfloat16(1.0039064f).bits == 0x3f81);   // just above halfway
  CHECK(static_cast<float>(bfloat16(3.4e38f)) == std::numeric_limits<float>::infinity());
  CHECK(static_cast<float>(bfloat16(-std::numeric_limits<float>::infinity())) ==
        -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(static_cast<float>(bfloat16(std::bit_cast<float>(0x7fffffffu)))));
  CHECK(std::isnan(static_cast<float>(bfloat16(std::bit_cast<float>(0xff800001u)))));
  CHECK(bfloat16(-0.0f).bits == 0x8000);
  CHECK(static_cast<float>(bfloat16(1e-39f)) > 0);  // denormals are stored
}

TEST_CASE("bfloat16: whole arrays are converted as single numbers are, on every ISA") {
  const UnitSettings settings;
  Random random{5};
  std::vector<float> x(1003);
  for (float& v : x)
    v = std::bit_cast<float>(static_cast<std::uint32_t>(random.bits()));  // NaN and denormals among them
  const std::vector<bfloat16> want = reduced(x);
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > supported_isa()) continue;
    set_isa(isa);
    std::vector<bfloat16> got(x.size());
    convert(x.data(), got.data(), static_cast<Index>(x.size()));
    CHECK(got == want);
    std::vector<float> back(x.size());
    convert(got.data(), back.data(), static_cast<Index>(x.size()));
    CHECK(std::equal(back.begin(), back.end(), got.begin(), [](float f, bfloat16 b) {
      return std::bit_cast<std::uint32_t>(f) == static_cast<std::uint32_t>(b.bits) << 16;
    }));
  }
}

// Every fourth is 1x1, every fifth has more images than the rows of two tiles, and none takes long.
[[nodiscard]] ConvShape shape_of_case(Random& random, int i) {
  ConvShape shape = i % 4 == 0 ? random_pointwise_shape(random, 40000) : random_shape(random, 40000);
  if (i % 5 == 0) shape.n = random.integer(30, 70);
  if (shape.multiply_adds() > 300000) shape.n = 3;
  return shape;
}

TEST_CASE("mixed precision: random shapes, every unit against the naive loop, and its emulation the same bits") {
  const UnitSettings settings;
  set_conv_algorithm(ConvAlgorithm::direct);
  for (int i = 0; i < 150; ++i) {
    Random random{90000 + static_cast<std::uint64_t>(i)};
    const ConvShape shape = shape_of_case(random, i);
    const Problem<float> problem = rounded_problem(shape, random);
    const References<float> reference(problem);
    set_num_threads(1 + i % 3);
    INFO("seed " << i << ", " << describe(shape));
    set_isa(supported_isa());
    set_bfloat16_unit(Bfloat16Unit::emulated);
    const MixedResults emulated(problem);
    check_against(emulated, reference, 1);
    for (const Isa isa : {Isa::baseline, Isa::avx2}) {
      if (isa > supported_isa()) continue;
      set_isa(isa);
      INFO(to_string(isa));
      CHECK(MixedResults(problem) == emulated);
    }
    set_isa(supported_isa());
    if (has_bfloat16_unit(Bfloat16Unit::avx512)) {
      set_bfloat16_unit(Bfloat16Unit::avx512);
      CHECK(MixedResults(problem) == emulated);
    }
    for (const ConvAlgorithm algorithm : kTilesOfAmx) {
      set_conv_algorithm(algorithm);
      INFO(to_string(algorithm));
      set_bfloat16_unit(Bfloat16Unit::emulated_amx);
      const MixedResults emulated_amx(problem);
      check_against(emulated_amx, reference, 1);
      if (has_bfloat16_unit(Bfloat16Unit::amx)) {
        set_bfloat16_unit(Bfloat16Unit::amx);
        CHECK(MixedResults(problem) == emulated_amx);
      }
    }
    set_conv_algorithm(ConvAlgorithm::direct);
  }
}

TEST_CASE("mixed precision: tiles of neighbouring pixels, every end of a row, a stride and a window") {
  const UnitSettings settings;
  set_bfloat16_unit(Bfloat16Unit::emulated_amx);
  set_conv_algorithm(ConvAlgorithm::rows);
  std::uint64_t seed = 97000;
  for (const Index width : {1, 2, 8, 12, 16, 17, 33})
    for (const Index channels : {1, 3, 16, 24, 33, 70})
      for (const auto& [kernel, stride, pad] :
           {std::array<Index, 3>{3, 1, 1}, {3, 2, 1}, {1, 1, 0}, {1, 2, 0}, {2, 3, 0}}) {
        Random random{++seed};
        const ConvShape shape{.n = 2,
                              .h = 5,
                              .w = width,
                              .c = channels,
                              .k = 1 + channels / 2,
                              .r = kernel,
                              .s = kernel,
                              .stride_h = stride,
                              .stride_w = stride,
                              .pad_h = pad,
                              .pad_w = pad};
        if (shape.output_size() == 0) continue;
        INFO("seed " << seed << ", " << describe(shape));
        for (const ConvPass pass : {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights})
          REQUIRE(choose_algorithm<bfloat16>(shape, pass) == ConvAlgorithm::rows);
        const Problem<float> problem = rounded_problem(shape, random);
        check_against(MixedResults(problem), References<float>(problem), 1);
      }
}

TEST_CASE("mixed precision: tiles of neighbouring pixels, an image too large for L2, and bands for all threads") {
  const UnitSettings settings;
  set_bfloat16_unit(Bfloat16Unit::emulated_amx);
  set_conv_algorithm(ConvAlgorithm::rows);
  for (const Index stride : {1, 2}) {
    Random random{static_cast<std::uint64_t>(98000 + stride)};
    const ConvShape shape{.n = 1,
                          .h = 41,
                          .w = 40,
                          .c = 128,
                          .k = 5,
                          .r = 3,
                          .s = 3,
                          .stride_h = stride,
                          .stride_w = stride,
                          .pad_h = 1,
                          .pad_w = 1};
    const Problem<float> problem = rounded_problem(shape, random);
    INFO("stride " << stride);
    set_num_threads(1);
    const MixedResults one(problem);
    check_against(one, References<float>(problem), 1);
    set_num_threads(3);
    CHECK(MixedResults(problem) == one);
  }
}

TEST_CASE("mixed precision: AMX sums the weight gradient of wide weights over several blocks of images") {
  const UnitSettings settings;
  set_conv_algorithm(ConvAlgorithm::direct);
  for (const auto& [images, size, stride] : {std::array<Index, 3>{127, 2, 1}, {96, 4, 2}, {64, 1, 1}}) {
    Random random{static_cast<std::uint64_t>(98100 + images)};
    const ConvShape shape{.n = images,
                          .h = size,
                          .w = size,
                          .c = 181,
                          .k = 163,
                          .r = 3,
                          .s = 3,
                          .stride_h = stride,
                          .stride_w = stride,
                          .pad_h = 1,
                          .pad_w = 1};
    const Problem<float> problem = rounded_problem(shape, random);
    INFO(describe(shape));
    const std::vector<bfloat16> x = reduced(problem.x), dy = reduced(problem.dy);
    const auto gradient = [&] {
      std::vector<float> dw(problem.w.size(), 99.0f);
      conv2d_backward_weights(shape, x.data(), dy.data(), dw.data(), nullptr);
      return dw;
    };
    set_bfloat16_unit(Bfloat16Unit::emulated_amx);
    set_num_threads(1);
    const std::vector<float> one = gradient();
    check_mixed("backward_weights", one, References<float>(problem).dw, 0, 1);
    set_num_threads(3);
    CHECK(gradient() == one);
    if (has_bfloat16_unit(Bfloat16Unit::amx)) {
      set_bfloat16_unit(Bfloat16Unit::amx);
      CHECK(gradient() == one);
    }
  }
}

TEST_CASE("mixed precision: AMX computes wide maps by rows of pixels, narrow ones by pixels of many images") {
  const UnitSettings settings;
  set_bfloat16_unit(Bfloat16Unit::emulated_amx);
  const ConvShape wide{.n = 4, .h = 16, .w = 16, .c = 32, .k = 32, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  CHECK(choose_algorithm<bfloat16>(wide, ConvPass::forward) == ConvAlgorithm::rows);
  CHECK(choose_algorithm<bfloat16>(wide, ConvPass::backward_data) == ConvAlgorithm::rows);
  CHECK(choose_algorithm<bfloat16>(wide, ConvPass::backward_weights) == ConvAlgorithm::direct);
  ConvShape other = wide;
  other.c = 3;  // all taps fill a tile
  CHECK(choose_algorithm<bfloat16>(other, ConvPass::backward_weights) == ConvAlgorithm::rows);
  other = wide;
  other.w = other.h = 4;
  CHECK(choose_algorithm<bfloat16>(other, ConvPass::forward) == ConvAlgorithm::direct);
  other = wide;
  other.dilation_w = 2;
  CHECK(choose_algorithm<bfloat16>(other, ConvPass::forward) == ConvAlgorithm::direct);
  CHECK(choose_algorithm<float>(wide, ConvPass::forward) != ConvAlgorithm::rows);
  set_bfloat16_unit(Bfloat16Unit::emulated);
  CHECK(choose_algorithm<bfloat16>(wide, ConvPass::forward) != ConvAlgorithm::rows);
}

TEST_CASE("mixed precision: Winograd between images in bfloat16") {
  const UnitSettings settings;
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::winograd2, ConvAlgorithm::winograd4}) {
    set_conv_algorithm(algorithm);
    for (int i = 0; i < 40; ++i) {
      Random random{95000 + static_cast<std::uint64_t>(i)};
      ConvShape shape = random_shape(random, 60000);
      shape.r = shape.s = 3;
      shape.stride_h = shape.stride_w = shape.dilation_h = shape.dilation_w = shape.groups = 1;
      shape.pad_h = shape.pad_w = 1;
      if (shape.multiply_adds() > 300000) shape.n = 1;
      const Problem<float> problem = rounded_problem(shape, random);
      INFO("seed " << i << ", " << to_string(algorithm) << ", " << describe(shape));
      REQUIRE(choose_algorithm<bfloat16>(shape, ConvPass::forward) == algorithm);
      const MixedResults results(problem);
      check_against(results, References<float>(problem), 16);
    }
  }
}

TEST_CASE("mixed precision: numbers below 2^-126 are zero, NaN and infinity reach what depends on them alone") {
  const UnitSettings settings;
  set_conv_algorithm(ConvAlgorithm::direct);
  // Three channels, so that the windows of a kernel row are folded; odd, so that a pair has a zero.
  const ConvShape shape{.n = 2, .h = 6, .w = 12, .c = 3, .k = 5, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  on_every_unit([&](ConvAlgorithm) {
    Random random{7};
    Problem<float> problem = rounded_problem(shape, random);
    std::fill(problem.bias.begin(), problem.bias.end(), 0.0f);
    const MixedResults before(problem);
    const auto pixel = static_cast<std::size_t>((3 * 12 + 5) * 3);  // of the first image, row 3, column 5
    problem.x[pixel] = std::numeric_limits<float>::quiet_NaN();
    const MixedResults after(problem);
    for (Index p = 0; p < 6; ++p)
      for (Index q = 0; q < 12; ++q) {
        const bool depends = std::abs(p - 3) <= 1 && std::abs(q - 5) <= 1;
        const auto at = static_cast<std::size_t>((p * 12 + q) * 5);
        INFO("row " << p << ", column " << q);
        CHECK(std::isnan(static_cast<float>(after.y[at])) == depends);
        if (!depends) CHECK(after.y[at] == before.y[at]);
      }
    std::fill(problem.x.begin(), problem.x.end(), 0x1p-127f);
    std::fill(problem.w.begin(), problem.w.end(), 1.0f);
    const MixedResults tiny(problem);
    CHECK(std::all_of(tiny.y.begin(), tiny.y.end(), [](bfloat16 v) { return v.bits == 0; }));
  });
}

TEST_CASE("mixed precision: the same bits with any number of threads, in any batch") {
  const UnitSettings settings;
  // Rows of 9 pixels that have tiles of their own, that go on into the next row, and that are read where they lie.
  for (const auto& [images, channels, kernel, stride] :
       {std::array<Index, 4>{37, 20, 3, 2}, {9, 6, 3, 1}, {9, 6, 1, 1}}) {
    const ConvShape shape{.n = images,
                          .h = 9,
                          .w = 9,
                          .c = channels,
                          .k = channels == 20 ? 28 : 36,
                          .r = kernel,
                          .s = kernel,
                          .stride_h = stride,
                          .stride_w = stride,
                          .pad_h = kernel / 2,
                          .pad_w = kernel / 2};
    INFO(describe(shape));
    Random random{8};
    const Problem<float> problem = rounded_problem(shape, random);
    on_every_unit([&](ConvAlgorithm) {
      set_num_threads(1);
      const MixedResults one(problem);
      for (const int threads : {2, 5}) {
        set_num_threads(threads);
        CHECK(MixedResults(problem) == one);
      }
      Problem<float> first = problem;
      first.shape.n = 1;
      first.x.resize(static_cast<std::size_t>(first.shape.input_size()));
      first.dy.resize(static_cast<std::size_t>(first.shape.output_size()));
      const MixedResults alone(first);
      CHECK(std::equal(alone.y.begin(), alone.y.end(), one.y.begin()));
      CHECK(std::equal(alone.dx.begin(), alone.dx.end(), one.dx.begin()));
    });
  }
}

// Holds results of AMX's tiles and of their emulation to the same bits.
template <class Result>
struct SameTiles {
  std::optional<Result> first;
  ConvAlgorithm algorithm{};

  // Of the unit and the algorithm of now.
  void see(ConvAlgorithm now, const Result& result) {
    if (active_bfloat16_unit() != Bfloat16Unit::amx && active_bfloat16_unit() != Bfloat16Unit::emulated_amx) return;
    if (first && algorithm == now) CHECK(*first == result);
    first = result;
    algorithm = now;
  }
};

// relu(conv * scale + bias + residual).
struct Epilogue {
  std::vector<float> scale, bias;
  std::vector<bfloat16> residual;

  Epilogue(const ConvShape& shape, Random& random)
      : scale(random.values<float>(shape.k)),
        bias(random.values<float>(shape.k)),
        residual(reduced(random.values<float>(shape.output_size()))) {}

  [[nodiscard]] ConvEpilogue<bfloat16> all() const {
    return {.bias = bias.data(), .scale = scale.data(), .residual = residual.data(), .relu = true};
  }
  // What `conv` becomes at element i.
  [[nodiscard]] double of(double conv, std::size_t i) const {
    const std::size_t k = i % scale.size();
    const double scaled = static_cast<double>(scale[k]) * conv + static_cast<double>(bias[k]);
    return std::max(0.0, scaled + static_cast<double>(static_cast<float>(residual[i])));
  }
};

TEST_CASE("mixed precision: an epilogue is what sweeps over the result would do") {
  const UnitSettings settings;
  for (int i = 0; i < 60; ++i) {
    Random random{92000 + static_cast<std::uint64_t>(i)};
    const ConvShape shape = shape_of_case(random, i);
    Problem<float> problem = rounded_problem(shape, random);
    std::fill(problem.bias.begin(), problem.bias.end(), 0.0f);
    const Reference conv = References<float>(problem).y;
    const Epilogue epilogue(shape, random);
    const std::vector<bfloat16> x = reduced(problem.x);
    INFO("seed " << i << ", " << describe(shape));
    SameTiles<std::vector<bfloat16>> same;
    on_every_unit([&](ConvAlgorithm algorithm) {
      std::vector<bfloat16> y(problem.dy.size(), bfloat16(99.0f));
      set_num_threads(1 + i % 3);
      conv2d_forward(shape, x.data(), problem.w.data(), epilogue.all(), y.data());
      same.see(algorithm, y);
      std::size_t wrong = 0;
      for (std::size_t at = 0; at < y.size(); ++at) {
        const double want = epilogue.of(conv.sum[at], at);
        // Rounded once, or, where a sweep follows, before it too; sums as check_mixed() has them.
        const double bound =
            want / 256 + std::abs(static_cast<double>(epilogue.scale[at % epilogue.scale.size()])) *
                             (std::abs(conv.sum[at]) / 256 +
                              std::numeric_limits<float>::epsilon() * (conv.terms[at] + 4) * conv.magnitude[at]);
        wrong += std::abs(static_cast<double>(static_cast<float>(y[at])) - want) <= bound + 1e-6 ? 0 : 1;
      }
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("mixed precision: the moments of a convolution are those of what it stores, by any number of threads") {
  const UnitSettings settings;
  for (int i = 0; i < 60; ++i) {
    Random random{93000 + static_cast<std::uint64_t>(i)};
    const ConvShape shape = shape_of_case(random, i);
    if (shape.output_size() == 0) continue;
    const Problem<float> problem = rounded_problem(shape, random);
    const std::vector<bfloat16> x = reduced(problem.x);
    const auto channels = static_cast<std::size_t>(shape.k);
    INFO("seed " << i << ", " << describe(shape));
    SameTiles<std::vector<double>> same;
    on_every_unit([&](ConvAlgorithm algorithm) {
      std::vector<bfloat16> y(problem.dy.size()), plain(y);
      std::vector<double> moments(2 * channels), others(2 * channels);
      const ConvEpilogue<bfloat16> with{.bias = problem.bias.data(), .moments = moments.data()};
      set_num_threads(1);
      conv2d_forward(shape, x.data(), problem.w.data(), with, y.data());
      conv2d_forward(shape, x.data(), problem.w.data(), {.bias = problem.bias.data()}, plain.data());
      CHECK(y == plain);
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = 0, square = 0;
        for (std::size_t at = c; at < y.size(); at += channels) sum += static_cast<double>(static_cast<float>(y[at]));
        const double n = static_cast<double>(y.size() / channels), mean = sum / n;
        for (std::size_t at = c; at < y.size(); at += channels)
          square += std::pow(static_cast<double>(static_cast<float>(y[at])) - mean, 2);
        CHECK(moments[c] == Approx(mean).margin(1e-5));
        CHECK(moments[channels + c] == Approx(square / n).epsilon(1e-5).margin(1e-6 * mean * mean));
      }
      set_num_threads(4);
      ConvEpilogue<bfloat16> again = with;
      again.moments = others.data();
      conv2d_forward(shape, x.data(), problem.w.data(), again, y.data());
      CHECK(others == moments);
      same.see(algorithm, moments);
    });
  }
}

TEST_CASE("mixed precision: backward-data adds to what is there") {
  const UnitSettings settings;
  for (int i = 0; i < 60; ++i) {
    Random random{94000 + static_cast<std::uint64_t>(i)};
    const ConvShape shape = shape_of_case(random, i);
    const Problem<float> problem = rounded_problem(shape, random);
    Reference want = References<float>(problem).dx;
    const std::vector<bfloat16> dy = reduced(problem.dy), there = reduced(random.values<float>(shape.input_size()));
    for (std::size_t at = 0; at < there.size(); ++at) {
      // Where the algorithm adds aside, the sum is rounded before it, too.
      want.magnitude[at] += std::abs(want.sum[at]) * 0x1p15;
      want.sum[at] += static_cast<double>(static_cast<float>(there[at]));
    }
    INFO("seed " << i << ", " << describe(shape));
    SameTiles<std::vector<bfloat16>> same;
    on_every_unit([&](ConvAlgorithm algorithm) {
      set_num_threads(1 + i % 3);
      std::vector<bfloat16> dx = there;
      conv2d_backward_data(shape, dy.data(), problem.w.data(), dx.data(), Gradients::added);
      same.see(algorithm, dx);
      std::vector<float> got(dx.size());
      std::transform(dx.begin(), dx.end(), got.begin(), [](bfloat16 v) { return static_cast<float>(v); });
      check_mixed("backward_data", got, want, 1.0 / 256, 1);
    });
  }
}

TEST_CASE("mixed precision: the variance of a constant channel is zero") {
  const UnitSettings settings;
  for (const Index images : {5, 40}) {
    const ConvShape shape{.n = images, .h = 9, .w = 9, .c = 3, .k = 40, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
    Random random{11};
    const std::vector<float> w(static_cast<std::size_t>(shape.weight_size())), bias(random.values<float>(shape.k));
    const std::vector<bfloat16> x = reduced(random.values<float>(shape.input_size()));
    on_every_unit([&](ConvAlgorithm) {
      std::vector<bfloat16> y(static_cast<std::size_t>(shape.output_size()));
      std::vector<double> moments(80, 99.0);
      conv2d_forward(shape, x.data(), w.data(), {.bias = bias.data(), .moments = moments.data()}, y.data());
      for (std::size_t c = 0; c < 40; ++c) {
        CHECK(moments[c] == static_cast<double>(static_cast<float>(bfloat16(bias[c]))));
        CHECK(moments[40 + c] == 0);
      }
    });
  }
}

}  // namespace
