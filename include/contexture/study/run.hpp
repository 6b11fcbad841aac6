// The experiments: does pre-training help, with all, half and a tenth of the labels? For every seed the
// training images are split, an encoder is pre-trained without labels, and per label fraction two
// classifiers are trained that differ in nothing but where the encoder's weights come from: same
// architecture, head initialisation, label subset, order of batches, augmentation, schedule, steps.
// The test split is read once per classifier, at the end, with the weights that were best on validation.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/mirror_rule.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/evaluate/metrics.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/curves.hpp"
#include "contexture/study/phases.hpp"
#include "contexture/study/results.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/history.hpp"
#include "contexture/train/pretraining.hpp"

namespace contexture {

/// Where a run keeps its files.
struct RunFiles {
  std::filesystem::path out;  ///< an existing folder; empty: nothing is written
  bool resume = false;        ///< continue from out/checkpoint.safetensors
  double save_seconds = 30;   ///< at least this long between two checkpoints
};

/// Optimiser steps of a classifier trained on `fraction` of `images` labelled images:
///   epochs * images / min(batch, images) * max(fraction^(3/4), 1/2),
/// so fewer labels are passed over more often: 1.2 times as many epochs with half of them, 5 times with a
/// tenth. Without the bound, the scratch arm at a tenth of the labels would be far from its plateau
/// (built-in images, SGD: 63 % after 222 steps, 75 % after 489).
[[nodiscard]] inline std::int64_t classifier_steps(const ExperimentConfig& config, std::int64_t images,
                                                   double fraction) {
  const double steps =
      config.epochs * std::max(1.0, static_cast<double>(images) / static_cast<double>(config.batch_size));
  return std::max<std::int64_t>(1, std::llround(steps * std::max(std::pow(fraction, 0.75), 0.5)));
}

/// Pixels by which training images are shifted at most, for their side and the passes over them: a sixteenth of the
/// side, or an eighth where an image is seen more than 20 times. Few passes lose by more variation (CIFAR copy, 8
/// passes: -0.6 points with an eighth), many need it (built-in images, 900 labels, 56 passes: +5.4 points;
/// docs/research.md).
[[nodiscard]] inline int default_crop_padding(Index side, double passes) {
  return static_cast<int>(passes > 20 ? side / 8 : (side + 8) / 16);
}

/// Peak learning rate of a classifier, at a batch of 128 images: 0.1, or 0.2 where an image is seen more than 20 times,
/// or 0.3 in fewer than 1,000 steps. Where there are few images, large steps keep them from being learnt by heart
/// (CIFAR copy, 4,500 labels, from scratch: 74.8 -> 77.7 %; built-in images, 900: 87.1 -> 96.2 %); where there are few
/// steps, small ones do not arrive (CIFAR copy, 4,500 labels, 703 steps at 0.1 and 0.4: 71.0 and 76.3 %;
/// docs/research.md).
[[nodiscard]] inline double default_learning_rate(std::int64_t steps, double passes) {
  if (steps < 1000) return 0.3;
  return passes > 20 ? 0.2 : 0.1;
}

/// Share of the steps of pre-training in which its learning rate rises to the peak.
inline constexpr double kPretrainWarmup = 0.2;

/// The settings of the pretext task that the configuration changes from its defaults, where the task has them.
[[nodiscard]] inline PretextValues pretext_values_of(const ExperimentConfig& config) {
  const std::map<std::string, std::string> now = describe(config), usual = describe(ExperimentConfig{});
  PretextValues given;
  for (const PretextSettingInfo& setting : pretext_settings(config.pretext)) {
    const auto found = now.find(setting.name);
    if (found != now.end() && found->second != usual.at(setting.name)) given.insert(*found);
  }
  return given;
}

/// Images are mirrored only where the configuration says so: the rule of Mirror::automatic looks at labels, and
/// pre-training does not.
[[nodiscard]] inline PretextImages pretext_images_of(const ExperimentConfig& config, const ImageSet& images,
                                                     const Normalization& normalization) {
  return pretext_images(images, normalization, config.mirror == Mirror::on);
}

namespace detail {

// A number that changes when any of the bytes added to it does.
class Fingerprint {
 public:
  void add(const void* bytes, std::size_t size) {
    const auto* p = static_cast<const unsigned char*>(bytes);
    for (; size >= 8; size -= 8, p += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, p, 8);
      hash_ = (hash_ ^ word) * 0x100000001b3ULL;
      hash_ ^= hash_ >> 29;
    }
    for (; size > 0; --size, ++p) hash_ = (hash_ ^ *p) * 0x100000001b3ULL;
  }
  [[nodiscard]] std::string text() const {
    char text[24];
    const auto [end, error] = std::to_chars(text, text + sizeof(text), hash_, 16);
    (void)error;
    return {text, end};
  }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

// Of images and labels.
inline std::string fingerprint(const Dataset& data) {
  Fingerprint print;
  for (const ImageSet* set : {&data.train, &data.test, &data.unlabeled}) {
    for (const Index extent : {set->count, set->height, set->width, set->channels}) print.add(&extent, sizeof(extent));
    print.add(set->pixels.data(), set->pixels.size());
    print.add(set->labels.data(), set->labels.size() * sizeof(std::int32_t));
  }
  return print.text();
}

// Of weights, in the order of their names.
inline std::string fingerprint(const TensorMap& tensors) {
  Fingerprint print;
  for (const auto& [name, tensor] : tensors) print.add(tensor.data(), tensor.size() * sizeof(float));
  return print.text();
}

inline double peak_rss_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
#if defined(__APPLE__)
  return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
#else
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // KiB
#endif
}

// What the arms learn from and are tested on. Throws InputError for images that do not belong together, labels that are
// missing or out of range, and a class with too few training images to be learnt and validated.
inline void check_labelled(const Dataset& data) {
  const std::size_t classes = data.class_names.size();
  require_input(classes >= 2, "data set ", data.name, ": ", classes, " classes, expected at least 2");
  require_input(data.test.count > 0, "data set ", data.name, ": no test images");
  std::vector<Index> trained(classes, 0), tested(classes, 0);
  const auto count = [&](const ImageSet& set, const char* which, std::vector<Index>& counts) {
    require_input(!set.labels.empty(), "data set ", data.name, ": ", which, " images without labels");
    for (const std::int32_t label : set.labels) {
      require_input(label >= 0 && static_cast<std::size_t>(label) < classes, "data set ", data.name, ": label ", label,
                    " of a ", which, " image, expected 0 to ", classes - 1);
      ++counts[static_cast<std::size_t>(label)];
    }
  };
  count(data.train, "training", trained);
  count(data.test, "test", tested);
  for (std::size_t c = 0; c < classes; ++c)  // a name may be of no image at all, as class 0 of EMNIST's letters
    require_input(trained[c] >= 2 || (trained[c] == 0 && tested[c] == 0), "data set ", data.name, ": class ",
                  data.class_names[c], " has ", trained[c], " training images, expected at least 2");
}

class ExperimentRun {
 public:
  ExperimentRun(const ExperimentConfig& config, const Dataset& data, const RunFiles& files, Progress& progress,
                const StopToken* stop)
      : config_(config), data_(data), files_(files), progress_(progress), stop_(stop) {
    require_input(data.train.count > 0, "run_experiments: data set ", data.name, " has no training images");
    for (const ImageSet* set : {&data.train, &data.test, &data.unlabeled}) {
      if (set->count == 0) continue;
      check_image_set("run_experiments", *set);
      require_input(
          set->height == data.train.height && set->width == data.train.width && set->channels == data.train.channels,
          "data set ", data.name, ": images of ", set->height, " x ", set->width, " x ", set->channels,
          ", the training images are ", data.train.height, " x ", data.train.width, " x ", data.train.channels);
    }
    std::set<std::string> names;
    for (const double fraction : config.fractions) {
      require(fraction > 0 && fraction <= 1, "run_experiments: label fraction ", fraction,
              ", expected more than 0 and at most 1");
      require(names.insert(percent_name(fraction)).second, "run_experiments: label fraction ", fraction,
              " twice (both ", percent_name(fraction), " %)");
    }
    if (!config.fractions.empty()) {
      check_labelled(data);
      mirror_ =
          config.mirror == Mirror::automatic ? mirror_test(data.train).keeps_classes() : config.mirror == Mirror::on;
    }
    options_.height = data.train.height;
    options_.width = data.train.width;
    options_.class_names = data.class_names;
    options_.normalization = channel_statistics(data.train, numbered(data.train.count));
    options_.mirror = mirror_;
    options_.encoder.in_channels = data.train.channels;
    options_.encoder.width = config.width;
    options_.encoder.blocks_per_stage = config.blocks;

    set_identity();
    if (files.resume) {
      state_ = read_checkpoint(checkpoint_path());
      require_same_config(checkpoint_path(), state_.config, identity_);
    }
    if (!config.encoder.empty()) {
      state_.encoder = given_encoder_;
      if (!state_.origin) find_origin();
    }
    state_.config = identity_;
    seconds_before_ = state_.seconds;
    const std::string machine = cpu_report().line();
    if (state_.machine.empty())
      state_.machine = machine;
    else if (!state_.machine.ends_with(machine))
      state_.machine += "; then " + machine;
  }

  RunSummary run() {
    const std::optional<RunState> donor = donor_of_scratch_arms();
    if (!files_.resume) remove_former_run();
    progress_.accepted();
    if (donor) take_scratch_arms(*donor);
    const bool pretraining = config_.encoder.empty();
    const bool scratch = state_.scratch_from.empty();
    phases_ = static_cast<int>(config_.seeds) *
              ((pretraining ? 1 : 0) + (scratch ? 2 : 1) * static_cast<int>(config_.fractions.size()));
    for (std::int64_t i = 0; i < config_.seeds; ++i) {
      const std::uint64_t seed = config_.seed + static_cast<std::uint64_t>(i);
      const bool encoder = !pretraining || attempt(pretrain_key(seed), [&] { pretrain(seed); });
      if (config_.fractions.empty()) continue;
      const Split split = split_of(seed);
      for (const double fraction : config_.fractions)
        for (const Arm which : {Arm::scratch, Arm::pretrained})
          if (which == Arm::scratch ? scratch : encoder)
            attempt(arm_key(percent_name(fraction), which, seed), [&] { train_arm(seed, split, fraction, which); });
    }
    if (!state_.diverged.empty() && state_.arms.empty() && (!config_.fractions.empty() || state_.pretraining.empty())) {
      const Divergence& first = state_.diverged.front();
      throw Diverged(first.what, first.step);
    }
    return summary();
  }

 private:
  // A phase whose loss stops being finite does not stop the others, and a resumed run, in which it would do the same,
  // does not begin it again. False: it has no result.
  template <class Phase>
  bool attempt(const std::string& key, Phase phase) {
    for (const Divergence& known : state_.diverged)
      if (known.phase == key) return false;
    try {
      phase();
      return true;
    } catch (const Diverged& error) {
      progress_.note(error.what());
      clear_phase();
      state_.diverged.push_back({key, error.what(), error.step()});
      save();
      return false;
    }
  }

  // How an arm is trained, by the settings and the rules.
  struct ArmPlan {
    std::int64_t batch, steps;
    int padding;
    double learning_rate;
    [[nodiscard]] std::string text() const {
      return message(steps, " steps of ", batch, " images, rate ", learning_rate, ", shift ", padding);
    }
  };

  ArmPlan plan(Arm arm, std::int64_t training_images, std::int64_t subset, double fraction) const {
    ArmPlan out{};
    out.batch = std::min(config_.batch_size, subset);
    out.steps = classifier_steps(config_, training_images, fraction);
    const double passes = static_cast<double>(out.steps * out.batch) / static_cast<double>(subset);
    out.padding = config_.crop_padding >= 0
                      ? static_cast<int>(config_.crop_padding)
                      : default_crop_padding(std::min(data_.train.height, data_.train.width), passes);
    const bool tuned = arm == Arm::pretrained && config_.finetune_learning_rate > 0;
    const double given = tuned ? config_.finetune_learning_rate : config_.learning_rate;
    out.learning_rate = given > 0 ? given : default_learning_rate(out.steps, passes);
    return out;
  }

  Split split_of(std::uint64_t seed) const {
    return stratified_split(data_.train.labels, config_.validation, Rng(seed).split("validation"));
  }
  std::vector<Index> labels_of(std::uint64_t seed, const Split& split, double fraction) const {
    return label_subset(data_.train.labels, split.train, fraction, Rng(seed).split("labels"));
  }

  // The key in identity_ of how an experiment's arm from scratch is trained.
  static std::string plan_name(double fraction) { return message("training with ", percent_name(fraction), " %"); }

  // What has to be the same for a run to go on: the settings, what the rules make of them, images and given weights.
  // Every split and label subset of the run is made once: found out before anything is computed.
  void set_identity() {
    identity_ = describe(config_);
    // These change the last bits and the time, not the run.
    for (const char* name : {"threads", "scratch-from"}) identity_.erase(name);
    identity_["images"] = fingerprint(data_);
    for (std::int64_t i = 0; i < config_.seeds; ++i) {
      const std::uint64_t seed = config_.seed + static_cast<std::uint64_t>(i);
      const Split split = split_of(seed);
      require_input(!split.validation.empty(), "data set ", data_.name, ": ", data_.train.count,
                    " training images are too few to hold out ", config_.validation, " of them for validation");
      for (const double fraction : config_.fractions) {
        const auto subset = static_cast<std::int64_t>(labels_of(seed, split, fraction).size());
        if (i == 0)
          identity_[plan_name(fraction)] =
              plan(Arm::scratch, static_cast<std::int64_t>(split.train.size()), subset, fraction).text();
      }
    }
    if (!config_.encoder.empty()) {
      given_encoder_ = load_encoder_file();
      identity_["weights of the encoder"] = fingerprint(given_encoder_);
    }
    for (auto& [name, value] : identity_) value = as_stored(value);
  }

  std::filesystem::path checkpoint_path() const { return files_.out / "checkpoint.safetensors"; }

  double seconds_so_far() const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began_;
    return seconds_before_ + passed.count();
  }

  // "" for the first seed, so that a run with one seed and the first of many name their files alike.
  std::string file_suffix(std::uint64_t seed) const {
    return seed == config_.seed ? std::string() : message("_seed", seed);
  }

  void save() {
    if (files_.out.empty()) return;
    state_.seconds = seconds_so_far();
    write_checkpoint(checkpoint_path(), state_);
  }

  // Trains (or goes on training) one phase; afterwards its rows are in the history.
  template <class B>
  FitState run_phase(const std::string& key, PhaseInfo info, FitTask<B>& task, Optimizer<float>& optimizer,
                     FitOptions options) {
    FitState fit_state;
    if (state_.phase == key) {
      restore_tensors(state_.model, state_tensors(task.module()), checkpoint_path().string());
      restore_tensors(state_.optimizer, state_tensors(optimizer), checkpoint_path().string());
      fit_state = std::move(state_.fit);
    }
    clear_phase();
    info.number = phase_;
    info.of = phases_;
    info.first_step = fit_state.step;
    info.steps = options.steps;
    info.images_per_step = task.images_per_step();
    options.experiment = info.experiment;
    options.arm = info.arm;
    options.seed = info.seed;
    options.save_seconds = files_.save_seconds;
    FitHooks hooks{&progress_, stop_, [&](const FitState& now) {
                     state_.phase = key;
                     state_.fit = now;
                     copy_tensors(state_tensors(task.module()), state_.model);
                     copy_tensors(state_tensors(optimizer), state_.optimizer);
                     save();
                   }};
    progress_.begin(info);
    if (fit(task, optimizer, options, fit_state, hooks) == FitStatus::stopped) {
      const std::string where = message("stopped at step ", fit_state.step, " of ", options.steps, " of ", info.title);
      throw Stopped(files_.out.empty() ? where
                                       : message(where, "; the same command with --resume continues from ",
                                                 checkpoint_path().string()));
    }
    progress_.end(info);
    clear_phase();
    return fit_state;
  }

  void clear_phase() {
    state_.phase.clear();
    state_.fit = {};
    state_.model.clear();
    state_.optimizer.clear();
  }

  // Weights of --encoder FILE, checked against the architecture.
  TensorMap load_encoder_file() const {
    EncoderFile file = read_encoder(config_.encoder);
    const BackboneDescription& made = file.encoder->description();
    const BackboneDescription& wanted = options_.encoder;
    require_input(made == wanted, config_.encoder, ": weights of another architecture: width ", made.width, " with ",
                  made.blocks_per_stage, " blocks a stage for images of ", made.in_channels,
                  " channels, this run has width ", wanted.width, ", ", wanted.blocks_per_stage, " and ",
                  wanted.in_channels);
    if (file.kind == "classifier")
      progress_.note(message(config_.encoder, ": the encoder of a classifier, trained with labels"));
    TensorMap tensors;
    copy_tensors(state_tensors(*file.encoder), tensors);
    return tensors;
  }

  // What the run that made the given encoder measured. Its checkpoint lies beside the file, and has the same weights:
  // an encoder that was moved, or is one of several, has no known origin.
  void find_origin() {
    const std::filesystem::path path = std::filesystem::path(config_.encoder).parent_path() / "checkpoint.safetensors";
    if (!std::filesystem::exists(path)) return;
    try {
      const RunState former = read_checkpoint(path);
      if (former.pretraining.size() != 1 || fingerprint(former.encoder) != identity_.at("weights of the encoder"))
        return;
      const auto images = former.config.find("images");
      state_.origin = EncoderOrigin{images != former.config.end() && images->second == identity_.at("images"),
                                    former.machine, former.pretraining.begin()->second};
    } catch (const InputError& error) {  // only the time is lost
      progress_.note(message("the time of pre-training is not known: ", error.what()));
    }
  }

  std::filesystem::path classifier_path(const std::filesystem::path& folder, double fraction, Arm which,
                                        std::uint64_t seed) const {
    return folder /
           message("classifier_", percent_name(fraction), "_", to_string(which), file_suffix(seed), ".safetensors");
  }

  // Weights and checkpoint of a former run would pass for this one's, until it has written its own. Encoders stay where
  // this run makes none.
  void remove_former_run() const {
    if (files_.out.empty()) return;
    std::vector<std::filesystem::path> old;
    for (const auto& entry : std::filesystem::directory_iterator(files_.out)) {
      const std::string name = entry.path().filename().string();
      if (name == "checkpoint.safetensors" ||
          (name.ends_with(".safetensors") &&
           (name.starts_with("classifier_") || (name.starts_with("encoder") && config_.encoder.empty()))))
        old.push_back(entry.path());
    }
    for (const std::filesystem::path& path : old) std::filesystem::remove(path);
  }

  // Seeds and label fractions of the arms from scratch.
  std::vector<std::pair<std::uint64_t, double>> wanted_arms() const {
    std::vector<std::pair<std::uint64_t, double>> wanted;
    for (std::int64_t i = 0; i < config_.seeds; ++i)
      for (const double fraction : config_.fractions)
        wanted.emplace_back(config_.seed + static_cast<std::uint64_t>(i), fraction);
    return wanted;
  }

  // The run in --scratch-from FOLDER, whose arms from scratch are to become this run's: it has all that are wanted, of
  // the same images and trained in the same way. Empty: none, or a resumed run has them already.
  std::optional<RunState> donor_of_scratch_arms() const {
    const std::filesystem::path folder = config_.scratch_from;
    if (folder.empty() || state_.scratch_from == as_stored(config_.scratch_from)) return std::nullopt;
    require_input(state_.scratch_from.empty(), checkpoint_path().string(),
                  ": cannot resume, its arms from scratch are those of ", state_.scratch_from, ", not of ",
                  folder.string());
    for (const auto& [key, arm] : state_.arms)
      require_input(key.find(message("/", to_string(Arm::scratch), "/")) == std::string::npos,
                    checkpoint_path().string(),
                    ": cannot resume with --scratch-from, it has arms from scratch of its own");
    std::error_code error;
    require_input(files_.out.empty() || !std::filesystem::equivalent(folder, files_.out, error),
                  "--scratch-from: ", folder.string(), ": the folder that this run's results go to");
    const std::filesystem::path path = folder / "checkpoint.safetensors";
    require_input(std::filesystem::exists(path), "--scratch-from: ", folder.string(),
                  ": no folder of a run, expected checkpoint.safetensors in it");
    RunState former = read_checkpoint(path);
    // The images themselves are compared, so where they lie may differ; and the former run may have had more arms.
    std::set<std::string> any{"data", "fractions", "seeds", "weights of the encoder"};
    for (const ExperimentSetting& setting : experiment_settings())
      if (setting.pretraining) any.insert(setting.name);
    for (const double fraction : config_.fractions) any.insert(plan_name(fraction));  // see below
    for (const auto& [name, now] : identity_)
      if (!any.contains(name)) require_same(former, path, name, now);
    for (const auto& [seed, fraction] : wanted_arms()) {
      require_input(former.arms.contains(arm_key(percent_name(fraction), Arm::scratch, seed)), path.string(),
                    ": no arm from scratch with ", percent_name(fraction), " % of the labels and seed ", seed);
      require_same(former, path, plan_name(fraction), identity_.at(plan_name(fraction)));
      const std::filesystem::path weights = classifier_path(folder, fraction, Arm::scratch, seed);
      require_input(files_.out.empty() || std::filesystem::exists(weights), weights.string(),
                    ": no such file, expected the weights of an arm from scratch");
    }
    return former;
  }

  void take_scratch_arms(const RunState& former) {
    const std::filesystem::path folder = config_.scratch_from;
    for (const auto& [seed, fraction] : wanted_arms()) {
      const std::string experiment = percent_name(fraction);
      for (const HistoryRow& row : former.history)
        if (row.experiment == experiment && row.arm == to_string(Arm::scratch) && row.seed == seed)
          state_.history.push_back(row);
      if (!files_.out.empty())
        copy_file(classifier_path(folder, fraction, Arm::scratch, seed),
                  classifier_path(files_.out, fraction, Arm::scratch, seed));
      const std::string key = arm_key(experiment, Arm::scratch, seed);
      state_.arms[key] = former.arms.at(key);
    }
    state_.scratch_from = config_.scratch_from;
    if (former.machine != state_.machine) state_.scratch_machine = former.machine;
    progress_.note(message("arms from scratch: those of ", config_.scratch_from));
    save();
  }

  static void require_same(const RunState& former, const std::filesystem::path& path, const std::string& name,
                           const std::string& now) {
    const auto found = former.config.find(name);
    require_input(found != former.config.end() && found->second == now, path.string(),
                  ": cannot take the arms from scratch, made with ", name, " ",
                  found == former.config.end() ? std::string("unknown") : found->second, ", this run has ", now);
  }

  static void copy_file(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::ifstream in(from, std::ios::binary);
    require_input(in.good(), from.string(), ": cannot be read");
    write_atomically(to, [&](std::ostream& out) { out << in.rdbuf(); });
  }

  void pretrain(std::uint64_t seed) {
    ++phase_;
    const std::string key = pretrain_key(seed);
    if (state_.pretraining.contains(key)) return;
    const Rng rng(seed);
    const std::unique_ptr<Backbone<float>> network = make_backbone<float>(options_.encoder, encoder_stream(rng));
    Backbone<float>& encoder = *network;
    const Split split = split_of(seed);
    const std::unique_ptr<PretextTask<float>> pretext =
        make_pretext_task<float>(config_.pretext, pretext_images_of(config_, data_.train, options_.normalization),
                                 pretext_values_of(config_), encoder, rng.split("pretext head"));
    // The images held out for validation are among those it learns from: only their patches are new.
    PretrainTask task(encoder, *pretext, data_.train, numbered(data_.train.count), data_.unlabeled, split.validation,
                      config_.pretrain_batch_size, rng.split("pretext"));
    const std::unique_ptr<Optimizer<float>> optimizer = make_optimizer(task.module());
    FitOptions options;
    options.steps_per_epoch = static_cast<double>(task.images()) / static_cast<double>(task.images_per_step());
    options.steps = std::llround(config_.pretrain_epochs * options.steps_per_epoch);
    options.evaluate_at = evaluation_steps(options.steps, static_cast<int>(config_.evaluations));
    options.learning_rate = schedule(config_.pretrain_learning_rate * static_cast<double>(task.images_per_step()) / 128,
                                     options.steps, kPretrainWarmup);
    options.rng = rng.split("pretext dropout");

    PhaseInfo info;
    info.title = "pre-training by " + pretext->name() + ", no labels";
    info.experiment = "pretrain";
    info.arm = "pretext";
    info.seed = seed;
    const FitState fitted = run_phase(key, info, task, *optimizer, options);

    recalibrate_batch_norm(encoder, data_.train, numbered(data_.train.count), options_.normalization);
    state_.encoder.clear();
    copy_tensors(state_tensors(encoder), state_.encoder);
    PretrainResult result;
    result.task = pretext->name();
    result.seconds = fitted.seconds;
    result.chance = task.chance();
    result.suspicious_accuracy = pretext->suspicious_accuracy();
    result.steps = options.steps;
    result.images_per_second =
        static_cast<double>(options.steps * task.images_per_step()) / std::max(fitted.training_seconds, 1e-9);
    for (const HistoryRow& row : fitted.rows) {
      if (row.split != "validation") continue;
      result.loss = row.loss;
      result.accuracy = row.accuracy;
    }
    if (result.accuracy > result.suspicious_accuracy)
      progress_.note(message("pretext accuracy ", std::lround(100 * result.accuracy), " % is more than natural images ",
                             "give: look for what gives the answer away (docs/context-prediction.md)"));
    if (!files_.out.empty())
      contexture::save(encoder, files_.out / message("encoder", file_suffix(seed), ".safetensors"),
                       backbone_metadata(options_.encoder));
    state_.history.insert(state_.history.end(), fitted.rows.begin(), fitted.rows.end());
    state_.pretraining[key] = result;
    save();
  }

  void train_arm(std::uint64_t seed, const Split& split, double fraction, Arm which) {
    ++phase_;
    const std::string experiment = percent_name(fraction);
    const std::string key = arm_key(experiment, which, seed);
    if (state_.arms.contains(key)) return;
    const Rng rng(seed);
    const std::vector<Index> subset = labels_of(seed, split, fraction);
    const auto images = static_cast<std::int64_t>(subset.size());
    const ArmPlan how = plan(which, static_cast<std::int64_t>(split.train.size()), images, fraction);
    const std::int64_t batch = how.batch;

    // Scratch and pre-trained begin from the same numbers; the pre-trained ones then replace some.
    ImageClassifier model(options_, rng.split("initialisation"));
    if (which == Arm::pretrained) transfer(model.encoder());

    ClassifierTask task(model, data_.train, subset, split.validation, batch,
                        {.crop_padding = how.padding, .flip = mirror_}, config_.label_smoothing,
                        rng.split("batches").split(experiment));
    const std::unique_ptr<Optimizer<float>> optimizer = make_optimizer(model);
    if (which == Arm::pretrained && config_.encoder_rate != 1)
      for (const NamedParameter<float>& parameter : model.encoder().parameters())
        if (transferred(model.encoder(), parameter.name))
          optimizer->scale_rate("encoder." + parameter.name, config_.encoder_rate);
    FitOptions options;
    options.steps = how.steps;
    options.evaluate_at = evaluation_steps(options.steps, static_cast<int>(config_.evaluations));
    options.learning_rate =
        schedule(how.learning_rate * static_cast<double>(batch) / 128, options.steps, config_.warmup);
    options.averaging = config_.averaging;
    options.steps_per_epoch = static_cast<double>(images) / static_cast<double>(batch);
    options.rng = rng.split("dropout").split(experiment);

    PhaseInfo info;
    info.title = experiment + " % of labels, " + (which == Arm::scratch ? "from scratch" : "pre-trained");
    info.experiment = experiment;
    info.arm = to_string(which);
    info.seed = seed;
    const FitState fitted = run_phase(key, info, task, *optimizer, options);

    restore_tensors(fitted.best, state_tensors(model), "best weights");
    Score tested = score(model, data_.test, numbered(data_.test.count));
    ArmResult result;
    result.best_val_accuracy = fitted.best_accuracy;
    result.test_accuracy = tested.evaluation.accuracy;
    result.test_macro_f1 = tested.evaluation.macro_f1;
    for (const HistoryRow& row : fitted.rows)
      if (row.split == "train") result.final_train_loss = row.loss;
    result.seconds = fitted.seconds;
    result.training_seconds = fitted.training_seconds;
    result.steps = options.steps;
    result.images = options.steps * batch;
    result.learning_rate = how.learning_rate;
    result.answers = std::move(tested.answers);
    result.confusion = std::move(tested.confusion);
    state_.history.insert(state_.history.end(), fitted.rows.begin(), fitted.rows.end());
    HistoryRow row{experiment,
                   info.arm,
                   seed,
                   fitted.best_step,
                   static_cast<double>(fitted.best_step) / options.steps_per_epoch,
                   fitted.seconds,
                   "test",
                   tested.evaluation.loss,
                   tested.evaluation.accuracy,
                   tested.evaluation.macro_f1};
    state_.history.push_back(row);
    progress_.row(row);
    if (!files_.out.empty()) model.save(classifier_path(files_.out, fraction, which, seed));
    state_.arms[key] = std::move(result);
    save();
  }

  static std::string pretrain_key(std::uint64_t seed) { return message("pretrain/", seed); }

  static std::string arm_key(const std::string& experiment, Arm which, std::uint64_t seed) {
    return message(experiment, "/", to_string(which), "/", seed);
  }

  static Rng encoder_stream(const Rng& rng) { return rng.split("initialisation").split("encoder"); }

  static std::function<double(std::int64_t)> schedule(double peak, std::int64_t steps, double warmup) {
    return Schedule{.peak = peak, .total_steps = std::max<std::int64_t>(steps, 1), .warmup_fraction = warmup};
  }

  std::unique_ptr<Optimizer<float>> make_optimizer(Module<float>& module) const {
    if (config_.optimizer == "muon")
      return std::make_unique<Muon<float>>(module.parameters(), MuonOptions{.weight_decay = config_.weight_decay});
    return std::make_unique<Sgd<float>>(module.parameters(), SgdOptions{.weight_decay = config_.weight_decay});
  }

  // Is this tensor of the encoder taken from the pre-trained one? Those of the stem are, and of the stages up to
  // config.transfer.
  bool transferred(const Backbone<float>& encoder, const std::string& name) const {
    return encoder.stage_of(name) <= config_.transfer;
  }

  void transfer(Backbone<float>& encoder) const {
    for (const auto& [name, tensor] : state_tensors(encoder)) {
      if (!transferred(encoder, name)) continue;
      const auto found = state_.encoder.find(name);
      require_state(found != state_.encoder.end() && found->second.shape() == tensor->shape(),
                    "run_experiments: no pre-trained tensor '", name, "' ", tensor->shape());
      std::copy(found->second.data(), found->second.data() + found->second.size(), tensor->data());
    }
  }

  // The seeds that an experiment is reported for: those with both arms, or, where there is none, those with one of
  // them: of the arm that more seeds have.
  std::vector<std::uint64_t> seeds_with_arms(const std::string& experiment) const {
    std::vector<std::uint64_t> both, scratch, pretrained;
    for (std::int64_t i = 0; i < config_.seeds; ++i) {
      const std::uint64_t seed = config_.seed + static_cast<std::uint64_t>(i);
      const bool a = state_.arms.contains(arm_key(experiment, Arm::scratch, seed));
      const bool b = state_.arms.contains(arm_key(experiment, Arm::pretrained, seed));
      if (a && b) both.push_back(seed);
      if (a) scratch.push_back(seed);
      if (b) pretrained.push_back(seed);
    }
    if (!both.empty()) return both;
    return scratch.size() >= pretrained.size() ? scratch : pretrained;
  }

  PretrainResult mean_pretraining() const {
    PretrainResult mean;
    const auto n = static_cast<double>(state_.pretraining.size());
    for (const auto& [key, result] : state_.pretraining) {
      mean.task = result.task;
      mean.chance = result.chance;
      mean.suspicious_accuracy = result.suspicious_accuracy;
      mean.steps = result.steps;
      mean.seconds += result.seconds / n;
      mean.loss += result.loss / n;
      mean.accuracy += result.accuracy / n;
      mean.images_per_second += result.images_per_second / n;
    }
    return mean;
  }

  RunSummary summary() const {
    RunSummary out;
    out.dataset = data_.name;
    out.class_names = data_.class_names;
    out.test_images = data_.test.count;
    out.test_labels = data_.test.labels;
    out.unlabeled_images = data_.unlabeled.count;
    out.height = data_.train.height;
    out.width = data_.train.width;
    out.channels = data_.train.channels;
    const Split split = split_of(config_.seed);
    out.train_images = static_cast<std::int64_t>(split.train.size());
    out.validation_images = static_cast<std::int64_t>(split.validation.size());
    out.config = describe(config_);
    out.config["scratch-from"] = state_.scratch_from;
    if (config_.mirror == Mirror::automatic) out.config["flip"] = mirror_ ? "auto (on)" : "auto (off)";
    out.machine = state_.machine;
    out.scratch_machine = state_.scratch_machine;
    const std::unique_ptr<Backbone<float>> encoder = make_backbone<float>(options_.encoder, Rng(0));
    out.encoder_parameters = static_cast<std::int64_t>(encoder->parameter_count());
    out.encoder_multiply_adds = encoder->multiply_adds(out.height, out.width);
    if (!state_.pretraining.empty()) out.pretrain = mean_pretraining();
    out.origin = state_.origin;
    if (out.origin) out.pretrain = out.origin->measured;
    double training_seconds = 0;
    double images = 0;
    for (const double fraction : config_.fractions) {
      ExperimentResult experiment;
      experiment.label_fraction = fraction;
      const std::string name = percent_name(fraction);
      for (const std::uint64_t seed : seeds_with_arms(name)) {
        experiment.seeds.push_back(seed);
        const double reference = smoothed_best(validation_curve(state_.history, name, to_string(Arm::scratch), seed));
        for (const Arm which : {Arm::scratch, Arm::pretrained}) {
          const auto found = state_.arms.find(arm_key(name, which, seed));
          if (found == state_.arms.end()) continue;
          ArmResult arm = found->second;
          fill_speed(arm, validation_curve(state_.history, name, to_string(which), seed), out.validation_images,
                     reference);
          training_seconds += arm.training_seconds;
          images += static_cast<double>(arm.images);
          (which == Arm::scratch ? experiment.scratch : experiment.pretrained).push_back(std::move(arm));
        }
      }
      experiment.labels = static_cast<std::int64_t>(labels_of(config_.seed, split, fraction).size());
      out.experiments.push_back(std::move(experiment));
    }
    for (const Divergence& d : state_.diverged) out.diverged.push_back(d.what);
    out.history = state_.history;
    out.seconds_total = seconds_so_far();
    out.peak_rss_mib = peak_rss_mib();
    out.images_per_second = training_seconds > 0 ? images / training_seconds : 0;
    return out;
  }

  const ExperimentConfig& config_;
  const Dataset& data_;
  const RunFiles& files_;
  Progress& progress_;
  const StopToken* stop_;
  bool mirror_ = false;
  ImageClassifierOptions options_;
  std::map<std::string, std::string> identity_;
  RunState state_;
  TensorMap given_encoder_;  // of --encoder
  double seconds_before_ = 0;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  int phase_ = 0;
  int phases_ = 0;
};

}  // namespace detail

/// Runs all of it. The summary's history is in the order in which the phases ran. Throws InputError for
/// data, weights or a checkpoint that cannot be used, Diverged when losses stopped being finite and no arm was finished
/// (else RunSummary::diverged says which), Stopped after a stop request, std::invalid_argument for a configuration that
/// makes no sense.
[[nodiscard]] inline RunSummary run_experiments(const ExperimentConfig& config, const Dataset& data,
                                                const RunFiles& files, Progress& progress,
                                                const StopToken* stop = nullptr) {
  return detail::ExperimentRun(config, data, files, progress, stop).run();
}

}  // namespace contexture
