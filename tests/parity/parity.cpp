// SPDX-License-Identifier: MIT
// Ours beside LibTorch: every op, its gradients, losses, optimisers, the default encoder and a training of it, over
// configurations drawn from a seed. Prints a table as Markdown; exits 1 where anything is off by more than its limit.
//   parity [--seed N] [--configurations N] [GROUP...]
// The last line is `N passed, N failed`, of rows.
#include "parity.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"

namespace parity {
namespace {

constexpr std::pair<std::string_view, std::vector<Row> (*)(const Run&)> kGroups[] = {
    {"convolution", compare_convolution}, {"layers", compare_layers},     {"elementwise", compare_elementwise},
    {"functions", compare_functions},     {"losses", compare_losses},     {"optimizers", compare_optimizers},
    {"networks", compare_networks},       {"training", compare_training},
};

// Not a number where anything is.
double error_of(const torch::Tensor& value, const torch::Tensor& reference, const Row& row) {
  if (value.sizes() != reference.sizes()) return std::nan("");
  if (value.numel() == 0) return 0;
  if (row.euclidean) return ((value.to(torch::kFloat64) - reference).norm() / reference.norm()).item<double>();
  const double off = (value.to(torch::kFloat64) - reference).abs().max().item<double>();
  return off / std::max(row.floor, reference.abs().max().item<double>());
}

// Takes a larger error, or one that is no number, into `worst`. An empty line where it is within the limit.
std::string judge(double error, double limit, double& worst, const std::string& what) {
  if (!contexture::is_nan(worst) && !(error <= worst)) worst = error;
  if (error <= limit) return {};  // this way round, NaN fails
  return contexture::message(what, " is off by ", error, ", limit ", limit);
}

template <class N>
N number_of(std::string_view option, std::string_view text, N least) {
  N value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  contexture::require_input(error == std::errc() && end == text.data() + text.size() && value >= least, option, " ",
                            text, ", expected a whole number from ", least, " on");
  return value;
}

void print(const std::vector<Row>& rows) {
  std::printf(
      "| what | configurations | double: values | gradients | float: values | gradients | theirs in float: values | "
      "gradients |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (const Row& row : rows) {
    std::printf("| %s | %d", row.name.c_str(), row.configurations);
    for (const Errors& e : {row.ours64, row.ours32, row.theirs32}) {
      std::printf(" | %.1e", e.values);
      if (row.limits.in64.gradients > 0)
        std::printf(" | %.1e", e.gradients);
      else
        std::printf(" | ");
    }
    std::printf(" |\n");
  }
  std::printf("\n| what | limit in double: values | gradients | in float: values | gradients | why |\n");
  std::printf("|---|---|---|---|---|---|\n");
  for (const Row& row : rows) {
    std::printf("| %s", row.name.c_str());
    for (const Errors& e : {row.limits.in64, row.limits.in32}) {
      std::printf(" | %.1e | ", e.values);
      if (row.limits.in64.gradients > 0) std::printf("%.1e", e.gradients);
    }
    std::printf(" | %s |\n", row.limits.why);
  }
}

int run(int count, char** arguments) {
  Run options;
  std::vector<std::string_view> chosen;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = arguments[i];
    if (word == "--seed" || word == "--configurations") {
      contexture::require_input(i + 1 < count, word, " wants a number");
      if (word == "--seed")
        options.seed = number_of<std::uint64_t>(word, arguments[++i], 0);
      else
        options.configurations = number_of<int>(word, arguments[++i], 1);
    } else {
      bool known = false;
      for (const auto& [name, compare] : kGroups) known = known || name == word;
      contexture::require_input(known, "'", word,
                                "' is no group; expected convolution, layers, elementwise, functions, losses, "
                                "optimizers, networks or training");
      chosen.push_back(word);
    }
  }
  std::printf("seed %llu, LibTorch %s\n\n", static_cast<unsigned long long>(options.seed), TORCH_VERSION);
  std::vector<Row> rows;
  for (const auto& [name, compare] : kGroups)
    if (chosen.empty() || std::find(chosen.begin(), chosen.end(), name) != chosen.end())
      for (Row& row : compare(options)) rows.push_back(std::move(row));
  print(rows);
  std::size_t failed = 0;
  for (const Row& row : rows) {
    failed += row.failures.empty() ? 0 : 1;
    for (std::size_t i = 0; i < row.failures.size() && i < 5; ++i)
      std::printf("%sFAILED %s: %s\n", i == 0 ? "\n" : "", row.name.c_str(), row.failures[i].c_str());
    if (row.failures.size() > 5) std::printf("and %zu more of %s\n", row.failures.size() - 5, row.name.c_str());
  }
  std::printf("\n%zu passed, %zu failed\n", rows.size() - failed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace

void enter(Row& row, const std::string& what, const Side& reference, const Side& ours64, const Side& ours32,
           const Side& theirs32) {
  ++row.configurations;
  struct Entry {
    const char* name;
    const Side& side;
    const Errors& limit;
    Errors& worst;
  };
  const Errors none{INFINITY, INFINITY};
  for (const Entry& e : {Entry{"ours in double", ours64, row.limits.in64, row.ours64},
                         Entry{"ours in float", ours32, row.limits.in32, row.ours32},
                         Entry{"theirs in float", theirs32, none, row.theirs32}}) {
    const auto lists = {std::tuple{&Side::values, &Errors::values, "value"},
                        std::tuple{&Side::gradients, &Errors::gradients, "gradient"}};
    for (const auto& [list, kind, called] : lists) {
      const std::vector<torch::Tensor>&of = e.side.*list, &expected = reference.*list;
      contexture::require_state(of.size() == expected.size(), row.name, ": ", of.size(), " ", called, "s of ", e.name,
                                ", ", expected.size(), " of the reference");
      for (std::size_t i = 0; i < of.size(); ++i) {
        std::string failure = judge(error_of(of[i], expected[i], row), e.limit.*kind, e.worst.*kind,
                                    contexture::message(what, ": ", called, " ", i, " of ", e.name));
        if (!failure.empty()) row.failures.push_back(std::move(failure));
      }
    }
  }
}

torch::Tensor their_cotangent(const std::vector<Input>& inputs, const Tensor<double>& drawn, Layout layout,
                              const TorchFunction& function) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> tensors;
  for (const Input& input : inputs) tensors.push_back(to_torch(input.value, input.layout));
  const TorchOutputs outputs = function(tensors);
  const torch::Tensor cotangent = to_torch(drawn, layout);
  return outputs.kink.defined() ? cotangent.masked_fill(outputs.kink.abs() < kKink, 0) : cotangent;
}

Side their_side(const std::vector<Input>& inputs, const torch::Tensor& cotangent, const TorchFunction& function,
                torch::ScalarType type) {
  std::vector<torch::Tensor> tensors;
  for (const Input& input : inputs)
    tensors.push_back(to_torch(input.value, input.layout).to(type).requires_grad_(true));
  const TorchOutputs outputs = function(tensors);
  outputs.values[0].backward(cotangent.to(type).view_as(outputs.values[0]));
  Side side;
  for (const torch::Tensor& value : outputs.values) side.values.push_back(value.detach());
  for (const torch::Tensor& tensor : tensors)
    side.gradients.push_back(tensor.grad().defined() ? tensor.grad() : torch::zeros_like(tensor));
  return side;
}

Row compare_all(const Row& empty_row, int configurations, std::uint64_t seed,
                const std::function<void(Draw&, Row&)>& each) {
  Row row = empty_row;
  const Rng stream = Rng(seed).split(std::string_view(row.name));
  for (int i = 0; i < configurations; ++i) {
    Draw draw(stream.split(static_cast<std::uint64_t>(i)));
    each(draw, row);
  }
  std::fprintf(stderr, "%s: %s\n", row.name.c_str(), row.failures.empty() ? "ok" : "FAILED");
  return row;
}

}  // namespace parity

int main(int count, char** arguments) {
  try {
    return parity::run(count, arguments);
  } catch (const contexture::InputError& error) {
    std::fprintf(stderr, "parity: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parity: %s\n", error.what());
    return 1;
  }
}
