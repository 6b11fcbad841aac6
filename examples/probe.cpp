// What frozen features are worth: linear probe and k nearest neighbours on every stage of one or more encoders, and
// of the encoder with random weights that pre-training began from.
//
//   probe --encoder results-pretrain/encoder.safetensors
//   probe --data ~/cifar --encoder run/encoder.safetensors --encoder run/classifier_100_scratch.safetensors
//         --labels 1,0.1
//
// Takes encoders of pretrain and of the experiments, and classifiers, whose encoder is used (the supervised
// reference). The training images are split as the experiments with the same --seed split them.
#include "contexture/evaluate/probe.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/data.hpp"
#include "common/program.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/data/loader.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/report/plain_table.hpp"
#include "contexture/report/text.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/study/config.hpp"

namespace {

using contexture::Index;
using Json = nlohmann::ordered_json;

struct Options {
  programs::DataChoice choice;
  std::vector<std::string> encoders;
  std::vector<double> fractions;
  double validation = 0.1;
  std::uint64_t seed = 1;
  int threads = 0;
  std::string out = "results-probe";
  bool no_test = false;
  bool quiet = false;
};

std::optional<Options> parse_options(int argc, char** argv) {
  CLI::App app(
      "Measures what an encoder's frozen features are worth: a linear probe and k nearest neighbours on every "
      "stage, beside an encoder with random weights.",
      "probe");
  Options o;
  app.add_option("--encoder", o.encoders, "encoder or classifier weights (*.safetensors); may be repeated")->required();
  app.add_option("--data", o.choice.data, "builtin, or a path: IDX, CIFAR or STL-10 files, or a folder of images")
      ->capture_default_str();
  app.add_option("--image-size", o.choice.image_size, "side of the square images in pixels; 0: as stored")
      ->check(CLI::Range(0, 1024));
  app.add_option("--train-images", o.choice.train_images, "use only so many training images; 0: all")
      ->check(CLI::Range(0, 1'000'000'000));
  app.add_option("--test-images", o.choice.test_images, "use only so many test images; 0: all")
      ->check(CLI::Range(0, 1'000'000'000));
  std::vector<std::string> fractions{"1"};  // each one or several, with commas: those are parsed as elsewhere
  app.add_option("--labels", fractions, "shares of the training images whose labels are used, e.g. 1,0.1")
      ->capture_default_str();
  app.add_option("--validation", o.validation, "share of the training images held out")->capture_default_str();
  app.add_option("--seed", o.seed, "of the split, the label subsets and the random weights")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  app.add_option("--threads", o.threads, "of the library; 0: all processors")->check(CLI::Range(0, 1024));
  app.add_option("--out", o.out, "folder for probe.json, created when missing")->capture_default_str();
  app.add_flag("--no-test", o.no_test, "leave the test images alone: for choosing between encoders");
  app.add_flag("--quiet", o.quiet, "print the last line only");
  if (programs::parse(app, argc, argv)) return std::nullopt;
  try {
    std::string text = fractions.front();
    for (std::size_t i = 1; i < fractions.size(); ++i) text += "," + fractions[i];
    o.fractions = contexture::parse_fractions("labels", text);
  } catch (const std::invalid_argument& error) {
    throw programs::UsageError(error.what());
  }
  if (!(o.validation >= 0.001 && o.validation <= 0.9))
    throw programs::UsageError(contexture::message("--validation: ", o.validation, ", expected 0.001 to 0.9"));
  if (o.out.empty()) throw programs::UsageError("--out: empty, expected a folder");
  return o;
}

/// An encoder to probe, under the name that the table gives it.
struct Candidate {
  std::string name, kind;
  std::unique_ptr<contexture::Backbone<float>> encoder;
  contexture::Normalization normalization;
};

std::string architecture(const contexture::BackboneDescription& o) {
  return contexture::message("width ", o.width, ", ", o.stages, " stages of ", o.blocks_per_stage,
                             o.affine ? "" : ", no affine batch-norm");
}

/// The given encoders, and before them one with random weights for each architecture among them: the weights that
/// pre-training and scratch training with this seed begin from, with the batch-norm statistics of whole images, as
/// pre-training leaves them.
std::vector<Candidate> candidates(const Options& o, const contexture::Dataset& data) {
  const std::vector<Index> all = contexture::numbered(data.train.count);
  const contexture::Normalization normalization = contexture::channel_statistics(data.train, all);
  std::vector<Candidate> given, out;
  for (const std::string& path : o.encoders) {
    contexture::EncoderFile file = contexture::read_encoder(path);
    contexture::require_input(file.encoder->description().in_channels == data.train.channels, path, ": an encoder for ",
                              file.encoder->description().in_channels, " channels, the images of ", data.name, " have ",
                              data.train.channels);
    given.push_back({path, file.kind, std::move(file.encoder), file.normalization.value_or(normalization)});
  }
  std::map<std::string, bool> made;
  for (const Candidate& candidate : given) {
    const contexture::BackboneDescription& options = candidate.encoder->description();
    const std::string name = architecture(options);
    if (!made.emplace(name, true).second) continue;
    auto encoder =
        contexture::make_backbone<float>(options, contexture::Rng(o.seed).split("initialisation").split("encoder"));
    contexture::recalibrate_batch_norm(*encoder, data.train, all, normalization);
    out.push_back({"random, " + name, "random", std::move(encoder), normalization});
  }
  for (Candidate& candidate : given) out.push_back(std::move(candidate));
  return out;
}

/// Accuracies of one stage with one share of the labels.
struct Row {
  std::string encoder, stage;
  double fraction = 0;
  std::optional<double> linear_validation, linear_test, knn_validation, knn_test;
};

int probe(int argc, char** argv) {
  const std::optional<Options> options = parse_options(argc, argv);
  if (!options) return 0;
  const Options& o = *options;
  if (o.threads > 0) contexture::set_num_threads(std::min(o.threads, contexture::detail::available_processors()));
  programs::prepare_folder(o.out);
  const contexture::Dataset data = programs::load_data(o.choice);
  const auto classes = static_cast<Index>(data.class_names.size());
  contexture::require_input(classes >= 2, "data set ", data.name, ": ", classes, " classes, expected at least 2");
  contexture::require_input(o.no_test || data.test.count > 0, "data set ", data.name,
                            ": no test images; --no-test does without");
  const contexture::Rng rng(o.seed);
  const contexture::Split split =
      contexture::stratified_split(data.train.labels, o.validation, rng.split("validation"));
  contexture::require_input(!split.validation.empty(), "data set ", data.name, ": no images left for validation");
  const std::vector<Index> test_indices = contexture::numbered(o.no_test ? 0 : data.test.count);
  const auto labels_of = [](const contexture::ImageSet& set, const std::vector<Index>& indices) {
    std::vector<std::int32_t> labels;
    for (const Index i : indices) labels.push_back(set.labels[static_cast<std::size_t>(i)]);
    return labels;
  };
  const std::vector<std::int32_t> train_labels = labels_of(data.train, split.train),
                                  validation_labels = labels_of(data.train, split.validation);
  // The places in split.train of every share's images.
  std::vector<std::vector<Index>> subsets;
  for (const double fraction : o.fractions) {
    subsets.emplace_back();
    std::size_t at = 0;
    for (const Index i : contexture::label_subset(data.train.labels, split.train, fraction, rng.split("labels"))) {
      while (split.train[at] != i) ++at;  // both ascend
      subsets.back().push_back(static_cast<Index>(at));
    }
  }
  std::vector<Candidate> all = candidates(o, data);
  if (!o.quiet) {
    std::printf("data     %s: %zu images to fit on, %zu for validation, %zu for test; %lld classes\n",
                data.name.c_str(), split.train.size(), split.validation.size(), test_indices.size(),
                static_cast<long long>(classes));
    std::printf("machine  %s\n", contexture::cpu_report().line().c_str());
    std::fflush(stdout);
  }

  Json json;
  json["dataset"] = data.name;
  json["seed"] = o.seed;
  json["images"] = {
      {"train", split.train.size()}, {"validation", split.validation.size()}, {"test", test_indices.size()}};
  json["classes"] = classes;
  json["knn"] = {{"k", contexture::KnnOptions{}.k}, {"temperature", contexture::KnnOptions{}.temperature}};
  json["machine"] = contexture::cpu_report().line();
  json["encoders"] = Json::array();
  const auto number = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
  std::vector<Row> rows;
  for (Candidate& candidate : all) {
    const auto began = std::chrono::steady_clock::now();
    const auto features = [&](const contexture::ImageSet& set, const std::vector<Index>& indices) {
      return contexture::stage_features(*candidate.encoder, set, indices, candidate.normalization);
    };
    const std::vector<contexture::Tensor<float>> train = features(data.train, split.train),
                                                 validation = features(data.train, split.validation),
                                                 test = features(data.test, test_indices);
    Json stages = Json::array();
    for (std::size_t s = 0; s < train.size(); ++s) {
      Json shares = Json::array();
      for (std::size_t f = 0; f < o.fractions.size(); ++f) {
        contexture::LabelledFeatures used{contexture::select_rows(train[s], subsets[f]), {}};
        for (const Index i : subsets[f]) used.labels.push_back(train_labels[static_cast<std::size_t>(i)]);
        const contexture::LabelledFeatures held_out{validation[s], validation_labels};
        const contexture::LinearProbe linear = contexture::fit_linear_probe(used, held_out, classes);
        Row row{candidate.name, contexture::stage_name(s), o.fractions[f], linear.validation_accuracy, {}, {}, {}};
        row.knn_validation =
            contexture::agreement(contexture::knn_predict(used, validation[s], classes), validation_labels);
        if (!o.no_test) {
          row.linear_test = contexture::agreement(contexture::predict(linear, test[s]), data.test.labels);
          row.knn_test = contexture::agreement(contexture::knn_predict(used, test[s], classes), data.test.labels);
        }
        shares.push_back({{"fraction", o.fractions[f]},
                          {"labels", subsets[f].size()},
                          {"linear",
                           {{"validation", number(row.linear_validation)},
                            {"test", number(row.linear_test)},
                            {"penalty", linear.penalty}}},
                          {"knn", {{"validation", number(row.knn_validation)}, {"test", number(row.knn_test)}}}});
        rows.push_back(std::move(row));
      }
      stages.push_back(
          {{"stage", contexture::stage_name(s)}, {"features", train[s].shape()[1]}, {"labels", std::move(shares)}});
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    const contexture::BackboneDescription& e = candidate.encoder->description();
    json["encoders"].push_back({{"name", candidate.name},
                                {"kind", candidate.kind},
                                {"width", e.width},
                                {"stages", std::move(stages)},
                                {"seconds", seconds.count()}});
    if (!o.quiet) {
      std::printf("probed   %s in %s\n", candidate.name.c_str(), contexture::report::duration(seconds.count()).c_str());
      std::fflush(stdout);
    }
  }
  const std::filesystem::path file = std::filesystem::path(o.out) / "probe.json";
  programs::write_text(file, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");

  if (!o.quiet) {
    const auto percent = [](const std::optional<double>& v) {
      return v ? contexture::report::percent(*v, 2) : std::string("-");
    };
    for (const double fraction : o.fractions) {
      std::vector<std::vector<std::string>> table{
          {"encoder", "stage", "linear: validation", "test", "kNN: validation", "test"}};
      for (const Row& row : rows)
        if (row.fraction == fraction)
          table.push_back({row.stage == "stem" ? contexture::report::abridged(row.encoder, 44) : "", row.stage,
                           percent(row.linear_validation), percent(row.linear_test), percent(row.knn_validation),
                           percent(row.knn_test)});
      std::printf("\n%s of the labels\n%s", contexture::report::percent(fraction, fraction < 0.01 ? 2 : 0).c_str(),
                  contexture::plain_table(table, 2).c_str());
    }
    std::printf("\n");
  }
  std::printf("Probes: %s\n", file.string().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return programs::run_program("probe", argc, argv, probe); }
