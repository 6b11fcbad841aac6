// SPDX-License-Identifier: MIT
// What frozen features are worth: linear probe and k nearest neighbours on every stage of one or more encoders, and
// of the encoder with random weights that pre-training began from.
//
//   probe --encoder results-pretrain/encoder.safetensors
//   probe --data ~/cifar --encoder run/encoder.safetensors --encoder run/classifier_100_scratch.safetensors
//         --fractions 1,0.1
//
// Takes encoders of pretrain and of the experiments, and classifiers, whose encoder is used (the supervised
// reference). The training images are split as the experiments with the same --seed split them.
#include "contexture/evaluate/probe.hpp"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/commands.hpp"
#include "common/common_options.hpp"
#include "common/data.hpp"
#include "common/processes.hpp"
#include "common/program.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/evaluate/reference_encoder.hpp"
#include "contexture/report/plain_table.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/identity.hpp"

namespace {

using Json = nlohmann::ordered_json;

struct ProbeCommandLine : programs::CommonOptions {
  std::vector<std::string> encoders;
  std::vector<double> fractions;
  double validation = 0.1;
  bool no_test = false;
};

std::optional<ProbeCommandLine> parse_probe_line(int argc, char** argv) {
  CLI::App app(
      "Measures what an encoder's frozen features are worth: a linear probe and k nearest neighbours on every "
      "stage, beside an encoder with random weights.",
      "probe");
  ProbeCommandLine o;
  app.add_option("--encoder", o.encoders, "encoder or classifier weights (*.safetensors); may be repeated")->required();
  o.out = "results-probe";
  programs::add_common_options(app, o, "probe.json", true);
  std::vector<std::string> fractions{"1"};  // each one or several, with commas: those are parsed as elsewhere
  app.add_option("--fractions", fractions,
                 "label fractions: shares of the training images whose labels are used, such as 1,0.1")
      ->type_name("LIST")
      ->default_str("1");
  app.add_option("--validation", o.validation, "share of the training images held out")->capture_default_str();
  app.add_flag("--no-test", o.no_test, "leave the test images alone: for choosing between encoders");
  if (programs::parse(app, argc, argv)) return std::nullopt;
  try {
    std::string text = fractions.front();
    for (std::size_t i = 1; i < fractions.size(); ++i) text += "," + fractions[i];
    o.fractions = contexture::parse_fractions("fractions", text);
  } catch (const contexture::SettingError& error) {
    throw programs::UsageError(error);
  }
  if (!(o.validation >= 0.001 && o.validation <= 0.9))
    throw programs::UsageError(contexture::message("--validation: ", o.validation, ", expected 0.001 to 0.9"));
  return o;
}

/// An encoder to probe, under the name that the table gives it.
struct Candidate {
  std::string name, kind;
  std::unique_ptr<contexture::Backbone<float>> encoder;
  contexture::Normalization normalization;
};

/// The given encoders, and before them one with random weights for each architecture among them: the weights that
/// pre-training and scratch training with this seed begin from.
std::vector<Candidate> candidates(const ProbeCommandLine& o, const contexture::Dataset& data) {
  const contexture::Normalization normalization =
      contexture::channel_statistics(data.train, contexture::numbered(data.train.count));
  std::vector<Candidate> given, out;
  for (const std::string& path : o.encoders) {
    contexture::EncoderFile file = contexture::read_encoder(path);
    contexture::require_input(file.encoder->description().in_channels == data.train.channels, path, ": an encoder for ",
                              file.encoder->description().in_channels, " channels, the images of ", data.name, " have ",
                              data.train.channels);
    if (const std::string note = file.note(data.train.height, data.train.width); !note.empty() && !o.quiet)
      std::printf("note     %s: %s\n", path.c_str(), note.c_str());
    given.push_back({path, file.kind, std::move(file.encoder), file.normalization_or(normalization)});
  }
  std::set<std::string> made;
  for (const Candidate& candidate : given) {
    const contexture::BackboneDescription& description = candidate.encoder->description();
    const std::string name = contexture::architecture_text(description);
    if (!made.insert(name).second) continue;
    out.push_back({"random, " + name, "random",
                   contexture::random_encoder(description, data.train, normalization, o.seed), normalization});
  }
  for (Candidate& candidate : given) out.push_back(std::move(candidate));
  return out;
}

Json json_of(const std::vector<contexture::StageProbes>& probes) {
  const auto score = [](const contexture::ProbeScore& s) {
    return Json{{"validation", s.validation}, {"test", s.test ? Json(*s.test) : Json(nullptr)}};
  };
  Json stages = Json::array();
  for (const contexture::StageProbes& stage : probes) {
    Json shares = Json::array();
    for (const contexture::ProbeResult& r : stage.results) {
      Json linear = score(r.linear);
      linear["penalty"] = r.penalty;
      shares.push_back(
          {{"fraction", r.fraction}, {"labels", r.labels}, {"linear", std::move(linear)}, {"knn", score(r.knn)}});
    }
    stages.push_back({{"stage", stage.stage}, {"features", stage.features}, {"labels", std::move(shares)}});
  }
  return stages;
}

/// What was measured of one encoder.
struct Probed {
  std::string name;
  std::vector<contexture::StageProbes> stages;
};

void print_tables(const std::vector<Probed>& all, const std::vector<double>& fractions) {
  const auto percent = [](const std::optional<double>& v) {
    return v ? contexture::report::percent(*v, 2) : std::string("-");
  };
  for (std::size_t f = 0; f < fractions.size(); ++f) {
    std::vector<std::vector<std::string>> table{
        {"encoder", "stage", "linear: validation", "test", "kNN: validation", "test"}};
    for (const Probed& probed : all)
      for (std::size_t s = 0; s < probed.stages.size(); ++s) {
        const contexture::ProbeResult& r = probed.stages[s].results[f];
        table.push_back({s == 0 ? contexture::report::abridged(probed.name, 44) : "", probed.stages[s].stage,
                         percent(r.linear.validation), percent(r.linear.test), percent(r.knn.validation),
                         percent(r.knn.test)});
      }
    std::printf("\n%s of the labels\n%s",
                contexture::report::percent(fractions[f], fractions[f] < 0.01 ? 2 : 0).c_str(),
                contexture::plain_table(table, 2).c_str());
  }
  std::printf("\n");
}

int run_probe(int argc, char** argv) {
  const std::optional<ProbeCommandLine> options = parse_probe_line(argc, argv);
  if (!options) return 0;
  const ProbeCommandLine& o = *options;
  const contexture::PrecisionGuard precision(programs::precision_of(o.precision));
  const contexture::Dataset data = programs::prepare(o);
  contexture::require_input(o.no_test || data.test.count > 0, "data set ", data.name,
                            ": no test images; --no-test does without");
  const contexture::ProbeImages images = contexture::probe_images(
      data, {.validation = o.validation, .fractions = o.fractions, .seed = o.seed, .test = !o.no_test});
  if (contexture::process_group().size() > 1)
    programs::require_same_start({{"images", contexture::fingerprint(data)},
                                  {"encoders", std::to_string(o.encoders.size())},
                                  {"precision", std::string(contexture::to_string(contexture::active_precision()))},
                                  {"seed", std::to_string(o.seed)}});
  std::vector<Candidate> all = candidates(o, data);
  const std::string machine = contexture::cpu_report().line();
  if (!o.quiet) {
    std::printf("data     %s: %zu images to fit on, %zu for validation, %zu for test; %zu classes\n", data.name.c_str(),
                images.split.train.size(), images.split.validation.size(), images.test.size(), data.class_names.size());
    std::printf("machine  %s\n", machine.c_str());
    std::fflush(stdout);
  }

  Json json;
  json["dataset"] = data.name;
  json["seed"] = o.seed;
  json["images"] = {{"train", images.split.train.size()},
                    {"validation", images.split.validation.size()},
                    {"test", images.test.size()}};
  json["classes"] = data.class_names.size();
  json["knn"] = {{"k", contexture::KnnOptions{}.k}, {"temperature", contexture::KnnOptions{}.temperature}};
  json["precision"] = contexture::to_string(contexture::active_precision());
  json["machine"] = machine;
  json["encoders"] = Json::array();
  std::vector<Probed> measured;
  for (Candidate& candidate : all) {
    const auto began = std::chrono::steady_clock::now();
    measured.push_back(
        {candidate.name, contexture::probe_encoder(*candidate.encoder, candidate.normalization, images)});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    json["encoders"].push_back({{"name", candidate.name},
                                {"kind", candidate.kind},
                                {"width", candidate.encoder->description().width},
                                {"stages", json_of(measured.back().stages)},
                                {"seconds", seconds.count()}});
    if (o.quiet) continue;
    std::printf("probed   %s in %s\n", candidate.name.c_str(), contexture::report::duration(seconds.count()).c_str());
    std::fflush(stdout);
  }
  const std::filesystem::path file = std::filesystem::path(o.out) / "probe.json";
  programs::write_text(file, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  if (!o.quiet) print_tables(measured, o.fractions);
  std::printf("Probes: %s\n", file.string().c_str());
  return 0;
}

}  // namespace

int programs::probe(int argc, char** argv) { return run_together("probe", argc, argv, run_probe); }
