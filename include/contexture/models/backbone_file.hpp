// SPDX-License-Identifier: MIT
// What a weight file says besides its weights, so that it can travel alone: the network that they fit, the images that
// they were trained on, where they come from. It stands in the file's metadata as JSON, under these keys:
//   kind       "encoder" or "classifier"
//   encoder    the network: its name and sizes (BackboneDescription)
//   images     height, width, channels; mean and stddev of each channel, in units of 0 (black) to 1 (white)
//   origin     pretext task, data set and its fingerprint, accuracy and what it is of
//   precision  that the weights were trained in; they are float in any
//   library    what wrote the file
#pragma once

#include <optional>
#include <string>

#include "contexture/core/compiled.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/nn/safetensors.hpp"

namespace contexture {

/// The images that a network was trained on; their channels are those of its description.
struct ImageInput {
  Index height = 0, width = 0;       ///< pixels; 0: not known
  Normalization normalization = {};  ///< of what the network is given; empty: not known

  [[nodiscard]] bool has_normalization() const { return !normalization.mean.empty(); }
};

/// A data set by its name, and by a number that changes with any pixel or label; empty: not known.
struct DataOrigin {
  std::string name = {}, fingerprint = {};
};

/// Where weights come from; empty: not known, or there is none.
struct WeightsOrigin {
  std::string pretext = {};             ///< task by which the encoder learned without labels: "context prediction"
  DataOrigin pretext_data = {};         ///< that it saw there
  DataOrigin data = {};                 ///< that a classifier learned from
  std::optional<double> accuracy = {};  ///< 0..1
  std::string accuracy_of = {};         ///< what was answered: "2000 test images"
};

/// All that a weight file says of its network besides what it is.
struct WeightsInfo {
  ImageInput images = {};
  WeightsOrigin origin = {};
  Precision precision = active_precision();  ///< that the weights were trained in
};

/// Metadata of an encoder's file. Text that is not UTF-8 is written with U+FFFD in the place of what is wrong with it.
[[nodiscard]] CONTEXTURE_FUNCTION Metadata backbone_metadata(const BackboneDescription& description,
                                                             const WeightsInfo& info = {});

/// The description that backbone_metadata() wrote into a file; a file of earlier versions, which names no network,
/// holds a "resnet". Throws InputError naming `origin` where there is none, for a network or sizes that the library
/// does not know, and where the file has fewer weights than the description asks for: what is allocated for it stays
/// in proportion to the file.
[[nodiscard]] CONTEXTURE_FUNCTION BackboneDescription backbone_description(const TensorFile& file,
                                                                           const std::string& origin);

/// The rest of what backbone_metadata() wrote into a file; files of earlier versions have less of it. Throws InputError
/// naming `origin` for what makes no sense, or does not fit the description.
[[nodiscard]] CONTEXTURE_FUNCTION WeightsInfo weights_info(const TensorFile& file,
                                                           const BackboneDescription& description,
                                                           const std::string& origin);

/// What a file's weights were trained in; those of earlier versions in float. Throws InputError naming `origin` for
/// another name than the library's.
[[nodiscard]] CONTEXTURE_FUNCTION Precision trained_precision(const TensorFile& file, const std::string& origin);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/models/backbone_file-inl.hpp"
#endif
