// The built-in data set: coloured drawings of twelve things, made on the spot, so that everything
// runs without a download. A thing is an arrangement of parts, and the parts are shared: a wheel, a
// face, a clock and a flower's heart are all discs; roofs, ears, fins and sails are triangles. What
// tells the classes apart is which parts sit where; colours, patterns, backgrounds and clutter are
// drawn from the same distributions for every class and say nothing. Pose, proportions and optional
// parts vary, other shapes lie behind the object and sometimes one in front of it.
// Image i is a pure function of (seed, split, i): the set is rendered in parallel and any part of
// it can be made again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/builtin_drawings.hpp"
#include "contexture/data/builtin_scene.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/draw.hpp"

namespace contexture {
namespace detail {

inline ImageSet render_builtin_set(Index count, Index size, const Rng& rng) {
  ImageSet set;
  set.count = count;
  set.height = set.width = size;
  set.channels = 3;
  make_room(set, count);
  set.labels.resize(static_cast<std::size_t>(count));
  parallel_for(count, 8, [&](Index begin, Index end) {
    Canvas canvas(size);
    for (Index i = begin; i < end; ++i) {
      const auto label = static_cast<std::size_t>(i) % kBuiltinClasses.size();
      set.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(label);
      render_builtin(label, canvas, rng.split(static_cast<std::uint64_t>(i)), set.image(i));
    }
  });
  return set;
}

}  // namespace detail

/// The built-in data set: `train` + `test` RGB images of image_size x image_size pixels, twelve
/// classes in turn (image i is of class i mod 12). Image i of a split depends on (seed, split, i)
/// only: asking for more images adds to the ones there are.
/// Throws std::invalid_argument for negative counts, more than 10 million images, or an image size
/// outside [8, 1024].
[[nodiscard]] inline Dataset builtin_dataset(Index train, Index test, Index image_size = 32, std::uint64_t seed = 0) {
  constexpr Index kMost = 10'000'000;
  require(train >= 0 && train <= kMost && test >= 0 && test <= kMost, "builtin_dataset: ", train, " training and ",
          test, " test images, expected 0 to ", kMost);
  require(image_size >= 8 && image_size <= 1024, "builtin_dataset: image size ", image_size, ", expected 8 to 1024");
  Dataset data;
  data.name = "builtin";
  for (const auto& c : detail::kBuiltinClasses) data.class_names.emplace_back(c.name);
  const Rng rng = Rng(seed).split("builtin");
  data.train = detail::render_builtin_set(train, image_size, rng.split("train"));
  data.test = detail::render_builtin_set(test, image_size, rng.split("test"));
  data.unlabeled.height = data.unlabeled.width = image_size;
  data.unlabeled.channels = 3;
  return data;
}

}  // namespace contexture
