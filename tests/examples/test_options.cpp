// SPDX-License-Identifier: MIT
// The programs' options: every setting there is goes from the command line into a run's config.ini and back, exactly.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/options.hpp"
#include "support/catch.hpp"

using namespace contexture;
using programs::Options, programs::UsageError;
namespace fs = std::filesystem;

namespace {

class IniFile {
 public:
  IniFile() = default;
  explicit IniFile(const std::string& text) { write(text); }
  IniFile(const IniFile&) = delete;
  IniFile& operator=(const IniFile&) = delete;
  ~IniFile() { fs::remove(path_); }
  void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  fs::path path_ = fs::temp_directory_path() / message("contexture-options-", ::getpid(), ".ini");
};

Options parsed(std::vector<std::string> words) {
  words.insert(words.begin(), "experiments");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  programs::ExperimentCommandLine line("experiments", "a test", "out", {1.0, 0.5});
  const std::optional<Options> options = line.parse(static_cast<int>(pointers.size()), pointers.data());
  REQUIRE(options);
  return *options;
}

std::string refusal(const std::vector<std::string>& words) {
  try {
    (void)parsed(words);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

// Texts of which every kind of setting takes one that is not its default.
const std::vector<std::string> kTexts{
    "3",      "0.25",     "0.05",    "2",    "1",    "0",         "16",
    "on",     "off",      "sgd",     "muon", "none", "0.5,0.125", "0.30000000000000004",
    "simclr", "rotation", "convnext"};

// What is accepted by `get_after(text)` and read as something else than the default. Fails where there is nothing.
template <class Accept>
std::string other_value(const std::string& name, const std::string& help, const std::string& before, Accept get_after) {
  std::vector<std::string> texts = kTexts;
  // Names of choices, from the help: "kind of colour: none, drop or project".
  for (std::size_t at = help.rfind(": "); at != std::string::npos && at < help.size();) {
    const std::size_t begin = help.find_first_not_of(": ,", at);
    at = help.find_first_of(", ", begin);
    if (begin != std::string::npos) texts.push_back(help.substr(begin, at - begin));
  }
  for (const std::string& text : texts) {
    try {
      if (const std::string after = get_after(text); after != before) return text;
    } catch (const SettingError&) {
    }
  }
  FAIL("no other value of " << name << " than " << before << " is known here");
  return {};
}

void check_round_trip(const Options& options) {
  const std::string text = programs::config_file(options, "a machine");
  const IniFile file(text);
  const Options again = parsed({"--config", file.path()});
  CHECK(programs::config_file(again, "a machine") == text);
  CHECK(describe(again.config) == describe(options.config));
  CHECK(again.config.pretext_options == options.config.pretext_options);
}

}  // namespace

TEST_CASE("every setting of the experiments survives config.ini, each alone", "[examples]") {
  const ExperimentConfig defaults = parsed({}).config;
  for (const ExperimentSetting& setting : experiment_settings()) {
    CAPTURE(setting.name);
    const std::string value =
        other_value(setting.name, setting.help, setting.get(defaults), [&](const std::string& text) {
          ExperimentConfig config = defaults;
          setting.set(config, text);
          return setting.get(config);
        });
    const Options options = parsed({"--" + setting.name, value});
    CHECK(setting.get(options.config) != setting.get(defaults));
    check_round_trip(options);
  }
}

TEST_CASE("every setting of every pretext task survives config.ini, all of a task together", "[examples]") {
  constexpr PretextImages kImages{.height = 32, .width = 32};
  for (const std::string_view task : pretext_task_names()) {
    std::vector<std::string> words{"--pretext", std::string(task)};
    const PretextValues defaults = pretext_values(std::string(task), kImages, {});
    for (const PretextSettingInfo& setting : pretext_settings(task)) {
      CAPTURE(task, setting.name);
      const std::string value =
          other_value(setting.name, setting.help, defaults.at(setting.name), [&](const std::string& text) {
            return pretext_values(std::string(task), kImages, {{setting.name, text}}).at(setting.name);
          });
      check_round_trip(parsed({"--pretext", std::string(task), "--" + setting.name, value}));
      words.insert(words.end(), {"--" + setting.name, value});
    }
    CAPTURE(task);
    const Options all = parsed(words);
    CHECK(all.config.pretext_options.size() == pretext_settings(task).size());
    check_round_trip(all);
  }
}

TEST_CASE("config.ini has the precision that auto stands for", "[examples]") {
  const std::string fastest(to_string(fastest_precision()));
  for (const std::vector<std::string>& words : {std::vector<std::string>{}, {"--precision", "auto"}})
    CHECK_THAT(programs::config_file(parsed(words), "a machine"),
               Catch::Matchers::ContainsSubstring("\nprecision=" + fastest + "\n"));
  CHECK(refusal({"--precision", "half"}) == "--precision: 'half', expected auto, float32 or bfloat16");
}

TEST_CASE("texts survive config.ini whatever is in them", "[examples]") {
  for (const char* text : {"a b", " blank before", "blank behind ", "#hash", "a;b", "x=y", "\"quoted\"", "'single'",
                           "\"", "'", "\"a\" and 'b'", "[section]", "a,b", "tab\tinside", "\xc3\xbc \xe4\xb9\xa6",
                           "\xff\xfe", "back\\slash\\n", "%s"}) {
    CAPTURE(text);
    const Options options = parsed({"--data=" + std::string(text), "--encoder=" + std::string(text)});
    CHECK(options.config.data == text);
    check_round_trip(options);
  }
  CHECK(refusal({"--data=a\nb"}) == "--data: a line break, which no file of settings can hold");
}

TEST_CASE("presets survive config.ini, and the command line comes before the file", "[examples]") {
  for (const Preset& preset : kPresets) check_round_trip(parsed({"--preset", std::string(preset.name)}));
  const IniFile file("epochs=7\nwidth=24\n");
  const Options options = parsed({"--epochs", "3", "--config", file.path()});
  CHECK(options.config.epochs == 3);
  CHECK(options.config.width == 24);
}

TEST_CASE("files of settings are refused with file, line and key", "[examples]") {
  const IniFile file;
  const auto said = [&](const std::string& text) {
    file.write(text);
    const std::string what = refusal({"--config", file.path()});
    return what.starts_with(file.path() + ": ") ? what.substr(file.path().size() + 2) : what;
  };
  CHECK(said("# all\n\nwidth=abc\n") == "line 3: width: 'abc', expected a whole number from 1 to 1024");
  CHECK(said("epochs=1\nwidht=4\n") == "line 2: widht: no such setting (--help lists them)");
  CHECK(said("epochs=1\nwidth=4\nepochs=2") == "line 3: epochs: here again, first in line 1");
  CHECK(said("learning-rate=0,3\n") == "line 1: learning-rate: '0,3', expected a number from 0 to 1e+06");
  CHECK(said("just words\n") == "line 1: 'just words', expected name=value");
  CHECK(said("resume=true\n") == "line 1: resume: no such setting (--help lists them)");
  CHECK(said("fractions=1,0.5,0.1\n") == "accepted");
  CHECK(parsed({"--config", file.path()}).config.fractions == std::vector<double>{1, 0.5, 0.1});
  CHECK(refusal({"--config", "nowhere.ini"}) == "--config nowhere.ini: No such file or directory");
}

TEST_CASE("a run has a time where one is given, or where nothing else says how long it is to be", "[examples]") {
  const auto seconds = [](const std::vector<std::string>& words) { return parsed(words).seconds.value_or(0); };
  CHECK(seconds({}) == 0);  // the built-in images have their preset
  CHECK(seconds({"--time", "5m"}) == 300);
  CHECK(parsed({"--time", "5m"}).time_given);
  CHECK(seconds({"--data", "mine"}) == 600);
  CHECK_FALSE(parsed({"--data", "mine"}).time_given);
  for (const char* name : {"--epochs", "--pretrain-epochs"}) CHECK(seconds({"--data", "mine", name, "3"}) == 0);
  CHECK(seconds({"--data", "mine", "--preset", "standard"}) == 0);
  CHECK(seconds({"--data", "mine", "--scratch-from", "run"}) == 0);
  CHECK(seconds({"--data", "mine", "--width", "8"}) == 600);
  CHECK(seconds({"--data", "mine", "--preset", "standard", "--time", "1h"}) == 3600);
  CHECK(refusal({"--time", "soon"}) == "--time: 'soon', expected a number and s, m or h, such as 90s, 5m or 1h");

  const Options options = parsed({"--time", "5m", "--epochs", "3", "--width", "8", "--seeds", "2"});
  CHECK(options.given == std::set<std::string>{"epochs", "width"});  // of what a time chooses
  CHECK(parsed({"--time", "5m", "--preset", "standard"}).given == std::set<std::string>{"width"});

  // config.ini has what was chosen, and no time: it is the same run however fast the machine.
  const IniFile file(programs::config_file(options, "a machine"));
  CHECK(seconds({"--config", file.path()}) == 0);
  file.write("time=90s\ndata=mine\n");
  CHECK(seconds({"--config", file.path()}) == 90);
  file.write("time=90\n");
  CHECK(refusal({"--config", file.path()}).starts_with(file.path() + ": line 1: time: '90', expected"));
}

TEST_CASE("a run that is resumed keeps what its time chose, whatever it was started with", "[examples]") {
  const fs::path out = fs::temp_directory_path() / message("contexture-resumed-", ::getpid());
  fs::create_directories(out);
  Options began = parsed({"--data", "mine", "--width", "8"});
  began.config.epochs = 123;
  began.config.pretrain_epochs = 45.6;
  began.config.pretext = "simclr";
  began.config.finetune_learning_rate = 0.1;
  began.config.weight_decay = 0.25;  // nothing that a time chooses
  std::ofstream(out / "config.ini") << programs::config_file(began, "a machine");
  const Options resumed = parsed({"--data", "mine", "--width", "4", "--out", out.string(), "--resume"});
  CHECK_FALSE(resumed.seconds);
  CHECK(resumed.config.epochs == 123);
  CHECK(resumed.config.pretrain_epochs == 45.6);
  CHECK(resumed.config.pretext == "simclr");
  CHECK(resumed.config.finetune_learning_rate == 0.1);
  CHECK(resumed.config.width == 4);  // given: the run will refuse it
  CHECK(resumed.config.weight_decay == ExperimentConfig{}.weight_decay);
  fs::remove_all(out);
}
