// SPDX-License-Identifier: MIT
// Images of which few have a label: labels by folders, by tables and by both; what is refused, in one line that says
// what would do.
#include <filesystem>
#include <string>
#include <vector>

#include "contexture/data/collection.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using errors::refusal_of;
using files::TempFolder;
namespace fs = std::filesystem;

namespace {

// Two labelled images of cat (red 10, 11) and dog (20, 21), and five others (100 to 104).
struct Photos {
  TempFolder folder;
  CollectionSource source{.labelled = folder / "labelled", .unlabelled = folder / "rest"};

  Photos() {
    for (int i = 0; i < 2; ++i) {
      image("labelled/cat/" + std::to_string(i) + ".png", 10 + i);
      image("labelled/dog/" + std::to_string(i) + ".png", 20 + i);
    }
    for (int i = 0; i < 5; ++i) image("rest/" + std::to_string(i) + ".png", 100 + i);
  }
  void image(const std::string& name, int red, std::uint32_t side = 8) const {
    files::write(folder / name, files::rgb_png(side, side, static_cast<std::uint8_t>(red), 50, 3));
  }
  fs::path table(const std::string& text, const std::string& name = "labels.csv") const {
    files::write(folder / name, text);
    return folder / name;
  }
  [[nodiscard]] std::string error() const {
    const std::string text = refusal_of([&] { return load_collection(source); });
    std::string out = text;  // without the temporary folder's name
    const std::string long_name = folder.string() + "/";
    for (std::size_t at = out.find(long_name); at != std::string::npos; at = out.find(long_name))
      out.erase(at, long_name.size());
    return out;
  }
};

std::vector<int> reds(const Collection& c) {
  std::vector<int> out;
  for (Index i = 0; i < c.images.count; ++i) out.push_back(c.images.image(i)[0]);
  return out;
}

}  // namespace

TEST_CASE("a collection by folders: labelled images first, each with its path") {
  const Photos photos;
  const Collection c = load_collection(photos.source);
  CHECK(c.class_names == std::vector<std::string>{"cat", "dog"});
  CHECK(c.labelled == 4);
  CHECK(c.unlabelled() == 5);
  CHECK(reds(c) == std::vector<int>{10, 11, 20, 21, 100, 101, 102, 103, 104});
  CHECK(c.images.labels == std::vector<std::int32_t>{0, 0, 1, 1, -1, -1, -1, -1, -1});
  CHECK(c.unknown() == std::vector<Index>{4, 5, 6, 7, 8});
  REQUIRE(c.paths.size() == 9);
  CHECK(c.paths[2] == (photos.folder / "labelled/dog/0.png").string());
  CHECK(c.paths[8] == (photos.folder / "rest/4.png").string());
  CHECK(c.images.channels == 3);
  CHECK(c.notes.empty());
  CHECK(c.account.used == 9);
}

TEST_CASE("a collection by tables: paths below the unlabelled images or from anywhere, classes by name") {
  Photos photos;
  photos.source.labelled.clear();
  photos.image("elsewhere/x.png", 77);
  // Rows without a label are passed over; columns may stand in any order beside others.
  photos.source.tables = {photos.table("note,label,path\n,zebra,3.png\n\"a, b\",ant,1.png\n,,2.png\n,zebra," +
                                       (photos.folder / "elsewhere/x.png").string() + "\n,ant,./0.png\n")};
  const Collection c = load_collection(photos.source);
  CHECK(c.class_names == std::vector<std::string>{"ant", "zebra"});  // whichever comes first
  CHECK(c.labelled == 4);
  CHECK(reds(c) == std::vector<int>{103, 101, 77, 100, 102, 104});  // what the table has is answered no more
  CHECK(c.images.labels == std::vector<std::int32_t>{1, 0, 1, 0, -1, -1});
  CHECK(c.paths[0] == (photos.folder / "rest/3.png").string());
}

TEST_CASE("a collection by folders and tables: the tables add to the folders' classes") {
  Photos photos;
  fs::create_directories(photos.folder / "labelled/eel");  // a new class: its images come by table
  photos.source.tables = {photos.table("path,label\n0.png,dog\n1.png,eel\n"),
                          photos.table("label,path\neel,2.png\n", "more.csv")};
  const Collection c = load_collection(photos.source);
  CHECK(c.class_names == std::vector<std::string>{"cat", "dog", "eel"});
  CHECK(reds(c) == std::vector<int>{10, 11, 20, 21, 100, 101, 102, 103, 104});
  CHECK(c.images.labels == std::vector<std::int32_t>{0, 0, 1, 1, 1, 2, 2, -1, -1});
}

TEST_CASE("a collection: labelled images among the others are found, other sizes fitted, grey stays grey") {
  Photos photos;
  photos.source.unlabelled = photos.folder.path();  // all of it
  Collection c = load_collection(photos.source);
  CHECK(c.labelled == 4);
  CHECK(c.unlabelled() == 5);
  REQUIRE(c.notes.size() == 1);
  CHECK(c.notes[0] == "4 of the unlabelled images are among the labelled ones");

  photos.image("rest/large.png", 200, 16);
  c = load_collection(photos.source, {.image_size = 8});
  CHECK(c.images.height == 8);
  CHECK_THAT(c.notes[0], ContainsSubstring("resized and cropped to 8 x 8"));

  const Photos grey;
  for (const auto& entry : fs::recursive_directory_iterator(grey.folder.path()))
    if (entry.is_regular_file()) files::write(entry.path(), files::grey_png(8, 8, 9));
  CHECK(load_collection(grey.source).images.channels == 1);
  grey.image("rest/0.png", 1);
  files::write(grey.folder / "rest/0.png", files::rgb_png(8, 8, 60, 60, 60));  // grey, stored in colour
  c = load_collection(grey.source);
  CHECK(c.images.channels == 1);
  CHECK_THAT(c.notes.back(), ContainsSubstring("all images are grey"));
}

TEST_CASE("a collection: files that are no images are counted, results are not read") {
  Photos photos;
  for (int i = 0; i < 20; ++i) photos.image("rest/more/" + std::to_string(i) + ".png", 150);
  files::write(photos.folder / "rest/notes.txt", "text");
  photos.image("rest/results/patches.png", 1);
  const Collection c = load_collection(photos.source, {.never_data = photos.folder / "rest/results"});
  CHECK(c.unlabelled() == 25);
  CHECK(c.account.left_out_files() >= 1);
}

TEST_CASE("a collection: what cannot be used is refused in one line") {
  {
    Photos photos;
    photos.source = {.unlabelled = photos.folder / "rest"};
    CHECK(photos.error() == "labelled images: none, expected a folder for each class or a table of labels");
    photos.source = {.labelled = photos.folder / "labelled"};
    CHECK(photos.error() == "unlabelled images: none, expected a folder of images");
    photos.source = {.labelled = photos.folder / "no", .unlabelled = photos.folder / "rest"};
    CHECK(photos.error() == "labelled images 'no': no such folder, expected one that holds a folder for each class");
    photos.source = {.labelled = photos.folder / "labelled", .unlabelled = photos.folder / "no"};
    CHECK(photos.error() == "unlabelled images 'no': no such folder, expected a folder of images");
    photos.source = {.labelled = photos.folder / "rest", .unlabelled = photos.folder / "rest"};
    CHECK(photos.error() == "rest: no folders, expected one for each class with its images in it");
    fs::create_directories(photos.folder / "nothing");
    photos.source = {.labelled = photos.folder / "labelled", .unlabelled = photos.folder / "nothing"};
    CHECK(photos.error() == "nothing: no image without a label");
    photos.source.unlabelled = photos.folder / "labelled";
    CHECK(photos.error() == "labelled: no image without a label");
  }
  {
    Photos photos;  // a data set's folder instead of its labelled images
    fs::create_directories(photos.folder / "set");
    fs::rename(photos.folder / "labelled", photos.folder / "set/train");
    photos.source.labelled = photos.folder / "set";
    CHECK_THAT(photos.error(), ContainsSubstring("expected that folder itself"));
  }
  {
    Photos photos;
    fs::remove(photos.folder / "labelled/cat/0.png");
    fs::create_directories(photos.folder / "labelled/eel");
    CHECK(photos.error() ==
          "labelled images: 'cat' has 1, 'eel' has 0; expected at least 2 of every class, so that one "
          "can check what was learnt from the other");
    fs::remove_all(photos.folder / "labelled/dog");
    fs::remove_all(photos.folder / "labelled/eel");
    CHECK(photos.error() == "labelled images: 1 class ('cat'), expected at least 2");
  }
}

TEST_CASE("a collection: tables that cannot be used are refused with file and line") {
  Photos photos;
  const auto error = [&](const std::string& text) {
    photos.source.tables = {photos.table(text)};
    return photos.error();
  };
  CHECK(error("") == "labels.csv: empty, expected a first line with the columns path and label");
  CHECK(error("path;label\n") ==
        "labels.csv: line 1: no column 'path', expected a first line with the columns path and label");
  CHECK(error("\n\npath,class\n") ==
        "labels.csv: line 3: no column 'label', expected a first line with the columns path and label");
  CHECK(error("path,label\n0.png\n") == "labels.csv: line 2: 1 fields, expected 2 as in the first line");
  CHECK(error("path,label\n,cat\n") == "labels.csv: line 2: a label without a path");
  CHECK(error("path,label\n\n9.png,cat\n") ==
        "labels.csv: line 3: '9.png': no such file, expected a path in rest or from the current folder");
  CHECK(error("path,label\n0.png,cow\n") ==
        "labels.csv: line 2: class 'cow', expected one of the folders of labelled (cat, dog); a new class needs a "
        "folder there, empty or not");
  CHECK(error("path,label\n0.png,cat\n./0.png,dog\n") ==
        "labels.csv: line 3: './0.png' has a label already, in labels.csv: line 2; expected every image once");
  CHECK(
      error("path,label\n" + (photos.folder / "labelled/cat/0.png").string() + ",cat\n") ==
      "labels.csv: line 2: 'labelled/cat/0.png' has a label already, by the folder of its class; expected every image "
      "once");
  photos.source.tables = {photos.folder / "no.csv"};
  CHECK_THAT(photos.error(), StartsWith("no.csv: "));
  photos.source.labelled.clear();
  photos.source.tables = {photos.table("path,label\n0.png,a\n1.png,b\n"),
                          photos.table("path,label\n2.png,a\n3.png,c\n", "two.csv")};
  CHECK(photos.error() ==
        "labels in several tables: two.csv has classes that the one before does not have, expected the "
        "same or a folder for each class");
}
