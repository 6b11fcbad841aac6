// SPDX-License-Identifier: MIT
// A program that is built with -ffast-math, where a compiler takes every number for finite: a training that diverges is
// told to have done so all the same, weights that are no numbers are refused, and a report calls nothing "nan".
#include <unistd.h>

#include <bit>
#include <cstdio>
#include <filesystem>
#include <string>

#include "contexture/contexture.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/report/text.hpp"
#include "contexture/train/fit.hpp"

#if !defined(__FAST_MATH__)
#error "to be compiled with -ffast-math"
#endif

using namespace contexture;

namespace {

int failures = 0;

void expect(bool ok, const std::string& what) {
  if (!ok) std::printf("FAILED: %s\n", what.c_str());
  failures += ok ? 0 : 1;
}

class Toy final : public FitTask<Tensor<float>> {
 public:
  Module<float>& module() override { return layer_; }
  Tensor<float> make_batch(std::int64_t step, const Part&) const override {
    return full<float>({4, 3}, 1.0F + static_cast<float>(step));
  }
  BatchLoss loss(Tensor<float>& batch) override {
    const std::vector<std::int32_t> labels{0, 1, 0, 1};
    return {softmax_cross_entropy<float>(layer_(Variable<float>(batch)), labels), 0, 4};
  }
  Evaluation evaluate() override { return {0.5, 0.5, 0.5}; }
  std::int64_t images_per_step() const override { return 4; }

 private:
  Linear<float> layer_{3, 2, Rng(1)};
};

// What fit() says of a training at this rate.
std::string end_of(double rate) {
  Toy task;
  Sgd<float> sgd(task.module().parameters());
  FitOptions options;
  options.steps = 200;
  options.learning_rate = [rate](std::int64_t) { return rate; };
  FitState state;
  try {
    (void)fit(task, sgd, options, state);
  } catch (const Diverged& error) {
    return error.what();
  }
  return "finished";
}

// By their bits, as constants: of functions that give them a compiler believes that they give numbers.
template <class T>
constexpr auto kInfinite = detail::kInfinityBits<T>;
template <class T>
constexpr T kNan = std::bit_cast<T>(kInfinite<T> | kInfinite<T> >> 1);
template <class T>
constexpr T kInfinity = std::bit_cast<T>(kInfinite<T>);
template <class T>
constexpr T kMinusInfinity = std::bit_cast<T>(~(~kInfinite<T> << 1 >> 1));

template <class T>
void check_numbers() {
  // In memory, and changed by nobody knows whom: nothing is known of them when this is compiled.
  T numbers[] = {T(1), kNan<T>, kMinusInfinity<T>, kInfinity<T>};
  asm volatile("" : : "r"(&numbers) : "memory");
  expect(is_finite(numbers[0]) && !is_nan(numbers[0]), "1 is a number");
  expect(!is_finite(numbers[1]) && is_nan(numbers[1]), "NaN is none");
  expect(!is_finite(numbers[2]) && !is_nan(numbers[3]), "infinity is no finite one");
}

bool refused(const std::string& text) {
  try {
    (void)parse_number("rate", text, 0.0, 1.0);
  } catch (const SettingError&) {
    return true;
  }
  return false;
}

}  // namespace

int main() {
  check_numbers<float>();
  check_numbers<double>();
  expect(end_of(0.01) == "finished", "a training at a low rate: " + end_of(0.01));
  const std::string diverged = end_of(1e37);
  expect(diverged.find("became NaN at step") != std::string::npos ||
             diverged.find("became infinite at step") != std::string::npos,
         "a training that diverges: " + diverged);
  expect(refused("nan") && refused("inf") && !refused("0.5"), "settings that are no numbers");
  volatile double nan = kNan<double>;
  expect(report::percent(nan) == "n/a", "a report's NaN: " + report::percent(nan));

  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("contexture-fast-math-" + std::to_string(::getpid()) + ".safetensors");
  Linear<float> layer(3, 2, Rng(1));
  layer.parameters()[0].variable.mutable_value().data()[4] = kNan<float>;
  save(layer, file);
  std::string said = "accepted";
  try {
    (void)load(layer, file);
  } catch (const InputError& error) {
    said = error.what();
  }
  std::filesystem::remove(file);
  expect(said.find("expected finite numbers") != std::string::npos, "weights that are no numbers: " + said);
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
