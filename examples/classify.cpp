// SPDX-License-Identifier: MIT
// From a folder with few labels to an answer for every other image.
//
//   pretrain --data photos --time 5m --out results-pretrain
//   classify --encoder results-pretrain/encoder.safetensors --labelled photos/labelled --unlabelled photos/unlabelled
//
// Labels are class folders (--labelled), tables with the columns path and label (--labels), or both. What it chose and
// how good that is stands on stdout, the answers in predictions.csv, the images to label next in label_next.csv: fill
// in its column `label` and give it as one more --labels.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "common/commands.hpp"
#include "common/common_options.hpp"
#include "common/data.hpp"
#include "common/program.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/data/collection.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/report/classify_report.hpp"
#include "contexture/report/plain_table.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/classify_run.hpp"

namespace {

using contexture::report::duration, contexture::report::percent;
using Clock = std::chrono::steady_clock;

struct ClassifyCommandLine {
  std::string encoder, labelled, unlabelled, method = "auto", time, precision = "auto", out = "results-classify";
  std::vector<std::string> labels;
  contexture::DataOptions data;
  contexture::ClassifyOptions classify;
  int threads = 0;
  bool quiet = false;
};

std::optional<ClassifyCommandLine> parse_classify_line(int argc, char** argv) {
  CLI::App app("Answers for images without labels, from an encoder and a few labels.", "classify");
  ClassifyCommandLine o;
  app.add_option("--encoder", o.encoder, "encoder or classifier weights (*.safetensors)")->required();
  app.add_option("--labelled", o.labelled, "folder that holds a folder of images for each class")->default_str("none");
  app.add_option("--labels", o.labels,
                 "table (CSV) with the columns path and label; may be repeated. Paths are below --unlabelled, or from "
                 "the current folder")
      ->default_str("none");
  app.add_option("--unlabelled", o.unlabelled, "folder with the images to answer, any tree")->required();
  app.add_option(
         "--method", o.method,
         "what learns from the labels, auto meaning the best by cross-validation: auto, head, finetune or selftrain")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--steps", o.classify.steps, "optimiser steps of fine-tuning; 0: by the number of labels")
      ->capture_default_str()
      ->check(CLI::Range(0, programs::kMany));
  app.add_option("--time", o.time, "time it may take, such as 90s, 5m or 1h")
      ->type_name("TIME")
      ->default_str("as long as it takes");
  app.add_option("--label-next", o.classify.label_next, "images to suggest for labelling")
      ->capture_default_str()
      ->check(CLI::Range(0, 100'000));
  app.add_option(
         "--image-size", o.data.image_size,
         "side of the square images in pixels; 0: as the encoder learned, or, where its file does not tell, as stored")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  app.add_option("--max-broken", o.data.max_broken, "share of the images that may be broken")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  programs::add_max_pixels(app, o.data.limits);
  app.add_option("--seed", o.classify.seed, "seed of everything random")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  app.add_option("--threads", o.threads, "threads of the library; 0: all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  programs::add_precision_option(app, o.precision);
  app.add_option("--out", o.out, "folder for results, created when missing")->capture_default_str();
  app.add_flag("--quiet", o.quiet, "print the last line only");
  if (programs::parse(app, argc, argv)) return std::nullopt;
  try {
    if (!o.time.empty()) o.classify.seconds = contexture::parse_time("time", o.time);
    if (const std::size_t method =
            contexture::parse_choice("method", o.method, {"auto", "head", "finetune", "selftrain"});
        method > 0)
      o.classify.method = static_cast<contexture::ClassifyMethod>(method - 1);
  } catch (const contexture::SettingError& error) {
    throw programs::UsageError(error);
  }
  if (o.labelled.empty() && o.labels.empty())
    throw programs::UsageError("no labels, expected --labelled FOLDER, --labels FILE or both");
  if (o.data.image_size > 0 && o.data.image_size < 4)
    throw programs::UsageError("--image-size: expected 0, or 4 to 1024");
  if (o.out.empty()) throw programs::UsageError("--out: empty, expected a folder");
  return o;
}

struct Lines final : contexture::Progress {
  explicit Lines(bool is_quiet) : quiet(is_quiet) {}
  void begin(const contexture::PhaseInfo&) override { began = Clock::now(); }
  void end(const contexture::PhaseInfo& phase) override {
    if (quiet) return;
    std::printf("  %s: %lld steps in %s\n", phase.title.c_str(), static_cast<long long>(phase.steps),
                duration(std::chrono::duration<double>(Clock::now() - began).count()).c_str());
    std::fflush(stdout);
  }
  bool quiet;
  Clock::time_point began;
};

void print_data(const contexture::Collection& data) {
  std::printf("data     %lld labelled images of %zu classes, %lld without a label; %lld x %lld x %lld\n",
              static_cast<long long>(data.labelled), data.class_names.size(), static_cast<long long>(data.unlabelled()),
              static_cast<long long>(data.images.height), static_cast<long long>(data.images.width),
              static_cast<long long>(data.images.channels));
  for (const std::string& note : data.notes) std::printf("         %s\n", note.c_str());
  std::printf("machine  %s\n", contexture::cpu_report().line().c_str());
  std::fflush(stdout);
}

void print_plan(const contexture::ClassifyPlan& plan, bool has_time) {
  std::string methods;
  for (const contexture::ClassifyMethod method : plan.methods)
    methods.append(methods.empty() ? "" : ", ").append(to_string(method));
  std::printf("plan     %s, by %d-fold cross-validation, --steps %lld: at most %s\n", methods.c_str(), plan.folds,
              static_cast<long long>(plan.steps), duration(plan.seconds).c_str());
  for (const std::string& line : plan.left_out) std::printf("         %s\n", line.c_str());
  if (!has_time && plan.seconds > 900) std::printf("         --time 15m would shorten it\n");
  std::fflush(stdout);
}

void print_methods(const contexture::ClassifyResult& result) {
  std::vector<std::vector<std::string>> table{{"method", "accuracy", "95 % interval", "log-loss"}};
  for (const contexture::MethodResult& r : result.methods)
    table.push_back({std::string(to_string(r.method)), percent(r.accuracy),
                     percent(r.interval.low) + " to " + percent(r.interval.high),
                     contexture::report::fixed(r.log_loss, 3)});
  std::printf("\n%s\n", contexture::plain_table(table, 1).c_str());
  std::printf("Chosen: %s. %zu suspected labels, %zu near-duplicates.\n",
              std::string(to_string(result.best().method)).c_str(), result.suspected.size(), result.duplicates.size());
}

int run_classify(int argc, char** argv) {
  const Clock::time_point began = Clock::now();
  std::optional<ClassifyCommandLine> options = parse_classify_line(argc, argv);
  if (!options) return 0;
  ClassifyCommandLine& o = *options;
  const contexture::PrecisionGuard precision(programs::precision_of(o.precision));
  programs::use_threads(o.threads);
  o.data.never_data = o.out;
  contexture::EncoderFile encoder = contexture::read_encoder(o.encoder);
  if (o.data.image_size == 0 && encoder.images.height == encoder.images.width)
    o.data.image_size = encoder.images.height;
  const contexture::Collection data = contexture::load_collection(
      {.labelled = o.labelled, .tables = {o.labels.begin(), o.labels.end()}, .unlabelled = o.unlabelled}, o.data);
  for (const std::string& line : data.account.lines()) std::fprintf(stderr, "classify: warning: %s\n", line.c_str());
  programs::prepare_folder(o.out);
  if (!o.quiet) print_data(data);
  if (const std::string note = encoder.note(data.images.height, data.images.width); !note.empty() && !o.quiet)
    std::printf("note     %s: %s\n", o.encoder.c_str(), note.c_str());

  programs::stop_on_signals();
  Lines lines(o.quiet);
  const auto planned = [&](const contexture::ClassifyPlan& plan) {
    if (!o.quiet) print_plan(plan, !o.time.empty());
  };
  contexture::ClassifyResult result = [&] {
    try {
      return contexture::classify(data, encoder, o.classify,
                                  {.progress = &lines,
                                   .stop = &programs::stop_token(),
                                   .planned = planned,
                                   .spent = std::chrono::duration<double>(Clock::now() - began).count()});
    } catch (const contexture::SettingError& error) {
      throw programs::UsageError(error);
    }
  }();
  const std::string advice = contexture::write_classify_report(data, result, o.out);
  if (!o.quiet) {
    print_methods(result);
    std::printf("%s\n", advice.c_str());
  }
  std::printf("Answers: %s\n", (std::filesystem::path(o.out) / "predictions.csv").string().c_str());
  return 0;
}

}  // namespace

int programs::classify(int argc, char** argv) { return run_program("classify", argc, argv, run_classify); }
