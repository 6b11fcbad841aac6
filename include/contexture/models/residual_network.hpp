// SPDX-License-Identifier: MIT
// What residual networks for small images (He et al., arXiv 1512.03385, section 4.2) have in common: a stride-1 3x3
// stem without pooling, then stages of residual blocks. Fully convolutional: an 8-px patch and a 96-px image go through
// the same weights, and the size of the feature map follows the size of the input.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "contexture/models/stages.hpp"
#include "contexture/nn/layers.hpp"

namespace contexture {

/// Stem and residual blocks of a layout whose stem keeps the extent.
template <class T>
class ResidualNetwork : public StagedBackbone<T> {
 public:
  [[nodiscard]] Index multiply_adds(Index height, Index width) const final {
    const BackboneDescription& o = this->description();
    Index total = height * width * 9 * o.in_channels * o.width;
    for (const StageBlock& b : this->blocks()) {
      if (b.stride == 2) height = detail::halved(height, 1), width = detail::halved(width, 1);
      const Index shortcut = b.in != b.out || b.stride != 1 ? b.in : 0;
      total += height * width * b.out * (9 * b.in + 9 * b.out + shortcut);
    }
    return total;
  }

 protected:
  ResidualNetwork(const BackboneDescription& options, const StageLayout& layout, const Rng& rng)
      : StagedBackbone<T>(options, layout),
        stem_(options.in_channels, options.width, {.kernel = 3, .bias = false}, rng.split("stem")),
        stem_norm_(make_norm<T>(options.width, {options.norm, options.affine, true})) {
    for (const StageBlock& b : this->blocks())
      blocks_.emplace_back(b.in, b.out, block_options(options, b), rng.split(b.name));
  }

  /// Scalars in the parameters of such a network.
  [[nodiscard]] static double weights_of(const BackboneDescription& o, const StageLayout& layout) {
    double total = static_cast<double>(9 * o.in_channels * o.width + (o.affine ? 2 * o.width : 0));
    for (const StageBlock& b : layout.blocks(o))
      total += ResidualBlock<T>::weight_count(b.in, b.out, block_options(o, b));
    return total;
  }

  [[nodiscard]] Variable<T> stem(const Variable<T>& x) final { return stem_.forward(x, *stem_norm_); }
  [[nodiscard]] Variable<T> block(std::size_t i, const Variable<T>& x) final { return blocks_[i](x); }

  void visit(ModuleVisitor<T>& v) final {
    v.child("stem", stem_);
    v.child("stem_norm", *stem_norm_);
    for (std::size_t i = 0; i < blocks_.size(); ++i) v.child(this->blocks()[i].name, blocks_[i]);
  }

 private:
  static ResidualBlockOptions block_options(const BackboneDescription& o, const StageBlock& b) {
    return {.stride = b.stride, .affine = o.affine, .norm = o.norm};
  }

  Conv2d<T> stem_;
  std::unique_ptr<NormLayer<T>> stem_norm_;
  std::vector<ResidualBlock<T>> blocks_;
};

}  // namespace contexture
