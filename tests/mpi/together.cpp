// SPDX-License-Identifier: MIT
// Started by mpirun: what processes compute together by MPI is what one of them computes alone. Every process runs
// every check, for their calls are collective; what is wrong is said by whom it went wrong for, and the status is 1.
// With --calls it leaves trainings out.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/train/mpi.hpp"
#include "support/shared_training.hpp"
#include "support/tensors.hpp"

using namespace contexture;

namespace {

int wrong = 0;

void check(bool right, const std::string& what) {
  if (right) return;
  std::printf("FAILED in process %d: %s\n", process_group().rank(), what.c_str());
  ++wrong;
}

// What f() gives in this process without the others.
template <class F>
auto alone(F f) {
  const ProcessGroupGuard guard;
  return f();
}

// Numbers up, texts around, of other lengths in each process.
void check_calls(ProcessGroup& group) {
  const auto rank = static_cast<std::size_t>(group.rank()), size = static_cast<std::size_t>(group.size());
  std::vector<double> numbers(1000, static_cast<double>(rank + 1));
  group.sum(numbers);
  const double expected = static_cast<double>(size * (size + 1) / 2);
  check(std::all_of(numbers.begin(), numbers.end(), [&](double n) { return n == expected; }), "sum of doubles");

  // Of few numbers and of many, each number another one: which part a process adds up is known by its place.
  for (const std::size_t count : {1, 2, 511, 513, 4099}) {
    std::vector<double> own(count);
    for (std::size_t i = 0; i < count; ++i) own[i] = static_cast<double>(i * (rank + 1));
    group.sum(own);
    bool right = true;
    for (std::size_t i = 0; i < count; ++i) right = right && own[i] == static_cast<double>(i) * expected;
    check(right, message("sum of ", count, " numbers"));
  }

  // Several under way, waited for in another order than they began in.
  std::vector<std::vector<float>> values;
  for (std::size_t i = 0; i < 4; ++i) values.emplace_back(100'000 * i + 1, static_cast<float>((rank + 1) * (i + 1)));
  std::vector<std::unique_ptr<ProcessGroup::Pending>> sums;
  for (std::vector<float>& some : values) sums.push_back(group.begin_sum(some));
  for (std::size_t i = 4; i-- > 0;) {
    sums[i]->wait();
    const auto sum = static_cast<float>(expected * static_cast<double>(i + 1));
    check(std::all_of(values[i].begin(), values[i].end(), [&](float v) { return v == sum; }), "sums under way");
  }

  // One that is asked for until it has come, and says so from then on.
  std::vector<float> asked(100'001, static_cast<float>(rank + 1));
  const std::unique_ptr<ProcessGroup::Pending> sum = group.begin_sum(asked);
  while (!sum->test()) {
  }
  check(std::all_of(asked.begin(), asked.end(), [&](float v) { return v == static_cast<float>(expected); }),
        "a sum that was asked for");
  check(sum->test(), "a sum that has come");

  // Whole numbers are exact in bfloat16 as far as 256; a sum beyond is rounded to eight bits.
  std::vector<bfloat16> few(70'001, bfloat16(static_cast<float>(rank + 1)));
  few[7] = bfloat16(256.0F);
  few[8] = bfloat16(rank == 0 ? 257.0F : 0.0F);
  group.begin_sum(few)->wait();
  check(static_cast<float>(few[0]) == static_cast<float>(expected) && few[0] == few.back(), "sum of bfloat16");
  check(static_cast<float>(few[7]) == 256.0F * static_cast<float>(size) && static_cast<float>(few[8]) == 256.0F,
        "rounded sum of bfloat16");

  const std::vector<std::string> texts = gather_texts(group, std::string(3 * rank, static_cast<char>('a' + rank)));
  for (std::size_t r = 0; r < size; ++r)
    check(texts.at(r) == std::string(3 * r, static_cast<char>('a' + r)), "texts of all processes");
  std::vector<std::int32_t> own(rank == 0 ? 0 : 50'000 * rank);
  std::iota(own.begin(), own.end(), 0);
  const auto all = gather_values<std::int32_t>(group, own);
  check(all.size() == 50'000 * (size * (size - 1) / 2) && all.back() + 1 == 50'000 * static_cast<int>(size - 1),
        "values of all processes");
  std::vector<float> given(7, static_cast<float>(rank) + 5.0F);
  take_from_first(group, std::span(given));
  check(given == std::vector<float>(7, 5.0F), "values of the first process");
  check(of_first(group, group.rank()) == 0, "the first process's number");
}

// Values and gradients of batch normalisation with the whole batch's statistics.
void check_batch_norm(ProcessGroup& group) {
  constexpr std::size_t kRows = 11, kWidth = 5;
  const Tensor<double> x = tensors::random_tensor<double>({kRows, kWidth}, 1, 10.0);
  const Tensor<double> cotangent = tensors::random_tensor<double>({kRows, kWidth}, 2);
  const auto part_of_rows = [&](const Tensor<double>& from, std::size_t begin, std::size_t end) {
    Tensor<double> part = empty<double>({end - begin, kWidth});
    std::copy_n(from.data() + begin * kWidth, part.size(), part.data());
    return part;
  };
  const auto input_gradient = [&](std::size_t begin, std::size_t end) {
    const Variable<double> in(part_of_rows(x, begin, end), true);
    Tensor<double> mean = zeros<double>({kWidth}), variance = full<double>({kWidth}, 1.0);
    batch_norm(in, {}, {}, mean, variance, {}).backward(part_of_rows(cotangent, begin, end));
    return std::vector<double>(in.grad().data(), in.grad().data() + in.grad().size());
  };
  const Part part = part_of(group);
  const auto begin = static_cast<std::size_t>(part.begin(kRows)), end = static_cast<std::size_t>(part.end(kRows));
  const std::vector<double> whole = alone([&] { return input_gradient(0, kRows); });
  const SharedBatchGuard shared(true);
  const std::vector<double> own = input_gradient(begin, end);
  double most = 0;
  for (std::size_t i = 0; i < own.size(); ++i) most = std::max(most, std::abs(own[i] - whole[begin * kWidth + i]));
  check(most < 1e-10, message("gradient of batch-norm differs by ", most));
}

void check_training(const std::string& task) {
  // Three losses: one before any update, two that hang on the gradients. Later a ReLU within rounding of 0 may part two
  // runs; the 200 steps below are of a network without.
  const shared_training::Plan plan{.task = task, .steps = 3, .learning_rate = 0.01};
  const shared_training::Trained one = alone([&] { return shared_training::train(plan); });
  const shared_training::Trained shared = shared_training::train(plan);
  const double most = shared_training::largest_difference(shared.losses, one.losses);
  check(most < 1e-4, message("losses of ", task, " differ by ", most));
  check(std::abs(one.losses.front() - one.losses.back()) > 1e-4, message(task, " does not train"));
}

void check_200_steps(ProcessGroup& group) {
  const std::vector<double> one = alone([] { return shared_training::smooth_losses(200); });
  const std::vector<double> shared = shared_training::smooth_losses(200);
  const double most = shared_training::largest_difference(shared, one);
  check(shared.size() == 200 && most < 1e-4, message("losses of 200 steps differ by ", most));
  check(one.front() > one.back() + 0.5, "200 steps do not train");
  if (group.rank() == 0)
    std::printf("200 steps by %d processes: losses differ from those of one by %.1e at most\n", group.size(), most);
}

}  // namespace

int main(int argc, char** argv) {
  MpiGroup group(argc, argv, 60);
  const ProcessGroupGuard guard(group);
  set_num_threads(1);
  try {
    check(group.size() > 1, "a single process: start me by mpirun -n 2");
    check_calls(group);
    if (argc > 1 && std::string(argv[1]) == "--calls") return wrong == 0 ? 0 : 1;
    check_batch_norm(group);
    for (const char* task : {"context", "simclr", "vicreg", "classifier"}) check_training(task);
    check_200_steps(group);
  } catch (const std::exception& error) {
    std::printf("FAILED in process %d: %s\n", group.rank(), error.what());
    group.abort(1, true);
  }
  double all[1] = {static_cast<double>(wrong)};
  group.sum(all);
  return all[0] == 0 ? 0 : 1;
}
