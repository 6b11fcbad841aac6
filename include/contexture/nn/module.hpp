// SPDX-License-Identifier: MIT
// Module: named state. A module lists its parameters, buffers, random streams and children once,
// in visit(); names, (de)serialisation, train/eval mode, freezing, re-seeding and copying of state all
// follow from that list. Modules move, and are not copied: a Variable is a handle, so that a copy would
// share its weights. clone() of every layer and network makes a second one that shares nothing.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"

namespace contexture {

template <class T>
class Module;

/// The mode of every module in this thread for as long as one of these lives, whatever their own modes are; of several,
/// the newest counts. It writes to no module.
class ModeGuard {
 public:
  explicit ModeGuard(bool training) : before_(std::exchange(mode(), training ? kTraining : kEvaluation)) {}
  ~ModeGuard() { mode() = before_; }
  ModeGuard(const ModeGuard&) = delete;
  ModeGuard& operator=(const ModeGuard&) = delete;

 private:
  template <class T>
  friend class Module;
  enum Mode { kOwn, kTraining, kEvaluation };
  static Mode& mode() noexcept {
    thread_local Mode mode = kOwn;
    return mode;
  }
  Mode before_;
};

/// While one of these lives, this thread only asks: modules are in evaluation mode and ops record nothing. Several
/// threads may ask one module at once, as long as none changes it.
class Inference {
  NoGrad no_grad_;
  ModeGuard mode_{false};
};

/// A parameter under its path, e.g. "stage2.conv1.weight".
template <class T>
struct NamedParameter {
  std::string name;
  Variable<T> variable;
};

/// State that is saved but not trained, e.g. running statistics; the tensor lives in the module.
template <class T>
struct NamedBuffer {
  std::string name;
  Tensor<T>* tensor;
};

/// What Module::visit() reports to.
template <class T>
class ModuleVisitor {
 public:
  virtual ~ModuleVisitor() = default;
  virtual void parameter(std::string_view name, Variable<T>& variable) = 0;
  virtual void buffer(std::string_view name, Tensor<T>& tensor) = 0;
  virtual void stream(std::string_view name, Rng& rng) = 0;
  /// A number that can change after construction and is not saved, e.g. a momentum.
  virtual void number(std::string_view name, double& value) = 0;
  virtual void child(std::string_view name, Module<T>& module) = 0;
};

/// Named state: parameters, buffers and modules below it, each by its path, and the mode, training or evaluation.
template <class T>
class Module {
 public:
  virtual ~Module() = default;

  /// Parameters of this module and its children, in the order they are listed.
  [[nodiscard]] std::vector<NamedParameter<T>> parameters() {
    Collector collector;
    collector.enter(*this);
    return std::move(collector.parameters);
  }

  /// Buffers of this module and its children.
  [[nodiscard]] std::vector<NamedBuffer<T>> buffers() {
    Collector collector;
    collector.enter(*this);
    return std::move(collector.buffers);
  }

  /// Number of scalars in parameters(), frozen ones included, shared ones once for each module that lists them.
  [[nodiscard]] std::size_t parameter_count() {
    std::size_t count = 0;
    for (const NamedParameter<T>& p : parameters()) count += p.variable.size();
    return count;
  }

  /// This module and all below it, parents first.
  [[nodiscard]] std::vector<Module*> modules() {
    Collector collector;
    collector.enter(*this);
    return std::move(collector.modules);
  }

  /// Training mode (the default) or evaluation mode, for batch-norm and dropout, all children included.
  void set_training(bool on) {
    for (Module* module : modules()) module->training_ = on;
  }
  /// Whether this module trains: its own mode, or that of this thread's ModeGuard.
  [[nodiscard]] bool training() const noexcept {
    const ModeGuard::Mode mode = ModeGuard::mode();
    return mode == ModeGuard::kOwn ? training_ : mode == ModeGuard::kTraining;
  }

  void zero_grad() {
    for (NamedParameter<T>& p : parameters()) p.variable.zero_grad();
  }

  /// Freezes (false) or unfreezes every parameter.
  void set_requires_grad(bool on) {
    for (NamedParameter<T>& p : parameters()) p.variable.set_requires_grad(on);
  }

  /// Gives every random stream (dropout) its own child of `rng`, by path. Called with a stream
  /// split by step, a run needs no random state in its checkpoints.
  void reseed(const Rng& rng) {
    Collector collector;
    collector.enter(*this);
    for (auto& [name, stream] : collector.streams) *stream = rng.split(std::string_view(name));
  }

  /// Gives this module and its children the state of `from`: values of parameters and which of them want gradients,
  /// buffers, random streams, numbers and modes; gradients stay where they are. Throws std::invalid_argument, and
  /// changes nothing, unless both list the same under the same names and shapes.
  void copy_state(const Module& from) {
    Collector into, source;
    into.enter(*this);
    source.enter(const_cast<Module&>(from));  // only read
    into.require_same_lists(source);
    for (std::size_t i = 0; i < into.parameters.size(); ++i) {
      into.parameters[i].variable.mutable_value() = source.parameters[i].variable.value();
      into.parameters[i].variable.set_requires_grad(source.parameters[i].variable.requires_grad());
    }
    for (std::size_t i = 0; i < into.buffers.size(); ++i) *into.buffers[i].tensor = *source.buffers[i].tensor;
    for (std::size_t i = 0; i < into.streams.size(); ++i) *into.streams[i].second = *source.streams[i].second;
    for (std::size_t i = 0; i < into.numbers.size(); ++i) *into.numbers[i].second = *source.numbers[i].second;
    for (std::size_t i = 0; i < into.modules.size(); ++i) into.modules[i]->training_ = source.modules[i]->training_;
  }

  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

 protected:
  Module() = default;
  Module(Module&&) noexcept = default;
  Module& operator=(Module&&) noexcept = default;

  /// Lists everything this module owns: v.parameter("weight", weight_), v.child("conv1", conv1_), ...
  virtual void visit(ModuleVisitor<T>& v) = 0;

 private:
  struct Collector final : ModuleVisitor<T> {
    void enter(Module& module) {
      modules.push_back(&module);
      module.visit(*this);
    }
    void parameter(std::string_view name, Variable<T>& variable) override {
      if (variable.defined()) parameters.push_back({path(name), variable});
    }
    void buffer(std::string_view name, Tensor<T>& tensor) override { buffers.push_back({path(name), &tensor}); }
    void stream(std::string_view name, Rng& rng) override { streams.emplace_back(path(name), &rng); }
    void number(std::string_view name, double& value) override { numbers.emplace_back(path(name), &value); }
    void child(std::string_view name, Module& module) override {
      const std::size_t length = prefix.size();
      prefix += name;
      prefix += '.';
      enter(module);
      prefix.resize(length);
    }
    std::string path(std::string_view name) const { return prefix + std::string(name); }

    // Names and shapes of all that is listed.
    std::vector<std::string> lists() const {
      std::vector<std::string> out{message(modules.size(), " modules")};
      for (const auto& p : parameters) out.push_back(message(p.name, " ", p.variable.shape()));
      for (const auto& b : buffers) out.push_back(message(b.name, " ", b.tensor->shape()));
      for (const auto& [name, stream] : streams) out.push_back(name);
      for (const auto& [name, number] : numbers) out.push_back(name);
      return out;
    }
    void require_same_lists(const Collector& from) const {
      const std::vector<std::string> own = lists(), other = from.lists();
      for (std::size_t i = 0; i < std::max(own.size(), other.size()); ++i) {
        const std::string here = i < own.size() ? own[i] : "nothing";
        const std::string there = i < other.size() ? other[i] : "nothing";
        require(here == there, "copy_state: ", there, " of another module, where this one has ", here);
      }
    }

    std::string prefix;
    std::vector<NamedParameter<T>> parameters;
    std::vector<NamedBuffer<T>> buffers;
    std::vector<std::pair<std::string, Rng*>> streams;
    std::vector<std::pair<std::string, double*>> numbers;
    std::vector<Module*> modules;
  };

  bool training_ = true;
};

/// A module that was made from the same options, with the state of `from`: what clone() returns.
template <class M>
[[nodiscard]] M with_state_of(const M& from, M fresh) {
  fresh.copy_state(from);
  return fresh;
}

/// A module that maps one tensor to one tensor.
template <class T>
class UnaryModule : public Module<T> {
 public:
  [[nodiscard]] virtual Variable<T> forward(const Variable<T>& x) = 0;
  [[nodiscard]] Variable<T> operator()(const Variable<T>& x) { return forward(x); }
};

}  // namespace contexture
