// SPDX-License-Identifier: MIT
// What becomes of the files below a data folder: layouts of every spelling, files that cannot be used, results of runs
// among the images, trees without classes. Nothing is dropped without being counted.
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "contexture/data/folder_layout.hpp"
#include "contexture/data/load.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using errors::refusal_of;
using files::TempFolder;
namespace fs = std::filesystem;

namespace {

// Images whose red says from which folder they are.
void images(const fs::path& folder, int count, std::uint8_t red = 1) {
  for (int i = 0; i < count; ++i)
    files::write(folder / (std::to_string(i) + ".png"),
                 files::rgb_png(8, 8, red, static_cast<std::uint8_t>(10 * i), 3));
}

// Every file below the folder is used or counted.
void check_all_counted(const Dataset& data, const fs::path& folder) {
  Index there = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) there += !entry.is_directory();
  CHECK(data.account.used + data.account.left_out_files() == there);
  CHECK(data.account.used == data.train.count + data.test.count + data.unlabeled.count);
}

const LeftOut& left_out(const Dataset& data, const std::string& reason) {
  for (const LeftOut& entry : data.account.left_out)
    if (entry.reason == reason) return entry;
  FAIL("nothing is left out as: " << reason);
  return data.account.left_out.front();
}

}  // namespace

TEST_CASE("names of parts") {
  using contexture::detail::part_name;
  using contexture::detail::SplitPart;
  const std::vector<std::pair<std::string, SplitPart>> names = {{"train", SplitPart::train},
                                                                {"TRAIN", SplitPart::train},
                                                                {"Training", SplitPart::train},
                                                                {"seg_train", SplitPart::train},
                                                                {"TrainSet", SplitPart::train},
                                                                {"trainset", SplitPart::train},
                                                                {"training-images", SplitPart::train},
                                                                {"Test", SplitPart::test},
                                                                {"testing", SplitPart::test},
                                                                {"seg_test", SplitPart::test},
                                                                {"test_data", SplitPart::test},
                                                                {"Validation", SplitPart::validation},
                                                                {"valid", SplitPart::validation},
                                                                {"VAL", SplitPart::validation},
                                                                {"val2017", SplitPart::validation},
                                                                {"Unlabelled", SplitPart::unlabeled},
                                                                {"unlabeled", SplitPart::unlabeled},
                                                                {"trainA", SplitPart::train},
                                                                {"contest", SplitPart::none},
                                                                {"strain", SplitPart::none},
                                                                {"trained", SplitPart::none},
                                                                {"valley", SplitPart::none},
                                                                {"train_test", SplitPart::none},
                                                                {"cat", SplitPart::none},
                                                                {"", SplitPart::none},
                                                                {"invalid", SplitPart::none}};
  for (const auto& [name, part] : names) {
    INFO(name);
    CHECK(part_name(name).part == part);
  }
  CHECK(part_name("seg_train").rest == "seg");
  CHECK(part_name("val2017").rest == "2017");
  CHECK(part_name("training-images").rest.empty());
}

TEST_CASE("parts of a data set are known however they are spelt") {
  const std::vector<std::pair<std::string, std::string>> spellings = {{"train", "test"},
                                                                      {"Train", "Test"},
                                                                      {"training", "testing"},
                                                                      {"TRAINING", "TESTING"},
                                                                      {"seg_train", "seg_test"},
                                                                      {"train", "val"},
                                                                      {"Train", "Valid"},
                                                                      {"training_set", "test_set"},
                                                                      {"train2017", "val2017"},
                                                                      {"Training", "Validation"},
                                                                      {"flowers-train", "flowers-test"},
                                                                      {"seg_train/seg_train", "seg_test/seg_test"}};
  for (const auto& [train, test] : spellings) {
    INFO(train << " and " << test);
    const TempFolder folder;
    for (const char* c : {"cat", "dog"}) {
      images(folder / train / c, 4, 10);
      images(folder / test / c, 2, 20);
    }
    images(folder / "Unlabelled", 3, 30);
    const Dataset data = load_dataset(folder.string());
    CHECK(data.class_names == std::vector<std::string>{"cat", "dog"});
    CHECK(data.train.count == 8);
    CHECK(data.train.image(0)[0] == 10);
    CHECK(data.test.count == 4);
    CHECK(data.test.image(0)[0] == 20);
    CHECK(data.unlabeled.count == 3);
    check_all_counted(data, folder.path());
    if (train != "train" || test != "test") {
      REQUIRE(!data.notes.empty());
      CHECK_THAT(data.notes[0], ContainsSubstring("layout: "));
    }
  }
}

TEST_CASE("validation images join the training images where there are test images") {
  const TempFolder folder;
  for (const char* part : {"train/a", "train/b", "test/a", "test/b", "valid/a"}) images(folder / part, 4);
  const Dataset data = load_dataset(folder.string());
  CHECK(data.train.count == 12);
  CHECK(class_counts(data.train.labels, 2) == std::vector<Index>{8, 4});
  CHECK(data.test.count == 8);
  REQUIRE(data.notes.size() == 1);
  CHECK_THAT(data.notes[0], ContainsSubstring("valid/ joins the training images"));
  check_all_counted(data, folder.path());
}

TEST_CASE("what looks like a part is no class, or it is said") {
  const TempFolder folder;
  SECTION("a class that is called train") {
    for (const char* c : {"bus", "car", "train"}) images(folder / c, 5);
    const Dataset data = load_dataset(folder.string());
    CHECK(data.class_names == std::vector<std::string>{"bus", "car", "train"});
    REQUIRE(data.account.warnings.size() == 1);
    CHECK_THAT(data.account.warnings[0], ContainsSubstring("taken for a class") && ContainsSubstring("train/"));
  }
  SECTION("valid and invalid parts of a machine") {
    for (const char* c : {"invalid", "valid"}) images(folder / c, 5);
    const Dataset data = load_dataset(folder.string());
    CHECK(data.class_names == std::vector<std::string>{"invalid", "valid"});
    CHECK(data.account.warnings.size() == 1);
  }
  SECTION("a word of a part in a class's name") {
    for (const char* c : {"test tube", "flask"}) images(folder / c, 5);
    const Dataset data = load_dataset(folder.string());
    REQUIRE(data.account.warnings.size() == 1);
    CHECK_THAT(data.account.warnings[0], ContainsSubstring("test tube/"));
  }
  SECTION("two parts of one kind") {
    for (const char* c : {"trainA/x", "trainB/x", "testA/x", "testB/x"}) images(folder / c, 5);
    CHECK_THAT(refusal_of([&] { return load_dataset(folder.string()); }),
               ContainsSubstring("trainA/, trainB/ look like the same part"));
  }
  SECTION("a test folder and classes beside it") {
    for (const char* c : {"cat", "dog", "Test"}) images(folder / c, 5);
    CHECK_THAT(refusal_of([&] { return load_dataset(folder.string()); }), ContainsSubstring("has Test/ but no train/"));
  }
  SECTION("a folder around all") {
    for (const char* part : {"photos/Train/a", "photos/Train/b", "photos/Test/a", "photos/Test/b"})
      images(folder / part, 5);
    images(folder / "__MACOSX", 0);
    const Dataset data = load_dataset(folder.string());
    CHECK(data.train.count == 10);
    CHECK(data.test.count == 10);
  }
}

TEST_CASE("images without class folders are refused with what was seen") {
  const TempFolder folder;
  const auto error = [&] { return refusal_of([&] { return load_dataset(folder.string()); }); };
  images(folder / "train", 12);
  images(folder / "test", 4);
  files::write(folder / "labels.csv", "id,label\n");
  CHECK_THAT(error(), ContainsSubstring("/train: 12 files and no class folders; labels in a table (labels.csv) are not "
                                        "read; expected a folder for each class, train/<class>/..."));
  const Dataset data = load_dataset(folder.string(), {.labels = false});
  CHECK(data.train.count == 12);  // not the test images
  CHECK(left_out(data, "kept for testing").count == 4);
  fs::remove_all(folder / "test");
  CHECK_THAT(error(), ContainsSubstring("12 files and no class folders"));
}

TEST_CASE("files that cannot be used are counted by reason, with ten names") {
  const TempFolder folder;
  for (const char* c : {"train/a", "train/b", "test/a", "test/b", "extra/deep"}) images(folder / c, 200, 7);
  for (int i = 0; i < 12; ++i) files::write(folder / ("train/a/w" + std::to_string(i) + ".HEIC"), "RIFF");
  files::write(folder / "train/a/7.xml", "<box/>");
  files::write(folder / "README.md", "hello");
  files::write(folder / "train/stray.png", "stray");
  files::write(folder / "test/.DS_Store", "x");
  fs::create_symlink(folder / "nowhere", folder / "train/b/link.png");
  fs::create_symlink("loop", folder / "train/b/loop");
  images(folder / "elsewhere/of/b", 3);
  fs::create_directory_symlink(folder / "elsewhere/of", folder / "train/b/more");
  const Dataset data = load_dataset(folder.string());
  CHECK(data.account.used == 800);
  CHECK(left_out(data, "not PNG, JPEG, BMP, GIF, WebP or TIFF (.heic)").count == 12);
  CHECK(left_out(data, "not PNG, JPEG, BMP, GIF, WebP or TIFF (.heic)").names.size() == 10);
  CHECK_THAT(left_out(data, "not PNG, JPEG, BMP, GIF, WebP or TIFF (.heic)").line(),
             ContainsSubstring("12 files not used") && ContainsSubstring("train/a/w0.HEIC, train/a/w1.HEIC") &&
                 ContainsSubstring(" and 2 more"));
  CHECK(left_out(data, "not PNG, JPEG, BMP, GIF, WebP or TIFF (.xml)").names ==
        std::vector<std::string>{"train/a/7.xml"});
  CHECK(left_out(data, "beside train/").count == 203);
  CHECK(left_out(data, "beside train/").names == std::vector<std::string>{"elsewhere", "extra"});
  CHECK(left_out(data, "beside the folders of images").names ==
        std::vector<std::string>{"README.md", "train/stray.png"});
  CHECK(left_out(data, "hidden").names == std::vector<std::string>{"test/.DS_Store"});
  CHECK(left_out(data, "a link to nothing").names == std::vector<std::string>{"train/b/link.png", "train/b/loop"});
  CHECK(left_out(data, "in a linked folder, which is not followed").count == 3);
  CHECK(data.account.lines().size() == data.account.left_out.size());
}

TEST_CASE("a class that loses more than a tenth of its files stops the run") {
  const TempFolder folder;
  const auto error = [&](double most = 0.01) {
    return refusal_of([&] { return load_dataset(folder.string(), {.max_broken = most}); });
  };
  for (const char* c : {"train/a", "train/b", "test/a", "test/b"}) images(folder / c, 18);
  for (int i = 0; i < 2; ++i) files::write(folder / ("train/b/w" + std::to_string(i) + ".heic"), "RIFF");
  CHECK(load_dataset(folder.string()).train.count == 36);  // 2 of 20
  SECTION("another one") {
    fs::create_symlink("nowhere", folder / "train/b/link.png");
    CHECK_THAT(error(),
               ContainsSubstring("/train/b: 3 of 21 files cannot be used, expected at most 10 % of a folder") &&
                   ContainsSubstring("not used: 1 a link to nothing, 2 not PNG, JPEG, BMP, GIF, WebP or TIFF (.heic)"));
    CHECK_THAT(error(0.14), ContainsSubstring("expected at most 14 %"));
    CHECK(load_dataset(folder.string(), {.max_broken = 0.15}).train.count == 36);
  }
  SECTION("of the test images") {
    for (int i = 0; i < 3; ++i) files::write(folder / ("test/a/w" + std::to_string(i) + ".heic"), "x");
    CHECK_THAT(error(), ContainsSubstring("/test/a: 3 of 21 files cannot be used"));
  }
  SECTION("a linked folder in it") {
    images(folder / "elsewhere", 9);
    fs::create_directory_symlink(folder / "elsewhere", folder / "train/a/more");
    CHECK_THAT(error(), ContainsSubstring("/train/a: 9 of 27 files cannot be used"));
  }
  SECTION("annotations are no images") {
    for (int i = 0; i < 18; ++i) files::write(folder / ("train/a/" + std::to_string(i) + ".xml"), "<box/>");
    CHECK(load_dataset(folder.string()).train.count == 36);
  }
}

TEST_CASE("what a run left is no data") {
  const TempFolder folder;
  images(folder / "cat", 5);
  images(folder / "dog", 5);
  const auto results = [](const fs::path& out) {
    files::write(out / "config.ini", "# Effective configuration. Re-run: ...\n");
    files::write(out / "checkpoint.safetensors", "x");
    files::write(out / "patches.png", files::rgb_png(99, 9, 1, 2, 3));
    files::write(out / "loss_curves.svg", "<svg/>");
  };
  SECTION("in a folder of its own, or deeper") {
    results(folder / "results-experiments");
    results(folder / "runs/first");
    results(folder / "runs/second");
    const Dataset data = load_dataset(folder.string());
    CHECK(data.class_names == std::vector<std::string>{"cat", "dog"});
    CHECK(data.train.count + data.test.count == 10);
    CHECK(left_out(data, "results of a run").count == 12);
    check_all_counted(data, folder.path());
  }
  SECTION("in the data folder itself, and among a class's images") {
    results(folder.path());
    results(folder / "cat");
    const Dataset data = load_dataset(folder.string());
    CHECK(data.class_names == std::vector<std::string>{"cat", "dog"});
    CHECK(data.train.count + data.test.count == 10);
    check_all_counted(data, folder.path());
    CHECK(load_dataset(folder.string(), {.labels = false}).train.count == 8);  // the fifth is kept for testing
  }
  SECTION("the folder that results are going to") {
    fs::create_directories(folder / "out");
    const Dataset data = load_dataset(folder.string(), {.never_data = folder / "out"});
    CHECK(data.class_names == std::vector<std::string>{"cat", "dog"});
    CHECK(data.account.left_out.empty());
  }
}

TEST_CASE("any tree of images will do where no labels are needed") {
  const TempFolder folder;
  images(folder / "2019/summer", 4, 10);
  images(folder / "2020", 3, 20);
  images(folder.path(), 5, 30);
  files::write(folder / "notes.txt", "x");
  const auto tree = [&] { return load_dataset(folder.string(), {.labels = false}); };
  CHECK(left_out(load_dataset(folder.string()), "beside the folders of images").count == 6);
  const Dataset data = tree();
  CHECK(data.train.count == 12);
  CHECK(data.train.labels.empty());
  CHECK(data.class_names.empty());
  CHECK(data.test.count == 0);
  REQUIRE(data.notes.size() == 1);
  CHECK_THAT(data.notes[0], ContainsSubstring("used without labels: "));
  check_all_counted(data, folder.path());
  for (int i = 0; i < 2; ++i) files::write(folder / (std::to_string(i) + ".heic"), "RIFF");
  CHECK_THAT(refusal_of(tree), ContainsSubstring("2 of 14 files cannot be used"));
  const TempFolder empty;
  files::write(empty / "notes.txt", "x");
  CHECK_THAT(refusal_of([&] { return load_dataset(empty.string(), {.labels = false}); }),
             ContainsSubstring("no image; not used: 1 not PNG, JPEG, BMP, GIF, WebP or TIFF (.txt)"));
}
