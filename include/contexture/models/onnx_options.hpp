// SPDX-License-Identifier: MIT
// What models/onnx.hpp is told.
#pragma once

#include <string>

#include "contexture/core/tensor.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/nn/safetensors.hpp"

namespace contexture {

/// Options of export_onnx().
struct OnnxOptions {
  bool fold_norm = false;      ///< batch normalisation is folded into the weights of the convolution before it
  bool channels_last = false;  ///< images come, and go, as (N,H,W,C), not (N,C,H,W)
};

/// What a graph is to take and to say of itself.
struct OnnxGraphInfo {
  ImageInput images = {};         ///< with a normalisation: the graph takes 0 (black) to 255 and normalises
  Index channels = 3;             ///< of the images
  std::string output = "output";  ///< name of what comes out; the input is called "images"
  Metadata metadata = {};         ///< is put beside the graph as it is
};

}  // namespace contexture
