// SPDX-License-Identifier: MIT
// Ops that see the whole of a batch that processes share: what they compute of its parts is what one process computes
// of all of it, values and gradients.
#include <cmath>
#include <mutex>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/process_group.hpp"
#include "support/catch.hpp"
#include "support/processes.hpp"
#include "support/tensors.hpp"

using namespace contexture;
using tensors::random_tensor;

namespace {

// Rows begin to end of x (N,C).
Tensor<double> rows(const Tensor<double>& x, std::int64_t begin, std::int64_t end) {
  const std::size_t width = x.shape()[1];
  Tensor<double> part = empty<double>({static_cast<std::size_t>(end - begin), width});
  std::copy_n(x.data() + static_cast<std::size_t>(begin) * width, part.size(), part.data());
  return part;
}

double largest_difference(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a.data()[i] - b.data()[i]));
  return most;
}

}  // namespace

TEST_CASE("backward tells of each leaf once, when its gradient is complete") {
  Variable<double> used_thrice(random_tensor<double>({2, 3}, 1), true),
      used_once(random_tensor<double>({2, 3}, 2), true);
  const Variable<double> constant(random_tensor<double>({2, 3}, 3));
  const Variable<double> early = mul(used_thrice, used_thrice);
  const Variable<double> late = add(mul(early, used_once), mul(used_thrice, constant));
  std::vector<const void*> order;
  std::vector<Tensor<double>> gradients;
  late.backward(full<double>({2, 3}, 1.0), [&](const void* leaf) {
    order.push_back(leaf);
    gradients.push_back(leaf == used_once.leaf() ? used_once.grad() : used_thrice.grad());
  });
  REQUIRE(order == std::vector<const void*>{used_once.leaf(), used_thrice.leaf()});
  CHECK(largest_difference(gradients[0], used_once.grad()) == 0);
  CHECK(largest_difference(gradients[1], used_thrice.grad()) == 0);
  CHECK(constant.leaf() == nullptr);
  CHECK(early.leaf() == nullptr);
}

TEST_CASE("a leaf takes a gradient from outside; results of ops and other shapes are refused") {
  Variable<double> x(random_tensor<double>({2}, 1), true);
  x.set_grad(full<double>({2}, 3.0));
  CHECK(x.grad().data()[1] == 3.0);
  CHECK_THROWS_AS(x.set_grad(full<double>({3}, 3.0)), std::invalid_argument);
  CHECK_THROWS_AS(relu(x).set_grad(full<double>({2}, 3.0)), std::logic_error);
}

TEST_CASE("similarity of some rows to all of them, and its gradients") {
  const Tensor<double> all = random_tensor<double>({5, 3}, 1);
  const Tensor<double> whole = self_similarity(Variable<double>(all), 2.0).value();
  const Variable<double> part = cross_similarity(Variable<double>(rows(all, 2, 4)), Variable<double>(all), 2, 2.0);
  CHECK(largest_difference(part.value(), rows(whole, 2, 4)) < 1e-14);
  std::vector<Variable<double>> inputs{Variable<double>(rows(all, 2, 4), true), Variable<double>(all, true)};
  CHECK(gradcheck(
            [](auto in) {
              return softmax_cross_entropy<double>(cross_similarity(in[0], in[1], 2, 2.0),
                                                   std::vector<std::int32_t>{0, 4});
            },
            inputs) == "");
  CHECK_THROWS_AS(cross_similarity(Variable<double>(all), Variable<double>(all), 1, 1.0), std::invalid_argument);
}

TEST_CASE("batch-norm of parts with shared statistics is that of the whole batch") {
  const int size = GENERATE(2, 3);
  const bool fused = GENERATE(false, true);
  CAPTURE(size, fused);
  const std::int64_t count = 7;
  const Tensor<double> x = random_tensor<double>({7, 4}, 1, 100.0), residual = random_tensor<double>({7, 4}, 2);
  const Tensor<double> cotangent = random_tensor<double>({7, 4}, 3);
  struct Result {
    Tensor<double> y, dx, dgamma, dbeta, mean, variance;
  };
  const auto compute = [&](std::int64_t begin, std::int64_t end) {
    const Variable<double> in(rows(x, begin, end), true), r(rows(residual, begin, end));
    const Variable<double> gamma(random_tensor<double>({4}, 4), true), beta(random_tensor<double>({4}, 5), true);
    Tensor<double> mean = zeros<double>({4}), variance = full<double>({4}, 1.0);
    const Variable<double> y =
        batch_norm(in, gamma, beta, mean, variance, {.relu = fused}, fused ? r : Variable<double>());
    y.backward(rows(cotangent, begin, end));
    return Result{y.value(), in.grad(), gamma.grad(), beta.grad(), mean, variance};
  };
  const Result whole = compute(0, count);
  std::mutex mutex;
  Tensor<double> dgamma = zeros<double>({4}), dbeta = zeros<double>({4});
  double worst = 0;
  processes::run(size, [&](ProcessGroup& group) {
    const Part part = part_of(group);
    const SharedBatchGuard shared(true);
    const Result own = compute(part.begin(count), part.end(count));
    const std::lock_guard lock(mutex);
    worst = std::max({worst, largest_difference(own.y, rows(whole.y, part.begin(count), part.end(count))),
                      largest_difference(own.dx, rows(whole.dx, part.begin(count), part.end(count))),
                      largest_difference(own.mean, whole.mean), largest_difference(own.variance, whole.variance)});
    for (std::size_t c = 0; c < 4; ++c) {
      dgamma.data()[c] += own.dgamma.data()[c];
      dbeta.data()[c] += own.dbeta.data()[c];
    }
  });
  CHECK(worst < 1e-9);
  CHECK(largest_difference(dgamma, whole.dgamma) < 1e-9);
  CHECK(largest_difference(dbeta, whole.dbeta) < 1e-9);
}

TEST_CASE("batch-norm without shared statistics sees a process's part alone") {
  processes::run(2, [&](ProcessGroup& group) {
    const SharedBatchGuard shared(false);
    const Tensor<double> x = full<double>({4, 1}, group.rank() == 0 ? 1.0 : 5.0);
    Tensor<double> mean = zeros<double>({1}), variance = full<double>({1}, 1.0);
    const Variable<double> y = batch_norm(Variable<double>(x), {}, {}, mean, variance, {.momentum = 1});
    if (mean.data()[0] != (group.rank() == 0 ? 1.0 : 5.0) || y.value().data()[0] != 0)
      throw std::runtime_error("statistics of another process");
  });
}

TEST_CASE("dropout of parts drops what it drops of the whole") {
  const int size = GENERATE(2, 3, 5);
  const std::int64_t count = 41;
  const Tensor<double> ones = full<double>({41, 517}, 1.0);  // 21,197 numbers: blocks of 8,192, and odd parts
  const Tensor<double> whole = dropout(Variable<double>(ones), 0.5F, Rng(3)).value();
  std::mutex mutex;
  double worst = 0;
  processes::run(size, [&](ProcessGroup& group) {
    const Part part = part_of(group);
    const SharedBatchGuard shared(true);
    const Tensor<double> own =
        dropout(Variable<double>(rows(ones, part.begin(count), part.end(count))), 0.5F, Rng(3)).value();
    const std::lock_guard lock(mutex);
    worst = std::max(worst, largest_difference(own, rows(whole, part.begin(count), part.end(count))));
  });
  CHECK(worst == 0);
}

TEST_CASE("rows of all processes come in order, and their gradients go home added up") {
  const Tensor<double> x = random_tensor<double>({6, 2}, 1);
  const std::vector<std::int64_t> ends{0, 1, 4, 6};
  std::mutex mutex;
  double worst = 0;
  processes::run(3, [&](ProcessGroup& group) {
    const auto r = static_cast<std::size_t>(group.rank());
    const Variable<double> own(rows(x, ends[r], ends[r + 1]), true);
    const GatheredRows<double> all = all_gather_rows(group, own);
    // Process r's loss is (r + 1) times the sum of squares of all rows: 6 times in all.
    scale(sum(mul(all.rows, all.rows)), static_cast<double>(r + 1)).backward();
    const std::lock_guard lock(mutex);
    worst = std::max(worst, largest_difference(all.rows.value(), x));
    if (all.first != ends[r]) worst = 1e9;
    for (std::size_t i = 0; i < own.size(); ++i)
      worst = std::max(worst, std::abs(own.grad().data()[i] - 12 * own.value().data()[i]));
  });
  CHECK(worst < 1e-12);
}
