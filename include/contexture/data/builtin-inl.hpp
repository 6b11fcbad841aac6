// SPDX-License-Identifier: MIT
// The function of data/builtin.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/builtin_drawings.hpp"
#include "contexture/data/builtin_scene.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/draw.hpp"

namespace contexture {
namespace detail {

// Images [first, first + count) of an endless set.
inline ImageSet render_builtin_set(Index first, Index count, Index size, const Rng& rng) {
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
      const auto label = static_cast<std::size_t>(number) % kBuiltinClasses.size();
      set.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(label);
      render_builtin(label, canvas, rng.split(number), set.image(i));
    }
  });
  return set;
}

}  // namespace detail

CONTEXTURE_FUNCTION Dataset builtin_dataset(Index train, Index test, Index image_size, std::uint64_t seed) {
  constexpr Index kMost = 10'000'000;
  require(train >= 0 && train <= kMost && test >= 0 && test <= kMost, "builtin_dataset: ", train, " training and ",
          test, " test images, expected 0 to ", kMost);
  require(image_size >= 8 && image_size <= 1024, "builtin_dataset: image size ", image_size, ", expected 8 to 1024");
  Dataset data;
  data.name = "builtin";
  for (const auto& c : detail::kBuiltinClasses) data.class_names.emplace_back(c.name);
  const Rng rng = Rng(seed).split("builtin");
  data.train = detail::render_builtin_set(0, train, image_size, rng.split("train"));
  data.test = detail::render_builtin_set(0, test, image_size, rng.split("test"));
  data.unlabeled.height = data.unlabeled.width = image_size;
  data.unlabeled.channels = 3;
  return data;
}

CONTEXTURE_FUNCTION ImageSet builtin_images(bool test, Index first, Index count, Index image_size, std::uint64_t seed) {
  require(first >= 0 && count >= 0 && image_size >= 8 && image_size <= 1024, "builtin_images: ", count, " images from ",
          first, " of size ", image_size, ", expected numbers from 0 and a size of 8 to 1024");
  return detail::render_builtin_set(first, count, image_size,
                                    Rng(seed).split("builtin").split(test ? "test" : "train"));
}

}  // namespace contexture
