// SPDX-License-Identifier: MIT
// Everything that decides what a run computes, in one struct, with the presets in one table and
// every setting described once: its name, help, bounds, how it is read and written. The programs' options, files of
// settings, what has to be the same to resume and the report's list all come from here.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/train/fit.hpp"

namespace contexture {

/// Whether training images are mirrored at random; `automatic`: see mirror_test().
enum class Mirror { automatic, on, off };

/// Whether processes that share a batch normalise it by its own statistics, or each by its part's.
enum class SyncNorm { automatic, on, off };

/// What run_experiments computes. The values here are the preset `standard`.
struct ExperimentConfig {
  // Data.
  std::string data = "builtin-64";              ///< recorded; the caller loads it
  Index image_size = 0;                         ///< 0: as stored (builtin: 32, builtin-64: 64)
  Index train_images = 0;                       ///< use only so many; 0: all (built-in: the preset's number)
  Index test_images = 0;                        ///< likewise
  double max_broken = 0.01;                     ///< see DataOptions
  Index max_pixels = ImageLimits{}.max_pixels;  ///< likewise, of an image file
  double validation = 0.1;                      ///< share of the training images held out, stratified, by seed

  // What is compared.
  std::vector<double> fractions{1.0, 0.5, 0.1};  ///< label fractions, one experiment each; empty: pre-training only
  std::uint64_t seed = 1;                        ///< of the first repetition; the others count up from it
  std::int64_t seeds = 1;                        ///< repetitions

  // Network.
  std::string network = "resnet";            ///< a name of network_names()
  Index width = 16;                          ///< channels behind the stem
  std::int64_t blocks = 2;                   ///< residual blocks a stage
  Precision precision = Precision::float32;  ///< of all networks
  SyncNorm sync_norm = SyncNorm::automatic;  ///< where several processes share a batch
  Precision gradients = Precision::float32;  ///< in which they travel between processes
  std::int64_t transfer = 99;  ///< stages whose pre-trained weights are used, from the image on; the others start anew

  // Pre-training.
  std::string pretext = "context";         ///< a name of pretext_task_names()
  PretextValues pretext_options;           ///< of that task, those that are given
  std::string encoder;                     ///< weights to use instead of pre-training
  std::string scratch_from;                ///< folder of a run whose from-scratch arms to use
  double pretrain_epochs = 10;             ///< passes over the training (and unlabelled) images
  double pretrain_learning_rate = 0.1;     ///< peak, at a batch of 128 images
  std::int64_t pretrain_batch_size = 128;  ///< images
  double finetune_learning_rate = 0;  ///< peak of the pre-trained arms, at a batch of 128 images; 0: as from scratch
  double encoder_rate = 1;            ///< factor of the classifier's learning rate for the pre-trained weights

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
  std::int64_t crop_padding = -1;    ///< pixels; -1: by rule, see default_crop_padding()
  bool strong_augmentation = false;  ///< of the arms: see strong_augmentation()
  std::int64_t evaluations = 16;     ///< of the validation split, during one arm

  // Further arms.
  bool self_training = false;  ///< a student of each arm, where most images have no label: see RunPlan::self_trains()
  bool same_time = false;      ///< an arm from scratch that also gets the time of pre-training

  std::int64_t threads = 0;  ///< recorded; the caller sets them. 0: all processors
};

/// A preset: how much is computed. Everything else is the same in all three. All experiments take, on two
/// cores with AVX-512: quick 4 minutes (builtin) and 10 (builtin-64, bfloat16); for 50,000 images of 32 x 32, estimated
/// from throughput and multiply-adds, standard half an hour and thorough some 30 hours.
struct Preset {
  std::string_view name;
  Index width;
  std::int64_t blocks;
  double epochs, pretrain_epochs;
  std::int64_t seeds;
  Index builtin_train, builtin_emblems, builtin_test;  ///< images of a built-in set: for training of either, for tests

  [[nodiscard]] Index train_images(BuiltinSet set) const {
    return set == BuiltinSet::things ? builtin_train : builtin_emblems;
  }
};

/// All of them.
// clang-format off
inline constexpr std::array<Preset, 3> kPresets{{
    // name      width  blocks  epochs  pre-training  seeds  built-in images: things, emblems, tests
    {"quick",       16,      1,     14,           10,     1,  10'000, 11'000,  2'000},
    {"standard",    16,      2,     13,           10,     1,  30'000, 30'000,  5'000},
    {"thorough",    32,      2,     40,           60,     5,  50'000, 50'000, 10'000},
}};
// clang-format on

/// The preset of that name. Throws SettingError for any other text.
[[nodiscard]] inline const Preset& preset(std::string_view name) {
  for (const Preset& p : kPresets)
    if (p.name == name) return p;
  throw SettingError("preset", message("'", name, "', expected quick, standard or thorough"));
}

/// A network in its usual size. Throws SettingError for one that is not there.
[[nodiscard]] inline BackboneDescription usual_description(const std::string& network) {
  try {
    return default_description(network);
  } catch (const std::invalid_argument& error) {
    throw SettingError("network", error.what());
  }
}

/// The configuration of a preset on the given data. The preset's width and blocks are the default network's; another
/// has its own usual size. Throws SettingError for a network that is not there.
[[nodiscard]] inline ExperimentConfig preset_config(const Preset& p, const std::string& data,
                                                    const std::string& network = ExperimentConfig{}.network) {
  ExperimentConfig config;
  config.data = data;
  config.width = p.width;
  config.blocks = p.blocks;
  if (network != config.network) {
    const BackboneDescription usual = usual_description(network);
    config.network = network;
    config.width = usual.width;
    config.blocks = usual.blocks_per_stage;
  }
  config.epochs = p.epochs;
  config.pretrain_epochs = p.pretrain_epochs;
  config.seeds = p.seeds;
  if (const auto set = builtin_set(data)) {
    config.train_images = p.train_images(*set);
    config.test_images = p.builtin_test;
  }
  return config;
}

/// The network of a configuration, for images of so many channels.
[[nodiscard]] inline BackboneDescription backbone_of(const ExperimentConfig& config, Index channels) {
  BackboneDescription description = default_description(config.network);
  description.in_channels = channels;
  description.width = config.width;
  description.blocks_per_stage = config.blocks;
  return description;
}

/// One setting of ExperimentConfig.
using ExperimentSetting = Setting<ExperimentConfig>;

/// Label fractions from text such as "1,0.5,0.1", for the option of that name. Throws SettingError for one that is
/// missing, no number from 1e-6 to 1, or there twice.
[[nodiscard]] inline std::vector<double> parse_fractions(const std::string& option, std::string_view text) {
  std::vector<double> fractions;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(", ", at), text.size());
    const double fraction = parse_number<double>(option, text.substr(at, end - at), 1e-6, 1.0);
    if (std::find(fractions.begin(), fractions.end(), fraction) != fractions.end())
      throw SettingError(option, message("'", text, "' has ", number_text(fraction), " twice"));
    fractions.push_back(fraction);
    at = end + 1;
  }
  return fractions;
}

namespace detail {

template <class Access, class V>
ExperimentSetting number(const char* name, const char* help, Access access, V low, V high) {
  return number_setting<ExperimentConfig>(name, help, access, low, high);
}

template <class Access>
ExperimentSetting choice(const char* name, const char* help, Access access, std::vector<std::string> names) {
  return choice_setting<ExperimentConfig>(name, help, access, std::move(names));
}

template <class Access>
ExperimentSetting text(const char* name, const char* help, Access access) {
  return text_setting<ExperimentConfig>(name, help, access);
}

// {1, 0.5, 0.1} -> "1,0.5,0.1"; no fraction: "none".
inline std::string fractions_text(const std::vector<double>& fractions) {
  if (fractions.empty()) return "none";
  std::string out;
  for (const double fraction : fractions) out.append(out.empty() ? "" : ",").append(number_text(fraction));
  return out;
}

inline std::vector<std::string> names_of(std::span<const std::string_view> names) {
  return {names.begin(), names.end()};
}

inline constexpr int kMany = 1'000'000'000;

// Of data, repetitions and the network.
inline std::vector<ExperimentSetting> common_settings() {
  using C = ExperimentConfig;
  return {
      text("data", "builtin-64, builtin, or a path: IDX, CIFAR or STL-10 files, or a folder of images or of tar shards",
           &C::data),
      number("image-size", "side of the square images in pixels; 0: as stored", &C::image_size, 0, 1024),
      number("train-images", "training images used; 0: all", &C::train_images, 0, kMany),
      number("test-images", "test images used; 0: all", &C::test_images, 0, kMany),
      number("max-broken", "share of a folder's images that may be broken; above 0.1 also of a class's files not used",
             &C::max_broken, 0.0, 1.0),
      number("max-pixels", "pixels that an image file may have, height x width", &C::max_pixels, Index{1},
             ImageLimits::kMostPixels),
      number("validation", "share of the training images held out", &C::validation, 0.001, 0.9),
      {"fractions", "label fractions, one experiment each, such as 1,0.5,0.1; none: pre-training only", "LIST",
       [](C& c, const std::string& value) {
         c.fractions = value == "none" ? std::vector<double>{} : parse_fractions("fractions", value);
       },
       [](const C& c) { return fractions_text(c.fractions); }},
      number("seed", "seed of the first repetition", &C::seed, std::uint64_t{0}, ~std::uint64_t{0} >> 1),
      number("seeds", "repetitions, each with its own split, subset and weights", &C::seeds, 1, 1000),
      choice("network", "kind of network", &C::network, names_of(network_names())),
      number("width", "channels of the network's first stage", &C::width, 1, 1024),
      number("blocks", "blocks in a stage of the network", &C::blocks, 1, 64),
      {"precision", "what networks compute in, auto meaning bfloat16 where that is faster: auto, float32 or bfloat16",
       "NAME", [](C& c, const std::string& value) { c.precision = precision_named(value); },
       [](const C& c) {
         return std::string(to_string(c.precision));
       }},  // never auto, so that another machine repeats it
      choice("sync-batch-norm",
             "of several processes: batch-norm statistics of the whole batch, auto meaning below 32 images a process",
             &C::sync_norm, {"auto", "on", "off"}),
      choice("gradients", "of several processes: what gradients travel in, bfloat16 being half the bytes",
             &C::gradients, {"float32", "bfloat16"}),
  };
}

// What an arm from scratch does not feel.
inline std::vector<ExperimentSetting> pretraining_settings() {
  using C = ExperimentConfig;
  return {
      number("transfer", "stages after the stem that start from pre-trained weights; 99: all", &C::transfer, 0, 99),
      choice("pretext", "task of pre-training", &C::pretext, names_of(pretext_task_names())),
      text("encoder", "file of pre-trained weights to use instead of pre-training", &C::encoder),
      text("scratch-from", "folder of a run that differs in pre-training only: use its arms from scratch",
           &C::scratch_from),
      number("pretrain-epochs", "passes over the images in pre-training", &C::pretrain_epochs, 0.0, 1e5),
      number("pretrain-learning-rate", "peak learning rate of pre-training, at a batch of 128 images",
             &C::pretrain_learning_rate, 1e-9, 1e6),
      number("pretrain-batch-size", "images in a step of pre-training", &C::pretrain_batch_size, 1, 65536),
      number("finetune-learning-rate",
             "peak learning rate of the pre-trained arms, at a batch of 128 images; 0: as from scratch",
             &C::finetune_learning_rate, 0.0, 1e6),
      number("encoder-rate", "factor of a classifier's learning rate for pre-trained weights", &C::encoder_rate, 0.0,
             100.0),
  };
}

inline std::vector<ExperimentSetting> classification_settings() {
  using C = ExperimentConfig;
  return {
      number("epochs", "passes of a classifier over the images when all labels are used", &C::epochs, 0.001, 1e5),
      number("learning-rate",
             "peak learning rate of a classifier, at a batch of 128 images; 0: by its steps and passes",
             &C::learning_rate, 0.0, 1e6),
      number("warmup", "share of the steps in which a classifier's learning rate rises", &C::warmup, 0.0, 1.0),
      number("batch-size", "images in a step of a classifier", &C::batch_size, 2, 65536),
      number("averaging", "share of the steps over which a classifier's weights are averaged; 0: not", &C::averaging,
             0.0, kMostAveraging),
      choice("optimizer", "optimiser of pre-training and of classifiers", &C::optimizer, {"sgd", "muon"}),
      number("weight-decay", "L2 penalty in pre-training and of classifiers; with muon not of convolutions",
             &C::weight_decay, 0.0, 1.0),
      number("label-smoothing", "share of a classifier's target spread over all classes", &C::label_smoothing, 0.0,
             0.9),
      choice("flip",
             "mirror training images, auto meaning a classifier's alone and unless it would change what they show",
             &C::mirror, {"auto", "on", "off"}),
      number("crop-padding", "pixels by which a classifier's images are shifted at random; -1: by side and passes",
             &C::crop_padding, -1, 512),
      choice("augmentation",
             "how a classifier's images are varied: basic shifts and mirrors, strong adds RandAugment and CutMix",
             &C::strong_augmentation, {"basic", "strong"}),
      choice("self-training",
             "two more arms, students of the others, that learn from answers to images without labels, where at most a "
             "third has one",
             &C::self_training, {"off", "on"}),
      choice("same-time", "one more arm from scratch, strongly augmented and longer by the time that pre-training took",
             &C::same_time, {"off", "on"}),
      number("evaluations", "evaluations on the validation images during an arm", &C::evaluations, 1, 100'000),
      number("threads", "threads of the library; 0: all processors", &C::threads, 0, 1024),
  };
}

}  // namespace detail

/// Every setting of ExperimentConfig, in the order of a program's help.
[[nodiscard]] inline std::vector<ExperimentSetting> experiment_settings() {
  std::vector<ExperimentSetting> settings = detail::common_settings();
  for (auto more : {detail::pretraining_settings(), detail::classification_settings()})
    std::move(more.begin(), more.end(), std::back_inserter(settings));
  return settings;
}

/// The names of the settings that do nothing to an arm from scratch.
[[nodiscard]] inline std::set<std::string> pretraining_setting_names() {
  std::set<std::string> names;
  for (const ExperimentSetting& setting : detail::pretraining_settings()) names.insert(setting.name);
  return names;
}

/// The names of the settings that do nothing to pre-training alone.
[[nodiscard]] inline std::set<std::string> classifier_setting_names() {
  return {"fractions",    "transfer",        "encoder",       "scratch-from", "finetune-learning-rate",
          "encoder-rate", "epochs",          "learning-rate", "warmup",       "batch-size",
          "averaging",    "label-smoothing", "crop-padding",  "augmentation", "self-training",
          "same-time"};
}

/// Every setting's value. Those of the pretext task are apart: see RunPlan::pretext.
[[nodiscard]] inline std::map<std::string, std::string> describe(const ExperimentConfig& config) {
  std::map<std::string, std::string> out;
  for (const ExperimentSetting& setting : experiment_settings()) out[setting.name] = setting.get(config);
  return out;
}

}  // namespace contexture
