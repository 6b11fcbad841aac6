// SPDX-License-Identifier: MIT
// The functions of models/onnx.hpp.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ostream>
#include <string>

#include "contexture/autograd/pool.hpp"
#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/models/onnx.hpp"
#include "contexture/models/onnx_exporter.hpp"
#include "contexture/models/onnx_values.hpp"
#include "contexture/nn/trace.hpp"

namespace contexture {
namespace detail {

// The global average of an encoder's last map.
class PooledEncoder final : public UnaryModule<float> {
 public:
  explicit PooledEncoder(Backbone<float>& encoder) : encoder_(encoder) {}
  [[nodiscard]] Variable<float> forward(const Variable<float>& x) override { return global_avg_pool(encoder_(x)); }

 protected:
  void visit(ModuleVisitor<float>& v) override { v.child("encoder", encoder_); }

 private:
  Backbone<float>& encoder_;
};

inline void write_onnx(const std::filesystem::path& path, const std::string& bytes) {
  write_atomically(path,
                   [&](std::ostream& out) { out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())); });
}

}  // namespace detail

CONTEXTURE_FUNCTION std::string onnx_model(UnaryModule<float>& network, const OnnxGraphInfo& info,
                                           const OnnxOptions& options) {
  require(info.images.height > 0 && info.images.width > 0 && info.channels > 0, "onnx_model: images of ",
          info.images.height, " x ", info.images.width, " x ", info.channels, ", expected their size");
  if (info.images.has_normalization())
    require(static_cast<Index>(info.images.normalization.mean.size()) == info.channels &&
                static_cast<Index>(info.images.normalization.stddev.size()) == info.channels,
            "onnx_model: a normalisation of ", info.images.normalization.mean.size(), " channels for images of ",
            info.channels);
  const auto traced = [&](std::size_t batch) {
    return trace(network, {batch, static_cast<std::size_t>(info.images.height),
                           static_cast<std::size_t>(info.images.width), static_cast<std::size_t>(info.channels)});
  };
  const TracedNetwork three = traced(3);
  const detail::BatchAxes grows = detail::batch_axes(three, traced(2));
  return detail::OnnxExporter(three, grows, info, options)();
}

CONTEXTURE_FUNCTION void export_onnx(ImageClassifier& classifier, const ImageInput& images,
                                     const std::filesystem::path& path, const OnnxOptions& options) {
  detail::write_onnx(path, onnx_model(classifier,
                                      {.images = images,
                                       .channels = classifier.options().encoder.in_channels,
                                       .output = "logits",
                                       .metadata = classifier.metadata()},
                                      options));
}

CONTEXTURE_FUNCTION void export_onnx(ImageClassifier& classifier, const std::filesystem::path& path,
                                     const OnnxOptions& options) {
  const ImageClassifierOptions& o = classifier.options();
  export_onnx(classifier, {o.height, o.width, o.normalization}, path, options);
}

CONTEXTURE_FUNCTION void export_onnx(Backbone<float>& encoder, const WeightsInfo& info,
                                     const std::filesystem::path& path, const OnnxOptions& options) {
  detail::PooledEncoder network(encoder);
  detail::write_onnx(path, onnx_model(network,
                                      {.images = info.images,
                                       .channels = encoder.description().in_channels,
                                       .output = "features",
                                       .metadata = backbone_metadata(encoder.description(), info)},
                                      options));
}

}  // namespace contexture
