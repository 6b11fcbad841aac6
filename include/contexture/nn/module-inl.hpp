// SPDX-License-Identifier: MIT
// How nn/module.hpp walks what a module lists.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

template <class T>
struct Module<T>::Collector final : ModuleVisitor<T> {
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

template <class T>
std::vector<NamedParameter<T>> Module<T>::parameters() {
  Collector collector;
  collector.enter(*this);
  return std::move(collector.parameters);
}

template <class T>
std::vector<NamedBuffer<T>> Module<T>::buffers() {
  Collector collector;
  collector.enter(*this);
  return std::move(collector.buffers);
}

template <class T>
std::size_t Module<T>::parameter_count() {
  std::size_t count = 0;
  for (const NamedParameter<T>& p : parameters()) count += p.variable.size();
  return count;
}

template <class T>
std::vector<Module<T>*> Module<T>::modules() {
  Collector collector;
  collector.enter(*this);
  return std::move(collector.modules);
}

template <class T>
void Module<T>::set_training(bool on) {
  for (Module* module : modules()) module->training_ = on;
}

template <class T>
bool Module<T>::training() const noexcept {
  const ModeGuard::Mode mode = ModeGuard::mode();
  return mode == ModeGuard::kOwn ? training_ : mode == ModeGuard::kTraining;
}

template <class T>
void Module<T>::zero_grad() {
  for (NamedParameter<T>& p : parameters()) p.variable.zero_grad();
}

template <class T>
void Module<T>::set_requires_grad(bool on) {
  for (NamedParameter<T>& p : parameters()) p.variable.set_requires_grad(on);
}

template <class T>
void Module<T>::reseed(const Rng& rng) {
  Collector collector;
  collector.enter(*this);
  for (auto& [name, stream] : collector.streams) *stream = rng.split(std::string_view(name));
}

template <class T>
void Module<T>::copy_state(const Module& from) {
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

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T) template class Module<T>;
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
