// SPDX-License-Identifier: MIT
// The built-in data set: the same images for the same seed with any number of threads, image by image;
// balanced; and its classes not to be told by colour. The painter against areas known in closed form.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "contexture/core/parallel.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/builtin_scene.hpp"
#include "contexture/data/draw.hpp"
#include "data/image_sums.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

struct ThreadCount {
  explicit ThreadCount(int n) : before(num_threads()) { set_num_threads(n); }
  ~ThreadCount() { set_num_threads(before); }
  int before;
};

// Sum of coverage: white figure on a black canvas.
double painted_area(const detail::Figure& figure, const detail::Affine& pose, Index size = 64) {
  detail::Canvas canvas(size);
  detail::Paint black;
  canvas.fill({}, black);
  detail::Paint white;
  white.base = {1, 1, 1};
  canvas.draw(pose, pose.inverse(), figure, white);
  double sum = 0;
  for (Index y = 0; y < size; ++y) sum = std::accumulate(canvas.row(0, y), canvas.row(0, y) + size, sum);
  return sum;
}

}  // namespace

TEST_CASE("the built-in set is balanced, complete and named") {
  const Dataset data = builtin_dataset(120, 30, 16, 5);
  CHECK(data.name == "builtin");
  CHECK(data.class_names.size() == 12);
  CHECK(data.train.count == 120);
  CHECK(data.test.count == 30);
  CHECK(data.train.height == 16);
  CHECK(data.train.width == 16);
  CHECK(data.train.channels == 3);
  CHECK(data.train.pixels.size() == 120 * 16 * 16 * 3);
  CHECK(class_counts(data.train.labels, 12) == std::vector<Index>(12, 10));
  CHECK(data.unlabeled.count == 0);
}

TEST_CASE("an image depends on seed, split and number only") {
  const Dataset few = builtin_dataset(24, 12, 24, 5);
  const Dataset many = builtin_dataset(60, 12, 24, 5);
  CHECK(std::equal(few.train.pixels.begin(), few.train.pixels.end(), many.train.pixels.begin()));
  CHECK(few.test.pixels == many.test.pixels);
  CHECK_FALSE(std::equal(few.test.pixels.begin(), few.test.pixels.end(), few.train.pixels.begin()));
  const Dataset other = builtin_dataset(24, 12, 24, 6);
  CHECK(other.train.pixels != few.train.pixels);
  {
    const ThreadCount one(1);
    CHECK(builtin_dataset(60, 12, 24, 5).train.pixels == many.train.pixels);
  }
  {
    const ThreadCount three(3);
    CHECK(builtin_dataset(60, 12, 24, 5).train.pixels == many.train.pixels);
  }
}

TEST_CASE("the images are those of every earlier version") {
  const std::vector<long> expected = {532850, 297341, 319276, 586044, 532722, 489574, 246573, 534876,
                                      267075, 300083, 490962, 295684, 286912, 399330, 440795, 146506,
                                      377005, 274592, 243287, 192958, 419255, 358129, 532664, 297798};
  check_image_sums(builtin_dataset(24, 0, 16, 3).train, expected);
}

TEST_CASE("any size from 8 to 1024 can be drawn") {
  for (const Index size : {8, 9, 31, 100}) {
    const Dataset data = builtin_dataset(12, 0, size);
    for (Index i = 0; i < 12; ++i) {  // not a flat image
      const auto* begin = data.train.image(i);
      const auto [low, high] = std::minmax_element(begin, begin + data.train.image_bytes());
      CHECK(*high - *low > 30);
    }
  }
  CHECK(builtin_dataset(1, 0, 1024).train.pixels.size() == 3 * 1024 * 1024);
  CHECK_THROWS_AS(builtin_dataset(1, 0, 7), std::invalid_argument);
  CHECK_THROWS_AS(builtin_dataset(1, 0, 1025), std::invalid_argument);
  CHECK_THROWS_AS(builtin_dataset(-1, 0), std::invalid_argument);
  CHECK_THROWS_AS(builtin_dataset(0, 2'000'000'000), std::invalid_argument);
  CHECK(builtin_dataset(0, 0).train.count == 0);
}

TEST_CASE("mean colour and brightness do not tell the classes apart") {
  // The mean of every channel over the images of one class: the classes' means differ by no more
  // than chance and the objects' differing size allow (an image's mean has a deviation of about 50).
  const Dataset data = builtin_dataset(2400, 0, 16, 1);
  std::array<std::array<double, 3>, 12> mean{};
  for (Index i = 0; i < data.train.count; ++i) {
    auto& of_class = mean[static_cast<std::size_t>(data.train.labels[static_cast<std::size_t>(i)])];
    for (Index j = 0; j < data.train.image_bytes(); ++j) {
      of_class[static_cast<std::size_t>(j % 3)] += data.train.image(i)[j] / (200.0 * 256);
    }
  }
  for (const auto& of_class : mean) {
    for (const double m : of_class) {
      CHECK(m > 127.5 - 18);
      CHECK(m < 127.5 + 18);
    }
  }
}

TEST_CASE("figures cover the area they should") {
  const detail::Affine pose = detail::pose({31.7F, 32.4F}, 20.0F, 0.4F);
  const double unit = 400.0;  // square pixels in a square unit
  CHECK(painted_area(detail::disc({0, 0}, 1.0F), pose) == Approx(3.14159 * unit).epsilon(0.005));
  CHECK(painted_area(detail::ellipse({0.1F, 0}, {1.0F, 0.4F}, 0.5F), pose) ==
        Approx(3.14159 * 0.4 * unit).epsilon(0.02));
  CHECK(painted_area(detail::box({0, 0.1F}, {0.8F, 0.3F}), pose) == Approx(4 * 0.24 * unit).epsilon(0.01));
  CHECK(painted_area(detail::polygon({{-1, 0}, {1, 0}, {0, 1}}), pose) == Approx(unit).epsilon(0.02));
  CHECK(painted_area(detail::polygon({{0, 1}, {1, 0}, {-1, 0}}), pose) == Approx(unit).epsilon(0.02));
  CHECK(painted_area(detail::capsule({-0.5F, 0}, {0.5F, 0.2F}, 0.2F), pose) ==
        Approx((std::hypot(1.0, 0.2) * 0.4 + 3.14159 * 0.04) * unit).epsilon(0.01));
  CHECK(painted_area(detail::ring({0, 0}, 0.8F, 0.1F), pose) == Approx(2 * 3.14159 * 0.8 * 0.2 * unit).epsilon(0.01));
  CHECK(painted_area(detail::disc({0, 0}, 1.0F).cut_by(0, 1, 0), pose) == Approx(3.14159 * unit / 2).epsilon(0.01));
  CHECK(painted_area(detail::trapezoid(0, -0.5F, 0.5F, 0.4F, 0.8F), pose) == Approx(1.2 * unit).epsilon(0.01));
  CHECK(painted_area(detail::disc({9, 9}, 1.0F), pose) == 0.0);  // outside
  CHECK(painted_area(detail::disc({0, 0}, 50.0F), pose) == Approx(64 * 64));
}
