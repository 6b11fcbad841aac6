// SPDX-License-Identifier: MIT
// Tensors on disk, in the safetensors format: a little-endian u64 header length, a JSON header
// {name: {dtype, shape, data_offsets}, "__metadata__": {string: string}}, then the raw data. Tensors
// keep this library's layouts ((R,S,C,K) for convolutions); the metadata key "layout" says so. The key
// "contexture_checksum" has the fingerprint of the whole file as it is with sixteen zeros for it, in hexadecimal: any
// flipped bit is found. Files of earlier versions and of others have none; those of the format "contexture 2" must, so
// that damage to the key itself is found too.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// Texts by their names, as a safetensors file carries them.
using Metadata = std::map<std::string, std::string>;

/// What a safetensors file holds, all as float; names are unique.
struct TensorFile {
  std::map<std::string, Tensor<float>> tensors;
  Metadata metadata;
};

/// Writes named tensors (float32) and metadata; the data are in the order given. Atomic, and read back before it takes
/// its name. `former`: the name that a file which was there before gets; empty: it goes.
/// Throws InputError naming the file when it can't be written.
CONTEXTURE_FUNCTION void write_safetensors(const std::string& path,
                                           const std::vector<std::pair<std::string, const Tensor<float>*>>& tensors,
                                           const Metadata& metadata = {}, const std::string& former = {});

/// Reads a safetensors file; F64 is narrowed to float, F16 and BF16 are widened. Throws InputError with the file's name
/// and what is wrong: no such file, a header longer than the file, JSON that does not parse, unknown dtype, offsets
/// that overlap, leave gaps or do not match the shape, bytes that are not those that were written.
[[nodiscard]] CONTEXTURE_FUNCTION TensorFile read_safetensors(const std::string& path);

/// The same of a file that is in memory; `origin` names it in messages.
[[nodiscard]] CONTEXTURE_FUNCTION TensorFile read_safetensors(std::span<const std::byte> bytes,
                                                              const std::string& origin);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/nn/safetensors-inl.hpp"
#endif
