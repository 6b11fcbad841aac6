// SPDX-License-Identifier: MIT
// Geometry, labels, colours and statistics of the context-prediction patches. Labels are checked
// from the patches' own pixels, in images whose pixel values are their coordinates.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "contexture/ssl/patch_sampler.hpp"
#include "made_up_images.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

namespace {

using namespace contexture;

// Channel 0 holds the row, channel 1 the column, in steps of 2 (up to 127 px); channel 2 is constant.
constexpr int kStep = 2;
ImageSet coordinate_image(Index height, Index width) {
  ImageSet set{1, height, width, 3, {}, {}};
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < width; ++x) {
      set.pixels.push_back(static_cast<std::uint8_t>(kStep * y));
      set.pixels.push_back(static_cast<std::uint8_t>(kStep * x));
      set.pixels.push_back(90);
    }
  }
  return set;
}

// Options that leave the pixel values readable: value = (x - 0.5) * 4.
PatchOptions plain(PatchOptions o = {}) {
  o.colour = ColourTreatment::keep;
  o.standardise = false;
  o.blank_deviation = 1e-4F;
  return o;
}
double as_byte(float value) { return (static_cast<double>(value) / 4 + 0.5) * 255; }

const float* patch(const PretextBatch& batch, std::int32_t row) {
  return batch.inputs.data() + row * dim(batch.inputs, 1) * dim(batch.inputs, 2) * dim(batch.inputs, 3);
}

// Where in the source image the middle of a patch of a coordinate image comes from.
std::pair<double, double> middle(const PretextBatch& batch, std::int32_t row) {
  const Index side = dim(batch.inputs, 1);
  const float* p = patch(batch, row);
  double y = 0;
  double x = 0;
  int n = 0;
  for (const Index i : {(side - 1) / 2, side / 2}) {
    for (const Index j : {(side - 1) / 2, side / 2}) {
      y += as_byte(p[(i * side + j) * 3]) / kStep;
      x += as_byte(p[(i * side + j) * 3 + 1]) / kStep;
      ++n;
    }
  }
  return {y / n, x / n};
}

bool same_bits(const PretextBatch& a, const PretextBatch& b) {
  return a.inputs.shape() == b.inputs.shape() && a.first == b.first && a.second == b.second && a.targets == b.targets &&
         tensors::same_bits(a.inputs, b.inputs);
}

}  // namespace

TEST_CASE("directions are numbered row by row and opposites add up to 7", "[ssl]") {
  const std::array<std::pair<int, int>, 8> expected = {
      {{-1, -1}, {-1, 0}, {-1, 1}, {0, -1}, {0, 1}, {1, -1}, {1, 0}, {1, 1}}};
  for (int label = 0; label < kDirections; ++label) {
    const Direction d = direction(label);
    CHECK(d.dy == expected[static_cast<std::size_t>(label)].first);
    CHECK(d.dx == expected[static_cast<std::size_t>(label)].second);
    CHECK(direction_label(d) == label);
    CHECK(direction_label({-d.dy, -d.dx}) == 7 - label);
  }
  CHECK_THROWS_AS(direction(8), std::invalid_argument);
  CHECK_THROWS_AS(direction(-1), std::invalid_argument);
  CHECK_THROWS_AS(direction_label({0, 0}), std::invalid_argument);
  CHECK_THROWS_AS(direction_label({2, 0}), std::invalid_argument);
}

TEST_CASE("all ordered neighbour pairs, each once, in both orders", "[ssl]") {
  for (const auto& [grid, count] : {std::pair{2, 12}, {3, 40}, {4, 84}}) {
    const auto pairs = neighbour_pairs(grid);
    CHECK(static_cast<int>(pairs.size()) == count);
    std::map<std::pair<int, int>, int> label_of;
    for (const auto& p : pairs) {
      const Direction d{p.second / grid - p.first / grid, p.second % grid - p.first % grid};
      CHECK(direction_label(d) == p.label);
      CHECK(label_of.emplace(std::pair{p.first, p.second}, p.label).second);
    }
    for (const auto& p : pairs) CHECK(label_of.at({p.second, p.first}) == 7 - p.label);
  }
  CHECK_THROWS_AS(neighbour_pairs(1), std::invalid_argument);
}

TEST_CASE("chance is the share of the most frequent direction and weights undo the imbalance", "[ssl]") {
  for (const auto& [grid, chance] : {std::pair{2, 2.0 / 12}, {3, 6.0 / 40}}) {
    PatchOptions o;
    o.grid = grid;
    o.patch = 6;
    o.gap = 3;
    const PatchSampler sampler(o, 32, 32, 3);
    CHECK(sampler.chance() == Approx(chance));
    const auto weight = sampler.direction_weights();
    std::array<double, 8> mass{};
    for (const auto& p : sampler.pairs()) {
      mass[static_cast<std::size_t>(p.label)] += weight[static_cast<std::size_t>(p.label)];
    }
    for (const double m : mass) CHECK(m == Approx(static_cast<double>(sampler.pairs().size()) / 8));
    o.balance_directions = false;
    for (const double w : PatchSampler(o, 32, 32, 3).direction_weights()) CHECK(w == 1.0);
  }
  const auto weight = PatchSampler(PatchOptions{}, 32, 32, 3).direction_weights();
  CHECK(weight[0] == Approx(1.5));  // a diagonal
  CHECK(weight[1] == Approx(0.75));
}

TEST_CASE("default geometry follows the image size", "[ssl]") {
  struct Row {
    Index size;
    int grid, patch, gap, jitter;
  };
  for (const Row& r : {Row{28, 2, 10, 5, 1}, Row{32, 2, 12, 6, 1}, Row{96, 3, 20, 10, 2}}) {
    const auto o = patch_defaults(r.size);
    CAPTURE(r.size);
    CHECK(o.grid == r.grid);
    CHECK(o.patch == r.patch);
    CHECK(o.gap == r.gap);
    CHECK(o.jitter == r.jitter);
  }
  for (Index size = 13; size <= 300; ++size) {
    const auto o = patch_defaults(size);
    CAPTURE(size, o.grid, o.patch, o.gap, o.jitter);
    CHECK(o.gap - 2 * o.jitter >= 1);
    CHECK(o.extent() <= size);
    CHECK_NOTHROW(PatchSampler(o, size, size, 3));
    CHECK_NOTHROW(PatchSampler(o, size, size + 11, 3));
  }
  CHECK(patch_defaults(32, 3).colour == ColourTreatment::grey);
  CHECK(patch_defaults(28, 1).colour == ColourTreatment::keep);
  CHECK_THROWS_AS(patch_defaults(12), std::invalid_argument);
  CHECK_THROWS_AS(patch_defaults(-5), std::invalid_argument);
  CHECK_THROWS_AS(patch_defaults(32, 0), std::invalid_argument);
}

TEST_CASE("an image smaller than the grid is refused in one clear line", "[ssl]") {
  PatchOptions o;  // needs 32 px
  o.min_scale = o.max_scale = 1.0F;
  CHECK_NOTHROW(PatchSampler(o, 32, 32, 3));
  try {
    const PatchSampler sampler(o, 28, 40, 3);
    FAIL("accepted");
  } catch (const std::invalid_argument& e) {
    const std::string text = e.what();
    CHECK(text.find("28 x 40") != std::string::npos);
    CHECK(text.find("2x2 grid") != std::string::npos);
    CHECK(text.find("expected 32 px or more") != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
  }
}

TEST_CASE("options that make no sense are refused", "[ssl]") {
  const auto refuses = [](auto change) {
    PatchOptions o;
    change(o);
    CHECK_THROWS_AS(PatchSampler(o, 64, 64, 3), std::invalid_argument);
  };
  refuses([](auto& o) { o.grid = 1; });
  refuses([](auto& o) { o.patch = 0; });
  refuses([](auto& o) { o.gap = -1; });
  refuses([](auto& o) { o.jitter = -1; });
  refuses([](auto& o) { o.jitter = 4; });
  refuses([](auto& o) { o.min_scale = 0; });
  refuses([](auto& o) { o.min_scale = 2; });
  refuses([](auto& o) { o.max_scale = std::nanf(""); });
  refuses([](auto& o) { o.grids_per_image = 0; });
  refuses([](auto& o) { o.colour_probability = 1.5F; });
  refuses([](auto& o) { o.blank_deviation = 0; });
  refuses([](auto& o) { o.blank_pair_share = -0.1F; });
  PatchOptions projected;
  projected.colour = ColourTreatment::project;
  CHECK_THROWS_AS(PatchSampler(projected, 32, 32, 1), std::invalid_argument);
  const PatchSampler sampler(PatchOptions{}, 32, 32, 3);
  const auto images = made_up::noise(2, 32, 32, 3);
  CHECK_THROWS_AS(sampler.sample(made_up::noise(1, 28, 28, 3), made_up::first(1), Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(sampler.sample(images, made_up::first(3), Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(sampler.sample(images, std::vector<Index>{-1}, Rng(1)), std::invalid_argument);
}

TEST_CASE("a patch never leaves the image, and gap and jitter are exact", "[ssl]") {
  struct Geometry {
    int grid, patch, gap, jitter;
    Index height, width;
    float min_scale, max_scale;
  };
  for (const Geometry& g : {Geometry{2, 12, 6, 1, 32, 32, 1.0625F, 1.4375F}, Geometry{2, 12, 6, 1, 32, 32, 1.0F, 1.0F},
                            Geometry{2, 10, 5, 0, 28, 28, 1.0F, 1.3F}, Geometry{3, 8, 3, 1, 40, 32, 1.0F, 1.5F},
                            Geometry{3, 20, 10, 5, 96, 160, 0.95F, 1.2F}, Geometry{2, 9, 7, 3, 61, 64, 0.6F, 0.9F},
                            Geometry{4, 3, 2, 1, 24, 24, 1.0F, 2.0F}}) {
    for (const bool random_origin : {true, false}) {
      PatchOptions o;
      o.grid = g.grid;
      o.patch = g.patch;
      o.gap = g.gap;
      o.jitter = g.jitter;
      o.min_scale = g.min_scale;
      o.max_scale = g.max_scale;
      o.random_origin = random_origin;
      const PatchSampler sampler(o, g.height, g.width, 3);
      Rng stream(11);
      Index lowest_y = 1'000'000;
      Index highest_slack = 1'000'000;
      std::map<Index, int> heights;
      std::vector<int> offsets(static_cast<std::size_t>(2 * g.jitter + 1), 0);
      bool inside = true;
      bool spaced = true;
      for (int trial = 0; trial < 3000; ++trial) {
        const GridPlacement placement = sampler.place(stream);
        ++heights[placement.height];
        for (const auto& c : placement.patches) {
          inside =
              inside && c.y >= 0 && c.x >= 0 && c.y + g.patch <= placement.height && c.x + g.patch <= placement.width;
          lowest_y = std::min(lowest_y, c.y);
          highest_slack = std::min(highest_slack, placement.height - c.y - g.patch);
        }
        for (const auto& pair : sampler.pairs()) {
          const auto& a = placement.patches[static_cast<std::size_t>(pair.first)];
          const auto& b = placement.patches[static_cast<std::size_t>(pair.second)];
          const Direction d = direction(pair.label);
          for (const auto& [from, to, step] : {std::tuple{a.y, b.y, d.dy}, std::tuple{a.x, b.x, d.dx}}) {
            const Index off = to - from - step * (g.patch + g.gap);  // difference of two jitters
            spaced = spaced && std::abs(off) <= 2 * g.jitter;
            if (step != 0) spaced = spaced && std::abs(to - from) - g.patch >= g.gap - 2 * g.jitter;
          }
        }
        // Two patches of a row differ in y by the difference of their jitters.
        const Index spread = placement.patches[1].y - placement.patches[0].y;
        if (spread >= 0 && spread <= 2 * g.jitter) ++offsets[static_cast<std::size_t>(spread)];
      }
      CHECK(inside);
      CHECK(spaced);
      for (const int n : offsets) CHECK(n > 0);  // all jitters occur
      CHECK(heights.begin()->first ==
            std::llround(static_cast<double>(g.min_scale) * static_cast<double>(std::min(g.height, g.width))) *
                g.height / std::min(g.height, g.width));
      if (random_origin) {  // the whole image is used, up to its last row
        CHECK(lowest_y == 0);
        CHECK(highest_slack == 0);
      }
    }
  }
}

TEST_CASE("a patch moves by every number of pixels up to the jitter, either way and equally often", "[ssl]") {
  PatchOptions o;
  o.jitter = 2;
  o.patch = 9;
  o.min_scale = o.max_scale = 1;
  o.random_origin = false;
  o.flip = true;
  const PatchSampler sampler(o, 32, 34, 3);
  Rng stream(7);
  constexpr int kGrids = 5000;
  std::map<Index, int> down, across;
  int mirrored = 0;
  std::array<std::map<int, int>, 2> eighths;
  for (int i = 0; i < kGrids; ++i) {
    const GridPlacement placement = sampler.place(stream);
    mirrored += placement.mirrored;
    for (std::size_t p = 0; p < 4; ++p) {
      const PatchCorner& corner = placement.patches[p];
      // The grid takes 2 x 9 + 6 pixels, with jitter 28.
      ++down[corner.y - (2 + 2 + static_cast<Index>(p / 2) * 15)];
      ++across[corner.x - (3 + 2 + static_cast<Index>(p % 2) * 15)];
      ++eighths[0][corner.eighths_y];
      ++eighths[1][corner.eighths_x];
    }
  }
  for (const auto& moves : {down, across}) {
    REQUIRE(moves.size() == 5);
    CHECK(moves.begin()->first == -2);
    CHECK(moves.rbegin()->first == 2);
    for (const auto& [move, count] : moves) CHECK(count == Approx(4000).margin(300));  // 57 is one deviation
  }
  for (const auto& parts : eighths) {
    REQUIRE(parts.size() == 8);
    CHECK(parts.begin()->first == -4);
    for (const auto& [part, count] : parts) CHECK(count == Approx(2500).margin(250));
  }
  CHECK(mirrored / static_cast<double>(kGrids) == Approx(0.5).margin(0.03));  // 0.007 is one deviation
}

TEST_CASE("without scaling and jitter, patches are exact copies at exact distances", "[ssl]") {
  PatchOptions o = plain();
  o.min_scale = o.max_scale = 1.0F;
  o.jitter = 0;
  o.subpixel = false;
  const PatchSampler sampler(o, 40, 36, 3);
  const auto image = coordinate_image(40, 36);
  const auto batch = sampler.sample(image, made_up::first(1), Rng(3));
  REQUIRE(batch.targets.size() == 12);
  const auto [y0, x0] = middle(batch, 0);
  for (std::int32_t p = 0; p < 4; ++p) {
    const auto [y, x] = middle(batch, p);
    CHECK(y - y0 == Approx((p / 2) * 18).margin(1e-3));
    CHECK(x - x0 == Approx((p % 2) * 18).margin(1e-3));
    const double top = as_byte(patch(batch, p)[0]) / kStep;
    const double left = as_byte(patch(batch, p)[1]) / kStep;
    for (Index i = 0; i < 12; ++i) {
      for (Index j = 0; j < 12; ++j) {
        const float* v = patch(batch, p) + (i * 12 + j) * 3;
        REQUIRE(as_byte(v[0]) / kStep == Approx(top + static_cast<double>(i)).margin(1e-3));
        REQUIRE(as_byte(v[1]) / kStep == Approx(left + static_cast<double>(j)).margin(1e-3));
        REQUIRE(as_byte(v[2]) == Approx(90).margin(1e-3));
      }
    }
  }
}

TEST_CASE("every patch is sampled at a fraction of a pixel of its own", "[ssl]") {
  // In an image whose values are its coordinates, enlarged or shrunk, a patch's middle tells where it was sampled;
  // an eighth of a pixel is 0.1 there or more, and the wide filter of shrinking off by 0.01.
  for (const float factor : {1.25F, 0.8F}) {
    PatchOptions o = plain();
    o.min_scale = o.max_scale = factor;
    const PatchSampler sampler(o, 64, 60, 3);
    const auto image = coordinate_image(64, 60);
    std::array<std::array<int, 8>, 8> seen{};  // [eighths of the first patch][of the second], vertically
    for (std::uint64_t k = 0; k < 1000; ++k) {
      const Rng rng(k);
      Rng stream = rng.split(0);
      const GridPlacement placement = sampler.place(stream);
      const auto batch = sampler.sample(image, made_up::first(1), rng);
      for (std::int32_t p = 0; p < 4; ++p) {
        const PatchCorner& corner = placement.patches[static_cast<std::size_t>(p)];
        if (corner.y < 2 || corner.x < 2 || corner.y + 14 > placement.height || corner.x + 14 > placement.width)
          continue;  // the filter reaches beyond the image
        const auto [y, x] = middle(batch, p);
        REQUIRE(y == Approx((static_cast<double>(corner.y) + 6 + corner.eighths_y / 8.0) * 64 /
                                static_cast<double>(placement.height) -
                            0.5)
                         .margin(0.05));
        REQUIRE(x == Approx((static_cast<double>(corner.x) + 6 + corner.eighths_x / 8.0) * 60 /
                                static_cast<double>(placement.width) -
                            0.5)
                         .margin(0.05));
      }
      ++seen[static_cast<std::size_t>(placement.patches[0].eighths_y + 4)]
            [static_cast<std::size_t>(placement.patches[1].eighths_y + 4)];
    }
    for (const auto& row : seen)
      for (const int n : row) CHECK(n > 0);  // any with any: 1000 draws of 64 pairs
  }
  PatchOptions o;
  o.subpixel = false;
  Rng stream(1);
  for (const PatchCorner& corner : PatchSampler(o, 32, 32, 3).place(stream).patches)
    CHECK((corner.eighths_y == 0 && corner.eighths_x == 0));
}

TEST_CASE("labels say where the second patch's pixels lie from the first's", "[ssl]") {
  for (const auto& [size, flip] : {std::pair<Index, bool>{32, false}, {32, true}, {96, false}, {28, true}}) {
    PatchOptions o = plain(patch_defaults(size));
    o.flip = flip;
    o.grids_per_image = 2;
    const PatchSampler sampler(o, size, size, 3);
    const auto image = coordinate_image(size, size);
    std::array<int, 8> seen{};
    int mirrored = 0;
    for (std::uint64_t step = 0; step < 40; ++step) {
      const Rng rng = Rng(5).split(step);
      const auto batch = sampler.sample(image, made_up::first(1), rng);
      REQUIRE(dim(batch.inputs, 0) == 2 * sampler.patches_per_grid());
      REQUIRE(batch.targets.size() == 2 * sampler.pairs().size());
      for (std::size_t k = 0; k < batch.targets.size(); ++k) {
        const auto per_grid = static_cast<std::int32_t>(sampler.patches_per_grid());
        REQUIRE(batch.first[k] / per_grid == batch.second[k] / per_grid);  // never across grids
        const auto [ay, ax] = middle(batch, batch.first[k]);
        const auto [by, bx] = middle(batch, batch.second[k]);
        // In a mirrored image columns count down within a patch.
        const float* p = patch(batch, batch.first[k]);
        const bool mirror = p[1] > p[(static_cast<Index>(o.patch) - 1) * 3 + 1];
        mirrored += mirror;
        const double half = 0.5 * o.patch / static_cast<double>(o.max_scale);  // source pixels
        const auto sign = [half](double v) { return v > half ? 1 : v < -half ? -1 : 0; };
        const Direction d{sign(by - ay), mirror ? -sign(bx - ax) : sign(bx - ax)};
        REQUIRE(direction_label(d) == batch.targets[k]);
        ++seen[static_cast<std::size_t>(batch.targets[k])];
      }
    }
    for (const int n : seen) CHECK(n > 0);
    CHECK((mirrored > 0) == flip);
  }
}

TEST_CASE("patches are standardised over all pixels and channels", "[ssl]") {
  for (const auto treatment :
       {ColourTreatment::keep, ColourTreatment::grey, ColourTreatment::drop_channels, ColourTreatment::project}) {
    for (const auto& [size, channels] : {std::pair<Index, Index>{32, 3}, {96, 3}, {28, 1}, {24, 4}}) {
      if (treatment == ColourTreatment::project && channels != 3) continue;
      PatchOptions o = patch_defaults(size, channels);
      o.colour = treatment;
      const PatchSampler sampler(o, size, size, channels);
      const auto batch = sampler.sample(made_up::noise(6, size, size, channels), made_up::first(6), Rng(2));
      CHECK(batch.skipped == 0);
      const Index n = static_cast<Index>(o.patch) * o.patch * channels;
      for (std::int32_t row = 0; row < dim(batch.inputs, 0); ++row) {
        double sum = 0;
        double square = 0;
        for (Index i = 0; i < n; ++i) {
          const double v = static_cast<double>(patch(batch, row)[i]);
          sum += v;
          square += v * v;
        }
        REQUIRE(sum / static_cast<double>(n) == Approx(0).margin(2e-5));
        REQUIRE(square / static_cast<double>(n) == Approx(1).margin(1e-4));
      }
    }
  }
}

TEST_CASE("blank patches stay small and their pairs are left out", "[ssl]") {
  PatchOptions o;
  o.min_scale = o.max_scale = 1.0F;
  o.colour = ColourTreatment::keep;
  // One grey level of noise on a constant image is not blown up; a batch of nothing else keeps its pairs.
  auto flat = made_up::noise(2, 32, 32, 3);
  for (auto& p : flat.pixels) p = static_cast<std::uint8_t>(120 + p % 2);
  const PatchSampler sampler(o, 32, 32, 3);
  auto batch = sampler.sample(flat, made_up::first(2), Rng(1));
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) REQUIRE(std::abs(batch.inputs.data()[i]) < 0.2F);
  CHECK(batch.targets.size() == 24);
  CHECK(batch.skipped == 0);
  CHECK(batch.first[12] == 4);
  // Plain colour is blank too, though its channels differ.
  auto red = flat;
  for (std::size_t i = 0; i < red.pixels.size(); ++i) red.pixels[i] = i % 3 == 0 ? 200 : 10;
  // Texture in the lower right corner only: patch 3 is not blank, every pair has a blank patch.
  auto corner = flat;
  corner.count = 3;
  const auto texture = made_up::noise(1, 32, 32, 3);
  corner.pixels.insert(corner.pixels.end(), texture.pixels.begin(), texture.pixels.end());  // image 2: no blanks
  for (Index y = 20; y < 32; ++y) {
    for (Index x = 20 * 3; x < 32 * 3; ++x) corner.image(0)[y * 96 + x] = texture.image(0)[y * 96 + x];
  }
  o.jitter = 0;
  const PatchSampler exact(o, 32, 32, 3);
  batch = exact.sample(corner, made_up::first(3), Rng(1));
  CHECK(batch.targets.size() == 12);
  CHECK(batch.skipped == 24);
  for (const auto row : batch.first) CHECK(row >= 8);
  o.blank_pair_share = 1.0F;
  batch = PatchSampler(o, 32, 32, 3).sample(corner, made_up::first(3), Rng(1));
  CHECK(batch.targets.size() == 36);
  o.blank_pair_share = 0.25F;
  const PatchSampler some(o, 32, 32, 3);
  double kept = 0;
  for (std::uint64_t step = 0; step < 200; ++step) {
    kept += static_cast<double>(some.sample(corner, made_up::first(3), Rng(4).split(step)).targets.size()) - 12;
  }
  CHECK(kept / (200 * 24) == Approx(0.25).margin(0.03));
  batch = sampler.sample(red, made_up::first(2), Rng(1));
  CHECK(batch.targets.size() == 24);  // all blank: all kept
  red.pixels.insert(red.pixels.end(), texture.pixels.begin(), texture.pixels.end());
  red.count = 3;
  CHECK(sampler.sample(red, made_up::first(3), Rng(1)).skipped == 24);
}

TEST_CASE("grey is luminance", "[ssl]") {
  std::vector<float> rgb = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5F, 0.5F, 0.5F};
  detail::make_grey(rgb.data(), 4, 3);
  const std::array<float, 4> expected = {0.299F, 0.587F, 0.114F, 0.5F};
  for (std::size_t i = 0; i < 12; ++i) CHECK(rgb[i] == Approx(expected[i / 3]));
  std::vector<float> two = {0.2F, 0.6F};
  detail::make_grey(two.data(), 1, 2);
  CHECK(two[0] == Approx(0.4F));
  CHECK(two[1] == Approx(0.4F));
}

TEST_CASE("the projection takes the green-magenta axis out and nothing else", "[ssl]") {
  // B = I - a'a / (a a') written out.
  const std::array<double, 3> a = {-1, 2, -1};
  Rng rng(9);
  for (int trial = 0; trial < 50; ++trial) {
    std::array<float, 3> x{};
    for (float& v : x) v = rng.uniform();
    std::array<double, 3> expected{};
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t i = 0; i < 3; ++i) {
        const double b = (i == j ? 1.0 : 0.0) - a[i] * a[j] / 6.0;
        expected[j] += static_cast<double>(x[i]) * b;
      }
    }
    detail::project_green_magenta(x.data(), 1);
    double along = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(static_cast<double>(x[j]) == Approx(expected[j]).margin(1e-6));
      along += a[j] * static_cast<double>(x[j]);
    }
    CHECK(along == Approx(0).margin(1e-6));
  }
  std::array<float, 3> grey = {0.3F, 0.3F, 0.3F};
  detail::project_green_magenta(grey.data(), 1);
  CHECK(grey[1] == Approx(0.3F));
}

TEST_CASE("channel dropping keeps one channel and leaves one percent noise in the others", "[ssl]") {
  std::array<int, 3> kept_count{};
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    Rng rng = Rng(13).split(trial);
    std::vector<float> original(400 * 3);
    for (float& v : original) v = rng.uniform();
    auto x = original;
    detail::drop_channels(x.data(), 400, 3, rng);
    int kept = -1;
    std::array<double, 3> mean{};
    std::array<double, 3> deviation{};
    for (std::size_t c = 0; c < 3; ++c) {
      bool same = true;
      double square = 0;
      for (std::size_t i = 0; i < 400; ++i) {
        const double v = static_cast<double>(x[i * 3 + c]);
        same = same && x[i * 3 + c] == original[i * 3 + c];
        mean[c] += v / 400;
        square += v * v / 400;
      }
      deviation[c] = std::sqrt(square - mean[c] * mean[c]);
      if (same) {
        REQUIRE(kept == -1);
        kept = static_cast<int>(c);
      }
    }
    REQUIRE(kept >= 0);
    ++kept_count[static_cast<std::size_t>(kept)];
    for (std::size_t c = 0; c < 3; ++c) {
      if (static_cast<int>(c) == kept) continue;
      REQUIRE(mean[c] == Approx(mean[static_cast<std::size_t>(kept)]).margin(1e-3));
      REQUIRE(deviation[c] / deviation[static_cast<std::size_t>(kept)] == Approx(0.01).epsilon(0.15));
    }
  }
  for (const int n : kept_count) CHECK(n > 60);
}

TEST_CASE("colours are treated as often as asked for", "[ssl]") {
  for (const float probability : {0.0F, 0.66F, 1.0F}) {
    PatchOptions o = plain();
    o.colour = ColourTreatment::grey;
    o.colour_probability = probability;
    const PatchSampler sampler(o, 32, 32, 3);
    const auto images = made_up::noise(300, 32, 32, 3);
    const auto batch = sampler.sample(images, made_up::first(300), Rng(21));
    int grey = 0;
    for (std::int32_t grid = 0; grid < 300; ++grid) {
      int patches = 0;
      for (std::int32_t p = 0; p < 4; ++p) {
        const float* v = patch(batch, 4 * grid + p);
        patches += v[0] == v[1] && v[1] == v[2] && v[30] == v[31];
      }
      REQUIRE((patches == 0 || patches == 4));  // a grid is grey or it is not
      grey += patches / 4;
    }
    CHECK(grey / 300.0 == Approx(static_cast<double>(probability)).margin(0.09));
  }
}

TEST_CASE("an image's patches depend on its stream and place in the batch alone", "[ssl]") {
  const auto images = made_up::noise(10, 32, 32, 3);
  for (const auto treatment : {ColourTreatment::grey, ColourTreatment::drop_channels}) {
    PatchOptions o;
    o.colour = treatment;
    o.flip = true;
    o.grids_per_image = 2;
    const PatchSampler sampler(o, 32, 32, 3);
    const Rng step = Rng(17).split(4);
    const auto all = sampler.sample(images, made_up::first(10), step);
    PretextBatch reused = sampler.sample(images, made_up::first(3), Rng(99));
    sampler.sample(images, made_up::first(10), step, reused);  // an old batch leaves no trace
    CHECK(same_bits(all, reused));
    const auto some = sampler.sample(images, made_up::first(6), step);
    CHECK(std::memcmp(all.inputs.data(), some.inputs.data(), some.inputs.size() * sizeof(float)) == 0);
    CHECK_FALSE(same_bits(all, sampler.sample(images, made_up::first(10), Rng(17).split(5))));
    const auto twice = sampler.sample(images, std::vector<Index>{3, 3}, step);  // drawn anew
    CHECK(std::memcmp(patch(twice, 0), patch(twice, 8), 12 * 12 * 3 * sizeof(float)) != 0);
  }
  const auto nothing = PatchSampler(PatchOptions{}, 32, 32, 3).sample(images, std::vector<Index>{}, Rng(1));
  CHECK(nothing.inputs.size() == 0);
  CHECK(nothing.targets.empty());
}

TEST_CASE("an illustration shows what sampling does", "[ssl]") {
  const auto images = made_up::noise(3, 32, 48, 3);
  PatchOptions o;
  o.flip = true;
  o.subpixel = false;  // else a patch is no copy of the scaled image
  o.colour_probability = 0.5F;
  const PatchSampler sampler(o, 32, 48, 3);
  for (std::uint64_t k = 0; k < 20; ++k) {
    const Rng rng = Rng(31).split(k);
    const auto batch = sampler.sample(images, std::vector<Index>{2}, rng);
    const auto picture = sampler.illustrate(images, 2, rng.split(0));
    REQUIRE(std::equal(picture.original.pixels.begin(), picture.original.pixels.end(), images.image(2)));
    REQUIRE(picture.scaled.pixels.size() == static_cast<std::size_t>(picture.scaled.image_bytes()));
    REQUIRE(picture.cut.count == 4);
    for (Index p = 0; p < 4; ++p) {
      const auto corner = picture.placement.patches[static_cast<std::size_t>(p)];
      for (Index y = 0; y < 12; ++y) {
        for (Index i = 0; i < 36; ++i) {
          const int from =
              picture.scaled
                  .pixels[static_cast<std::size_t>(((corner.y + y) * picture.scaled.width + corner.x) * 3 + i)];
          REQUIRE(std::abs(from - picture.cut.image(p)[y * 36 + i]) <= 1);
          const float seen = patch(batch, static_cast<std::int32_t>(p))[y * 36 + i] * 51.0F + 127.5F;
          REQUIRE(std::abs(std::clamp(seen, 0.0F, 255.0F) - static_cast<float>(picture.seen.image(p)[y * 36 + i])) <=
                  0.51F);
        }
      }
    }
  }
}
