// SPDX-License-Identifier: MIT
// The functions of nn/safetensors.hpp.
#pragma once

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>
#include <nlohmann/json.hpp>
#include <span>
#include <streambuf>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/bfloat16.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/fingerprint.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/nn/safetensors.hpp"

namespace contexture {
namespace detail {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian; this reads them raw");

inline constexpr const char* kChecksumKey = "contexture_checksum";
inline constexpr std::string_view kNoChecksum = "0000000000000000";
inline constexpr const char* kFormatWithChecksum = "contexture 2";

// Of the digits `checksum` in a header; npos where they are not as write_safetensors() writes them. A quote inside a
// string has a backslash before it, so this is the key and nothing else.
inline std::size_t checksum_position(std::string_view header, std::string_view checksum) {
  const std::string key = message('"', kChecksumKey, "\":\"");
  const std::size_t at = header.find(message(key, checksum, '"'));
  return at == std::string_view::npos ? at : at + key.size();
}

// A number of IEEE 754's 16 bits (5 of exponent), exactly; infinities and NaN stay what they are.
inline float from_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, rest = half & 0x7fffu;
  std::uint32_t bits = (rest << 13) + ((127u - 15u) << 23);
  if (rest >= 0x7c00u) bits = rest << 13 | 0x7f800000u;
  if (rest < 0x400u) bits = std::bit_cast<std::uint32_t>(static_cast<float>(rest) * 0x1p-24F);  // subnormal
  return std::bit_cast<float>(sign | bits);
}

// Numbers as they lie in a file -> float.
inline void to_float(std::string_view dtype, const char* bytes, float* out, std::size_t count) {
  const auto each = [&](auto stored, const auto& convert) {
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&stored, bytes + i * sizeof(stored), sizeof(stored));
      out[i] = convert(stored);
    }
  };
  if (dtype == "F64") each(double{}, [](double x) { return static_cast<float>(x); });
  if (dtype == "F16") each(std::uint16_t{}, from_half);
  if (dtype == "BF16") each(bfloat16{}, [](bfloat16 x) { return static_cast<float>(x); });
}

// Bytes of a number; 0 for what is not read.
inline std::uint64_t bytes_of_dtype(std::string_view dtype) {
  if (dtype == "F64") return 8;
  if (dtype == "F32") return 4;
  return dtype == "F16" || dtype == "BF16" ? 2 : 0;
}

// What a safetensors header says of a tensor.
struct TensorEntry {
  std::string dtype;
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
  std::uint64_t bytes = bytes_of_dtype(dtype);
  require_input(bytes > 0, file, ": tensor '", name, "' has dtype ", dtype, ", expected F32, F64, F16 or BF16");
  TensorEntry found{.dtype = dtype};
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

// A safetensors file whose header was read and found to fit together. Its tensors are then read one after the other.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::filesystem::path& path) : file_(path.string()) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    require_input(std::filesystem::status_known(status), file_, ": cannot be read: ", error.message());
    require_input(!std::filesystem::is_directory(status), file_, ": a folder, expected a file of safetensors weights");
    require_input(std::filesystem::is_regular_file(status), file_,
                  std::filesystem::exists(status) ? ": not a regular file" : ": no such file",
                  ", expected safetensors weights");
    const std::uint64_t size = std::filesystem::file_size(path, error);
    opened_.open(path, std::ios::in | std::ios::binary);
    require_input(!error && opened_.is_open(), file_, ": cannot be read: ", std::strerror(errno));
    in_.rdbuf(&opened_);
    read_header(size);
  }

  /// The same of a file that is in memory and stays there; `origin` names it in messages.
  SafetensorsReader(std::span<const std::byte> bytes, std::string origin)
      : file_(std::move(origin)), in_memory_(bytes) {
    in_.rdbuf(&in_memory_);
    read_header(bytes.size());
  }

  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  /// In the order of the file.
  [[nodiscard]] const std::vector<std::pair<std::string, TensorEntry>>& entries() const { return entries_; }

  /// The bytes of the next entry.
  void next(void* bytes) {
    const auto& [name, entry] = entries_[next_++];
    in_.read(static_cast<char*>(bytes), static_cast<std::streamsize>(entry.bytes()));
    require_input(in_.good(), file_, ": tensor '", name, "' cannot be read at offset ", data_begin_ + entry.begin);
    if (!checksum_.empty()) sum_.add(bytes, entry.bytes());
  }

  /// After the last entry: what was read is what was written.
  void finish() const {
    require_input(checksum_.empty() || sum_.text(kNoChecksum.size()) == checksum_, file_,
                  ": damaged: its bytes do not have the checksum ", checksum_,
                  " that they were written with; take another copy of it");
  }

  /// Reads all of it and keeps nothing.
  void check() {
    std::vector<char> bytes;
    for (const auto& [name, entry] : entries_) {
      bytes.resize(std::max<std::size_t>(bytes.size(), entry.bytes()));
      next(bytes.data());
    }
    finish();
  }

 private:
  // Reads from memory, and writes nothing there.
  struct MemoryBuffer : std::streambuf {
    MemoryBuffer() = default;
    explicit MemoryBuffer(std::span<const std::byte> bytes) {
      char* const begin = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
      setg(begin, begin, begin + bytes.size());
    }
  };

  void read_header(std::uint64_t size) {
    std::uint64_t length = 0;
    require_input(size >= 8 && in_.read(reinterpret_cast<char*>(&length), 8).good(), file_, ": ", size,
                  " bytes, too short for a safetensors file");
    if (length < 2 || length > size - 8) refuse_other_formats(length);
    require_input(length >= 2 && length <= size - 8, file_, ": header length ", length,
                  " at offset 0, but the file has only ", size, " bytes");
    std::string text(static_cast<std::size_t>(length), '\0');
    require_input(in_.read(text.data(), static_cast<std::streamsize>(length)).good(), file_, ": header cannot be read");
    const nlohmann::json header = nlohmann::json::parse(text, nullptr, false);
    if (!header.is_object()) refuse_other_formats(length);
    require_input(header.is_object(), file_, ": header at offset 8 is not a JSON object");
    data_begin_ = 8 + length;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__")
        read_metadata(entry);
      else
        entries_.emplace_back(name, tensor_entry(file_, name, entry, size - data_begin_));
    }
    check_order(size - data_begin_);
    begin_checksum(length, std::move(text));
  }

  // What else people have weights in, by its first eight bytes. To be called where the file is not safetensors: the
  // length of a header may begin like a pickle.
  void refuse_other_formats(std::uint64_t first) const {
    const auto begins = [&](std::uint64_t bytes, int count) {
      return first << (64 - 8 * count) == bytes << (64 - 8 * count);
    };
    const char* const what = begins(0x04034b50, 4)           ? "a zip file, as PyTorch's .pt and .pth are"
                             : begins(0x80, 1)               ? "a pickle, as PyTorch's older .pt and .pth are"
                             : begins(0x0a1a0a0d46444889, 8) ? "an HDF5 file (.h5)"
                             : begins(0x504d554e93, 5)       ? "a NumPy file (.npy)"
                             : begins(0x46554747, 4)         ? "a GGUF file"
                                                             : nullptr;
    if (what != nullptr) throw InputError(message(file_, ": ", what, ", expected safetensors weights"));
  }

  void read_metadata(const nlohmann::json& entry) {
    require_input(entry.is_object(), file_, ": __metadata__ is not a JSON object");
    for (const auto& [key, value] : entry.items()) {
      require_input(value.is_string(), file_, ": __metadata__ '", key, "' is not a string");
      metadata_[key] = value.get<std::string>();
    }
  }

  // Before memory is taken for them: tensors lie one behind the other and fill the data.
  void check_order(std::uint64_t data_size) {
    const auto place = [](const auto& named) { return std::pair(named.second.begin, named.second.end); };
    std::sort(entries_.begin(), entries_.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
    std::uint64_t expected = 0;
    for (const auto& [name, entry] : entries_) {
      require_input(entry.begin == expected, file_, ": data_offsets ",
                    entry.begin < expected ? "overlap" : "leave a gap", " at byte ", std::min(entry.begin, expected),
                    " of the data, at tensor '", name, "'");
      expected = entry.end;
    }
    require_input(expected == data_size, file_, ": ", data_size - expected, " bytes after the last tensor");
  }

  void begin_checksum(std::uint64_t length, std::string text) {
    const auto found = metadata_.find(kChecksumKey);
    const auto format = metadata_.find("format");
    require_input(found != metadata_.end() || format == metadata_.end() || format->second != kFormatWithChecksum, file_,
                  ": damaged: its metadata lacks ", kChecksumKey, "; take another copy of it");
    if (found == metadata_.end()) return;
    checksum_ = found->second;
    const std::size_t at = checksum_position(text, checksum_);
    require_input(checksum_.size() == kNoChecksum.size() && at != std::string::npos, file_,
                  ": damaged, or written anew by another program: its ", kChecksumKey, " is '", checksum_,
                  "', expected ", kNoChecksum.size(), " hexadecimal digits");
    text.replace(at, kNoChecksum.size(), kNoChecksum);
    sum_.add(&length, sizeof(length));
    sum_.add(text.data(), text.size());
  }

  std::string file_;
  std::filebuf opened_;  // or
  MemoryBuffer in_memory_;
  std::istream in_{nullptr};  // from one of the two
  Metadata metadata_;
  std::vector<std::pair<std::string, TensorEntry>> entries_;
  std::uint64_t data_begin_ = 0;
  std::size_t next_ = 0;
  std::string checksum_;  // empty: the file has none
  Fingerprint sum_;
};

}  // namespace detail

CONTEXTURE_FUNCTION void write_safetensors(const std::string& path,
                                           const std::vector<std::pair<std::string, const Tensor<float>*>>& tensors,
                                           const Metadata& metadata, const std::string& former) {
  nlohmann::json header = nlohmann::json::object();
  header["__metadata__"] = metadata;
  header["__metadata__"]["format"] = detail::kFormatWithChecksum;
  header["__metadata__"]["layout"] = "NHWC, weights RSCK";
  header["__metadata__"][detail::kChecksumKey] = detail::kNoChecksum;
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
    throw InputError(message(path, ": a tensor's name or a text beside it is not UTF-8"));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts aligned
  const std::uint64_t length = text.size();
  Fingerprint sum;
  sum.add(&length, sizeof(length));
  sum.add(text.data(), text.size());
  for (const auto& [name, tensor] : tensors) sum.add(tensor->data(), tensor->size() * sizeof(float));
  const std::string checksum = sum.text(detail::kNoChecksum.size());
  text.replace(detail::checksum_position(text, detail::kNoChecksum), checksum.size(), checksum);
  const auto write = [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(&length), sizeof(length));
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    for (const auto& [name, tensor] : tensors)
      out.write(reinterpret_cast<const char*>(tensor->data()),
                static_cast<std::streamsize>(tensor->size() * sizeof(float)));
  };
  detail::write_atomically(path, write, [&](const std::filesystem::path& written) {
    detail::SafetensorsReader(written).check();
    if (!former.empty()) detail::keep_as(path, former);
  });
}

namespace detail {

inline TensorFile read_all(SafetensorsReader& reader) {
  TensorFile result;
  result.metadata = reader.metadata();
  for (const auto& [name, stored] : reader.entries()) {
    Tensor<float> tensor = empty<float>(stored.shape);
    if (stored.dtype == "F32") {
      reader.next(tensor.data());
    } else {
      std::vector<char> bytes(stored.bytes());
      reader.next(bytes.data());
      to_float(stored.dtype, bytes.data(), tensor.data(), tensor.size());
    }
    result.tensors.emplace(name, std::move(tensor));
  }
  reader.finish();
  return result;
}

}  // namespace detail

CONTEXTURE_FUNCTION TensorFile read_safetensors(const std::string& path) {
  detail::SafetensorsReader reader(path);
  return detail::read_all(reader);
}

CONTEXTURE_FUNCTION TensorFile read_safetensors(std::span<const std::byte> bytes, const std::string& origin) {
  detail::SafetensorsReader reader(bytes, origin);
  return detail::read_all(reader);
}

}  // namespace contexture
