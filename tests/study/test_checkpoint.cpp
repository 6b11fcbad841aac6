// SPDX-License-Identifier: MIT
// Checkpoints: what goes in comes out, bit by bit; damaged, foreign and mismatching files are refused.
#include <filesystem>
#include <fstream>
#include <tuple>

#include "contexture/study/checkpoint.hpp"
#include "support/catch.hpp"
#include "support/full_disk.hpp"
#include "support/runs.hpp"
#include "support/tensors.hpp"

using namespace contexture;
namespace fs = std::filesystem;
using runs::bytes_of, runs::Folder, runs::same_bits;
using tensors::random_tensor;

namespace {

RunState example() {
  RunState state;
  state.config = {{"epochs", "10"}, {"width", "16"}};
  state.seconds = 0.1 + 0.2;
  state.history = {{{12, 0.3, 1.0 / 3, "validation", 2.1, 0.125, 0.25}, pretraining_phase(18446744073709551615U)}};
  state.pretraining[pretraining_phase(1)] = {"context prediction", 1.5, 1.9, 0.41, 1.0 / 6, 120, 512.25, 0.65};
  ArmResult arm;
  arm.best_val_accuracy = 0.1 * 3;
  arm.test_accuracy = 2.0 / 3;
  arm.test_macro_f1 = 0.65;
  arm.final_train_loss = 0.375;
  arm.steps = 77;
  arm.images = 770;
  arm.seconds = 3.25;
  arm.training_seconds = 3;
  arm.learning_rate = 0.15;
  arm.answers = {{1, 0, 2}, {0.5F, 0.1F, 1.0F / 3}};
  arm.confusion = {2, {1, 2, 3, 4}};
  state.arms[{1.0 / 3, Arm::scratch, 1}] = arm;
  state.encoder["stem.weight"] = random_tensor<float>({3, 3, 1, 2}, 1);
  state.scratch_from = "elsewhere";
  state.machine = "this one";
  state.scratch_machine = "that one";
  state.diverged = {{{0.5, Arm::scratch, 1}, "training loss became NaN", 12}};
  state.phase = PhaseId{1, Arm::pretrained, 1};
  state.fit.step = 41;
  state.fit.evaluations = 5;
  state.fit.seconds = 2.5;
  state.fit.training_seconds = 2.25;
  state.fit.loss_sum = 1.0 / 7;
  state.fit.correct = 3;
  state.fit.examples = 9;
  state.fit.best_accuracy = 0.7;
  state.fit.best_step = 40;
  state.fit.rows = {{40, 2.5, 9.75, "train", 0.5, 0.6, 0.7}};
  state.fit.best["head.bias"] = random_tensor<float>({4}, 2);
  state.fit.average["head.bias"] = random_tensor<float>({4}, 5);
  state.model["head.bias"] = random_tensor<float>({4}, 3);
  state.optimizer["velocity.head.bias"] = random_tensor<float>({4}, 4);
  return state;
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace

TEST_CASE("a checkpoint gives back everything, bit by bit") {
  const Folder folder("checkpoint");
  const fs::path path = folder.path / "checkpoint.safetensors";
  const RunState in = example();
  write_checkpoint(path, in);
  const RunState out = read_checkpoint(path);
  CHECK(out.config == in.config);
  CHECK(out.seconds == in.seconds);
  const auto row = [](const HistoryRow& r) {
    return std::tie(r.step, r.epoch, r.seconds, r.split, r.loss, r.accuracy, r.macro_f1);
  };
  REQUIRE(out.history.size() == 1);
  CHECK(row(out.history[0]) == row(in.history[0]));
  CHECK(out.history[0].phase == in.history[0].phase);
  const auto pretraining = [](const RunState& state) {
    const PretrainResult& p = state.pretraining.at(pretraining_phase(1));
    return std::tie(p.task, p.seconds, p.loss, p.accuracy, p.chance, p.steps, p.images_per_second,
                    p.suspicious_accuracy);
  };
  CHECK(pretraining(out) == pretraining(in));
  const auto arm = [](const RunState& state) {
    const ArmResult& a = state.arms.at({1.0 / 3, Arm::scratch, 1});
    return std::tie(a.best_val_accuracy, a.test_accuracy, a.test_macro_f1, a.final_train_loss, a.seconds,
                    a.training_seconds, a.steps, a.images, a.learning_rate, a.answers.predicted, a.answers.confidence,
                    a.confusion.classes, a.confusion.counts);
  };
  CHECK(arm(out) == arm(in));
  const auto rest = [](const RunState& s) {
    return std::tie(s.scratch_from, s.machine, s.scratch_machine, s.diverged[0].phase, s.diverged[0].what,
                    s.diverged[0].step, s.phase, s.fit.step, s.fit.evaluations, s.fit.seconds, s.fit.training_seconds,
                    s.fit.loss_sum, s.fit.correct, s.fit.examples, s.fit.best_accuracy, s.fit.best_step);
  };
  CHECK(rest(out) == rest(in));
  REQUIRE(out.fit.rows.size() == 1);
  CHECK(row(out.fit.rows[0]) == row(in.fit.rows[0]));
  CHECK(same_bits(out.encoder, in.encoder));
  CHECK(same_bits(out.model, in.model));
  CHECK(same_bits(out.optimizer, in.optimizer));
  CHECK(same_bits(out.fit.best, in.fit.best));
  CHECK(same_bits(out.fit.average, in.fit.average));
}

TEST_CASE("a checkpoint of another version is refused with a hint") {
  const Folder folder("checkpoint");
  const fs::path path = folder.path / "checkpoint.safetensors";
  write_safetensors(path, {}, {{"state", R"({"format":"contexture checkpoint 3"})"}});
  CHECK_THROWS_WITH(read_checkpoint(path),
                    Catch::Matchers::ContainsSubstring("another version of this library, begin anew"));
}

TEST_CASE("a checkpoint cut anywhere, or with a flipped header, is refused with its name") {
  const Folder folder("checkpoint");
  const fs::path path = folder.path / "checkpoint.safetensors";
  write_checkpoint(path, example());
  const std::string good = bytes_of(path);
  for (std::size_t keep = 0; keep < good.size(); keep += 1 + good.size() / 40) {
    write_bytes(path, good.substr(0, keep));
    try {
      (void)read_checkpoint(path);
      FAIL("accepted " << keep << " of " << good.size() << " bytes");
    } catch (const InputError& error) {
      const std::string what = error.what();
      CHECK(what.find("checkpoint.safetensors") != std::string::npos);
      CHECK(what.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("200 flipped bits and 50 truncations of a checkpoint: none is accepted, each is named in one line") {
  const Folder folder("checkpoint");
  const fs::path path = folder.path / "checkpoint.safetensors";
  write_checkpoint(path, example());
  const std::string good = bytes_of(path);
  Rng rng(42);
  for (int i = 0; i < 250; ++i) {
    std::string bad = good;
    if (i < 200) {
      const std::uint32_t bit = rng.below(static_cast<std::uint32_t>(8 * good.size()));
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    } else {
      bad.resize(rng.below(static_cast<std::uint32_t>(good.size())));
    }
    write_bytes(path, bad);
    std::string what = "accepted";
    try {
      (void)read_checkpoint(path);
    } catch (const InputError& error) {
      what = error.what();
    }
    CAPTURE(i);
    CHECK(what.starts_with(path.string() + ": "));
    CHECK(what.find('\n') == std::string::npos);
  }
}

TEST_CASE("a damaged checkpoint is named and the one before it used; two damaged ones are both named") {
  const Folder folder("checkpoint");
  const fs::path path = folder.path / "checkpoint.safetensors";
  RunState state = example();
  for (const int step : {41, 42, 43}) {
    state.fit.step = step;
    write_checkpoint(path, state);
  }
  CHECK(read_usable_checkpoint(path).state.fit.step == 43);
  CHECK(read_usable_checkpoint(path).note.empty());
  for (const bool gone : {false, true}) {
    std::string bad = bytes_of(previous_checkpoint(path));
    if (gone) {
      fs::remove(path);
    } else {
      bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 4);
      write_bytes(path, bad);
    }
    const UsableCheckpoint usable = read_usable_checkpoint(path);
    CHECK(usable.state.fit.step == 42);
    CHECK_THAT(usable.note, Catch::Matchers::ContainsSubstring(path.string() + ": ") &&
                                Catch::Matchers::ContainsSubstring(previous_checkpoint(path).string()));
  }
  write_bytes(path, "x");
  write_bytes(previous_checkpoint(path), "y");
  CHECK_THROWS_WITH(read_usable_checkpoint(path),
                    Catch::Matchers::ContainsSubstring(path.string() + ": 1 bytes") &&
                        Catch::Matchers::ContainsSubstring(previous_checkpoint(path).string() + ": 1 bytes"));
}

TEST_CASE("a missing file, other weights and an unwritable place are told apart") {
  const Folder folder("checkpoint");
  CHECK_THROWS_WITH(read_checkpoint(folder.path / "nothing.safetensors"),
                    Catch::Matchers::ContainsSubstring("no checkpoint"));
  const fs::path weights = folder.path / "weights.safetensors";
  const Tensor<float> tensor = random_tensor<float>({2}, 1);
  write_safetensors(weights, {{"a", &tensor}});
  CHECK_THROWS_WITH(read_checkpoint(weights), Catch::Matchers::ContainsSubstring("not a checkpoint"));
  write_safetensors(weights, {{"stray", &tensor}}, {{"state", "{}"}});
  CHECK_THROWS_AS(read_checkpoint(weights), InputError);
  CHECK_THROWS_AS(write_checkpoint(folder.path / "no" / "such" / "folder", example()), InputError);
}

TEST_CASE("a failed write leaves the checkpoint that was there") {
  const Folder folder("checkpoint");
  const fs::path path = folder.path / "checkpoint.safetensors";
  write_checkpoint(path, example());
  RunState twice = example();
  twice.fit.step = 42;
  write_checkpoint(path, twice);
  CHECK(read_checkpoint(path).fit.step == 42);
  const std::string good = bytes_of(path);
  std::string what;
  try {
    const FullDisk full(100);
    write_checkpoint(path, example());
  } catch (const InputError& error) {
    what = error.what();
  }
  CHECK(what.find("File too large") != std::string::npos);
  CHECK(bytes_of(path) == good);
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 2);  // no temporary file stays
}
