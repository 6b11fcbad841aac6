// SPDX-License-Identifier: MIT
// Module: named state. A module lists its parameters, buffers, random streams and children once,
// in visit(); names, (de)serialisation, train/eval mode, freezing, re-seeding and copying of state all
// follow from that list. Modules move, and are not copied: a Variable is a handle, so that a copy would
// share its weights. clone() of every layer and network makes a second one that shares nothing.
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
  [[nodiscard]] std::vector<NamedParameter<T>> parameters();

  /// Buffers of this module and its children.
  [[nodiscard]] std::vector<NamedBuffer<T>> buffers();

  /// Number of scalars in parameters(), frozen ones included, shared ones once for each module that lists them.
  [[nodiscard]] std::size_t parameter_count();

  /// This module and all below it, parents first.
  [[nodiscard]] std::vector<Module*> modules();

  /// Training mode (the default) or evaluation mode, for batch-norm and dropout, all children included.
  void set_training(bool on);

  /// Whether this module trains: its own mode, or that of this thread's ModeGuard.
  [[nodiscard]] bool training() const noexcept;
  void zero_grad();

  /// Freezes (false) or unfreezes every parameter.
  void set_requires_grad(bool on);

  /// Gives every random stream (dropout) its own child of `rng`, by path. Called with a stream
  /// split by step, a run needs no random state in its checkpoints.
  void reseed(const Rng& rng);

  /// Gives this module and its children the state of `from`: values of parameters and which of them want gradients,
  /// buffers, random streams, numbers and modes; gradients stay where they are. Throws std::invalid_argument, and
  /// changes nothing, unless both list the same under the same names and shapes.
  void copy_state(const Module& from);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

 protected:
  Module() = default;
  Module(Module&&) noexcept = default;
  Module& operator=(Module&&) noexcept = default;

  /// Lists everything this module owns: v.parameter("weight", weight_), v.child("conv1", conv1_), ...
  virtual void visit(ModuleVisitor<T>& v) = 0;

 private:
  struct Collector;
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

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/nn/module-inl.hpp"
#endif
