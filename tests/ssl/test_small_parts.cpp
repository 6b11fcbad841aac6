// SPDX-License-Identifier: MIT
// What every pretext task asks of images and encoder, and where the parts of its picture stand.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contexture/models/networks.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/ssl/view_pairs.hpp"
#include "contexture/ssl/views.hpp"
#include "support/catch.hpp"

namespace small_ssl_parts {

using namespace contexture;

TEST_CASE("every pretext task refuses images of another number of channels than the encoder takes") {
  const std::string task =
      GENERATE(as<std::string>(), "context", "rotation", "context+rotation", "jigsaw", "simclr", "vicreg");
  CAPTURE(task);
  const PretextImages images{
      .height = 32, .width = 32, .channels = 3, .normalization = {{0.5F, 0.5F, 0.5F}, {1, 1, 1}}};
  const auto three = make_backbone<float>({.in_channels = 3, .width = 4, .stages = 2}, Rng(1));
  const auto one = make_backbone<float>({.in_channels = 1, .width = 4, .stages = 2}, Rng(1));
  CHECK_NOTHROW(make_pretext_task<float>(task, images, {}, *three, Rng(2)));
  CHECK_THROWS_WITH(make_pretext_task<float>(task, images, {}, *one, Rng(2)),
                    Catch::Matchers::ContainsSubstring("3 channels, the encoder takes 1"));
}

TEST_CASE("views that were cut from nowhere stand at no place of the image, in rows and columns") {
  const PretextImages images{.height = 16, .width = 16, .channels = 1, .normalization = {{0.5F}, {1}}};
  const auto encoder = make_backbone<float>({.in_channels = 1, .width = 4, .stages = 2}, Rng(1));
  const auto task = make_pretext_task<float>("rotation", images, {}, *encoder, Rng(2));
  const ImageSet set{1, 16, 16, 1, std::vector<std::uint8_t>(256, 7), {0}};
  const PretextPicture picture = task->picture(set, 0, Rng(3));
  REQUIRE(!picture.patches.empty());
  for (const PatchPicture& patch : picture.patches) {
    CHECK(patch.top == 0);
    CHECK(patch.left == 0);
  }
  CHECK(picture.patches.front().row == 0);
  CHECK(picture.patches.front().column == 0);
}

TEST_CASE("views have a height and a width of their own, and the image's where none is given") {
  for (const ViewOptions& wrong :
       {ViewOptions{.height = -1}, ViewOptions{.width = -1}, ViewOptions{.height = 4097}, ViewOptions{.width = 4097}})
    CHECK_THROWS_WITH(validate(wrong), Catch::Matchers::StartsWith("ViewOptions: views of"));
  const auto size_of = [](const ViewOptions& options) {
    const ViewSampler sampler(options, 12, 20, 1, {{0.5F}, {1}});
    return std::pair{sampler.options().height, sampler.options().width};
  };
  CHECK(size_of({}) == std::pair<Index, Index>{12, 20});
  CHECK(size_of({.height = 8}) == std::pair<Index, Index>{8, 20});
  CHECK(size_of({.width = 8}) == std::pair<Index, Index>{12, 8});
}

TEST_CASE("patches are scaled by up to 64") {
  CHECK_NOTHROW(validate(PatchOptions{.max_scale = 64.0F}));
  CHECK_THROWS_WITH(validate(PatchOptions{.max_scale = 64.5F}), Catch::Matchers::StartsWith("PatchOptions: scale"));
}

TEST_CASE("as many first views as second ones, and each row once") {
  PretextBatch batch;
  batch.inputs = zeros<float>({4, 2, 2, 1});
  batch.first = {0, 1};
  batch.second = {2, 3};
  CHECK(view_partners(batch) == std::vector<std::int32_t>{2, 3, 0, 1});
  batch.second = {2, 3, 3};
  CHECK_THROWS_WITH(view_partners(batch), Catch::Matchers::ContainsSubstring("2 first and 3 second views of 4"));
  batch.second = {2};
  CHECK_THROWS_WITH(view_partners(batch), Catch::Matchers::ContainsSubstring("2 first and 1 second views of 4"));
}

}  // namespace small_ssl_parts
