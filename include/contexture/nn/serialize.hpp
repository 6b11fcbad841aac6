// Weights on disk, in the safetensors format: a little-endian u64 header length, a JSON header
// {name: {dtype, shape, data_offsets}, "__metadata__": {string: string}}, then the raw data. Tensors
// keep this library's layouts ((R,S,C,K) for convolutions); the metadata key "layout" says so.
#pragma once

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

using Metadata = std::map<std::string, std::string>;

/// What a safetensors file holds. float and double tensors are kept; names are unique.
struct TensorFile {
  std::map<std::string, Tensor<float>> tensors;
  Metadata metadata;
};

/// How a file's tensors and a module's state differ; see load().
struct LoadReport {
  std::vector<std::string> missing;     ///< in the module, not in the file
  std::vector<std::string> unexpected;  ///< in the file, not in the module
  std::vector<std::string> mismatched;  ///< "name: file (..), module (..)"
  Metadata metadata;
  [[nodiscard]] bool complete() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
};

struct LoadOptions {
  bool strict = true;  ///< false: load what fits and report the rest
};

namespace detail {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian; this reads them raw");

inline std::string list_some(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string text = message("; ", names.size(), " ", what, ": ");
  for (std::size_t i = 0; i < names.size(); ++i) text += (i > 0 ? ", " : "") + names[i];
  return text;
}

}  // namespace detail

/// Writes named tensors (float32) and metadata; the data are in the order given. Atomic.
/// Throws InputError naming the file when it can't be written.
inline void write_safetensors(const std::filesystem::path& path,
                              const std::vector<std::pair<std::string, const Tensor<float>*>>& tensors,
                              const Metadata& metadata = {}) {
  nlohmann::json header = nlohmann::json::object();
  header["__metadata__"] = metadata;
  header["__metadata__"]["format"] = "contexture";
  header["__metadata__"]["layout"] = "NHWC, weights RSCK";
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    require(name != "__metadata__" && !header.contains(name), "write_safetensors: tensor name '", name,
            "' is reserved or given twice");
    const std::uint64_t bytes = tensor->size() * sizeof(float);
    nlohmann::json entry;
    entry["dtype"] = "F32";
    entry["shape"] = std::vector<std::size_t>(tensor->shape().begin(), tensor->shape().end());
    entry["data_offsets"] = {offset, offset + bytes};
    header[name] = std::move(entry);
    offset += bytes;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::type_error&) {
    throw InputError(message(path.string(), ": a tensor's name or a text beside it is not UTF-8"));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts aligned
  detail::write_atomically(path, [&](std::ostream& out) {
    const std::uint64_t length = text.size();
    out.write(reinterpret_cast<const char*>(&length), sizeof(length));
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    for (const auto& [name, tensor] : tensors)
      out.write(reinterpret_cast<const char*>(tensor->data()),
                static_cast<std::streamsize>(tensor->size() * sizeof(float)));
  });
}

namespace detail {

// What a safetensors header says of a tensor.
struct TensorEntry {
  bool wide = false;  // F64, else F32
  Shape shape{};
  std::uint64_t begin = 0, end = 0;  // in the data
  [[nodiscard]] std::uint64_t bytes() const { return end - begin; }
};

// Checks the entry of tensor `name`: its parts, and its size against its shape and the file's data.
[[nodiscard]] inline TensorEntry tensor_entry(const std::string& file, const std::string& name,
                                              const nlohmann::json& entry, std::uint64_t data_size) {
  require_input(entry.is_object() && entry.contains("dtype") && entry["dtype"].is_string() && entry.contains("shape") &&
                    entry["shape"].is_array() && entry.contains("data_offsets") && entry["data_offsets"].is_array() &&
                    entry["data_offsets"].size() == 2,
                file, ": tensor '", name, "' lacks dtype, shape or data_offsets");
  const std::string dtype = entry["dtype"].get<std::string>();
  require_input(dtype == "F32" || dtype == "F64", file, ": tensor '", name, "' has dtype ", dtype,
                ", expected F32 or F64");
  TensorEntry found{.wide = dtype == "F64"};
  std::uint64_t bytes = found.wide ? 8 : 4;
  for (const auto& extent : entry["shape"]) {
    require_input(extent.is_number_unsigned(), file, ": tensor '", name, "' has a shape that is not whole numbers");
    const auto e = extent.get<std::uint64_t>();
    require_input(e == 0 || bytes <= data_size / std::max<std::uint64_t>(e, 1), file, ": tensor '", name,
                  "' is larger than the file");
    bytes *= e;
    found.shape.push_back(static_cast<std::size_t>(e));
  }
  require_input(entry["data_offsets"][0].is_number_unsigned() && entry["data_offsets"][1].is_number_unsigned(), file,
                ": tensor '", name, "' has data_offsets that are not whole numbers");
  found.begin = entry["data_offsets"][0].get<std::uint64_t>();
  found.end = entry["data_offsets"][1].get<std::uint64_t>();
  require_input(found.begin <= found.end && found.end <= data_size, file, ": tensor '", name, "' has data_offsets [",
                found.begin, ", ", found.end, "], but the data has ", data_size, " bytes");
  require_input(found.bytes() == bytes, file, ": tensor '", name, "' has ", found.bytes(), " bytes, its shape ",
                found.shape, " needs ", bytes);
  return found;
}

}  // namespace detail

/// Reads a safetensors file; F64 is narrowed to float. Throws InputError with the file's name and what
/// is wrong: no such file, a header longer than the file, JSON that does not parse, unknown dtype,
/// offsets that overlap, leave gaps or do not match the shape.
[[nodiscard]] inline TensorFile read_safetensors(const std::filesystem::path& path) {
  const std::string file = path.string();
  std::error_code error;
  require_input(!std::filesystem::is_directory(path, error), file,
                ": a folder, expected a file of safetensors weights");
  require_input(std::filesystem::is_regular_file(path, error), file, ": no such file, expected safetensors weights");
  const std::uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  require_input(!error && in.good(), file, ": cannot be read: ", std::strerror(errno));
  std::uint64_t length = 0;
  require_input(size >= 8 && in.read(reinterpret_cast<char*>(&length), 8).good(), file, ": ", size,
                " bytes, too short for a safetensors file");
  require_input(length >= 2 && length <= size - 8, file, ": header length ", length,
                " at offset 0, but the file has only ", size, " bytes");
  std::string text(static_cast<std::size_t>(length), '\0');
  require_input(in.read(text.data(), static_cast<std::streamsize>(length)).good(), file, ": header cannot be read");
  const nlohmann::json header = nlohmann::json::parse(text, nullptr, false);
  require_input(header.is_object(), file, ": header at offset 8 is not a JSON object");

  TensorFile result;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  const std::uint64_t data_size = size - 8 - length;
  std::uint64_t claimed = 0;  // by the tensors so far: together they are no larger than the file
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      require_input(entry.is_object(), file, ": __metadata__ is not a JSON object");
      for (const auto& [key, value] : entry.items()) {
        require_input(value.is_string(), file, ": __metadata__ '", key, "' is not a string");
        result.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    const detail::TensorEntry stored = detail::tensor_entry(file, name, entry, data_size);
    require_input(stored.bytes() <= data_size - claimed, file, ": data_offsets overlap at tensor '", name, "'");
    claimed += stored.bytes();
    ranges.emplace_back(stored.begin, stored.end);
    const std::uint64_t offset = 8 + length + stored.begin;
    in.seekg(static_cast<std::streamoff>(offset));
    Tensor<float> tensor = empty<float>(stored.shape);
    if (stored.wide) {
      std::vector<double> wide(tensor.size());
      in.read(reinterpret_cast<char*>(wide.data()), static_cast<std::streamsize>(stored.bytes()));
      std::transform(wide.begin(), wide.end(), tensor.data(), [](double x) { return static_cast<float>(x); });
    } else {
      in.read(reinterpret_cast<char*>(tensor.data()), static_cast<std::streamsize>(stored.bytes()));
    }
    require_input(in.good(), file, ": tensor '", name, "' cannot be read at offset ", offset);
    result.tensors.emplace(name, std::move(tensor));
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t expected = 0;
  for (const auto& [begin, end] : ranges) {
    require_input(begin == expected, file, ": data_offsets ", begin < expected ? "overlap" : "leave a gap", " at byte ",
                  std::min(begin, expected), " of the data");
    expected = end;
  }
  require_input(expected == data_size, file, ": ", data_size - expected, " bytes after the last tensor");
  return result;
}

/// Saves all parameters and buffers of a module under their paths.
template <class T>
void save(Module<T>& module, const std::filesystem::path& path, const Metadata& metadata = {}) {
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

/// Copies the tensors of `file` into the module's parameters and buffers of the same path and shape.
/// `origin` names the source in messages. Strict: any missing, unexpected or mis-shaped tensor throws
/// InputError listing them all, and the module is left as it was.
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
  for (const auto& [into, from] : copies)
    std::transform(from->data(), from->data() + from->size(), into->data(), [](float x) { return static_cast<T>(x); });
  return report;
}

/// Reads a safetensors file into the module; see the other overload and read_safetensors().
template <class T>
LoadReport load(Module<T>& module, const std::filesystem::path& path, const LoadOptions& options = {}) {
  return load(module, read_safetensors(path), path.string(), options);
}

}  // namespace contexture
