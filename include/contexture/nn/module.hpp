// Module: named state. A module lists its parameters, buffers, random streams and children once,
// in visit(); names, (de)serialisation, train/eval mode, freezing and re-seeding all follow from
// that list. Modules are plain values: members are copied and moved with them (a copied Variable
// still shares its parameter).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/rng.hpp"

namespace contexture {

template <class T>
class Module;

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
  virtual void child(std::string_view name, Module<T>& module) = 0;
};

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
  [[nodiscard]] bool training() const noexcept { return training_; }

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

 protected:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;

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
    void child(std::string_view name, Module& module) override {
      const std::size_t length = prefix.size();
      prefix += name;
      prefix += '.';
      enter(module);
      prefix.resize(length);
    }
    std::string path(std::string_view name) const { return prefix + std::string(name); }

    std::string prefix;
    std::vector<NamedParameter<T>> parameters;
    std::vector<NamedBuffer<T>> buffers;
    std::vector<std::pair<std::string, Rng*>> streams;
    std::vector<Module*> modules;
  };

  bool training_ = true;
};

/// A module that maps one tensor to one tensor.
template <class T>
class UnaryModule : public Module<T> {
 public:
  [[nodiscard]] virtual Variable<T> forward(const Variable<T>& x) = 0;
  [[nodiscard]] Variable<T> operator()(const Variable<T>& x) { return forward(x); }
};

}  // namespace contexture
