// SPDX-License-Identifier: MIT
// What networks made of stages have in common: their book-keeping, which is names, channels, extents and the maps of
// every stage. A network of this kind says what its stem and its blocks are.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "contexture/models/backbone.hpp"

namespace contexture {

/// One block of a stage.
struct StageBlock {
  std::string name;       ///< "stage1.block0", or "stage1"; stages count from 1, the stem being 0
  Index stage = 1;        ///< its number
  Index in = 0, out = 0;  ///< channels
  Index stride = 1;       ///< 2: halves the extent, rounding up
};

/// How a network is cut into stages. Every stage has blocks_per_stage blocks, of which the first halves the extent and
/// doubles the channels, but for what is said here.
struct StageLayout {
  bool stem_halves = false;        ///< the extent
  bool first_halves = true;        ///< else the first stage keeps the stem's extent and channels
  bool single_is_unnamed = false;  ///< a stage's only block is called as the stage

  /// Channels of the maps of the stem and of every stage.
  [[nodiscard]] std::vector<Index> channels(const BackboneDescription& o) const {
    std::vector<Index> all{o.width};
    for (Index stage = 0; stage < o.stages; ++stage) all.push_back(o.width << (first_halves ? stage + 1 : stage));
    return all;
  }

  /// Extent of the last map.
  [[nodiscard]] Index extent(const BackboneDescription& o, Index input) const {
    return detail::halved(input, o.stages - (first_halves ? 0 : 1) + (stem_halves ? 1 : 0));
  }

  /// All blocks, first to last.
  [[nodiscard]] std::vector<StageBlock> blocks(const BackboneDescription& o) const {
    std::vector<StageBlock> list;
    const std::vector<Index> maps = channels(o);
    for (Index stage = 1; stage <= o.stages; ++stage)
      for (Index block = 0; block < o.blocks_per_stage; ++block) {
        std::string name = stage_name(stage);
        if (o.blocks_per_stage > 1 || !single_is_unnamed) name += ".block" + std::to_string(block);
        const Index out = maps[static_cast<std::size_t>(stage)];
        const Index in = block == 0 ? maps[static_cast<std::size_t>(stage - 1)] : out;
        const bool halves = block == 0 && (stage > 1 || first_halves);
        list.push_back({std::move(name), stage, in, out, halves ? 2 : 1});
      }
    return list;
  }

  [[nodiscard]] static std::string stage_name(Index stage) { return "stage" + std::to_string(stage); }
};

/// A network by a layout.
template <class T>
class StagedBackbone : public Backbone<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) final {
    Variable<T> y = stem(x);
    for (std::size_t i = 0; i < blocks_.size(); ++i) y = block(i, y);
    return last(y);
  }

  [[nodiscard]] std::vector<Variable<T>> forward_stages(const Variable<T>& x) final {
    std::vector<Variable<T>> maps{stem(x)};
    Variable<T> y = maps[0];
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      y = block(i, y);
      if (i + 1 == blocks_.size() || blocks_[i + 1].stage != blocks_[i].stage) maps.push_back(y);
    }
    maps.back() = last(maps.back());
    return maps;
  }

  [[nodiscard]] const BackboneDescription& description() const final { return options_; }
  [[nodiscard]] std::vector<Index> stage_channels() const final { return layout_.channels(options_); }
  [[nodiscard]] Index feature_extent(Index extent) const final { return layout_.extent(options_, extent); }

 protected:
  /// For a description that was checked.
  StagedBackbone(const BackboneDescription& options, const StageLayout& layout)
      : options_(options), layout_(layout), blocks_(layout.blocks(options)) {}

  /// The map in front of the first block.
  [[nodiscard]] virtual Variable<T> stem(const Variable<T>& x) = 0;
  /// Block i of blocks().
  [[nodiscard]] virtual Variable<T> block(std::size_t i, const Variable<T>& x) = 0;
  /// What the last block's map goes through.
  [[nodiscard]] virtual Variable<T> last(const Variable<T>& x) { return x; }

  [[nodiscard]] const std::vector<StageBlock>& blocks() const { return blocks_; }

 private:
  BackboneDescription options_;
  StageLayout layout_;
  std::vector<StageBlock> blocks_;
};

}  // namespace contexture
