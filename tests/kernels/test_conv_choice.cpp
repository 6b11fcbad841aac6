// SPDX-License-Identifier: MIT
// Which algorithm the library chooses, by shape, pass, element type and instruction set, and how a choice is forced.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/kernels/conv.hpp"
#include "kernels/conv_reference.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;
using namespace contexture::tests;

constexpr ConvPass kPasses[] = {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights};

// A letter a pass: i im2col, d direct, s stem, p pointwise, g grouped, 2 and 4 Winograd's.
template <class T>
std::string choices(const ConvShape& shape) {
  std::string letters;
  for (const ConvPass pass : kPasses) {
    const ConvAlgorithm algorithm = choose_algorithm<T>(shape, pass);
    letters += algorithm == ConvAlgorithm::winograd2   ? '2'
               : algorithm == ConvAlgorithm::winograd4 ? '4'
                                                       : to_string(algorithm)[0];
  }
  return letters;
}

struct Layer {
  Index n, size, c, k, kernel, stride, groups;
  const char* in_float[3];  // with avx512, avx2, baseline
  const char* in_double[3];

  [[nodiscard]] ConvShape shape() const {
    ConvShape s{.n = n, .h = size, .w = size, .c = c, .k = k, .r = kernel, .s = kernel};
    s.stride_h = s.stride_w = stride;
    s.pad_h = s.pad_w = kernel / 2;
    s.groups = groups;
    return s;
  }
};

// Recorded when the choice among register tiles was still made inside the algorithms.
// clang-format off
constexpr Layer kLayers[] = {
    {128, 32, 3, 24, 3, 1, 1, {"sis", "sis", "sis"}, {"did", "did", "did"}},
    {128, 32, 3, 32, 3, 1, 1, {"sis", "sis", "sis"}, {"did", "did", "did"}},
    {128, 32, 3, 64, 3, 1, 1, {"sis", "sis", "sis"}, {"did", "did", "did"}},
    {512, 12, 3, 24, 3, 1, 1, {"sis", "sis", "sis"}, {"did", "did", "did"}},
    {128, 32, 1, 16, 5, 1, 1, {"sis", "sis", "sis"}, {"sis", "sis", "sis"}},
    {8, 8, 3, 20, 3, 1, 1, {"sid", "sid", "sis"}, {"did", "did", "did"}},
    {128, 4, 3, 32, 3, 1, 1, {"dis", "sis", "sis"}, {"did", "did", "did"}},
    {64, 6, 3, 16, 3, 2, 1, {"dis", "dis", "dis"}, {"did", "did", "did"}},
    {16, 64, 3, 64, 7, 2, 1, {"did", "did", "did"}, {"did", "did", "did"}},
    {2, 32, 5, 48, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {128, 32, 4, 64, 3, 1, 1, {"sds", "sds", "sds"}, {"ddd", "ddd", "ddd"}},
    {128, 16, 48, 48, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {128, 32, 24, 48, 3, 2, 1, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
    {128, 16, 64, 64, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {128, 8, 96, 96, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {128, 8, 128, 128, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {128, 4, 256, 256, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {512, 6, 48, 48, 3, 1, 1, {"222", "222", "222"}, {"ddd", "ddd", "ddd"}},
    {512, 3, 48, 48, 3, 1, 1, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
    {512, 3, 96, 96, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {512, 2, 192, 192, 3, 1, 1, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
    {1, 32, 64, 64, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {1, 4, 256, 256, 3, 1, 1, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
    {128, 16, 8, 8, 3, 1, 1, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
    {128, 16, 16, 16, 3, 1, 1, {"444", "444", "444"}, {"ddd", "ddd", "ddd"}},
    {128, 32, 24, 48, 1, 2, 1, {"ppp", "ppp", "ppp"}, {"ppp", "ppp", "ppd"}},
    {128, 16, 64, 64, 1, 1, 1, {"ppp", "ppp", "ppp"}, {"ppp", "ppp", "ppd"}},
    {128, 16, 64, 128, 1, 2, 1, {"ppp", "ppp", "ppd"}, {"ppp", "ppd", "ppd"}},
    {128, 8, 128, 256, 1, 2, 1, {"ddd", "ppd", "ppd"}, {"ddd", "ppd", "ppd"}},
    {1, 16, 64, 64, 1, 1, 1, {"ppp", "ppp", "ppp"}, {"ppp", "ppp", "ppd"}},
    {64, 16, 63, 64, 1, 1, 1, {"ppd", "ppd", "ppd"}, {"ppd", "ppd", "ppd"}},
    {64, 16, 64, 24, 1, 1, 1, {"ppp", "ppp", "ppp"}, {"ppp", "ppp", "ppp"}},
    {64, 16, 64, 20, 1, 1, 1, {"ppd", "ppd", "ppp"}, {"ppd", "ppp", "ppp"}},
    {128, 8, 512, 512, 1, 1, 1, {"ppd", "ppd", "ppd"}, {"ppd", "ppd", "ppd"}},
    {128, 1, 64, 64, 1, 1, 1, {"ppp", "ppp", "ppp"}, {"ppp", "ppp", "ppd"}},
    {32, 10, 64, 64, 1, 2, 1, {"ddd", "ppd", "ppd"}, {"ddd", "ppd", "ppd"}},
    {128, 16, 64, 64, 3, 1, 64, {"ggg", "ggg", "ggg"}, {"ggg", "ggg", "ggg"}},
    {128, 16, 64, 64, 7, 1, 64, {"ggg", "ggg", "ggg"}, {"ggg", "ggg", "ggg"}},
    {128, 16, 64, 64, 3, 1, 32, {"ggg", "ggg", "ggg"}, {"ggg", "ggg", "ggg"}},
    {128, 16, 64, 64, 3, 2, 16, {"ggg", "ggg", "ggg"}, {"ggg", "ggg", "ddd"}},
    {128, 16, 64, 64, 3, 1, 8, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
    {128, 16, 48, 48, 3, 1, 16, {"iii", "iii", "iii"}, {"iii", "iii", "iii"}},
    {128, 16, 64, 128, 3, 1, 64, {"iii", "iii", "iii"}, {"iii", "iii", "iii"}},
    {128, 16, 64, 64, 1, 1, 4, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
    {32, 12, 20, 40, 5, 1, 1, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
    {32, 12, 16, 3, 3, 1, 1, {"idi", "idi", "idi"}, {"idi", "idi", "idi"}},
    {32, 12, 2, 16, 1, 1, 1, {"pip", "pip", "pip"}, {"pip", "pip", "pip"}},
    {32, 12, 32, 32, 2, 2, 1, {"ddd", "ddd", "ddd"}, {"ddd", "ddd", "ddd"}},
};
// clang-format on

TEST_CASE("conv2d: the choice by shape") {
  const Settings settings;
  set_conv_algorithm(std::nullopt);
  const Isa isas[] = {Isa::avx512, Isa::avx2, Isa::baseline};
  for (int i = 0; i < 3; ++i) {
    if (isas[i] > supported_isa()) continue;
    set_isa(isas[i]);
    for (const Layer& layer : kLayers) {
      INFO(to_string(isas[i]) << ", " << describe(layer.shape()));
      CHECK(choices<float>(layer.shape()) == layer.in_float[i]);
      CHECK(choices<double>(layer.shape()) == layer.in_double[i]);
    }
  }
}

TEST_CASE("conv2d: a forced algorithm computes what it can, register tiles the rest") {
  const Settings settings;
  set_isa(Isa::baseline);
  const ConvShape dense = {.n = 8, .h = 8, .w = 8, .c = 32, .k = 32, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const ConvShape stem = {.n = 8, .h = 8, .w = 8, .c = 3, .k = 32, .r = 3, .s = 3, .stride_h = 2, .stride_w = 2};
  const ConvShape point = {.n = 8, .h = 8, .w = 8, .c = 32, .k = 32};
  const ConvShape pairs = {.n = 8, .h = 8, .w = 8, .c = 32, .k = 32, .r = 3, .s = 3, .stride_h = 2, .groups = 16};
  struct Forced {
    ConvAlgorithm algorithm;
    const char *dense, *stem, *point, *pairs;
  };
  for (const Forced& f : {Forced{ConvAlgorithm::im2col, "iii", "iii", "iii", "iii"},
                          Forced{ConvAlgorithm::direct, "ddd", "dds", "ppp", "ggg"},
                          Forced{ConvAlgorithm::stem, "ddd", "dds", "ppp", "ggg"},
                          Forced{ConvAlgorithm::pointwise, "ddd", "dds", "ppp", "ggg"},
                          Forced{ConvAlgorithm::grouped, "ddd", "dds", "ppp", "ggg"},
                          Forced{ConvAlgorithm::winograd2, "222", "dds", "ppp", "ggg"},
                          Forced{ConvAlgorithm::winograd4, "444", "dds", "ppp", "ggg"}}) {
    INFO(to_string(f.algorithm));
    set_conv_algorithm(f.algorithm);
    CHECK(choices<float>(dense) == f.dense);
    CHECK(choices<float>(stem) == f.stem);
    CHECK(choices<float>(point) == f.point);
    CHECK(choices<float>(pairs) == f.pairs);
  }
  set_conv_algorithm(std::nullopt);
  CHECK(choices<float>(dense) == "444");
  CHECK(choices<float>(stem) == "dis");
}

TEST_CASE("conv2d: every algorithm has a name of its own") {
  std::vector<std::string_view> names;
  for (const ConvAlgorithm algorithm : kConvAlgorithms) {
    for (const std::string_view other : names) CHECK(other != to_string(algorithm));
    names.push_back(to_string(algorithm));
  }
  CHECK(names.size() == 8);
}

}  // namespace
