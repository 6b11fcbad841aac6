// SPDX-License-Identifier: MIT
// Numbers that the report's figures and sentences rest on, each by itself.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "contexture/data/image_io.hpp"
#include "contexture/report/embedding_pictures.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/figures.hpp"
#include "contexture/report/history.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/page_data.hpp"
#include "contexture/report/page_tables.hpp"
#include "contexture/report/scene.hpp"
#include "contexture/report/text.hpp"
#include "made_up_experiment.hpp"
#include "made_up_run.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"

namespace small_report_parts {

using namespace contexture;
using namespace contexture::report;

TEST_CASE("classifiers that err independently differ on the images that one of them has right", "[report]") {
  const ExperimentView e = made_up::experiment_of({0.5}, {0.75});
  CHECK(discordant_images(e, 100) == 50);  // 0.5 * 0.25 + 0.75 * 0.5 of them
  CHECK(discordant_images(made_up::experiment_of({1.0}, {0.9}), 100) == 10);
  CHECK(discordant_images(e, 0) == 0);
}

TEST_CASE("large numbers are shortened from ten thousand on", "[report]") {
  CHECK(compact(9999) == "9999");
  CHECK(compact(10'000) == "10.0 k");
  CHECK(compact(1e6) == "1.0 M");
  CHECK(compact(999'000) == "999.0 k");
  CHECK(compact(1e9) == "1.00 G");
}

TEST_CASE("a band over seeds has their mean seconds, mean values and range", "[report]") {
  SeedCurve one, other;
  one.step = other.step = {0, 10};
  one.seconds = {0, 4};
  other.seconds = {2, 8};
  one.value = {0.5, 0.75};
  other.value = {0.25, 1.0};
  const std::vector<BandPoint> band = band_of({one, other}, false);
  REQUIRE(band.size() == 2);
  CHECK(band[1].seconds == 6);
  CHECK(band[1].mean == 0.875);
  CHECK(band[0].mean == 0.375);
  CHECK(band[1].raw == 0.875);
  CHECK(band_of({one, other}, false)[0].seconds == 1);
  CHECK(band[1].low == 0.75);
  CHECK(band[1].high == 1.0);
}

TEST_CASE("label efficiency counts from one label on, and its figure has the intervals of the differences",
          "[report]") {
  made_up::Options options;
  options.fractions = {1, 0.5, 0.2, 0.1, 0.05};
  made_up::Run run = made_up::make(options);
  run.summary.experiments.back().labels = 1;
  std::vector<ExperimentView> views = views_of(run.summary);
  CHECK(label_efficiency(views).size() == 5);
  const auto figure = report::detail::label_efficiency_figure(run.summary, views);
  REQUIRE(figure);
  CHECK_FALSE(figure->shared_y);  // an accuracy and a difference
  const auto row = figure->rows.at(0);
  const auto& points = row.at(1).curves.at(0).points;
  REQUIRE(points.size() == 5);
  std::size_t matched = 0;
  for (const auto& p : points)
    for (const ExperimentView& e : views) {
      if (static_cast<double>(e.labels) != p[0]) continue;
      const Judgement j = judge(e, run.summary.test_images);
      CHECK(p[1] == Approx(100 * e.difference.mean));
      CHECK(p[2] == Approx(100 * j.low));
      CHECK(p[3] == Approx(100 * j.high));
      ++matched;
    }
  CHECK(matched == 5);
  run.summary.experiments.back().labels = 0;
  views = views_of(run.summary);
  CHECK(label_efficiency(views).size() == 4);
}

TEST_CASE("a scene within another stands where it is put", "[report]") {
  using report::detail::Ink, report::detail::Scene;
  Scene part(20, 20), whole(60, 60), alone(60, 60);
  part.fill(1, 2, 3, 4, Ink::scratch);
  part.text(5, 6, "word");
  part.image(7, 8, 2, 2, {1, 1, 1, {9}});
  whole.add(10, 30, part);
  alone.fill(11, 32, 3, 4, Ink::scratch);
  alone.text(15, 36, "word");
  alone.image(17, 38, 2, 2, {1, 1, 1, {9}});
  CHECK(whole.svg("a scene") == alone.svg("a scene"));
}

TEST_CASE("the map's legend has other classes only where there are more than colours", "[report]") {
  const auto legend_of = [](std::size_t classes) {
    made_up::Options options;
    options.seeds = 1;
    options.fractions = {0.1};
    const made_up::Run run = made_up::make(options);
    RunSummary summary = run.summary;
    while (summary.class_names.size() < classes) summary.class_names.emplace_back("another");
    const auto plates = report::detail::embedding_scene(summary, run.inputs());
    return plates.value().tail.value().svg("legend");
  };
  CHECK(legend_of(3).find("other classes") == std::string::npos);
  CHECK(legend_of(40).find("other classes") != std::string::npos);
}

TEST_CASE("a scene's first picture is in its PNG", "[report]") {
  const runs::Folder folder("scene");
  report::detail::Scene scene(40, 20);
  scene.image(0, 0, 20, 20, {1, 1, 3, {255, 0, 0}});
  REQUIRE(scene.png(folder.path, "scene", 1).empty());
  const ImageSet png = read_image_file((folder.path / "scene.png").string());
  REQUIRE(png.width == 40);
  REQUIRE(png.channels == 3);
  const std::uint8_t* const pixel = png.image(0) + (10 * 40 + 10) * 3;
  CHECK(pixel[0] > 200);
  CHECK(pixel[1] < 50);
}

TEST_CASE("an experiment is complete with a seed of either arm", "[report]") {
  CHECK(made_up::experiment_of({0.5}, {0.5}).complete());
  CHECK_FALSE(made_up::experiment_of({}, {0.5}).complete());
  CHECK_FALSE(made_up::experiment_of({0.5}, {}).complete());
}

TEST_CASE("seeds of the same accuracy are pairs of the sign test as well", "[report]") {
  const ExperimentView e = made_up::experiment_of({0.5, 0.5, 0.5, 0.5}, {0.6, 0.6, 0.4, 0.5});
  const auto rows = report::detail::certainty_table({}, {e});
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].at(3).text == "2 of 4");
}

TEST_CASE("the gallery counts what each arm has wrong, both together, and where they disagree", "[report]") {
  const made_up::Run run = made_up::make({.seeds = 1, .fractions = {0.1}});
  const auto json = report::detail::gallery_json(run.summary, run.inputs());
  REQUIRE(json.is_object());
  std::size_t scratch = 0, pretrained = 0, wrong = 0, disagree = 0;
  const ExperimentResult& e = run.summary.experiments.at(0);
  for (std::size_t i = 0; i < run.test.labels.size(); ++i) {
    const bool a = e.scratch.at(0).answers.predicted.at(i) == run.test.labels[i];
    const bool b = e.pretrained.at(0).answers.predicted.at(i) == run.test.labels[i];
    scratch += !a;
    pretrained += !b;
    wrong += !a || !b;
    disagree += e.scratch[0].answers.predicted[i] != e.pretrained[0].answers.predicted[i];
  }
  CHECK(scratch + pretrained > 0);
  const auto counts = json.at("counts").begin().value();
  CHECK(counts.at("scratch") == scratch);
  CHECK(counts.at("pretrained") == pretrained);
  CHECK(counts.at("wrong") == wrong);
  CHECK(counts.at("disagree") == disagree);
}

}  // namespace small_report_parts
