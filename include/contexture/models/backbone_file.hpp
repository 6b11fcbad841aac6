// SPDX-License-Identifier: MIT
// A backbone's description in the metadata of a weight file: written beside the weights, read back to make the network
// that they fit.
#pragma once

#include <string>

#include "contexture/core/compiled.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/nn/safetensors.hpp"

namespace contexture {

/// Metadata of a file with the weights of such a network, trained in `precision`; the weights are float in any.
[[nodiscard]] CONTEXTURE_FUNCTION Metadata backbone_metadata(const BackboneDescription& description,
                                                             Precision precision = active_precision());

/// The description that backbone_metadata() wrote into a file; a file of earlier versions, which names no network,
/// holds a "resnet". Throws InputError naming `origin` where there is none, for a network or sizes that the library
/// does not know, and where the file has fewer weights than the description asks for: what is allocated for it stays
/// in proportion to the file.
[[nodiscard]] CONTEXTURE_FUNCTION BackboneDescription backbone_description(const TensorFile& file,
                                                                           const std::string& origin);

/// What a file's weights were trained in; those of earlier versions in float. Throws InputError naming `origin` for
/// another name than the library's.
[[nodiscard]] CONTEXTURE_FUNCTION Precision trained_precision(const TensorFile& file, const std::string& origin);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/models/backbone_file-inl.hpp"
#endif
