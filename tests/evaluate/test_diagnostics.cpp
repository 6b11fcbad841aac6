// SPDX-License-Identifier: MIT
// The shortcut checks' tampering with borders, and the verdicts on measurements made up for the purpose.
#include <string>
#include <vector>

#include "contexture/evaluate/diagnostics.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

PretextBatch ones(std::size_t side) {
  PretextBatch batch;
  batch.inputs = full<float>({2, side, side, 3}, 1.0F);
  batch.first = {0, 1};
  batch.second = {1, 0};
  batch.targets = {3, 4};
  return batch;
}

double share_left(const PretextBatch& batch) {
  double sum = 0;
  for (const float v : batch.inputs) sum += static_cast<double>(v);
  return sum / static_cast<double>(batch.inputs.size());
}

// An honest run: gaps cost a little, one patch says little, borders are not needed.
ShortcutMeasurements honest() {
  ShortcutMeasurements m;
  m.names = {"gap 0", "gap 6", "gap 12", "foreign partner", "border only", "border hidden", "shuffled targets"};
  m.accuracy = {0.55, 0.45, 0.40, 0.22, 0.30, 0.43, 0.17};
  m.chance = 1.0 / 6;
  m.suspicious_accuracy = 0.6;
  m.images = 2000;
  m.train_accuracy = 0.46;
  m.position_accuracy = 0.40;
  m.random_position_accuracy = 0.38;
  m.position_chance = 0.25;
  return m;
}

std::vector<std::string> suspects(const ShortcutMeasurements& m) {
  std::vector<std::string> out;
  for (const ShortcutVerdict& v : judge_shortcuts(m))
    if (v.suspect) out.push_back(v.name);
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("tampering with borders: a frame, or everything else", "[ssl]") {
  CHECK(border_width(8) == 1);
  CHECK(border_width(12) == 1);
  CHECK(border_width(24) == 2);
  PretextBatch frame = ones(12), inside = ones(12);
  tamper(frame, Tampering::border_only, Rng(1));
  tamper(inside, Tampering::border_hidden, Rng(1));
  CHECK(share_left(frame) == Approx(44.0 / 144));
  CHECK(share_left(inside) == Approx(100.0 / 144));
  CHECK(frame.inputs(1, 0, 5, 2) == 1);
  CHECK(frame.inputs(1, 11, 11, 0) == 1);
  CHECK(frame.inputs(0, 1, 1, 0) == 0);
  CHECK(inside.inputs(1, 0, 5, 2) == 0);
  CHECK(inside.inputs(0, 10, 10, 1) == 1);
  CHECK(frame.targets == std::vector<std::int32_t>{3, 4});
  CHECK(frame.second == std::vector<std::int32_t>{1, 0});
  PretextBatch joint;  // reaches the parts of a task made of tasks
  joint.parts.push_back(ones(12));
  tamper(joint, Tampering::border_only, Rng(1));
  CHECK(share_left(joint.parts[0]) == Approx(44.0 / 144));
}

TEST_CASE("verdicts: an honest run passes, each shortcut is called by its name", "[ssl]") {
  CHECK(suspects(honest()).empty());
  CHECK(judge_shortcuts(honest()).size() == 9);
  ShortcutMeasurements m = honest();
  m.accuracy[0] = 0.30;  // touching patches may be harder: they show less of the object
  CHECK(suspects(m).empty());
  m = honest();
  m.accuracy[1] = 0.8;
  m.accuracy[2] = 0.7;
  m.accuracy[0] = m.accuracy[5] = 0.8;
  m.train_accuracy = 0.81;
  CHECK(suspects(m) == Names{"gap 6"});
  m = honest();
  m.accuracy[2] = 0.25;
  CHECK(suspects(m) == Names{"gap 12"});
  m = honest();
  m.accuracy[3] = 0.40;
  CHECK(suspects(m) == Names{"foreign partner"});
  m = honest();
  m.accuracy[4] = 0.44;        // the frame is as good as the patch
  CHECK(suspects(m).empty());  // and so is the rest
  m.accuracy[5] = 0.35;
  CHECK(suspects(m).empty());  // or most of it
  m.accuracy[5] = 0.20;
  CHECK(suspects(m) == Names{"border only", "border hidden"});
  m.accuracy[4] = 0.25;
  CHECK(suspects(m) == Names{"border hidden"});
  m = honest();
  m.accuracy[6] = 0.22;
  CHECK(suspects(m) == Names{"shuffled targets"});
  m.images = 100;  // within the noise of so few
  CHECK(suspects(m).empty());
  m = honest();
  m.position_accuracy = 0.8;
  CHECK(suspects(m) == Names{"absolute position"});
  m.random_position_accuracy = 0.78;  // random weights see it as well: it is in the images
  CHECK(suspects(m).empty());
  m = honest();
  m.train_accuracy = 0.7;
  CHECK(suspects(m) == Names{"training images"});
  for (const ShortcutVerdict& v : judge_shortcuts(m)) CHECK_FALSE(v.reason.empty());
}

TEST_CASE("verdicts: each rule at its bound, and the numbers that it tells", "[ssl]") {
  // The task gains 0.4 over a chance of 0.2; shares of it are told in percent.
  ShortcutMeasurements plain = honest();
  plain.chance = 0.2;
  plain.accuracy = {0.55, 0.60, 0.48, 0.30, 0.44, 0.50, 0.2};
  plain.train_accuracy = 0.65;
  plain.suspicious_accuracy = 0.7;
  const auto with = [&](auto change) {
    ShortcutMeasurements m = plain;
    change(m);
    return suspects(m);
  };
  CHECK(suspects(plain).empty());
  const std::vector<ShortcutVerdict> verdicts = judge_shortcuts(plain);
  const auto tells = [&](std::size_t line, const char* words) {
    CAPTURE(line, words, verdicts[line].reason);
    CHECK(verdicts[line].reason.find(words) != std::string::npos);
  };
  tells(0, "touching patches give 5 points less");
  tells(1, "40 points above chance");
  tells(2, "70 % of the gain is left at twice the gap");
  tells(3, "25 % of the gain comes from one patch alone");
  tells(4, "the frame alone gives 60 % of the gain");
  tells(5, "75 % of the gain is left without the frame");
  tells(6, "three standard errors of 2000 images");
  tells(7, "with random weights it is right in 38 %");
  tells(8, "5 points above images it has not seen");
  CHECK(verdicts[0].accuracy == 0.55);
  CHECK(verdicts[8].chance == 0.2);

  CHECK(with([](auto& m) { m.accuracy[2] = 0.401; }).empty());  // half of the gain
  CHECK(with([](auto& m) { m.accuracy[2] = 0.399; }) == Names{"gap 12"});
  CHECK(with([](auto& m) { m.accuracy[3] = 0.399; }).empty());
  CHECK(with([](auto& m) { m.accuracy[3] = 0.401; }) == Names{"foreign partner"});
  CHECK(with([](auto& m) { m.accuracy[5] = 0.401; }).empty());
  CHECK(with([](auto& m) { m.accuracy[5] = 0.399; }) == Names{"border hidden"});
  CHECK(with([](auto& m) { m.accuracy[5] = 0.399, m.accuracy[4] = 0.519; }) == Names{"border hidden"});
  CHECK(with([](auto& m) { m.accuracy[5] = 0.399, m.accuracy[4] = 0.521; }) == Names{"border only", "border hidden"});
  CHECK(with([](auto& m) { m.train_accuracy = 0.699; }).empty());
  CHECK(with([](auto& m) { m.train_accuracy = 0.701; }) == Names{"training images"});
  // Three standard errors of 0.2 from 2,000 images: 3 * 0.4 / sqrt(2000) = 0.0268.
  CHECK(with([](auto& m) { m.accuracy[6] = 0.2267; }).empty());
  CHECK(with([](auto& m) { m.accuracy[6] = 0.2269; }) == Names{"shuffled targets"});
  // Half-way from a chance of 0.25 to 1 is 0.625; a tenth of the way is 0.075.
  CHECK(with([](auto& m) { m.position_accuracy = 0.624; }).empty());
  CHECK(with([](auto& m) { m.position_accuracy = 0.626; }) == Names{"absolute position"});
  CHECK(with([](auto& m) { m.position_accuracy = 0.7, m.random_position_accuracy = 0.626; }).empty());
  CHECK(with([](auto& m) { m.position_accuracy = 0.7, m.random_position_accuracy = 0.624; }) ==
        Names{"absolute position"});
}

TEST_CASE("verdicts: nothing learnt is told as such, not as a pass of everything", "[ssl]") {
  ShortcutMeasurements m = honest();
  m.accuracy = {0.17, 0.17, 0.16, 0.17, 0.17, 0.17, 0.17};
  m.train_accuracy = 0.17;
  CHECK(suspects(m) == Names{"gap 6"});
  const auto verdicts = judge_shortcuts(m);
  CHECK(verdicts[1].reason.find("no better than chance") != std::string::npos);
  CHECK(verdicts[4].reason.find("not judged") != std::string::npos);
  for (const std::size_t rests_on_the_task : {2, 3, 4, 5})
    CHECK(verdicts[rests_on_the_task].word() == std::string("not judged"));
  CHECK(verdicts[1].word() == std::string("suspect"));
  CHECK(judge_shortcuts(honest())[3].word() == std::string("pass"));
  // Just what chance can be out by is not learnt yet.
  m.chance = 0;
  m.accuracy.assign(7, 0.0);
  CHECK(judge_shortcuts(m)[2].word() == std::string("not judged"));
  m.accuracy.pop_back();
  CHECK_THROWS_AS(judge_shortcuts(m), std::invalid_argument);
}
