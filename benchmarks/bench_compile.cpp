// SPDX-License-Identifier: MIT
// What including the library costs: processor seconds and peak MiB of the compiler, at -O2, for a
// source that includes the umbrella header, or each room, and nothing else, and for programs: README.md's, one that
// asks nearest neighbours, and the two sources of tests/consumers/program. Umbrella and programs header-only and with
// contexture::compiled.
//   bench_compile [--rounds=N] [--json=FILE]
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Cost {
  double seconds = 0;
  double mebibytes = 0;
};

Cost compile(const fs::path& source, const fs::path& object, bool compiled_mode) {
  std::vector<std::string> words{
      CONTEXTURE_BENCH_COMPILER, "-std=c++20", "-O2",          std::string("-I") + CONTEXTURE_BENCH_INCLUDE, "-c",
      source.string(),           "-o",         object.string()};
  if (compiled_mode) words.emplace_back("-DCONTEXTURE_COMPILED");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("cannot start a process");
  if (child == 0) {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  rusage used{};  // of the child and of those that it waited for: the compiler proper, the assembler
  if (wait4(child, &status, 0, &used) != child || status != 0)
    throw std::runtime_error("cannot compile " + source.string());
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return {seconds(used.ru_utime) + seconds(used.ru_stime), static_cast<double>(used.ru_maxrss) / 1024};
}

// A folder of our own, removed at the end.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "bench_compile.XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// A source that includes every header of a room, save those made to be included by others.
void write_room(const fs::path& source, const std::string& room) {
  std::vector<std::string> headers;
  for (const auto& entry : fs::directory_iterator(fs::path(CONTEXTURE_BENCH_INCLUDE) / "contexture" / room)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".hpp") && !name.ends_with("-inl.hpp") && name != "for_each_isa.hpp") headers.push_back(name);
  }
  std::sort(headers.begin(), headers.end());
  std::ofstream file(source);
  for (const std::string& header : headers) file << "#include \"contexture/" << room << '/' << header << "\"\n";
}

int run(int rounds, const std::string& json_path) {
  const Scratch scratch;
  nlohmann::ordered_json json;
  json["context"] = {{"compiler", CONTEXTURE_BENCH_COMPILER_NAME}, {"options", "-std=c++20 -O2"}, {"rounds", rounds}};
  std::printf("processor seconds and peak MiB of %s -O2, median of %d\n", CONTEXTURE_BENCH_COMPILER_NAME, rounds);
  const fs::path object = scratch.path() / "source.o";
  const fs::path root = fs::path(CONTEXTURE_BENCH_INCLUDE) / "..";
  const std::map<std::string, std::vector<fs::path>> programs{
      {"README.md", {root / "examples/readme.cpp"}},
      {"neighbours", {root / "benchmarks/neighbours.cpp"}},
      {"program", {root / "tests/consumers/program/main.cpp", root / "tests/consumers/program/network.cpp"}}};
  constexpr std::string_view kCompiled = ", compiled mode";
  for (const std::string what :
       {"contexture.hpp", "contexture.hpp, compiled mode", "core", "kernels", "autograd", "nn", "optim", "data",
        "models", "ssl", "train", "report", "README.md", "README.md, compiled mode", "neighbours",
        "neighbours, compiled mode", "program", "program, compiled mode"}) {
    const bool compiled_mode = what.ends_with(kCompiled);
    const std::string name = compiled_mode ? what.substr(0, what.size() - kCompiled.size()) : what;
    std::vector<fs::path> sources{scratch.path() / "source.cpp"};
    if (const auto found = programs.find(name); found != programs.end())
      sources = found->second;
    else if (name == "contexture.hpp")
      std::ofstream(sources[0]) << "#include \"contexture/contexture.hpp\"\n";
    else
      write_room(sources[0], name);
    std::vector<Cost> costs;
    for (int round = 0; round < rounds; ++round) {
      Cost& all = costs.emplace_back();
      for (const fs::path& source : sources) {
        const Cost one = compile(source, object, compiled_mode);
        all.seconds += one.seconds;
        all.mebibytes = std::max(all.mebibytes, one.mebibytes);
      }
    }
    std::sort(costs.begin(), costs.end(), [](const Cost& a, const Cost& b) { return a.seconds < b.seconds; });
    const Cost& median = costs[costs.size() / 2];
    std::printf("%-30s %6.2f s %5.0f MiB\n", what.c_str(), median.seconds, median.mebibytes);
    std::fflush(stdout);
    json["sources"].push_back({{"source", what}, {"seconds", median.seconds}, {"mebibytes", median.mebibytes}});
  }
  if (json_path.empty()) return 0;
  std::ofstream file(json_path);
  file << json.dump(1) << '\n';
  if (!file.flush()) throw std::runtime_error("cannot write " + json_path);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  int rounds = 3;
  std::string json_path;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--json=")) {
      json_path = argument.substr(7);
    } else if (argument.starts_with("--rounds=") && std::atoi(argv[i] + 9) >= 1) {
      rounds = std::atoi(argv[i] + 9);
    } else {
      std::fprintf(stderr, "bench_compile: %s, expected --rounds=N or --json=FILE\n", argv[i]);
      return 2;
    }
  }
  return run(rounds, json_path);
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_compile: %s\n", error.what());
  return 1;
}
