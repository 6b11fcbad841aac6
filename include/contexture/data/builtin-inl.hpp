// SPDX-License-Identifier: MIT
// The functions of data/builtin.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/builtin_drawings.hpp"
#include "contexture/data/builtin_emblems.hpp"
#include "contexture/data/builtin_scene.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/draw.hpp"

namespace contexture {
namespace detail {

struct BuiltinKind {
  std::string name;
  std::string stream;  // of random numbers
  Index image_size = 0;
  std::vector<std::string> class_names;
  void (*render)(std::size_t label, Canvas& canvas, Rng rng, std::uint8_t* out) = nullptr;
};

inline BuiltinKind builtin_kind(BuiltinSet which) {
  BuiltinKind kind;
  if (which == BuiltinSet::things) {
    kind.name = kind.stream = "builtin";
    kind.image_size = 32;
    for (const BuiltinClass& c : kBuiltinClasses) kind.class_names.emplace_back(c.name);
    kind.render = render_builtin;
  } else {
    kind.name = "builtin-64";
    kind.stream = "emblems";
    kind.image_size = 64;
    for (const Guild& guild : kGuilds)
      for (const auto& order : kPartOrders)
        kind.class_names.push_back(
            message(guild.name, '-', kEmblemPartNames[static_cast<std::size_t>(guild.parts[order[0]])]));
    kind.render = render_emblem;
  }
  return kind;
}

// Images [first, first + count) of an endless set.
inline ImageSet render_builtin_set(const BuiltinKind& kind, Index first, Index count, Index size, const Rng& rng) {
  ImageSet set;
  set.count = count;
  set.height = set.width = size;
  set.channels = 3;
  make_room(set, count);
  set.labels.resize(static_cast<std::size_t>(count));
  parallel_for(count, 8, [&](Index begin, Index end) {
    Canvas canvas(size);
    for (Index i = begin; i < end; ++i) {
      const auto number = static_cast<std::uint64_t>(first + i);
      const auto label = static_cast<std::size_t>(number) % kind.class_names.size();
      set.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(label);
      kind.render(label, canvas, rng.split(number), set.image(i));
    }
  });
  return set;
}

}  // namespace detail

CONTEXTURE_FUNCTION Dataset builtin_dataset(Index train, Index test, const BuiltinOptions& options) {
  constexpr Index kMost = 10'000'000;
  require(train >= 0 && train <= kMost && test >= 0 && test <= kMost, "builtin_dataset: ", train, " training and ",
          test, " test images, expected 0 to ", kMost);
  const detail::BuiltinKind kind = detail::builtin_kind(options.set);
  Dataset data;
  data.name = kind.name;
  data.class_names = kind.class_names;
  data.train = builtin_images(false, 0, train, options);
  data.test = builtin_images(true, 0, test, options);
  data.unlabeled.height = data.unlabeled.width = data.train.height;
  data.unlabeled.channels = 3;
  return data;
}

CONTEXTURE_FUNCTION ImageSet builtin_images(bool test, Index first, Index count, const BuiltinOptions& options) {
  const detail::BuiltinKind kind = detail::builtin_kind(options.set);
  const Index size = options.image_size == 0 ? kind.image_size : options.image_size;
  require(first >= 0 && count >= 0 && size >= 8 && size <= 1024, "builtin: ", count, " images from ", first,
          " of size ", size, ", expected numbers from 0 and an image size of 8 to 1024");
  return detail::render_builtin_set(kind, first, count, size,
                                    Rng(options.seed).split(kind.stream).split(test ? "test" : "train"));
}

}  // namespace contexture
