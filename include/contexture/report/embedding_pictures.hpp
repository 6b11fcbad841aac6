// SPDX-License-Identifier: MIT
// What encoders make of images, as scenes: nearest neighbours side by side, a map of the embeddings, and the filters
// of the first layer.
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

/// A row a query: the image, and its nearest neighbours by every encoder, framed in green where they have its class.
[[nodiscard]] inline std::optional<Scene> neighbours_scene(const RunSummary& run, const ReportInputs& inputs) {
  const EmbeddingView* v = drawable(inputs);
  if (v == nullptr || v->queries.empty() || v->neighbours == 0) return std::nullopt;
  const ImageSet& test = *inputs.test;
  const bool labelled = test.labels.size() == static_cast<std::size_t>(test.count);
  constexpr int kCell = 58, kGap = 4, kMargin = 24, kHead = 50, kBetween = 26, kName = 96;
  const int group = static_cast<int>(v->neighbours) * (kCell + kGap) - kGap;
  const auto columns_left = [&](std::size_t e) {
    return kMargin + kName + kCell + kBetween + static_cast<int>(e) * (group + kBetween);
  };
  Scene scene(columns_left(v->encoders.size()) - kBetween + kMargin,
              kHead + static_cast<int>(v->queries.size()) * (kCell + 8) + 12);
  scene.text(kMargin + kName, 28, "query", {.size = 14, .bold = true});
  for (std::size_t e = 0; e < v->encoders.size(); ++e)
    scene.text(columns_left(e), 28, abridged(v->encoders[e].name, static_cast<std::size_t>(group / 8)),
               {.size = 14, .bold = true});
  const auto draw = [&](int x, int y, Index image) {
    const int longest = static_cast<int>(std::max(test.height, test.width));
    const int w = std::max(1, static_cast<int>(test.width) * (kCell - 8) / longest);
    const int h = std::max(1, static_cast<int>(test.height) * (kCell - 8) / longest);
    scene.image(x + (kCell - w) / 2, y + (kCell - h) / 2, w, h, picture_of(test, image));
  };
  for (std::size_t q = 0; q < v->queries.size(); ++q) {
    const int top = kHead + static_cast<int>(q) * (kCell + 8);
    const auto query = static_cast<std::size_t>(v->queries[q]);
    if (labelled)
      scene.text(kMargin + kName - 10, top + kCell / 2, abridged(class_name(run, test.labels[query]), 12),
                 {.size = 13, .anchor = Anchor::right});
    draw(kMargin + kName, top, v->queries[q]);
    for (std::size_t e = 0; e < v->encoders.size(); ++e)
      for (std::size_t k = 0; k < static_cast<std::size_t>(v->neighbours); ++k) {
        const std::int64_t image = v->encoders[e].neighbours[q * static_cast<std::size_t>(v->neighbours) + k];
        const int x = columns_left(e) + static_cast<int>(k) * (kCell + kGap);
        if (labelled)
          scene.fill(x, top, kCell, kCell,
                     test.labels[static_cast<std::size_t>(image)] == test.labels[query] ? Ink::right : Ink::wrong);
        draw(x, top, image);
      }
  }
  return scene;
}

/// A panel an encoder: test images as dots by their first two principal components, coloured by class.
[[nodiscard]] inline std::optional<Scene> embedding_scene(const RunSummary& run, const ReportInputs& inputs) {
  const EmbeddingView* v = drawable(inputs);
  if (v == nullptr || v->mapped.empty()) return std::nullopt;
  const ImageSet& test = *inputs.test;
  const bool labelled = test.labels.size() == static_cast<std::size_t>(test.count);
  constexpr int kSide = 320, kGap = 28, kMargin = 24, kHead = 72, kScale = 2, kDot = 3, kLegendRow = 24;
  const int width = 2 * kMargin + static_cast<int>(v->encoders.size()) * (kSide + kGap) - kGap;
  // The legend: as many names as there are colours, in columns.
  std::vector<std::int32_t> classes;
  if (labelled)
    for (std::size_t c = 0; c < std::min(run.class_names.size(), kClassColours.size()); ++c)
      classes.push_back(static_cast<std::int32_t>(c));
  const bool more = labelled && run.class_names.size() > classes.size();
  if (more) classes.push_back(-1);
  const int across = std::max(1, (width - 2 * kMargin) / 150);
  const int legend_rows = (static_cast<int>(classes.size()) + across - 1) / across;
  Scene scene(width, kHead + kSide + 20 + legend_rows * kLegendRow + (legend_rows > 0 ? 12 : 0));
  for (std::size_t e = 0; e < v->encoders.size(); ++e) {
    const EncoderView& view = v->encoders[e];
    const int left = kMargin + static_cast<int>(e) * (kSide + kGap);
    scene.text(left, 28, abridged(view.name, 36), {.size = 15, .bold = true});
    scene.text(left, 50,
               "components: " + percent(view.variance_shares[0], 0) + " and " + percent(view.variance_shares[1], 0) +
                   " of the variance",
               {.size = 13, .ink = Ink::muted});
    constexpr Index kPixels = kSide * kScale;
    Picture map{kPixels, kPixels, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(kPixels * kPixels * 3), 255)};
    // One scale for both axes, so that distances can be compared.
    double reach = 0;
    for (std::size_t i = 0; i < view.x.size(); ++i)
      for (const float value : {view.x[i], view.y[i]})
        if (is_finite(value)) reach = std::max(reach, static_cast<double>(std::abs(value)));
    if (!(reach > 0)) reach = 1;
    for (std::size_t i = 0; i < view.x.size(); ++i) {
      if (!is_finite(view.x[i]) || !is_finite(view.y[i])) continue;
      const auto place = [&](double value) {
        return static_cast<Index>(std::lround((value / reach * 0.47 + 0.5) * static_cast<double>(kPixels - 1)));
      };
      const Index cx = place(static_cast<double>(view.x[i])), cy = place(-static_cast<double>(view.y[i]));
      const auto colour = class_colour(labelled ? test.labels[static_cast<std::size_t>(v->mapped[i])] : -1);
      for (Index y = std::max<Index>(0, cy - kDot); y <= std::min(kPixels - 1, cy + kDot); ++y)
        for (Index x = std::max<Index>(0, cx - kDot); x <= std::min(kPixels - 1, cx + kDot); ++x)
          if ((x - cx) * (x - cx) + (y - cy) * (y - cy) <= kDot * kDot + 1)
            std::copy(colour.begin(), colour.end(),
                      map.pixels.begin() + static_cast<std::ptrdiff_t>((y * kPixels + x) * 3));
    }
    scene.image(left, kHead, kSide, kSide, std::move(map));
    scene.frame(left - 1, kHead - 1, kSide + 2, kSide + 2, 1, Ink::line);
  }
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const int x = kMargin + static_cast<int>(i) % across * 150;
    const int y = kHead + kSide + 28 + static_cast<int>(i) / across * kLegendRow;
    const auto colour = class_colour(classes[i]);
    scene.image(x, y - 6, 12, 12, {1, 1, 3, {colour.begin(), colour.end()}});
    scene.text(x + 20, y, classes[i] < 0 ? "other classes" : abridged(class_name(run, classes[i]), 16), {.size = 13});
  }
  return scene;
}

/// A group an encoder: the filters of the first layer, each scaled to its largest weight; mid-grey is 0.
[[nodiscard]] inline std::optional<Scene> filters_scene(const ReportInputs& inputs) {
  const EmbeddingView* v = drawable(inputs);
  if (v == nullptr) return std::nullopt;
  constexpr int kCell = 42, kGap = 6, kMargin = 24, kHead = 50, kAcross = 8, kBetween = 36, kMost = 64;
  Index most = 0;
  for (const EncoderView& e : v->encoders) {
    const auto size = static_cast<std::size_t>(e.filters * e.filter_side * e.filter_side * e.filter_channels);
    if (e.filters < 1 || size == 0 || e.filter_values.size() != size) return std::nullopt;
    most = std::max(most, std::min<Index>(e.filters, kMost));
  }
  const int group = kAcross * (kCell + kGap) - kGap;
  const int down = (static_cast<int>(most) + kAcross - 1) / kAcross;
  Scene scene(2 * kMargin + static_cast<int>(v->encoders.size()) * (group + kBetween) - kBetween,
              kHead + down * (kCell + kGap) + 12);
  for (std::size_t e = 0; e < v->encoders.size(); ++e) {
    const EncoderView& view = v->encoders[e];
    const int left = kMargin + static_cast<int>(e) * (group + kBetween);
    scene.text(left, 28, abridged(view.name, 40), {.size = 15, .bold = true});
    const Index pixels = view.filter_side * view.filter_side;
    const Index shown = view.filter_channels >= 3 ? 3 : 1;
    for (Index k = 0; k < std::min<Index>(view.filters, kMost); ++k) {
      const float* const filter = view.filter_values.data() + k * pixels * view.filter_channels;
      float largest = 0;
      for (Index i = 0; i < pixels * view.filter_channels; ++i) largest = std::max(largest, std::abs(filter[i]));
      std::vector<float> values;
      for (Index i = 0; i < pixels; ++i)
        for (Index c = 0; c < shown; ++c) values.push_back(filter[i * view.filter_channels + c]);
      if (!(largest > 0)) largest = 1;
      const int x = left + static_cast<int>(k) % kAcross * (kCell + kGap);
      const int y = kHead + static_cast<int>(k) / kAcross * (kCell + kGap);
      scene.image(x, y, kCell, kCell,
                  picture_of(values.data(), view.filter_side, view.filter_side, shown, -largest, largest));
    }
  }
  return scene;
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
