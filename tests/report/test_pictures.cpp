// SPDX-License-Identifier: MIT
// Pictures and figures before they are drawn: which images, what is left out, which axes.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "contains.hpp"
#include "contexture/report/curve_figure.hpp"
#include "contexture/report/embedding_pictures.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/page_data.hpp"
#include "contexture/report/pictures.hpp"
#include "made_up_run.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("the gallery takes the classes in turn and does not look at the answers", "[report]") {
  using report::detail::gallery_images;
  const std::vector<std::int32_t> labels = {2, 2, 0, 1, 0, 1, 1};
  CHECK(gallery_images(labels, 3) == std::vector<Index>{2, 3, 0});
  CHECK(gallery_images(labels, 5) == std::vector<Index>{2, 4, 3, 0, 1});
  CHECK(gallery_images(labels, 100).size() == 7);
  CHECK(gallery_images({}, 10).empty());
}

TEST_CASE("float images become pictures", "[report]") {
  const float values[] = {-10.0F, -2.5F, 0.0F, 2.5F, std::numeric_limits<float>::quiet_NaN(), 1.0F};
  const Picture p = picture_of(values, 1, 2, 3);
  CHECK(p.pixels == std::vector<std::uint8_t>{0, 0, 128, 255, 0, 179});
  CHECK_THROWS_AS(picture_of(values, 1, 2, 3, 1.0F, 1.0F), std::invalid_argument);
}

TEST_CASE("pictures of damaged runs are left out or refused", "[report]") {
  made_up::Run run = made_up::make({.seeds = 1, .fractions = {0.1}});
  ReportInputs inputs = run.inputs();
  using namespace report::detail;
  CHECK(predictions_scene(run.summary, inputs));
  run.summary.experiments[0].scratch[0].answers.predicted.pop_back();  // answers of another test set
  CHECK_FALSE(predictions_scene(run.summary, inputs));
  // Views that were cut from no place: a column less.
  ReportInputs views = inputs;
  for (PretextPicture& p : views.pretext)
    for (PatchPicture& view : p.patches) view.cut = {};
  const auto with_patches = patches_scene(inputs), with_views = patches_scene(views);
  REQUIRE(with_patches);
  REQUIRE(with_views);
  CHECK(with_views->width() < with_patches->width());
  CHECK(with_views->height() == with_patches->height());
  inputs.pretext[0].image.pixels.pop_back();
  CHECK_THROWS_AS(patches_scene(inputs), std::invalid_argument);
  inputs.pretext.clear();
  CHECK_FALSE(patches_scene(inputs));
  run.summary.experiments[0].pretrained[0].confusion = {};
  CHECK_FALSE(confusion_scene(run.summary, report::views_of(run.summary)));
}

TEST_CASE("a few images far out do not squeeze a map", "[report]") {
  EncoderView view;
  for (int i = 0; i < 100; ++i) {
    view.x.push_back(static_cast<float>(i % 11) - 5);
    view.y.push_back(static_cast<float>(i % 7) - 3);
  }
  CHECK(report::detail::map_reach(view) == 5);
  view.x[7] = 1e6F;
  view.y[8] = -1e6F;
  CHECK(report::detail::map_reach(view) == 5);
  CHECK(report::detail::map_reach({}) == 1);
}

TEST_CASE("a thumbnail is the average of what falls together, and small images stay as they are", "[report]") {
  const Picture p{2, 4, 1, {0, 10, 20, 30, 40, 50, 60, 70}};
  const Picture half = report::detail::thumbnail(p, 2);
  CHECK(half.height == 1);
  CHECK(half.width == 2);
  CHECK(half.pixels == std::vector<std::uint8_t>{25, 45});
  CHECK(report::detail::thumbnail(p, 4).pixels == p.pixels);
}

TEST_CASE("axes: round ticks, logarithm where values span much", "[report]") {
  using namespace report::detail;
  CHECK(linear_ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(linear_ticks(0, 1400, 6, true) == std::vector<double>{0, 250, 500, 750, 1000, 1250});
  Panel panel;
  panel.curves.emplace_back();
  panel.curves[0].points = {{0, 2.0, 2.0, 2.0, 2.0}, {1, 0.02, 0.01, 0.03, 0.02}};
  const AxisRange log = y_range({panel}, true, false);
  CHECK(log.log);
  CHECK(log.low < 0.01);
  CHECK(log.high > 2.0);
  CHECK(log.ticks == std::vector<double>{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2});
  CHECK_FALSE(y_range({panel}, false, false).log);
  CHECK_FALSE(y_range({Panel{}}, true, true).log);
}

TEST_CASE("pictures of encoders: what is drawn, and what does not fit is left out", "[report]") {
  namespace r = report::detail;
  const made_up::Run run = made_up::make();
  ReportInputs inputs = run.inputs();
  const auto neighbours = r::neighbours_scene(run.summary, inputs);
  REQUIRE(neighbours);
  const std::string svg = neighbours->svg("neighbours");
  std::size_t images = 0;
  for (std::size_t at = 0; (at = svg.find("<image", at)) != std::string::npos; ++at) ++images;
  CHECK(images == 3 * (2 + 2 * 2));  // by three encoders two queries with two neighbours each
  // Labels go 0 1 2 0 1 2: of image 0's neighbours 3 and 2 the first is of its class, of image 1's, 4.
  std::size_t green = 0, red = 0;
  for (std::size_t at = 0; (at = svg.find("<rect", at)) != std::string::npos; ++at) {
    const std::string element = svg.substr(at, svg.find("/>", at) - at);
    green += contains(element, "var(--right");
    red += contains(element, "var(--wrong");
  }
  CHECK(green == 6);
  CHECK(red == 6);
  CHECK(
      contains(r::neighbour_sentence(inputs), "random weights 25.0 %; trained with labels 50.0 %; pre-trained 75.0 %"));

  const auto map = r::embedding_scene(run.summary, inputs);
  REQUIRE(map);
  const std::string drawn = map->svg("map");
  CHECK(contains(drawn, "components: 61 % and 20 % of the variance"));
  for (const char* name : {"house", "car", "tree"}) CHECK(contains(drawn, name));

  ReportInputs bad = inputs;
  bad.embedding->encoders[0].neighbours[0] = 40;  // of 40 images
  CHECK_FALSE(r::neighbours_scene(run.summary, bad));
  bad = inputs;
  bad.embedding->encoders[1].x.pop_back();
  CHECK_FALSE(r::embedding_scene(run.summary, bad));
  bad = inputs;
  bad.embedding->encoders[0].x[3] = std::numeric_limits<float>::quiet_NaN();
  bad.embedding->encoders[0].y[4] = std::numeric_limits<float>::infinity();
  CHECK(r::embedding_scene(run.summary, bad));
  bad.embedding.reset();
  CHECK_FALSE(r::embedding_scene(run.summary, bad));
  CHECK(r::neighbour_sentence(bad).empty());
}
