// SPDX-License-Identifier: MIT
// What classify() found, as tables that are read back and a page, from a result that is made up.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "contexture/data/csv.hpp"
#include "contexture/report/classify_report.hpp"
#include "contexture/report/predictions.hpp"
#include "report_files.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

using namespace contexture;

namespace {

using Table = std::vector<std::vector<std::string>>;

Table table_of(const std::string& text) {
  Table out;
  for (CsvRow& row : parse_csv(text, "table")) out.push_back(std::move(row.fields));
  return out;
}

// 10 labelled images of three classes with awkward names, 800 without a label.
struct MadeUpAnswers {
  Collection collection;
  ClassifyResult result;

  explicit MadeUpAnswers(Index side = 8)
      : result{{},
               0,
               ClassifyMethod::finetune,
               ImageClassifier({side, side, {.width = 1, .stages = 1}, {"a, b", "<i>", "c"}, {{0, 0, 0}, {1, 1, 1}}},
                               Rng(1)),
               zeros<float>({800, 3}),
               {},
               {},
               {}} {
    collection.class_names = {"a, b", "<i>", "c"};
    collection.labelled = 10;
    ImageSet& set = collection.images;
    set = {810, side, side, 3, {}, {}};
    for (Index i = 0; i < 810; ++i) {
      set.pixels.insert(set.pixels.end(), static_cast<std::size_t>(set.image_bytes()), static_cast<std::uint8_t>(i));
      set.labels.push_back(i < 10 ? static_cast<std::int32_t>(i < 6 ? 0 : i < 8 ? 1 : 2) : Collection::kUnknown);
      collection.paths.push_back("in, \"quotes\"/" + std::to_string(i) + ".png");
    }
    for (std::size_t i = 0; i < 800; ++i) {
      result.probabilities(i, i % 3) = 0.5F + static_cast<float>(i) / 2000;
      result.probabilities(i, (i + 1) % 3) = 1 - result.probabilities(i, i % 3);
    }
    result.methods = {method(ClassifyMethod::head, 5, 0.5, 0.3), method(ClassifyMethod::selftrain, 8, 0.8, 0.65)};
    result.chosen = 1;
    result.next = {{5, 0.75, 12.5}, {799, 0.5, 3.25}};
    result.suspected = {{2, 0, 1, 0.125F, 0.75F}};
    result.duplicates = {{1, 30, 0.99951}, {0, 3, 0.99}};
  }
  static MethodResult method(ClassifyMethod m, std::int64_t right, double accuracy, double low) {
    MethodResult out{m};
    out.right = right;
    out.accuracy = accuracy;
    out.interval = {low, 0.95};
    return out;
  }
  [[nodiscard]] std::string advice() const { return report::detail::ClassifyPages(collection, result).advice(); }
};

}  // namespace

TEST_CASE("predictions: a header, then path, class and every class's probability", "[report]") {
  const std::vector<std::string> names{"cat", "a, b", "two\nlines"};
  CHECK(report::predictions_header(names) == "path,class,p(cat),\"p(a, b)\",p(two lines)\n");
  const float p[] = {0.25F, 0.625F, 0.125F};
  CHECK(report::predictions_line("x/\"1\".png", names, p) ==
        "\"x/\"\"1\"\".png\",\"a, b\",0.250000,0.625000,0.125000\n");
  const float equal[] = {0.5F, 0.5F, 0};
  CHECK(report::predictions_line("bad\r\nname.png", names, equal) == "bad  name.png,cat,0.500000,0.500000,0.000000\n");
}

TEST_CASE("the report of classify: tables that are read back", "[report]") {
  MadeUpAnswers made;
  const files::Folder folder{"classify"};
  const std::string advice = write_classify_report(made.collection, made.result, folder.path);
  CHECK(files_in(folder.path) == std::set<std::string>{"classifier.safetensors", "gallery.html", "label_next.csv",
                                                       "near_duplicates.csv", "predictions.csv",
                                                       "suspected_labels.csv"});
  const Table predictions = table_of(text_of(folder.path / "predictions.csv"));
  REQUIRE(predictions.size() == 801);
  CHECK(predictions[0] == std::vector<std::string>{"path", "class", "p(a, b)", "p(<i>)", "p(c)"});
  CHECK(predictions[1] ==
        std::vector<std::string>{"in, \"quotes\"/10.png", "a, b", "0.500000", "0.500000", "0.000000"});
  CHECK(predictions[300][1] == "c");  // image 299: 299 % 3 is 2
  CHECK(table_of(text_of(folder.path / "label_next.csv")) ==
        Table{{"path", "label", "guess", "uncertainty", "gain"},
              {"in, \"quotes\"/15.png", "", "c", "0.7500", "12.5000"},
              {"in, \"quotes\"/809.png", "", "<i>", "0.5000", "3.2500"}});
  CHECK(table_of(text_of(folder.path / "suspected_labels.csv")) ==
        Table{{"path", "label", "suggested", "p(label)", "p(suggested)"},
              {"in, \"quotes\"/2.png", "a, b", "<i>", "0.125000", "0.750000"}});
  CHECK(table_of(text_of(folder.path / "near_duplicates.csv")) ==
        Table{{"path", "label", "other path", "other label", "similarity"},
              {"in, \"quotes\"/1.png", "a, b", "in, \"quotes\"/30.png", "", "0.9995"},
              {"in, \"quotes\"/0.png", "a, b", "in, \"quotes\"/3.png", "a, b", "0.9900"}});
  CHECK(ImageClassifier::load(folder.path / "classifier.safetensors").options().class_names ==
        made.collection.class_names);
  CHECK(advice.starts_with("Next: fill in the column 'label' of label_next.csv"));
}

TEST_CASE("the report of classify: a page of a bounded size, by confidence", "[report]") {
  const MadeUpAnswers made(160);
  const std::string page = report::detail::ClassifyPages(made.collection, made.result).page();
  check_balanced(page);
  check_self_contained(page);
  for (const char* part :
       {"<h1>800 images by 10 labels</h1>", "80.0\u00a0% (95\u00a0% interval 65.0\u00a0% to 95.0\u00a0%)",
        "self-training, taught by fine-tuning of head and encoder", "Label next", "Suspected labels",
        "rather &lt;i&gt;?", "no label", "600 of 800 images are shown"}) {
    INFO(part);
    CHECK(page.find(part) != std::string::npos);
  }
  CHECK(page.find("<i>?") == std::string::npos);
  std::size_t tiles = 0;
  for (std::size_t at = page.find("class=\"tile\""); at != std::string::npos; at = page.find("class=\"tile\"", at + 1))
    ++tiles;
  CHECK(tiles == 600 + 2 + 1 + 4);
  CHECK(page.size() < 1'000'000);  // images of 160 px are shrunk
  // The surest is first, the least sure last.
  const std::size_t sure = page.find("90\u00a0% 809.png"), unsure = page.find("50\u00a0% 1");
  REQUIRE(sure != std::string::npos);
  CHECK(sure < unsure);
}

TEST_CASE("the report of classify says what to do next", "[report]") {
  MadeUpAnswers made;
  CHECK(made.advice().starts_with("Next: fill in the column 'label' of label_next.csv"));
  // Six of ten labels are of one class: answering it always is right that often.
  made.result.methods[1].interval.low = 0.59;
  CHECK(made.advice().starts_with("Next: this is not surely better than always answering 'a, b';"));
  made.result.methods[1].interval.low = 0.61;
  made.result.methods[1].accuracy = 0.9;
  CHECK(made.advice() == "Next: check the 1 suspected label in suspected_labels.csv.");
  made.result.suspected.clear();
  CHECK(made.advice().starts_with("Next: fill in the column 'label'"));
  made.result.methods[1].accuracy = 0.98;
  CHECK(made.advice().starts_with("Next: look through the least certain images"));
}
