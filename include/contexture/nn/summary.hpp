// SPDX-License-Identifier: MIT
// A network told op by op: what a forward pass of it records, with shapes, parameters, multiply-adds and memory. It is
// read off the graph, so that it holds for any module, whatever its forward() does.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
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
std::int64_t multiply_adds_of(const Node<T>& node) {
  const std::string_view op = node.name;
  if (op != "conv2d" && op != "linear" && op != "conv_transpose2d" && op != "matmul") return 0;
  if (node.inputs.size() < 2 || node.inputs[0] == nullptr || node.inputs[1] == nullptr) return 0;
  const Shape& x = node.inputs[0]->shape;
  const Shape& w = node.inputs[1]->shape;
  const auto scalars = [](const Shape& shape) {
    std::int64_t n = 1;
    for (const std::size_t extent : shape) n *= static_cast<std::int64_t>(extent);
    return n;
  };
  if (scalars(w) == 0 || scalars(x) == 0) return 0;
  if (op == "matmul") return scalars(node.shape) * static_cast<std::int64_t>(x.back());
  return scalars(op == "conv_transpose2d" ? x : node.shape) * (scalars(w) / static_cast<std::int64_t>(w.back()));
}

}  // namespace detail

/// A forward pass of `module` over an input of that shape, batch included, in evaluation mode. Nothing else may use the
/// module meanwhile: frozen parameters are unfrozen for the pass.
template <class T>
[[nodiscard]] ModuleSummary summarize(UnaryModule<T>& module, const Shape& input) {
  ModuleSummary out;
  std::vector<NamedParameter<T>> frozen;
  std::map<const void*, std::string> names;
  for (NamedParameter<T>& p : module.parameters()) {
    const bool trained = p.variable.requires_grad();
    if (!trained) {
      p.variable.set_requires_grad(true);
      frozen.push_back(p);
    }
    if (!names.emplace(p.variable.leaf(), p.name).second) continue;
    out.parameters += p.variable.size();
    if (trained) out.trained += p.variable.size();
  }
  const auto freeze = [](std::vector<NamedParameter<T>>* list) {
    for (NamedParameter<T>& p : *list) p.variable.set_requires_grad(false);
  };
  const std::unique_ptr<std::vector<NamedParameter<T>>, decltype(freeze)> again(&frozen, freeze);
  const ModeGuard evaluation(false);
  const Variable<T> y = module(Variable<T>(zeros<T>(input), true));

  std::vector<const detail::Node<T>*> nodes;
  std::set<const detail::Node<T>*> seen;
  const auto root = y.history();
  const auto visit = [&](const detail::Node<T>* node) {
    if (node != nullptr && !node->leaf && seen.insert(node).second) nodes.push_back(node);
  };
  visit(root.get());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const auto& from : nodes[i]->inputs) visit(from.get());
  std::sort(nodes.begin(), nodes.end(), [](const auto* a, const auto* b) { return a->sequence < b->sequence; });

  std::set<const void*> counted;
  for (const detail::Node<T>* node : nodes) {
    OpSummary op{node->name, "", node->shape, 0, detail::multiply_adds_of(*node)};
    for (const auto& from : node->inputs) {
      const auto name = from == nullptr ? names.end() : names.find(from.get());
      if (name == names.end()) continue;
      if (op.path.empty()) op.path = name->second.substr(0, name->second.rfind('.'));
      if (counted.insert(name->first).second) op.parameters += element_count(from->shape);
    }
    out.multiply_adds += op.multiply_adds;
    out.activation_bytes += element_count(node->shape) * (node->reduced_backward != nullptr ? 2 : sizeof(T));
    out.ops.push_back(std::move(op));
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
