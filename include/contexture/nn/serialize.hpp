// SPDX-License-Identifier: MIT
// A module's weights in a file: its parameters and buffers under their paths (nn/safetensors.hpp has the format).
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/nn/safetensors.hpp"

namespace contexture {

/// How a file's tensors and a module's state differ; see load().
struct LoadReport {
  std::vector<std::string> missing;     ///< in the module, not in the file
  std::vector<std::string> unexpected;  ///< in the file, not in the module
  std::vector<std::string> mismatched;  ///< "name: file (..), module (..)"
  Metadata metadata;
  [[nodiscard]] bool complete() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
};

/// How strictly weights are loaded.
struct LoadOptions {
  bool strict = true;  ///< false: load what fits and report the rest
};

namespace detail {

inline std::string list_some(const char* what, const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 10;
  if (names.empty()) return {};
  std::string text = message("; ", names.size(), " ", what, ": ");
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > kMost) text += message(" and ", names.size() - kMost, " more");
  return text;
}

}  // namespace detail

/// Saves all parameters and buffers of a module under their paths.
template <class T>
void save(Module<T>& module, const std::string& path, const Metadata& metadata = {}) {
  std::vector<std::pair<std::string, Tensor<float>>> copies;
  const auto keep = [&](const std::string& name, const Tensor<T>& t) {
    Tensor<float> copy = empty<float>(t.shape());
    std::transform(t.data(), t.data() + t.size(), copy.data(), [](T x) { return static_cast<float>(x); });
    copies.emplace_back(name, std::move(copy));
  };
  for (const NamedParameter<T>& p : module.parameters()) keep(p.name, p.variable.value());
  for (const NamedBuffer<T>& b : module.buffers()) keep(b.name, *b.tensor);
  std::vector<std::pair<std::string, const Tensor<float>*>> list;
  for (const auto& [name, tensor] : copies) list.emplace_back(name, &tensor);
  write_safetensors(path, list, metadata);
}

namespace detail {

inline void require_finite(const std::string& origin, const std::string& name, const Tensor<float>& tensor) {
  const float* const begin = tensor.data();
  const float* const bad = std::find_if_not(begin, begin + tensor.size(), is_finite<float>);
  if (bad == begin + tensor.size()) return;
  throw InputError(message(origin, ": tensor '", name, "' has ", *bad, " at index ", bad - begin,
                           ", expected finite numbers: the training that made it went wrong"));
}

}  // namespace detail

/// Copies the tensors of `file` into the module's parameters and buffers of the same path and shape.
/// `origin` names the source in messages. Strict: any missing, unexpected or mis-shaped tensor throws
/// InputError listing ten of each kind, and the module is left as it was; so it is for tensors with NaN or infinities.
template <class T>
LoadReport load(Module<T>& module, const TensorFile& file, const std::string& origin, const LoadOptions& options = {}) {
  LoadReport report;
  report.metadata = file.metadata;
  std::vector<std::pair<Tensor<T>*, const Tensor<float>*>> copies;
  std::map<std::string, bool> known;
  const auto match = [&](const std::string& name, Tensor<T>& into) {
    known[name] = true;
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end())
      report.missing.push_back(name);
    else if (found->second.shape() != into.shape())
      report.mismatched.push_back(message(name, ": file ", found->second.shape(), ", module ", into.shape()));
    else
      copies.emplace_back(&into, &found->second);
  };
  for (NamedParameter<T>& p : module.parameters()) match(p.name, p.variable.mutable_value());
  for (const NamedBuffer<T>& b : module.buffers()) match(b.name, *b.tensor);
  for (const auto& [name, tensor] : file.tensors)
    if (!known.contains(name)) report.unexpected.push_back(name);
  require_input(!options.strict || report.complete(), origin, ": weights of another architecture",
                detail::list_some("missing", report.missing), detail::list_some("unexpected", report.unexpected),
                detail::list_some("of another shape", report.mismatched));
  for (const auto& [name, tensor] : file.tensors)
    if (known.contains(name)) detail::require_finite(origin, name, tensor);
  for (const auto& [into, from] : copies)
    std::transform(from->data(), from->data() + from->size(), into->data(), [](float x) { return static_cast<T>(x); });
  return report;
}

/// Reads a safetensors file into the module; see the other overload and read_safetensors().
template <class T>
LoadReport load(Module<T>& module, const std::string& path, const LoadOptions& options = {}) {
  return load(module, read_safetensors(path), path, options);
}

}  // namespace contexture
