// SPDX-License-Identifier: MIT
// Tensors, and a smoke test of the xtensor underneath: expressions, views, reducers, the rank-4
// temporaries that xtensor <= 0.25 breaks in C++20 without our shim. Meant for ASan as well.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "contexture/core/tensor.hpp"
#include "contexture/core/tensor_math.hpp"
#include "support/catch.hpp"

#if __has_include(<xtensor/misc/xpad.hpp>)
#include <xtensor/misc/xpad.hpp>
#else
#include <xtensor/xpad.hpp>
#endif

using namespace contexture;

namespace {

Tensor<float> counting(const Shape& shape) {
  Tensor<float> t(shape);
  std::iota(t.data(), t.data() + t.size(), 0.0F);
  return t;
}

}  // namespace

TEST_CASE("a tensor is aligned, row-major, and a value") {
  Tensor<float> t = counting({2, 3, 4});
  CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
  CHECK(t(1, 2, 3) == 23.0F);
  CHECK(t.data()[1 * 12 + 2 * 4 + 3] == 23.0F);
  Tensor<float> copy = t;
  copy(0, 0, 0) = 99.0F;
  CHECK(t(0, 0, 0) == 0.0F);
  const float* memory = t.data();
  const Tensor<float> moved = std::move(t);
  CHECK(moved.data() == memory);
}

TEST_CASE("helpers: counts, fills, spans, extents") {
  CHECK(element_count({}) == 1);
  CHECK(element_count({3, 0, 2}) == 0);
  CHECK(element_count({2, 3, 4, 5}) == 120);
  CHECK(empty<float>({2, 3}).size() == 6);
  CHECK(full<double>({2, 2}, 1.5)(1, 1) == 1.5);
  const Tensor<float> z = zeros<float>({5});
  CHECK(std::all_of(z.begin(), z.end(), [](float x) { return x == 0.0F; }));
  CHECK(empty_like(z).shape() == z.shape());
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  CHECK(tensor_of<float>({2, 3}, values)(1, 0) == 4.0F);
  CHECK_THROWS_AS(tensor_of<float>({2, 2}, values), std::invalid_argument);
  const Tensor<float> image = empty<float>({8, 32, 16, 3});
  CHECK(dim(image, 0) == 8);
  CHECK(dim(image, -1) == 3);
  CHECK(dim(image, -4) == 8);
  CHECK_THROWS_AS(dim(image, 4), std::invalid_argument);
  CHECK_THROWS_AS(dim(image, -5), std::invalid_argument);
  CHECK(empty<float>({0, 3}).size() == 0);
  CHECK(empty<float>({}).size() == 1);
}

TEST_CASE("xtensor: dynamic-shape temporaries keep their rank") {
  const Tensor<float> t = counting({2, 3});
  const auto evaluated = xt::eval(t + 1.0F);
  CHECK(evaluated.dimension() == 2);
  static_assert(std::is_same_v<decltype(xt::eval(t + t))::shape_type, Shape>, "temporaries have a dynamic shape");
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{2, 3}, Shape{2, 3, 4}, Shape{2, 3, 4, 5}, Shape{2, 2, 2, 2, 3}}) {
    const Tensor<float> a = counting(shape);
    const Tensor<float> b = xt::eval(a * 2.0F - a);
    CHECK(b.shape() == shape);
    CHECK(b == a);
  }
}

TEST_CASE("xtensor: pad, views, broadcasting, transposition, comparison") {
  const Tensor<float> t = counting({2, 3});
  const std::vector<std::vector<std::size_t>> widths{{1, 1}, {0, 2}};
  const Tensor<float> padded = xt::pad(t, widths);
  CHECK(padded.shape() == Shape{4, 5});
  CHECK(padded(1, 2) == 2.0F);
  CHECK(padded(0, 0) == 0.0F);
  CHECK(padded(2, 4) == 0.0F);

  const Tensor<float> second_row = xt::view(t, 1, xt::all());
  CHECK(second_row.shape() == Shape{3});
  CHECK(second_row(2) == 5.0F);
  Tensor<float> written = t;
  xt::view(written, xt::all(), 1) = -1.0F;
  CHECK(written(0, 1) == -1.0F);
  CHECK(written(1, 1) == -1.0F);
  CHECK(written(1, 2) == 5.0F);

  const Tensor<float> sum = t + second_row;
  CHECK(sum(0, 0) == 3.0F);
  CHECK(sum(1, 2) == 10.0F);
  const Tensor<float> transposed = xt::transpose(t);
  CHECK(transposed.shape() == Shape{3, 2});
  CHECK(transposed(2, 1) == 5.0F);
  CHECK(xt::allclose(t, t + 1e-9F));
}

TEST_CASE("xtensor: immediate reducers, with and without keep_dims") {
  const Tensor<float> t = counting({3, 5});
  const Tensor<float> rows = xt::sum(t, {1}, xt::keep_dims | xt::evaluation_strategy::immediate);
  CHECK(rows.shape() == Shape{3, 1});
  const Tensor<float> centred = t - rows / 5.0F;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 5; ++j) CHECK(centred(i, j) == static_cast<float>(j) - 2.0F);
  CHECK(xt::sum(t, xt::evaluation_strategy::immediate)() == 105.0F);
  CHECK(xt::amax(t, xt::evaluation_strategy::immediate)() == 14.0F);
  const std::vector<std::size_t> last_axis{1};
  const Tensor<float> variance = xt::variance(t, last_axis, xt::keep_dims | xt::evaluation_strategy::immediate);
  CHECK(variance.shape() == Shape{3, 1});
  CHECK(variance(2, 0) == Approx(2.0));
}

TEST_CASE("tensors are printed and calculated with") {
  const Tensor<float> a = {{1, 2}, {3, 4}};
  std::ostringstream out;
  out << a << ' ' << Tensor<double>{0.5, -1};
  CHECK(out.str() == "{{ 1.,  2.},\n { 3.,  4.}} { 0.5, -1. }");
  Tensor<float> b = 10 * a - 1;
  b += a;
  b /= 2;
  CHECK((b == Tensor<float>{{5, 10.5F}, {16, 21.5F}}));
  const Tensor<float> bent = xt::exp(a) * xt::cast<float>(a > 2.5F);
  CHECK(bent(0, 1) == 0.0F);
  CHECK(bent(1, 0) == Approx(std::exp(3.0)));
  std::ostringstream lazy;
  lazy << a + b;
  CHECK(lazy.str().find("25.5") != std::string::npos);
}
