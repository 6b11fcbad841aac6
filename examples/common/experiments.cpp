// One translation unit for all experiment programs: what they share is compiled once.
#include "common/experiments.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "common/data.hpp"
#include "common/options.hpp"
#include "common/program.hpp"
#include "common/progress.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/report/report.hpp"
#include "contexture/ssl/patch_sampler.hpp"
#include "contexture/train/embedding.hpp"
#include "contexture/train/experiment.hpp"

namespace programs {
namespace {

using contexture::Index;

void print_header(const Options& options, const contexture::Dataset& data, const contexture::CpuReport& machine) {
  const contexture::ExperimentConfig& c = options.config;
  const contexture::ImageSet& train = data.train;
  const contexture::Encoder<float> encoder(
      {.in_channels = train.channels, .width = c.width, .blocks_per_stage = c.blocks}, contexture::Rng(0));
  contexture::Encoder<float> counted = encoder;
  std::printf("data     %s: %lld training images (%.0f %% held out for validation), %lld test images",
              data.name.c_str(), static_cast<long long>(train.count), 100 * c.validation,
              static_cast<long long>(data.test.count));
  if (data.unlabeled.count > 0) std::printf(", %lld unlabelled", static_cast<long long>(data.unlabeled.count));
  std::printf("; %zu classes; %lld x %lld x %lld\n", data.class_names.size(), static_cast<long long>(train.height),
              static_cast<long long>(train.width), static_cast<long long>(train.channels));
  for (const std::string& note : data.notes) std::printf("         %s\n", note.c_str());
  std::printf(
      "network  width %lld, %lld block%s a stage: %.2f million parameters, %.1f million multiply-adds an image\n",
      static_cast<long long>(c.width), static_cast<long long>(c.blocks), c.blocks == 1 ? "" : "s",
      static_cast<double>(counted.parameter_count()) / 1e6,
      static_cast<double>(encoder.multiply_adds(train.height, train.width)) / 1e6);
  std::printf("machine  %s\n", machine.line().c_str());
  std::fflush(stdout);
}

contexture::Picture picture_in(const contexture::ImageSet& set, Index i) { return contexture::picture_of(set, i); }

// A few images as context prediction sees them; nothing for other tasks.
std::vector<contexture::PretextPicture> pretext_pictures(const contexture::ExperimentConfig& config,
                                                         const contexture::Dataset& data) {
  if (config.pretext.find("context") == std::string::npos) return {};
  const contexture::ContextOptions context =
      contexture::pretext_options(config, data.train, contexture::Normalization{}).context;
  const contexture::PatchSampler sampler(context, data.train.height, data.train.width, data.train.channels);
  std::vector<contexture::PretextPicture> pictures;
  const contexture::Rng rng = contexture::Rng(config.seed).split("pictures");
  for (Index i = 0; i < std::min<Index>(3, data.train.count); ++i) {
    const contexture::ContextIllustration shown =
        sampler.illustrate(data.train, i, rng.split(static_cast<std::uint64_t>(i)));
    contexture::PretextPicture picture{picture_in(shown.scaled, 0), {}};
    for (Index p = 0; p < shown.cut.count; ++p) {
      const contexture::PatchCorner& corner = shown.placement.patches[static_cast<std::size_t>(p)];
      picture.patches.push_back(
          {p / shown.grid, p % shown.grid, corner.y, corner.x, picture_in(shown.cut, p), picture_in(shown.seen, p)});
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

// What the run's encoders make of test images; without it, should that fail, the report still has all numbers.
std::optional<contexture::EmbeddingView> embedding_pictures(const std::string& program,
                                                            const contexture::ExperimentConfig& config,
                                                            const contexture::Dataset& data,
                                                            const std::filesystem::path& out) {
  try {
    return contexture::embedding_of_run(config, data, out);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: warning: no pictures of the encoders: %s\n", program.c_str(), error.what());
    return std::nullopt;
  }
}

int run(const ExperimentProgram& program, int argc, char** argv) {
  std::optional<Options> options =
      parse_options(program.name, program.purpose, program.out, program.fractions, argc, argv);
  if (!options) return 0;
  contexture::ExperimentConfig& config = options->config;
  // More threads than processors only get into each other's way; the results are the same.
  const Index processors = contexture::detail::available_processors();
  if (config.threads > 0) contexture::set_num_threads(static_cast<int>(std::min(config.threads, processors)));
  config.threads = contexture::num_threads();

  const std::filesystem::path checkpoint = options->out / "checkpoint.safetensors";
  contexture::require_input(!options->resume || std::filesystem::exists(checkpoint), "--resume: no checkpoint ",
                            checkpoint.string(), " to continue from");
  prepare_folder(options->out);
  const contexture::Dataset data = load_data({.data = config.data,
                                              .image_size = config.image_size,
                                              .train_images = config.train_images,
                                              .test_images = config.test_images});
  const contexture::CpuReport machine = contexture::cpu_report();
  if (!machine.warning.empty())
    std::fprintf(stderr, "%s: warning: %s\n", program.name.c_str(), machine.warning.c_str());
  if (!options->quiet) print_header(*options, data, machine);
  if (!options->resume)  // else it is there, and right only if run_experiments accepts the checkpoint
    write_text(options->out / "config.ini", config_file(*options, machine.line()));

  stop_on_signals();
  TerminalProgress progress(options->quiet);
  const contexture::RunSummary summary = contexture::run_experiments(
      config, data, {.out = options->out, .resume = options->resume}, progress, &stop_token());
  contexture::write_report(summary,
                           {.test = &data.test,
                            .pretext = pretext_pictures(config, data),
                            .embedding = embedding_pictures(program.name, config, data, options->out)},
                           options->out);
  if (!options->quiet && !summary.experiments.empty())
    std::printf("\n%s\n", contexture::summary_table(summary).c_str());
  std::printf("Report: %s\n", (options->out / "report.html").string().c_str());
  return 0;
}

}  // namespace

int run_experiment_program(const ExperimentProgram& program, int argc, char** argv) {
  return run_program(program.name.c_str(), argc, argv, [&](int c, char** v) { return run(program, c, v); });
}

}  // namespace programs
