// SPDX-License-Identifier: MIT
// What encoders make of images, as scenes: nearest neighbours side by side, and a map of the embeddings.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/evaluate/embedding_data.hpp"
#include "contexture/report/inputs.hpp"
#include "contexture/report/pictures.hpp"
#include "contexture/report/scene.hpp"

namespace contexture::report::detail {

/// Colours of classes on the map: Okabe and Ito's without black, then four of Tol's muted ones. Classes beyond are
/// grey.
inline constexpr std::array<std::array<std::uint8_t, 3>, 12> kClassColours = {{{0xd5, 0x5e, 0x00},
                                                                               {0x00, 0x72, 0xb2},
                                                                               {0x00, 0x9e, 0x73},
                                                                               {0xcc, 0x79, 0xa7},
                                                                               {0xe6, 0x9f, 0x00},
                                                                               {0x56, 0xb4, 0xe9},
                                                                               {0xc9, 0xbe, 0x1a},
                                                                               {0x88, 0x22, 0x55},
                                                                               {0x33, 0x22, 0x88},
                                                                               {0x11, 0x77, 0x33},
                                                                               {0x99, 0x99, 0x33},
                                                                               {0x66, 0x33, 0x11}}};

[[nodiscard]] inline std::array<std::uint8_t, 3> class_colour(std::int32_t label) {
  const auto i = static_cast<std::size_t>(label);
  return label >= 0 && i < kClassColours.size() ? kClassColours[i] : std::array<std::uint8_t, 3>{0x9a, 0xa6, 0xb3};
}

/// The view, where it fits the test images: numbers in range, as many entries as promised. Null: nothing to draw.
[[nodiscard]] inline const EmbeddingView* drawable(const ReportInputs& inputs) {
  if (!inputs.embedding || inputs.test == nullptr || inputs.embedding->encoders.empty()) return nullptr;
  const EmbeddingView& v = *inputs.embedding;
  const auto known = [&](const std::vector<std::int64_t>& images) {
    return std::all_of(images.begin(), images.end(), [&](std::int64_t i) { return i >= 0 && i < inputs.test->count; });
  };
  if (!known(v.queries) || !known(v.mapped) || v.neighbours < 0) return nullptr;
  for (const EncoderView& e : v.encoders)
    if (!known(e.neighbours) || e.neighbours.size() != v.queries.size() * static_cast<std::size_t>(v.neighbours) ||
        e.x.size() != v.mapped.size() || e.y.size() != v.mapped.size())
      return nullptr;
  return &v;
}

/// A plate an encoder, a row a query: the image, and its nearest neighbours, framed in green where they have its class.
[[nodiscard]] inline std::optional<Plates> neighbours_scene(const RunSummary& run, const ReportInputs& inputs) {
  const EmbeddingView* v = drawable(inputs);
  if (v == nullptr || v->queries.empty() || v->neighbours == 0) return std::nullopt;
  const ImageSet& test = *inputs.test;
  const bool labelled = test.labels.size() == static_cast<std::size_t>(test.count);
  constexpr int kCell = 58, kGap = 4, kHead = 26, kBetween = 12, kName = 74;
  const int first = kName + kCell + kBetween;  // left of the first neighbour
  const int group = static_cast<int>(v->neighbours) * (kCell + kGap) - kGap;
  Plates out{.across = 3, .gap = 36};
  const auto draw = [&](Scene& scene, int x, int y, Index image) {
    const int longest = static_cast<int>(std::max(test.height, test.width));
    const int w = std::max(1, static_cast<int>(test.width) * (kCell - 8) / longest);
    const int h = std::max(1, static_cast<int>(test.height) * (kCell - 8) / longest);
    scene.image(x + (kCell - w) / 2, y + (kCell - h) / 2, w, h, picture_of(test, image));
  };
  for (const EncoderView& encoder : v->encoders) {
    Scene& scene =
        out.parts.emplace_back(first + std::max(group, 180), kHead + static_cast<int>(v->queries.size()) * (kCell + 8));
    scene.text(first, 10, abridged(encoder.name, static_cast<std::size_t>(std::max(group, 180) / 8)),
               {.size = 14, .bold = true});
    for (std::size_t q = 0; q < v->queries.size(); ++q) {
      const int top = kHead + static_cast<int>(q) * (kCell + 8);
      const auto query = static_cast<std::size_t>(v->queries[q]);
      if (labelled)
        scene.text(kName - 6, top + kCell / 2, abridged(class_name(run, test.labels[query]), 9),
                   {.size = 13, .anchor = Anchor::right});
      draw(scene, kName, top, v->queries[q]);
      for (std::size_t k = 0; k < static_cast<std::size_t>(v->neighbours); ++k) {
        const std::int64_t image = encoder.neighbours[q * static_cast<std::size_t>(v->neighbours) + k];
        const int x = first + static_cast<int>(k) * (kCell + kGap);
        if (labelled)
          scene.fill(x, top, kCell, kCell,
                     test.labels[static_cast<std::size_t>(image)] == test.labels[query] ? Ink::right : Ink::wrong);
        draw(scene, x, top, image);
      }
    }
  }
  return out;
}

/// Half the side of the square that a map shows: all but the farthest 2 % of the coordinates, so that a few images far
/// out do not squeeze the rest into a blob.
[[nodiscard]] inline double map_reach(const EncoderView& view) {
  std::vector<double> sizes;
  for (std::size_t i = 0; i < view.x.size(); ++i)
    for (const float value : {view.x[i], view.y[i]})
      if (is_finite(value)) sizes.push_back(std::abs(static_cast<double>(value)));
  if (sizes.empty()) return 1;
  const auto place = sizes.begin() + static_cast<std::ptrdiff_t>(0.98 * static_cast<double>(sizes.size() - 1));
  std::nth_element(sizes.begin(), place, sizes.end());
  if (*place > 0) return *place;
  const double all = *std::max_element(sizes.begin(), sizes.end());
  return all > 0 ? all : 1;
}

/// Test images as dots by their first two principal components, coloured by class.
[[nodiscard]] inline Picture map_picture(const EncoderView& view, const std::vector<std::int64_t>& mapped,
                                         const ImageSet& test, int side) {
  constexpr Index kDot = 3;
  const Index pixels = side;
  const bool labelled = test.labels.size() == static_cast<std::size_t>(test.count);
  Picture map{pixels, pixels, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(pixels * pixels * 3), 255)};
  const double reach = map_reach(view);  // one scale for both axes, so that distances can be compared
  const auto place = [&](double value) {
    return static_cast<Index>(
        std::lround((std::clamp(value / reach, -1.0, 1.0) * 0.47 + 0.5) * static_cast<double>(pixels - 1)));
  };
  for (std::size_t i = 0; i < view.x.size(); ++i) {
    if (!is_finite(view.x[i]) || !is_finite(view.y[i])) continue;
    const Index cx = place(static_cast<double>(view.x[i])), cy = place(-static_cast<double>(view.y[i]));
    const auto colour = class_colour(labelled ? test.labels[static_cast<std::size_t>(mapped[i])] : -1);
    for (Index y = std::max<Index>(0, cy - kDot); y <= std::min(pixels - 1, cy + kDot); ++y)
      for (Index x = std::max<Index>(0, cx - kDot); x <= std::min(pixels - 1, cx + kDot); ++x)
        if ((x - cx) * (x - cx) + (y - cy) * (y - cy) <= kDot * kDot + 1)
          std::copy(colour.begin(), colour.end(),
                    map.pixels.begin() + static_cast<std::ptrdiff_t>((y * pixels + x) * 3));
  }
  return map;
}

/// A map an encoder, and what the colours mean.
[[nodiscard]] inline std::optional<Plates> embedding_scene(const RunSummary& run, const ReportInputs& inputs) {
  const EmbeddingView* v = drawable(inputs);
  if (v == nullptr || v->mapped.empty()) return std::nullopt;
  constexpr int kSide = 320, kHead = 48, kLegendRow = 24, kAcross = 2;
  Plates out{.across = 3};
  for (const EncoderView& view : v->encoders) {
    Scene& scene = out.parts.emplace_back(kSide, kHead + kSide);
    scene.text(0, 8, abridged(view.name, 36), {.size = 15, .bold = true});
    scene.text(0, 30,
               "components: " + percent(view.variance_shares[0], 0) + " and " + percent(view.variance_shares[1], 0) +
                   " of the variance",
               {.size = 13, .ink = Ink::muted});
    scene.image(1, kHead + 1, kSide - 2, kSide - 2, map_picture(view, v->mapped, *inputs.test, 2 * (kSide - 2)));
    scene.frame(0, kHead, kSide, kSide, 1, Ink::line);
  }
  // As many names as there are colours.
  std::vector<std::int32_t> classes;
  if (inputs.test->labels.empty()) return out;
  for (std::size_t c = 0; c < std::min(run.class_names.size(), kClassColours.size()); ++c)
    classes.push_back(static_cast<std::int32_t>(c));
  if (run.class_names.size() > classes.size()) classes.push_back(-1);
  const int rows = (static_cast<int>(classes.size()) + kAcross - 1) / kAcross;
  Scene& legend = out.tail.emplace(kSide, rows * kLegendRow);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const int x = static_cast<int>(i) % kAcross * (kSide / kAcross);
    const int y = static_cast<int>(i) / kAcross * kLegendRow + kLegendRow / 2;
    const auto colour = class_colour(classes[i]);
    legend.image(x, y - 6, 12, 12, {1, 1, 3, {colour.begin(), colour.end()}});
    legend.text(x + 20, y, classes[i] < 0 ? "other classes" : abridged(class_name(run, classes[i]), 16), {.size = 13});
  }
  return out;
}

/// How often neighbours share the class: "... 12 % with random weights, 61 % pre-trained". Empty without a view.
[[nodiscard]] inline std::string neighbour_sentence(const ReportInputs& inputs) {
  const EmbeddingView* v = drawable(inputs);
  if (v == nullptr || inputs.test->labels.empty() || v->neighbours == 0) return {};
  std::string out = "Of the " + std::to_string(v->neighbours) + " nearest neighbours of " +
                    grouped(static_cast<std::int64_t>(v->mapped.size())) +
                    " test images, so many have the image's class: ";
  for (std::size_t e = 0; e < v->encoders.size(); ++e)
    out += (e == 0 ? "" : "; ") + v->encoders[e].name + " " + percent(v->encoders[e].neighbour_precision);
  return out + ".";
}

}  // namespace contexture::report::detail
