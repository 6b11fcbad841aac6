// SPDX-License-Identifier: MIT
// Networks as ONNX files (onnx.ai), for other engines. What is written is what a forward pass calls (nn/trace.hpp), op
// by op, so that networks outside the library can be exported too, as long as their ops are among those that are known
// here. The file is written by core/protobuf.hpp: ONNX's own library would be much to depend on for a few messages.
#pragma once

#include <filesystem>
#include <string>

#include "contexture/core/compiled.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/onnx_options.hpp"

namespace contexture {

/// A network of images (N,H,W,C) as the bytes of an ONNX file, opset 13: the size of the images is fixed, that of the
/// batch is not. Images within the graph are (N,C,H,W). Throws std::invalid_argument, naming it, for an op that has no
/// translation, and where what the network does depends on the batch's size.
[[nodiscard]] CONTEXTURE_FUNCTION std::string onnx_model(UnaryModule<float>& network, const OnnxGraphInfo& info,
                                                         const OnnxOptions& options = {});

/// A classifier: images of 0 to 255 -> "logits" (N,classes), whatever mirror images predictions are averaged over. The
/// metadata are those of its weight file: "classifier" has the names of the classes. `images`: another size than its
/// own, which a network of convolutions takes too.
CONTEXTURE_FUNCTION void export_onnx(ImageClassifier& classifier, const ImageInput& images,
                                     const std::filesystem::path& path, const OnnxOptions& options = {});
/// The same for images of the classifier's own size.
CONTEXTURE_FUNCTION void export_onnx(ImageClassifier& classifier, const std::filesystem::path& path,
                                     const OnnxOptions& options = {});

/// An encoder: images of 0 to 255, or, where `info` has no normalisation, normalised ones -> "features" (N,F), the
/// global average of its last map. Throws std::invalid_argument where `info` has no image size, InputError where the
/// file cannot be written.
CONTEXTURE_FUNCTION void export_onnx(Backbone<float>& encoder, const WeightsInfo& info,
                                     const std::filesystem::path& path, const OnnxOptions& options = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/models/onnx-inl.hpp"
#endif
