// SPDX-License-Identifier: MIT
// A network as a list of the ops that one forward pass calls: what an exporter translates. It is written down while the
// pass runs, so that any network can be, as long as what it does depends on its input's shape alone.
#pragma once

#include <cstddef>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

/// A value of a traced pass: the input, a constant (a parameter, or what was computed of constants), or an op's result.
struct TracedValue {
  Shape shape;
  bool constant = false;
  std::string name = {};      ///< of a parameter: its path; else empty
  Tensor<float> tensor = {};  ///< of a constant
};

/// One op of a TracedNetwork.
struct TracedOp {
  static constexpr std::size_t kAbsent = static_cast<std::size_t>(-1);

  std::string name;
  std::vector<std::size_t> inputs;             ///< places in TracedNetwork::values; kAbsent: left out
  std::size_t output = 0;                      ///< a place there
  std::map<std::string, double> numbers = {};  ///< its attributes
  std::map<std::string, Tensor<float>> tensors = {};

  [[nodiscard]] bool has(std::size_t input) const { return input < inputs.size() && inputs[input] != kAbsent; }
  [[nodiscard]] double number(const std::string& attribute) const {
    const auto found = numbers.find(attribute);
    require_state(found != numbers.end(), "trace: the op ", name, " tells no ", attribute);
    return found->second;
  }
};

/// What a network computes, as a list of ops on values.
struct TracedNetwork {
  std::vector<TracedValue> values;
  std::vector<TracedOp> ops;  ///< in an order in which they can be computed; those that the output needs
  std::size_t input = 0, output = 0;
};

namespace detail {

class Tracer final : public OpObserver<float> {
 public:
  Tracer(Module<float>& module, const Variable<float>& input) {
    for (const NamedParameter<float>& parameter : module.parameters())
      names_.emplace(parameter.variable.saved().get(), parameter.name);
    network_.input = add(input, {.shape = input.shape()});
    op_observer<float>() = this;
  }
  ~Tracer() override { op_observer<float>() = nullptr; }
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  void see(const OpName& op, std::span<const Variable<float>> inputs, const Variable<float>& result) override {
    TracedOp traced;
    traced.name = op.name;
    bool constant = true;
    for (const Variable<float>& input : inputs) {
      traced.inputs.push_back(input.defined() ? place_of(input) : TracedOp::kAbsent);
      constant = constant && (!input.defined() || network_.values[traced.inputs.back()].constant);
    }
    if (constant) {
      (void)place_of(result);
      return;
    }
    for (const OpAttribute& attribute : op.attributes)
      if (attribute.tensor == nullptr)
        traced.numbers[attribute.name] = attribute.number;
      else
        traced.tensors[attribute.name] = *static_cast<const Tensor<float>*>(attribute.tensor);
    traced.output = add(result, {.shape = result.shape()});
    network_.ops.push_back(std::move(traced));
  }

  [[nodiscard]] TracedNetwork finished(const Variable<float>& output) {
    network_.output = place_of(output);
    require(!network_.values[network_.output].constant, "trace: what comes out does not depend on the input");
    std::vector<bool> needed(network_.values.size(), false);
    needed[network_.output] = true;
    std::vector<TracedOp> ops;
    for (std::size_t i = network_.ops.size(); i-- > 0;) {
      if (!needed[network_.ops[i].output]) continue;
      for (const std::size_t input : network_.ops[i].inputs)
        if (input != TracedOp::kAbsent) needed[input] = true;
      ops.push_back(std::move(network_.ops[i]));
    }
    network_.ops.assign(std::make_move_iterator(ops.rbegin()), std::make_move_iterator(ops.rend()));
    return std::move(network_);
  }

 private:
  std::size_t add(const Variable<float>& variable, TracedValue value) {
    kept_.push_back(variable);
    places_.emplace(variable.saved().get(), network_.values.size());
    network_.values.push_back(std::move(value));
    return network_.values.size() - 1;
  }

  // Of what no op of this pass made: a constant.
  std::size_t place_of(const Variable<float>& variable) {
    const Tensor<float>* const tensor = variable.saved().get();
    if (const auto found = places_.find(tensor); found != places_.end()) return found->second;
    const auto name = names_.find(tensor);
    return add(variable, {.shape = variable.shape(),
                          .constant = true,
                          .name = name == names_.end() ? std::string() : name->second,
                          .tensor = *tensor});
  }

  TracedNetwork network_;
  std::map<const Tensor<float>*, std::size_t> places_;
  std::map<const Tensor<float>*, std::string> names_;
  std::vector<Variable<float>> kept_;  // so that no tensor takes another one's place
};

}  // namespace detail

/// Writes down what `network` does with an input of this shape: in evaluation mode, in float, without a tape. Ops know
/// nothing of what their numbers mean: what is made of the batch's size is a number like others.
[[nodiscard]] inline TracedNetwork trace(UnaryModule<float>& network, const Shape& shape) {
  const Inference inference;
  const PrecisionGuard precision(Precision::float32);
  const Variable<float> input(zeros<float>(shape));
  detail::Tracer tracer(network, input);
  return tracer.finished(network(input));
}

}  // namespace contexture
