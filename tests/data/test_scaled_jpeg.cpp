// SPDX-License-Identifier: MIT
// JPEGs that are going to be shrunk are decoded at a half, a quarter or an eighth of their size.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <tuple>

#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/load.hpp"
#include "contexture/data/resize.hpp"
#include "data/decoders.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"

using namespace contexture;

#if !defined(CONTEXTURE_WITH_STB_IMAGE)
TEST_CASE("a JPEG comes as small as still covers what is enough") {
  const files::TempFolder folder;
  files::write(folder / "a.jpg", files::written_jpeg(100, 130, {}, Rng(1)));
  using Case = std::tuple<Index, Index, Index, Index>;
  const auto [enough_height, enough_width, height, width] = GENERATE(
      Case{0, 0, 100, 130}, Case{1, 1, 13, 17}, Case{12, 16, 13, 17}, Case{13, 16, 25, 33}, Case{12, 17, 25, 33},
      Case{25, 32, 25, 33}, Case{26, 1, 50, 65}, Case{1, 65, 50, 65}, Case{1, 66, 100, 130}, Case{300, 300, 100, 130});
  const ImageSet image = read_image_file(folder / "a.jpg", {}, {enough_height, enough_width});
  CHECK(image.height == height);
  CHECK(image.width == width);
  CHECK(image.channels == 3);
}

TEST_CASE("a JPEG decoded at a fraction of its size shows the same picture") {
  const files::TempFolder folder;
  const auto how = GENERATE(files::JpegKind{}, files::JpegKind{.progressive = true, .sampling = 1});
  files::write(folder / "a.jpg", files::written_jpeg(96, 128, how, Rng(2)));
  const ImageSet whole = read_image_file(folder / "a.jpg");
  for (const Index by : {2, 4, 8}) {
    const ImageSet small = read_image_file(folder / "a.jpg", {}, {96 / by, 128 / by});
    const ImageSet resized = resize_and_crop(whole, 96 / by, 128 / by);
    REQUIRE(small.pixels.size() == resized.pixels.size());
    double sum = 0;
    int most = 0;
    for (std::size_t i = 0; i < small.pixels.size(); ++i) {
      const int difference = std::abs(small.pixels[i] - resized.pixels[i]);
      most = std::max(most, difference);
      sum += difference;
    }
    CHECK(sum / static_cast<double>(small.pixels.size()) < 3);
    CHECK(most <= 24);
  }
}

TEST_CASE("a folder's JPEGs are decoded small where that covers the images' size") {
  const files::TempFolder folder;
  for (int i = 0; i < 12; ++i)
    files::write(folder / ((i < 6 ? "a/" : "b/") + std::to_string(10 + i) + ".jpg"),
                 files::written_jpeg(90, 120, {}, Rng(static_cast<std::uint64_t>(i))));
  const auto load = [&] { return load_dataset((folder / ".").string(), {.image_size = 20, .labels = false}); };
  const Dataset data = load();
  const auto contains = [&](const ImageSet& image) {
    for (const ImageSet* set : {&data.train, &data.test})
      for (Index i = 0; i < set->count; ++i)
        if (std::equal(image.pixels.begin(), image.pixels.end(), set->image(i))) return true;
    return false;
  };
  const ImageSet small = read_image_file(folder / "a/12.jpg", {}, {20, 20});
  REQUIRE(small.height == 23);
  CHECK(contains(resize_and_crop(small, 20, 20)));
  CHECK_FALSE(contains(resize_and_crop(read_image_file(folder / "a/12.jpg"), 20, 20)));
  const int threads = num_threads();
  set_num_threads(threads == 1 ? 2 : 1);
  CHECK(load().train.pixels == data.train.pixels);
  set_num_threads(threads);
}
#endif
