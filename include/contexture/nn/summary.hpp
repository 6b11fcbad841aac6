// SPDX-License-Identifier: MIT
// A network told op by op: what a forward pass of it records, with shapes, parameters, multiply-adds and memory. It is
// written down while the pass runs, so that it holds for any module, whatever its forward() does.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/error.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

/// An op of a forward pass.
struct OpSummary {
  std::string op;                  ///< "conv2d"
  std::string path;                ///< of its parameters, without the last name: "stage1.conv1"; empty for none
  Shape shape;                     ///< of its result
  std::size_t parameters = 0;      ///< scalars that no earlier op has used
  std::int64_t multiply_adds = 0;  ///< of convolutions and matrix products
};

/// What summarize() found.
struct ModuleSummary {
  std::vector<OpSummary> ops;        ///< in the order of computation
  std::size_t parameters = 0;        ///< scalars in all parameters of the module, each once, used or not
  std::size_t trained = 0;           ///< of them those that want gradients
  std::int64_t multiply_adds = 0;    ///< of a forward pass
  std::size_t activation_bytes = 0;  ///< results of all ops: what a training step keeps, at most
};

namespace detail {

// Scalars of a result times those that each is a sum over. Of a weight (..., outputs) these are size / outputs; a
// transposed convolution adds from the input's side instead.
template <class T>
std::int64_t multiply_adds_of(std::string_view op, std::span<const Variable<T>> inputs, const Shape& result) {
  if (op != "conv2d" && op != "linear" && op != "conv_transpose2d" && op != "matmul") return 0;
  const Shape& x = inputs[0].shape();
  const Shape& w = inputs[1].shape();
  const auto scalars = [](const Shape& shape) { return static_cast<std::int64_t>(element_count(shape)); };
  if (scalars(w) == 0 || scalars(x) == 0) return 0;
  if (op == "matmul") return scalars(result) * static_cast<std::int64_t>(x.back());
  return scalars(op == "conv_transpose2d" ? x : result) * (scalars(w) / static_cast<std::int64_t>(w.back()));
}

// Collects the ops of this thread while it lives.
template <class T>
class OpCollector final : public OpObserver<T> {
 public:
  struct Seen {
    OpSummary op;
    std::size_t bytes;  // of the result
    std::vector<const void*> inputs;
    const void* result;
  };

  OpCollector() { op_observer<T>() = this; }
  ~OpCollector() override { op_observer<T>() = nullptr; }
  OpCollector(const OpCollector&) = delete;
  OpCollector& operator=(const OpCollector&) = delete;

  void see(const OpName& op, std::span<const Variable<T>> inputs, const Variable<T>& result) override {
    const Shape& shape = result.shape();
    const std::size_t bytes = element_count(shape) * (result.saved_reduced() != nullptr ? 2 : sizeof(T));
    Seen seen{{op.name, "", shape, 0, multiply_adds_of(op.name, inputs, shape)}, bytes, {}, key(result)};
    for (const Variable<T>& input : inputs)
      if (input.defined()) seen.inputs.push_back(key(input));
    ops_.push_back(std::move(seen));
    kept_.push_back(result);
  }

  // Those that `result` needs, in their order.
  [[nodiscard]] std::vector<Seen> ops_of(const Variable<T>& result) const {
    std::set<const void*> needed{key(result)};
    std::vector<Seen> out;
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
      if (!needed.contains(op->result)) continue;
      needed.insert(op->inputs.begin(), op->inputs.end());
      out.push_back(*op);
    }
    std::reverse(out.begin(), out.end());
    return out;
  }

  // What tells values apart while they live.
  static const void* key(const Variable<T>& v) {
    return v.saved_reduced() != nullptr ? static_cast<const void*>(v.saved_reduced().get()) : v.saved().get();
  }

 private:
  std::vector<Seen> ops_;
  std::vector<Variable<T>> kept_;  // so that no value takes another one's place
};

}  // namespace detail

/// A forward pass of `module` over an input of that shape, batch included, in evaluation mode.
template <class T>
[[nodiscard]] ModuleSummary summarize(UnaryModule<T>& module, const Shape& input) {
  ModuleSummary out;
  std::map<const void*, std::pair<std::string, std::size_t>> parameters;  // name and size
  for (const NamedParameter<T>& p : module.parameters()) {
    const void* const key = detail::OpCollector<T>::key(p.variable);
    if (!parameters.emplace(key, std::pair(p.name, p.variable.size())).second) continue;
    out.parameters += p.variable.size();
    if (p.variable.requires_grad()) out.trained += p.variable.size();
  }
  const Inference inference;
  const Variable<T> x(zeros<T>(input));
  const detail::OpCollector<T> collector;
  const Variable<T> y = module(x);
  std::set<const void*> counted;
  for (auto& [op, bytes, inputs, result] : collector.ops_of(y)) {
    for (const void* from : inputs) {
      const auto found = parameters.find(from);
      if (found == parameters.end()) continue;
      const auto& [name, size] = found->second;
      if (op.path.empty()) op.path = name.substr(0, name.rfind('.'));
      if (counted.insert(from).second) op.parameters += size;
    }
    out.multiply_adds += op.multiply_adds;
    out.activation_bytes += bytes;
    out.ops.push_back(op);
  }
  return out;
}

/// As a table, a line an op, and the sums below it.
[[nodiscard]] inline std::string to_string(const ModuleSummary& summary) {
  constexpr std::size_t kColumns = 5;
  std::vector<std::array<std::string, kColumns>> rows{{"op", "parameters of", "result", "parameters", "multiply-adds"}};
  for (const OpSummary& op : summary.ops)
    rows.push_back({op.op, op.path, message(op.shape), op.parameters == 0 ? "" : std::to_string(op.parameters),
                    op.multiply_adds == 0 ? "" : std::to_string(op.multiply_adds)});
  std::array<std::size_t, kColumns> width{};
  for (const auto& row : rows)
    for (std::size_t c = 0; c < kColumns; ++c) width[c] = std::max(width[c], row[c].size());
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < kColumns; ++c) {
      const std::string pad(width[c] - row[c].size(), ' ');
      line += (c < 3 ? row[c] + pad : pad + row[c]) + "  ";
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out + message(summary.parameters, " parameters, ", summary.trained, " of them trained; ",
                       summary.multiply_adds, " multiply-adds; ", summary.activation_bytes, " bytes of results\n");
}

}  // namespace contexture
