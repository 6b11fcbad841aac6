// SPDX-License-Identifier: MIT
// The gradient of an input is the same whichever others want one, and at the bounds of what is allowed.
#include <functional>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gather.hpp"
#include "contexture/core/precision.hpp"
#include "support/catch.hpp"
#include "support/processes.hpp"
#include "support/tensors.hpp"

namespace some_inputs {

using namespace contexture;
using tensors::random_tensor;
using Inputs = std::span<const Variable<float>>;
using Op = std::function<Variable<float>(Inputs)>;

// The inputs after a backward, where those wanted one whose bit is set.
std::vector<Variable<float>> after_backward(const Op& op, const std::vector<Tensor<float>>& values, unsigned wanted) {
  std::vector<Variable<float>> in;
  for (std::size_t i = 0; i < values.size(); ++i) in.emplace_back(values[i], (wanted >> i & 1U) != 0);
  const Variable<float> out = op(in);
  out.backward(random_tensor<float>(out.shape(), 99));
  return in;
}

void check_every_choice(const Op& op, const std::vector<Shape>& shapes) {
  std::vector<Tensor<float>> values;
  for (const Shape& shape : shapes) values.push_back(random_tensor<float>(shape, values.size() + 1, 3.0));
  const unsigned all = (1U << shapes.size()) - 1;
  const std::vector<Variable<float>> reference = after_backward(op, values, all);
  for (unsigned wanted = 1; wanted < all; ++wanted) {
    CAPTURE(wanted);
    const std::vector<Variable<float>> in = after_backward(op, values, wanted);
    for (std::size_t i = 0; i < in.size(); ++i) {
      CAPTURE(i);
      REQUIRE(in[i].has_grad() == ((wanted >> i & 1U) != 0));
      if (in[i].has_grad()) CHECK(tensors::same_bits(in[i].grad(), reference[i].grad()));
    }
  }
}

TEST_CASE("an input's gradient does not hang on which others want one") {
  const bool reduced = GENERATE(false, true);
  CAPTURE(reduced);
  const PrecisionGuard guard(reduced ? Precision::bfloat16 : Precision::float32);
  const Shape maps{2, 5, 5, 4}, channels{4};
  check_every_choice([](Inputs in) { return add(in[0], in[1]); }, {maps, maps});
  check_every_choice([](Inputs in) { return subtract(in[0], in[1]); }, {maps, maps});
  check_every_choice([](Inputs in) { return mul(in[0], in[1]); }, {maps, maps});
  check_every_choice([](Inputs in) { return in[0] / in[1]; }, {maps, channels});
  check_every_choice([](Inputs in) { return in[0] * in[1] - in[0]; }, {maps, channels});
  check_every_choice([](Inputs in) { return linear(in[0], in[1], in[2]); }, {{3, 4}, {4, 5}, {5}});
  check_every_choice([](Inputs in) { return matmul(in[0], in[1]); }, {{2, 3, 4}, {4, 5}});
  check_every_choice([](Inputs in) { return conv2d(in[0], in[1], in[2], {.padding = 1}); }, {maps, {3, 3, 4, 6}, {6}});
  check_every_choice([](Inputs in) { return conv_transpose2d(in[0], in[1], in[2], {.stride = 2}); },
                     {maps, {3, 3, 6, 4}, {6}});
  check_every_choice([](Inputs in) { return layer_norm(in[0], in[1], in[2]); }, {{6, 4}, channels, channels});
  check_every_choice([](Inputs in) { return group_norm(in[0], in[1], in[2], {.groups = 2, .relu = true}, in[3]); },
                     {maps, channels, channels, maps});
  check_every_choice(
      [](Inputs in) {
        Tensor<float> mean = zeros<float>({4}), variance = full<float>({4}, 1.0F);
        return batch_norm(in[0], in[1], in[2], mean, variance, {.relu = true}, in[3]);
      },
      {maps, channels, channels, maps});
  check_every_choice([](Inputs in) { return concat<float>(in, 1); }, {{2, 3}, {2, 4}, {2, 1}});
  check_every_choice([](Inputs in) { return stack<float>(in, 0); }, {{2, 3}, {2, 3}});
  check_every_choice([](Inputs in) { return mse_loss(in[0], in[1]); }, {{4, 3}, {4, 3}});
  check_every_choice([](Inputs in) { return huber_loss(in[0], in[1]); }, {{4, 3}, {4, 3}});
}

TEST_CASE("the product with no matrices at all has a gradient of zeros") {
  const bool first = GENERATE(true, false);
  const Variable<double> one(full<double>({50, 50}, 1.0), true), none(empty<double>({0, 50, 50}), true);
  const Variable<double> product = sum(first ? matmul(one, none) : matmul(none, one));
  { std::vector<Tensor<double>> before(8, full<double>({50, 50}, 7.0)); }  // memory that is handed out again
  product.backward();
  CHECK(one.grad() == zeros<double>({50, 50}));
}

TEST_CASE("clamp's derivative is 0 at both ends") {
  const Variable<double> x(tensor_of<double>({4}, std::vector<double>{-1, 0, 2, 1}), true);
  sum(clamp(x, 0.0, 2.0)).backward();
  CHECK(x.grad() == tensor_of<double>({4}, std::vector<double>{0, 0, 0, 1}));
}

TEST_CASE("windows that do not fit, and losses of other shapes, are refused with both") {
  const Variable<float> x(zeros<float>({1, 6, 6, 2}));
  for (const Pool2dOptions& wrong : {Pool2dOptions{0, 1, 0}, Pool2dOptions{2, -1, 0}, Pool2dOptions{2, 1, -1},
                                     Pool2dOptions{2, 1, 2}, Pool2dOptions{3, 1, 2}}) {
    CHECK_THROWS_WITH(max_pool2d(x, wrong), Catch::Matchers::ContainsSubstring("padding <= "));
    CHECK_THROWS_WITH(avg_pool2d(x, wrong), Catch::Matchers::ContainsSubstring("padding <= "));
  }
  CHECK(max_pool2d(x, {1, 1, 0}).shape() == x.shape());
  CHECK(avg_pool2d(x, {2, 2, 1}).shape() == Shape{1, 4, 4, 2});
  const Variable<float> a(zeros<float>({2, 3})), b(zeros<float>({3, 2}));
  CHECK_THROWS_WITH(l1_loss(a, b), Catch::Matchers::Matches(".*2, ?3.*3, ?2.*"));
}

TEST_CASE("rows of one number are gathered, rows of none refused") {
  processes::run(2, [](ProcessGroup& group) {
    const Variable<double> own(full<double>({1, 1}, group.rank() + 1.0));
    const GatheredRows<double> all = all_gather_rows(group, own);
    if (all.rows.value() != tensor_of<double>({2, 1}, std::vector<double>{1, 2})) throw std::logic_error("other rows");
  });
  CHECK_THROWS_AS(processes::run(2,
                                 [](ProcessGroup& group) {
                                   (void)all_gather_rows(group, Variable<double>(empty<double>({1, 0})));
                                 }),
                  std::invalid_argument);
}

}  // namespace some_inputs
