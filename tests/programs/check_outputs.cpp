// SPDX-License-Identifier: MIT
// Looks into everything an experiment program leaves in its --out folder, by content:
//   check_outputs OUT [--fractions 1,0.5,0.1] [--seeds 1] [--encoder-given known|unknown] [--figures-are-there]
//   check_outputs OUT --equal OTHER_OUT
//   check_outputs --probe probe.json [--encoders 2] [--labels 1,0.5] [--no-test] [--equal OTHER.json]
//   check_outputs --diagnostics diagnostics.json
// Prints one line per complaint; exit status 1 if there was any. --equal: the weights and the
// history (seconds aside) of OTHER_OUT are the same bit by bit. --figures-are-there: what they show is not looked at.
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "contexture/nn/serialize.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Where the run's encoder is from: made by it, or given, and then made by a run that is known or not.
enum class Encoder { made, known, unknown };

int complaints = 0;
bool look_at_figures = true;

template <class... Parts>
void expect(bool ok, const Parts&... what) {
  if (ok) return;
  ++complaints;
  std::printf("%s\n", contexture::message(what...).c_str());
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  expect(file.good(), path.string(), ": missing");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool number_in(const json& object, const char* key, double low, double high) {
  if (!object.contains(key) || !object[key].is_number()) return false;
  const double value = object[key].get<double>();
  return value >= low && value <= high;  // NaN is not
}

std::string percent(double fraction) { return std::to_string(static_cast<int>(std::lround(100 * fraction))); }

struct Row {
  std::vector<std::string> cells;
  const std::string& operator[](const std::string& name) const {
    static const std::vector<std::string> names{"experiment", "arm",   "seed", "step",     "epoch",
                                                "seconds",    "split", "loss", "accuracy", "macro_f1"};
    return cells[static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin())];
  }
};

std::vector<Row> read_history(const fs::path& path) {
  std::vector<Row> rows;
  const std::vector<std::string> lines = split(read(path), '\n');
  expect(!lines.empty() && lines[0] == "experiment,arm,seed,step,epoch,seconds,split,loss,accuracy,macro_f1",
         path.string(), ": wrong header line");
  for (std::size_t i = 1; i < lines.size(); ++i) {
    Row row{split(lines[i], ',')};
    if (row.cells.size() != 10) {
      expect(false, path.string(), ": line ", i + 1, " has ", row.cells.size(), " columns");
      continue;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// A PNG that decodes: signature, checksums of all chunks, as many pixel bytes as its header says,
// and more than one colour among them.
void check_png(const fs::path& path) {
  const std::string bytes = read(path);
  const std::string name = path.string();
  if (bytes.size() < 57 || bytes.compare(0, 8, "\x89PNG\r\n\x1a\n", 8) != 0) return expect(false, name, ": not a PNG");
  if (!look_at_figures) return;
  const auto u32 = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  };
  const std::uint32_t width = u32(16);
  const std::uint32_t height = u32(20);
  const unsigned depth = static_cast<unsigned char>(bytes[24]);
  const unsigned colour = static_cast<unsigned char>(bytes[25]);
  const unsigned channels = colour == 2 ? 3 : colour == 6 ? 4 : colour == 4 ? 2 : 1;
  expect(width >= 100 && height >= 50 && width < 10000 && height < 10000, name, ": ", width, " x ", height, " pixels");
  std::string packed;
  bool ended = false;
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const std::size_t length = u32(at);
    if (at + 12 + length > bytes.size()) return expect(false, name, ": chunk beyond the end");
    const auto* chunk = reinterpret_cast<const unsigned char*>(bytes.data() + at + 4);
    expect(::crc32(0, chunk, static_cast<uInt>(length + 4)) == u32(at + 8 + length), name, ": wrong checksum");
    const std::string type = bytes.substr(at + 4, 4);
    if (type == "IDAT") packed += bytes.substr(at + 8, length);
    ended = type == "IEND";
    at += 12 + length;
  }
  expect(ended, name, ": no IEND");
  std::string pixels(height * (1 + (width * std::size_t{depth} * channels + 7) / 8), '\0');
  uLongf size = pixels.size();
  const int status = ::uncompress(reinterpret_cast<Bytef*>(pixels.data()), &size,
                                  reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  expect(status == Z_OK && size == pixels.size(), name, ": pixels do not unpack");
  expect(std::set<char>(pixels.begin(), pixels.end()).size() > 8, name, ": blank");
}

void check_svg(const fs::path& path, std::size_t curves) {
  const std::string text = read(path);
  expect(text.find("<svg") != std::string::npos && text.find("</svg>") != std::string::npos, path.string(), ": no svg");
  if (!look_at_figures) return;
  std::size_t drawn = 0;
  for (const char* element : {"<path", "<polyline"})
    for (std::size_t at = text.find(element); at != std::string::npos; at = text.find(element, at + 1)) ++drawn;
  expect(drawn >= curves, path.string(), ": ", drawn, " lines, expected at least ", curves);
  expect(text.find("<text") != std::string::npos, path.string(), ": no lettering");
}

// ARM of the summary, against the rows of the history that belong to it.
void check_arm(const json& arm, const std::string& where, const std::string& experiment, const std::string& name,
               const std::vector<Row>& history, std::size_t seeds) {
  for (const char* key : {"best_val_accuracy", "test_accuracy", "test_macro_f1"})
    expect(number_in(arm, key, 0, 1), where, ".", key, ": not a share");
  expect(number_in(arm, "final_train_loss", 0, 100), where, ".final_train_loss");
  expect(number_in(arm, "seconds", 0, 1e6), where, ".seconds");
  expect(number_in(arm, "learning_rate", 1e-9, 1e3), where, ".learning_rate");
  expect(arm.contains("plateau_step") && (arm["plateau_step"].is_null() || arm["plateau_step"].is_number()), where,
         ".plateau_step: expected a number or null");
  if (arm.contains("steps_to") && arm["steps_to"].is_object()) {
    double before = 0;
    for (const char* key : {"80", "90", "95", "99"}) {
      const bool there = arm["steps_to"].contains(key);
      expect(there, where, ".steps_to has no \"", key, "\"");
      if (!there || arm["steps_to"][key].is_null()) continue;
      expect(arm["steps_to"][key].is_number() && arm["steps_to"][key].get<double>() >= before, where, ".steps_to.",
             key);
      before = arm["steps_to"][key].get<double>();
    }
  } else {
    expect(false, where, ".steps_to: missing");
  }

  std::set<std::string> tested;
  double test_accuracy = 0;
  std::map<std::string, double> best;
  long train_rows = 0;
  for (const Row& row : history) {
    if (row["experiment"] != experiment || row["arm"] != name) continue;
    const double accuracy = std::stod(row["accuracy"]);
    if (row["split"] == "test") {
      expect(tested.insert(row["seed"]).second, where, ": the test split was read twice");
      test_accuracy += accuracy / static_cast<double>(seeds);
    } else if (row["split"] == "validation") {
      best[row["seed"]] = std::max(best[row["seed"]], accuracy);
    } else if (row["split"] == "train") {
      ++train_rows;
    } else {
      expect(false, where, ": split '", row["split"], "'");
    }
  }
  expect(tested.size() == seeds && best.size() == seeds, where, ": history has ", tested.size(), " tests and ",
         best.size(), " validated runs, expected ", seeds);
  expect(train_rows >= static_cast<long>(seeds), where, ": no training rows");
  double best_mean = 0;
  for (const auto& [seed, accuracy] : best) best_mean += accuracy / static_cast<double>(seeds);
  if (arm.contains("test_accuracy") && arm["test_accuracy"].is_number())
    expect(std::abs(arm["test_accuracy"].get<double>() - test_accuracy) < 1e-6, where, ".test_accuracy ",
           arm["test_accuracy"].get<double>(), ", history says ", test_accuracy);
  if (arm.contains("best_val_accuracy") && arm["best_val_accuracy"].is_number())
    expect(std::abs(arm["best_val_accuracy"].get<double>() - best_mean) < 1e-6, where, ".best_val_accuracy ",
           arm["best_val_accuracy"].get<double>(), ", history says ", best_mean);
}

void check_label_efficiency(const fs::path& out, const json& efficiency, std::size_t fractions) {
  if (fractions < 4) return expect(efficiency.is_null(), "label_efficiency: expected null");
  expect(efficiency.size() == fractions, "label_efficiency: ", efficiency.size(), " entries");
  double before = 0, most = 0;
  for (const json& point : efficiency) most = std::max(most, point.value("labels", 0.0));
  for (const json& point : efficiency) {
    expect(number_in(point, "labels", before + 1, 1e9), "label_efficiency: labels do not rise");
    before = point.value("labels", 0.0);
    const json needed = point.value("scratch_labels_needed", json());
    expect(needed.is_null() || (needed.get<double>() >= 1 && needed.get<double>() <= most),
           "label_efficiency: scratch_labels_needed ", needed.dump());
    expect(needed.is_null() == point.value("labels_saved", json()).is_null(), "label_efficiency: labels_saved");
  }
  check_svg(out / "label_efficiency.svg", 2);
  check_png(out / "label_efficiency.png");
}

// What summary.json says of students and other arms beside the two.
void check_further_arms(const fs::path& out, const json& summary, const std::vector<Row>& history, std::size_t seeds) {
  expect(summary.contains("further_arms"), "summary.further_arms: missing");
  for (const json& further : summary.value("further_arms", json::array())) {
    const std::string name = percent(further.value("label_fraction", 0.0));
    const json arms = further.value("arms", json::object());
    for (const auto& [arm, values] : arms.items()) {
      check_arm(values, "further_arms " + name + "." + arm, name, arm, history, seeds);
      expect(number_in(values, "seconds_before", 0, 1e6), name, ".", arm, ".seconds_before");
      expect(fs::exists(out / ("classifier_" + name + "_" + arm + ".safetensors")), "classifier_", name, "_", arm,
             ".safetensors: missing");
    }
    for (const json& difference : further.value("test_accuracy_differences", json::array())) {
      const auto accuracy = [&](const char* key) {
        return arms.value(difference.value(key, ""), json::object()).value("test_accuracy", 9.0);
      };
      expect(std::abs(difference.value("mean", 9.0) - (accuracy("arm") - accuracy("base"))) < 1e-6, name, ": ",
             difference.dump());
    }
  }
}

void check_summary(const fs::path& out, const std::vector<double>& fractions, std::size_t seeds, Encoder encoder) {
  const fs::path path = out / "summary.json";
  const json summary = json::parse(read(path), nullptr, false);
  if (!summary.is_object()) return expect(false, path.string(), ": not a JSON object");
  const std::vector<Row> history = read_history(out / "history.csv");
  for (const Row& row : history)
    for (const char* column : {"step", "epoch", "seconds", "loss", "accuracy", "macro_f1"}) {
      char* end = nullptr;
      const double value = std::strtod(row[column].c_str(), &end);
      expect(end != row[column].c_str() && *end == '\0' && std::isfinite(value) && value >= 0, "history.csv: ", column,
             " '", row[column], "'");
    }
  expect(summary.contains("dataset") && !summary["dataset"].empty(), "summary: no dataset");
  expect(summary.contains("config") && summary["config"].is_object() && !summary["config"].empty(),
         "summary: no config");
  for (const char* key : {"seconds_total", "peak_rss_mib"})
    expect(number_in(summary, key, 1e-6, 1e9), "summary.", key, ": not a positive number");
  expect(number_in(summary, "images_per_second", fractions.empty() ? 0 : 1e-6, 1e9), "summary.images_per_second");
  const json pretrain = summary.value("pretrain", json());
  if (encoder != Encoder::unknown) {
    // An image's other view is one of all others in the batch, here of all validation images.
    const double images = summary["images"].value("validation", 0.0);
    const bool views = pretrain.value("task", "") == "SimCLR";
    const double low = views ? 0.999 / (2 * images - 1) : 0.1, high = views ? 1.001 / (2 * images - 1) : 0.5;
    expect(images > 1 && images <= 256, "summary.images.validation: not one batch of views");
    expect(number_in(pretrain, "seconds", 0, 1e6) && number_in(pretrain, "loss", 0, 100) &&
               number_in(pretrain, "accuracy", 0, 1) && number_in(pretrain, "chance", low, high),
           "summary.pretrain: ", pretrain.dump());
    long rows = 0;
    for (const Row& row : history) rows += row["experiment"] == "pretrain" && row["split"] == "validation";
    expect(encoder == Encoder::made ? rows >= 1 : rows == 0, "history.csv: ", rows, " rows of pre-training");
    expect(pretrain.contains("origin") == (encoder == Encoder::known), "summary.pretrain.origin: ", pretrain.dump());
    if (encoder == Encoder::known)
      expect(pretrain["origin"].value("same_data", false), "summary.pretrain.origin: ", pretrain.dump());
  } else {
    expect(pretrain.is_null(), "summary.pretrain: expected null");
  }

  const json experiments = summary.value("experiments", json::array());
  expect(experiments.size() == fractions.size(), "summary.experiments: ", experiments.size());
  double labels_before = 1e18;
  for (std::size_t i = 0; i < std::min(experiments.size(), fractions.size()); ++i) {
    const json& experiment = experiments[i];
    const std::string name = percent(fractions[i]);
    expect(number_in(experiment, "label_fraction", fractions[i] - 1e-9, fractions[i] + 1e-9), "label_fraction of ",
           name);
    expect(number_in(experiment, "labels", 1, labels_before), "labels of ", name);
    labels_before = experiment.value("labels", 0.0);
    for (const char* arm : {"scratch", "pretrained"})
      check_arm(experiment.value(arm, json::object()), name + "." + arm, name, arm, history, seeds);
    const json difference = experiment.value("test_accuracy_difference", json::object());
    expect(number_in(difference, "mean", -1, 1), name, ".test_accuracy_difference.mean");
    expect(difference.contains("ci95") && difference.contains("seeds"), name, ".test_accuracy_difference");
    const json tests = difference.value("tests", json::object());
    const json sign = tests.value("sign_test", json());
    expect(number_in(sign, "p", 0, 1) &&
               sign.value("better", 0U) + sign.value("worse", 0U) + sign.value("ties", 0U) == seeds,
           name, ".test_accuracy_difference.tests.sign_test: ", sign.dump());
    const json mcnemar = tests.value("mcnemar", json::object());
    expect(number_in(mcnemar.value("over_seeds", json()), "p", 0, 1) &&
               mcnemar.value("per_seed", json::array()).size() == seeds,
           name, ".test_accuracy_difference.tests.mcnemar: ", mcnemar.dump());
    // Right answers of both arms differ by just the images that one of them alone answers.
    const double images = summary.value("images", json::object()).value("test", 0.0);
    expect(images > 0, "summary.images.test");
    for (std::size_t seed = 0; seed < mcnemar.value("per_seed", json::array()).size(); ++seed) {
      const json& counts = mcnemar["per_seed"][seed];
      const double gained = counts.value("pretrained", 0.0) - counts.value("scratch", 0.0);
      expect(std::abs(gained / images - difference["per_seed"][seed].get<double>()) < 1e-6, name,
             ": McNemar's counts do not add up to the difference: ", gained, " of ", images);
    }
    if (number_in(difference, "mean", -1, 1))
      expect(std::abs(difference["mean"].get<double>() - (experiment["pretrained"].value("test_accuracy", 0.0) -
                                                          experiment["scratch"].value("test_accuracy", 0.0))) < 1e-6,
             name, ".test_accuracy_difference.mean is not the difference of the means");
  }
  check_label_efficiency(out, summary.value("label_efficiency", json()), fractions.size());
  check_further_arms(out, summary, history, seeds);
}

void check_report(const fs::path& out, const std::vector<double>& fractions) {
  const std::string html = read(out / "report.html");
  expect(html.find("<html") != std::string::npos && html.find("</html>") != std::string::npos, "report.html: cut off");
  expect(html.find("<table") != std::string::npos, "report.html: no table");
  expect(html.find("<svg") != std::string::npos || html.find("data:image/") != std::string::npos,
         "report.html: no pictures inside");
  for (const char* outside : {"<script src", "<link ", "src=\"http", "src=\"./", "@import", "url(http"})
    expect(html.find(outside) == std::string::npos, "report.html: not self-contained: ", outside);
  const std::string markdown = read(out / "report.md");
  expect(markdown.rfind("# ", 0) == 0, "report.md: no title");
  for (const double fraction : fractions)
    for (const std::string* text : {&html, &markdown})
      expect(text->find(percent(fraction)) != std::string::npos, "report: nothing about ", percent(fraction), " %");
  for (const std::string* text : {&html, &markdown})
    for (const char* bad : {">nan", " nan", " inf ", "-nan"})
      expect(text->find(bad) == std::string::npos, "report: says '", bad, "'");
}

std::vector<std::string> weight_files(const fs::path& out) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors") && !name.starts_with("checkpoint.")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void check_weights(const fs::path& out, const std::vector<double>& fractions, std::size_t seeds, Encoder encoder) {
  std::size_t expected = encoder == Encoder::made ? seeds : 0;
  expected += 2 * fractions.size() * seeds;
  for (const json& further : json::parse(read(out / "summary.json")).value("further_arms", json::array()))
    expected += (further.value("arms", json::object()).size() - 2) * seeds;
  const std::vector<std::string> names = weight_files(out);
  expect(names.size() == expected, out.string(), ": ", names.size(), " weight files, expected ", expected);
  if (encoder == Encoder::made) expect(fs::exists(out / "encoder.safetensors"), "encoder.safetensors: missing");
  for (const double fraction : fractions)
    for (const char* arm : {"scratch", "pretrained"})
      expect(fs::exists(out / ("classifier_" + percent(fraction) + "_" + arm + ".safetensors")), "classifier_",
             percent(fraction), "_", arm, ".safetensors: missing");
  const json config = json::parse(read(out / "summary.json"), nullptr, false).value("config", json::object());
  const std::string precision = config.value("precision", "");
  expect(precision == "float32" || precision == "bfloat16", "summary.config.precision '", precision, "'");
  for (const std::string& name : names) {
    const contexture::TensorFile file = contexture::read_safetensors(out / name);
    const auto told = file.metadata.find("precision");
    expect(told != file.metadata.end() && told->second == precision, name, ": does not tell the run's precision");
    // All that the file needs to be used alone, and where it comes from.
    const auto parsed = [&](const char* key) {
      const auto text = file.metadata.find(key);
      return text == file.metadata.end() ? json() : json::parse(text->second, nullptr, false);
    };
    const json images = parsed("images"), origin = parsed("origin"), network = parsed("encoder");
    expect(images.value("height", 0) > 0 && images.value("width", 0) > 0 && images.contains("mean") &&
               images.value("channels", 0) == network.value("in_channels", -1) &&
               images["mean"].size() == images["channels"].get<std::size_t>(),
           name, ": does not tell its images: ", images.dump());
    expect(origin.value("accuracy", -1.0) >= 0 || origin.value("accuracy_of", "").empty(), name, ": ", origin.dump());
    const bool from_scratch = name.find("scratch") != std::string::npos;
    expect(from_scratch != origin.contains("pretext"), name, ": tells a wrong pretext task: ", origin.dump());
    const json source = from_scratch ? origin["dataset"] : origin["pretext"]["dataset"];
    expect(!source.value("name", "").empty() && !source.value("fingerprint", "").empty(), name,
           ": does not tell its data set: ", origin.dump());
    expect(file.metadata.contains("library"), name, ": does not tell the library's version");
    expect(file.tensors.size() >= 10, name, ": ", file.tensors.size(), " tensors");
    bool finite = true;
    bool varied = false;
    for (const auto& [tensor_name, tensor] : file.tensors)
      for (const float x : tensor) {
        finite = finite && std::isfinite(x);
        varied = varied || (x != 0.0F && x != 1.0F);
      }
    expect(finite && varied, name, ": weights are not finite, or were never trained");
  }
}

// Bit for bit, times aside.
void check_equal(const fs::path& a, const fs::path& b) {
  const std::vector<std::string> names = weight_files(a);
  expect(!names.empty() && names == weight_files(b), "different weight files in ", a.string(), " and ", b.string());
  for (const std::string& name : names) {
    const contexture::TensorFile x = contexture::read_safetensors(a / name);
    const contexture::TensorFile y = contexture::read_safetensors(b / name);
    const bool same = std::equal(
        x.tensors.begin(), x.tensors.end(), y.tensors.begin(), y.tensors.end(), [](const auto& p, const auto& q) {
          return p.first == q.first && p.second.shape() == q.second.shape() &&
                 std::memcmp(p.second.data(), q.second.data(), p.second.size() * sizeof(float)) == 0;
        });
    expect(same, name, ": different weights in ", a.string(), " and ", b.string());
  }
  std::vector<Row> x = read_history(a / "history.csv");
  std::vector<Row> y = read_history(b / "history.csv");
  expect(x.size() == y.size(), "history.csv: ", x.size(), " and ", y.size(), " rows");
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    x[i].cells[5] = y[i].cells[5] = "";  // seconds
    expect(x[i].cells == y[i].cells, "history.csv: row ", i + 1, " differs");
  }
}

// Every encoder with every stage and share of the labels; random weights come first, and the numbers are accuracies.
void check_probe(const fs::path& path, std::size_t encoders, const std::vector<double>& labels, bool tested) {
  const json probe = json::parse(read(path), nullptr, false);
  if (!probe.is_object()) return expect(false, path.string(), ": not a JSON object");
  const json found = probe.value("encoders", json::array());
  expect(found.size() == encoders + 1, path.string(), ": ", found.size(), " encoders, expected ", encoders + 1);
  expect(!found.empty() && found[0].value("kind", "") == "random", path.string(), ": random weights do not come first");
  const double classes = probe.value("classes", 0.0);
  expect(classes >= 2, path.string(), ": classes");
  for (const json& encoder : found) {
    const std::string name = encoder.value("name", "");
    const json stages = encoder.value("stages", json::array());
    expect(stages.size() == 4, name, ": ", stages.size(), " stages, expected stem and 3");
    double features = 0;
    for (const json& stage : stages) {
      expect(stage.value("features", 0.0) > features, name, ": features of ", stage.value("stage", ""));
      features = stage.value("features", 0.0);
      const json shares = stage.value("labels", json::array());
      expect(shares.size() == labels.size(), name, ": ", shares.size(), " shares of the labels");
      for (std::size_t i = 0; i < std::min(shares.size(), labels.size()); ++i) {
        expect(number_in(shares[i], "fraction", labels[i] - 1e-9, labels[i] + 1e-9), name, ": fraction");
        expect(number_in(shares[i], "labels", 1, 1e9), name, ": labels");
        for (const char* kind : {"linear", "knn"}) {
          const json numbers = shares[i].value(kind, json::object());
          expect(number_in(numbers, "validation", 0, 1), name, ".", kind, ".validation");
          if (tested)
            expect(number_in(numbers, "test", 0, 1), name, ".", kind, ".test");
          else
            expect(numbers.contains("test") && numbers["test"].is_null(), name, ".", kind, ".test: expected null");
        }
        expect(number_in(shares[i]["linear"], "penalty", 1e-9, 1e3), name, ".linear.penalty");
      }
    }
  }
  // Drawn classes differ in colour and form: even random features tell some of them apart.
  double best = 0;
  for (const json& stage : found.empty() ? json::array() : found[0].value("stages", json::array()))
    best = std::max(best, stage["labels"][0]["linear"]["validation"].get<double>());
  expect(best > 1 / classes, path.string(), ": linear probes of random features are at chance");
}

void check_same_probe(const fs::path& a, const fs::path& b) {
  json x = json::parse(read(a), nullptr, false), y = json::parse(read(b), nullptr, false);
  for (json* probe : {&x, &y})
    for (json& encoder : (*probe)["encoders"]) encoder.erase("seconds");
  expect(x == y, a.string(), " and ", b.string(), " differ");
}

void check_diagnostics(const fs::path& path) {
  const json report = json::parse(read(path), nullptr, false);
  if (!report.is_object()) return expect(false, path.string(), ": not a JSON object");
  const json checks = report.value("checks", json::array());
  std::size_t suspects = 0;
  std::set<std::string> names;
  for (const json& check : checks) {
    names.insert(check.value("name", ""));
    expect(number_in(check, "accuracy", 0, 1) && number_in(check, "chance", 0, 1), path.string(), ": ", check.dump());
    const std::string verdict = check.value("verdict", "");
    expect(verdict == "pass" || verdict == "suspect" || verdict == "not judged", path.string(), ": verdict '", verdict,
           "'");
    suspects += verdict == "suspect";
    expect(!check.value("reason", "").empty(), path.string(), ": no reason");
  }
  for (const char* name : {"gap 0", "foreign partner", "border only", "border hidden", "shuffled targets",
                           "absolute position", "training images"})
    expect(names.contains(name), path.string(), ": no check '", name, "'");
  expect(names.size() == 9, path.string(), ": ", names.size(), " checks, expected 9");
  expect(report.value("suspect", std::size_t{99}) == suspects, path.string(), ": counts ", suspects, " suspects");
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<double> fractions{1.0, 0.5, 0.1};
  std::size_t seeds = 1;
  Encoder encoder = Encoder::made;
  fs::path out;
  fs::path other;
  fs::path probe;
  fs::path diagnostics;
  std::size_t encoders = 1;
  std::vector<double> labels{1.0};
  bool tested = true;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--fractions") {
      fractions.clear();
      for (const std::string& part : split(argv[++i], ',')) fractions.push_back(std::stod(part));
    } else if (argument == "--seeds") {
      seeds = std::stoul(argv[++i]);
    } else if (argument == "--encoder-given") {
      encoder = std::string_view(argv[++i]) == "known" ? Encoder::known : Encoder::unknown;
    } else if (argument == "--probe") {
      probe = argv[++i];
    } else if (argument == "--encoders") {
      encoders = std::stoul(argv[++i]);
    } else if (argument == "--labels") {
      labels.clear();
      for (const std::string& part : split(argv[++i], ',')) labels.push_back(std::stod(part));
    } else if (argument == "--figures-are-there") {
      look_at_figures = false;
    } else if (argument == "--no-test") {
      tested = false;
    } else if (argument == "--diagnostics") {
      diagnostics = argv[++i];
    } else if (argument == "--equal") {
      other = argv[++i];
    } else {
      out = argument;
    }
  }
  try {
    if (!diagnostics.empty()) {
      check_diagnostics(diagnostics);
    } else if (!probe.empty()) {
      check_probe(probe, encoders, labels, tested);
      if (!other.empty()) check_same_probe(probe, other);
    } else if (!other.empty()) {
      check_equal(out, other);
    } else {
      check_summary(out, fractions, seeds, encoder);
      check_report(out, fractions);
      check_weights(out, fractions, seeds, encoder);
      if (!fractions.empty()) {
        for (const char* name : {"loss_curves", "accuracy_curves"}) {
          check_svg(out / (std::string(name) + ".svg"), 2 * fractions.size());
          check_png(out / (std::string(name) + ".png"));
        }
        check_png(out / "predictions.png");
        check_png(out / "confusion.png");
      }
      // Of a given encoder, nobody knows what its task looked like.
      for (const char* name : {"patches", "neighbours", "embedding"})
        if (encoder == Encoder::made || std::string_view(name) != "patches")
          check_png(out / (std::string(name) + ".png"));
    }
  } catch (const std::exception& error) {
    expect(false, error.what());
  }
  std::printf("%s: %d complaints\n", out.string().c_str(), complaints);
  return complaints == 0 ? 0 : 1;
}
