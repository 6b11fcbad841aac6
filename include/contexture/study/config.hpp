// Everything that decides what a run computes, in one struct, with the presets in one table and
// every setting described once: its name, help, bounds, how it is read and written. The programs'
// options, config.ini, the check of --resume and the report's list of settings all come from here.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/train/fit.hpp"

namespace contexture {

/// Whether training images are mirrored at random; `automatic`: see mirror_test().
enum class Mirror { automatic, on, off };

/// What run_experiments computes. The values here are the preset `standard`.
struct ExperimentConfig {
  // Data.
  std::string data = "builtin";  ///< recorded; the caller loads it
  Index image_size = 0;          ///< 0: as stored (built-in: 32)
  Index train_images = 0;        ///< use only so many; 0: all (built-in: the preset's number)
  Index test_images = 0;         ///< likewise
  double validation = 0.1;       ///< share of the training images held out, stratified, by seed

  // What is compared.
  std::vector<double> fractions{1.0, 0.5, 0.1};  ///< label fractions, one experiment each; empty: pre-training only
  std::uint64_t seed = 1;                        ///< of the first repetition; the others count up from it
  std::int64_t seeds = 1;                        ///< repetitions

  // Network.
  Index width = 16;            ///< channels of the first stage
  std::int64_t blocks = 2;     ///< residual blocks a stage
  std::int64_t transfer = 99;  ///< stages whose pre-trained weights are used, from the image on; the others start anew

  // Pre-training.
  std::string pretext = "context";                          ///< a name of pretext_task_names()
  std::string encoder;                                      ///< weights to use instead of pre-training
  std::string scratch_from;                                 ///< folder of a run whose from-scratch arms to use
  double pretrain_epochs = 10;                              ///< passes over the training (and unlabelled) images
  double pretrain_learning_rate = 0.1;                      ///< peak, at a batch of 128 images
  std::int64_t pretrain_batch_size = 128;                   ///< images
  std::int64_t grid = 0, patch = 0, gap = -1, jitter = -1;  ///< patches; 0 or -1: by image size
  double min_scale = 0, max_scale = 0;  ///< random factor by which images are resized before cutting; 0: by image size
  std::string colour = "auto";          ///< treatment of the patches' colours: auto (by channels), or its name
  double colour_probability = -1;       ///< share of the grids whose colours are treated; -1: by rule
  std::int64_t grids_per_image = 1;     ///< grids cut from an image each time it is seen
  std::string readout = "average";      ///< of a patch's feature map: average or flatten
  std::int64_t head_hidden = 512;       ///< units of the pretext head's hidden layer
  double head_dropout = 0.5;            ///< in the pretext head
  double finetune_learning_rate = 0;    ///< peak of the pre-trained arms, at a batch of 128 images; 0: as from scratch
  double encoder_rate = 1;              ///< factor of the classifier's learning rate for the pre-trained weights

  // Classification, the same for both arms (but see finetune_learning_rate).
  double epochs = 13;        ///< passes over all labelled images; see classifier_steps() for fewer labels
  double learning_rate = 0;  ///< peak, at a batch of 128 images; 0: by rule, see default_learning_rate()
  double warmup = 0.05;      ///< share of the steps in which the learning rate rises to its peak
  std::int64_t batch_size = 128;
  std::string optimizer = "muon";  ///< of both trainings: sgd or muon
  double averaging = 0.04;         ///< share of the steps over which weights are averaged for evaluation; 0: not
  double weight_decay = 5e-4;
  double label_smoothing = 0.1;
  Mirror mirror = Mirror::automatic;
  std::int64_t crop_padding = -1;  ///< pixels; -1: by rule, see default_crop_padding()
  std::int64_t evaluations = 16;   ///< of the validation split, during one arm

  std::int64_t threads = 0;  ///< recorded; the caller sets them. 0: all processors
};

/// A preset: how much is computed. Everything else is the same in all three. All experiments take, on two
/// cores with AVX-512: quick 4 minutes (built-in images); for 50,000 images of 32 x 32, estimated from throughput
/// and multiply-adds, standard half an hour and thorough some 30 hours.
struct Preset {
  std::string_view name;
  Index width;
  std::int64_t blocks;
  double epochs, pretrain_epochs;
  std::int64_t seeds;
  Index builtin_train, builtin_test;  ///< images of the built-in set
};

// clang-format off
inline constexpr std::array<Preset, 3> kPresets{{
    // name      width  blocks  epochs  pre-training  seeds  built-in images
    {"quick",       16,      1,     14,           10,     1,  10'000,  2'000},
    {"standard",    16,      2,     13,           10,     1,  30'000,  5'000},
    {"thorough",    32,      2,     40,           60,     5,  50'000, 10'000},
}};
// clang-format on

/// The preset of that name. Throws std::invalid_argument for any other text.
[[nodiscard]] inline const Preset& preset(std::string_view name) {
  for (const Preset& p : kPresets)
    if (p.name == name) return p;
  throw std::invalid_argument(message("--preset: '", name, "', expected quick, standard or thorough"));
}

/// The configuration of a preset on the given data.
[[nodiscard]] inline ExperimentConfig preset_config(const Preset& p, const std::string& data) {
  ExperimentConfig config;
  config.data = data;
  config.width = p.width;
  config.blocks = p.blocks;
  config.epochs = p.epochs;
  config.pretrain_epochs = p.pretrain_epochs;
  config.seeds = p.seeds;
  if (data == "builtin") {
    config.train_images = p.builtin_train;
    config.test_images = p.builtin_test;
  }
  return config;
}

/// One setting of ExperimentConfig as text.
struct ExperimentSetting {
  std::string name;  ///< "pretrain-epochs"
  std::string help;
  std::string value;  ///< what kind of value --help announces: TEXT, NAME, INT, NUMBER, LIST
  std::function<void(ExperimentConfig&, const std::string&)> set;  ///< throws std::invalid_argument
  std::function<std::string(const ExperimentConfig&)> get;         ///< what set() reads back exactly
  bool pretraining = false;                                        ///< does nothing to an arm from scratch
};

namespace detail {

template <class V>
std::string to_text(V value) {
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  return error == std::errc() ? std::string(text, end) : std::string();
}

template <class V>
V number_from(const std::string& name, std::string_view text, V low, V high) {
  V value{};
  const char* const last = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), last, value);
  // Written so that NaN fails.
  require(error == std::errc() && stop == last && value >= low && value <= high, "--", name, ": '", text,
          "', expected a ", std::is_integral_v<V> ? "whole " : "", "number from ", to_text(low), " to ", to_text(high));
  return value;
}

template <class V>
ExperimentSetting number_setting(std::string name, std::string help, V ExperimentConfig::*member, V low, V high) {
  return {name, std::move(help), std::is_integral_v<V> ? "INT" : "NUMBER",
          [=](ExperimentConfig& c, const std::string& text) { c.*member = number_from<V>(name, text, low, high); },
          [=](const ExperimentConfig& c) { return to_text(c.*member); }};
}

inline ExperimentSetting text_setting(std::string name, std::string help, std::string ExperimentConfig::*member) {
  return {std::move(name), std::move(help), "TEXT",
          [=](ExperimentConfig& c, const std::string& text) { c.*member = text; },
          [=](const ExperimentConfig& c) { return c.*member; }};
}

// One of several names.
inline ExperimentSetting choice_setting(std::string name, const std::string& help,
                                        std::string ExperimentConfig::*member, std::vector<std::string> names) {
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i)
    list.append(i == 0 ? "" : i + 1 == names.size() ? " or " : ", ").append(names[i]);
  return {name, message(help, ": ", list), "NAME",
          [=](ExperimentConfig& c, const std::string& text) {
            require(std::find(names.begin(), names.end(), text) != names.end(), "--", name, ": '", text, "', expected ",
                    list);
            c.*member = text;
          },
          [=](const ExperimentConfig& c) { return c.*member; }};
}

// {1, 0.5, 0.1} -> "1,0.5,0.1"; no fraction: "none".
inline std::string fractions_text(const std::vector<double>& fractions) {
  if (fractions.empty()) return "none";
  std::string text;
  for (const double fraction : fractions) text.append(text.empty() ? "" : ",").append(to_text(fraction));
  return text;
}

inline constexpr std::array<std::string_view, 3> kMirrorNames{"auto", "on", "off"};

}  // namespace detail

/// Label fractions from text such as "1,0.5,0.1", for the option of that name. Throws std::invalid_argument, in one
/// line, for one that is missing, no number from 1e-6 to 1, or there twice.
[[nodiscard]] inline std::vector<double> parse_fractions(const std::string& option, std::string_view text) {
  std::vector<double> fractions;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(", ", at), text.size());
    fractions.push_back(detail::number_from<double>(option, text.substr(at, end - at), 1e-6, 1.0));
    require(std::find(fractions.begin(), fractions.end() - 1, fractions.back()) == fractions.end() - 1, "--", option,
            ": '", text, "' has ", detail::to_text(fractions.back()), " twice");
    at = end + 1;
  }
  return fractions;
}

/// Every setting of ExperimentConfig, in the order of --help.
[[nodiscard]] inline std::vector<ExperimentSetting> experiment_settings() {
  using C = ExperimentConfig;
  using detail::choice_setting;
  using detail::number_setting;
  using detail::text_setting;
  using I = std::int64_t;
  constexpr I kMany = 1'000'000'000;
  std::vector<ExperimentSetting> settings{
      text_setting("data", "builtin, or a path: IDX, CIFAR or STL-10 files, or a folder of images", &C::data),
      number_setting<I>("image-size", "side of the square images in pixels; 0: as stored", &C::image_size, 0, 1024),
      number_setting<I>("train-images", "use only so many training images; 0: all", &C::train_images, 0, kMany),
      number_setting<I>("test-images", "use only so many test images; 0: all", &C::test_images, 0, kMany),
      number_setting<double>("validation", "share of the training images held out", &C::validation, 0.001, 0.9),
      {"fractions", "label fractions, one experiment each, e.g. 1,0.5,0.1; none: pre-training only", "LIST",
       [](C& c, const std::string& text) {
         c.fractions = text == "none" ? std::vector<double>{} : parse_fractions("fractions", text);
       },
       [](const C& c) { return detail::fractions_text(c.fractions); }},
      number_setting<std::uint64_t>("seed", "seed of the first repetition", &C::seed, 0, ~0ULL >> 1),
      number_setting<I>("seeds", "repetitions, each with its own split, subset and weights", &C::seeds, 1, 1000),
      number_setting<I>("width", "channels of the network's first stage", &C::width, 1, 1024),
      number_setting<I>("blocks", "residual blocks in a stage of the network", &C::blocks, 1, 64),
  };
  std::vector<ExperimentSetting> pretraining{
      number_setting<I>("transfer", "stages after the stem that start from pre-trained weights; 99: all", &C::transfer,
                        0, 99),
      choice_setting("pretext", "task of pre-training", &C::pretext,
                     {pretext_task_names().begin(), pretext_task_names().end()}),
      text_setting("encoder", "pre-trained weights to use instead of pre-training", &C::encoder),
      text_setting("scratch-from", "folder of a run that differs in pre-training only: use its arms from scratch",
                   &C::scratch_from),
      number_setting<double>("pretrain-epochs", "passes over the images in pre-training", &C::pretrain_epochs, 0.0,
                             1e5),
      number_setting<double>("pretrain-learning-rate", "peak, at a batch of 128", &C::pretrain_learning_rate, 1e-9,
                             1e6),
      number_setting<I>("pretrain-batch-size", "images in a step of pre-training", &C::pretrain_batch_size, 1, 65536),
      number_setting<I>("grid", "context prediction: patches a side; 0: by image size", &C::grid, 0, 16),
      number_setting<I>("patch", "context prediction, jigsaw: side of a patch in pixels; 0: by image size", &C::patch,
                        0, 1024),
      number_setting<I>("gap", "the same: pixels between patches; -1: by image size", &C::gap, -1, 1024),
      number_setting<I>("jitter", "the same: pixels a patch may move; -1: by image size", &C::jitter, -1, 512),
      number_setting<double>("min-scale", "the same: smallest random factor of images; 0: by rule", &C::min_scale, 0.0,
                             64.0),
      number_setting<double>("max-scale", "the same: largest such factor; 0: by rule", &C::max_scale, 0.0, 64.0),
      choice_setting("colour", "the same: treatment of the patches' colours", &C::colour,
                     {"auto", "keep", "grey", "drop_channels", "project"}),
      {"colour-probability", "the same: share of grids whose colours are treated; -1: by rule", "NUMBER",
       [](C& c, const std::string& text) {
         c.colour_probability = text == "-1" ? -1 : detail::number_from<double>("colour-probability", text, 0.0, 1.0);
       },
       [](const C& c) { return detail::to_text(c.colour_probability); }},
      number_setting<I>("grids-per-image", "the same: grids of patches cut from an image at a time",
                        &C::grids_per_image, 1, 64),
      choice_setting("readout", "context prediction: what the head gets of a patch's features", &C::readout,
                     {"average", "flatten"}),
      number_setting<I>("head-hidden", "context prediction: units in the head", &C::head_hidden, 1, 65536),
      number_setting<double>("head-dropout", "context prediction: in the head", &C::head_dropout, 0.0, 0.99),
      number_setting<double>("finetune-learning-rate",
                             "peak of the pre-trained arms, at a batch of 128; 0: as from scratch",
                             &C::finetune_learning_rate, 0.0, 1e6),
      number_setting<double>("encoder-rate", "factor of the learning rate for pre-trained weights", &C::encoder_rate,
                             0.0, 100.0),
  };
  const std::vector<ExperimentSetting> classification{
      number_setting<double>("epochs", "passes over the images when all labels are used", &C::epochs, 0.001, 1e5),
      number_setting<double>("learning-rate", "peak, at a batch of 128; 0: by rule", &C::learning_rate, 0.0, 1e6),
      number_setting<double>("warmup", "share of the steps in which a classifier's learning rate rises", &C::warmup,
                             0.0, 1.0),
      number_setting<I>("batch-size", "images in a step of classification", &C::batch_size, 2, 65536),
      number_setting<double>("averaging", "share of the steps over which a classifier's weights are averaged; 0: not",
                             &C::averaging, 0.0, kMostAveraging),
      choice_setting("optimizer", "of both trainings", &C::optimizer, {"sgd", "muon"}),
      number_setting<double>("weight-decay", "L2 penalty of both trainings; with muon not of convolutions",
                             &C::weight_decay, 0.0, 1.0),
      number_setting<double>("label-smoothing", "share of the target spread over all classes", &C::label_smoothing, 0.0,
                             0.9),
      {"flip", "mirror training images: auto, on or off; auto: a classifier's, unless it would change what they show",
       "NAME",
       [](C& c, const std::string& text) {
         const auto found = std::find(detail::kMirrorNames.begin(), detail::kMirrorNames.end(), text);
         require(found != detail::kMirrorNames.end(), "--flip: '", text, "', expected auto, on or off");
         c.mirror = static_cast<Mirror>(found - detail::kMirrorNames.begin());
       },
       [](const C& c) { return std::string(detail::kMirrorNames[static_cast<std::size_t>(c.mirror)]); }},
      number_setting<I>("crop-padding", "pixels of random shift; -1: by rule", &C::crop_padding, -1, 512),
      number_setting<I>("evaluations", "of the validation split during an arm", &C::evaluations, 1, 100'000),
      number_setting<I>("threads", "of the library; 0: all processors", &C::threads, 0, 1024),
  };
  for (ExperimentSetting& setting : pretraining) setting.pretraining = true;
  settings.insert(settings.end(), pretraining.begin(), pretraining.end());
  settings.insert(settings.end(), classification.begin(), classification.end());
  return settings;
}

/// Every setting's value: what a report lists and a resumed run must match.
[[nodiscard]] inline std::map<std::string, std::string> describe(const ExperimentConfig& config) {
  std::map<std::string, std::string> out;
  for (const ExperimentSetting& setting : experiment_settings()) out[setting.name] = setting.get(config);
  return out;
}

}  // namespace contexture
