// SPDX-License-Identifier: MIT
#include "common/data.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/processes.hpp"
#include "common/program.hpp"
#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/load.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/text.hpp"

namespace programs {
namespace {

using contexture::Index;

// A random part of a set, always the same; all of it where `count` is 0 or larger than the set.
contexture::ImageSet part_of(contexture::ImageSet set, Index count, const contexture::Rng& rng) {
  if (count == 0 || count >= set.count) return set;
  std::vector<Index> order = contexture::numbered(set.count);
  contexture::Rng stream = rng;
  stream.shuffle(order);
  contexture::ImageSet part{0, set.height, set.width, set.channels, {}, {}};
  contexture::detail::make_room(part, count);
  for (Index i = 0; i < count; ++i) {
    const Index from = order[static_cast<std::size_t>(i)];
    std::copy_n(set.image(from), set.image_bytes(), part.image(part.count++));
    if (!set.labels.empty()) part.labels.push_back(set.labels[static_cast<std::size_t>(from)]);
  }
  return part;
}

// What progress_line() has said.
struct ProgressLine {
  using Clock = std::chrono::steady_clock;

  void operator()(const contexture::LoadProgress& progress) {
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    const bool is_new = progress.what != what, is_last = progress.of > 0 && progress.done >= progress.of;
    const auto now = Clock::now();
    if (is_new) {
      what = progress.what;
      began = said = now;
      first = progress.done;
    }
    const auto pause = terminal ? std::chrono::milliseconds(200) : std::chrono::seconds(10);
    if (!is_last && now - said < pause && (progress.of > 0 || !is_new)) return;
    if (is_last && now - began < pause) return;  // too short to tell of
    said = now;
    std::string text = "  " + what;
    if (progress.of > 0) {
      const double passed = std::chrono::duration<double>(now - began).count();
      const double speed = passed > 0 ? static_cast<double>(progress.done - first) / passed : 0;
      text += contexture::message(": ", progress.done, " of ", progress.of);
      if (speed > 0 && !is_last)
        text += contexture::message(
            ", ", contexture::report::duration(static_cast<double>(progress.of - progress.done) / speed), " left");
    }
    std::printf(terminal ? "\r\033[K%s%s" : "%s%s", text.c_str(), !terminal || is_last ? "\n" : "");
    std::fflush(stdout);
  }

  std::string what;
  contexture::Index first = 0;
  Clock::time_point began, said;
};

}  // namespace

double parse_bytes(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  double unit = 1;
  if (error == std::errc() && stop != end) {
    const std::string_view letters = "kmgt";
    const std::size_t at = letters.find(static_cast<char>(std::tolower(static_cast<unsigned char>(*stop))));
    unit = at == std::string_view::npos || stop + 1 != end ? 0 : std::pow(1024.0, static_cast<double>(at) + 1);
  }
  if (error != std::errc() || unit == 0 || !(value > 0) || !(value * unit >= 1) || !(value * unit <= 1e18))
    throw UsageError("--memory-limit: '" + text + "', expected a size such as 500M or 8G");
  return value * unit;
}

std::function<void(const contexture::LoadProgress&)> progress_line(bool quiet) {
  if (quiet) return {};
  return ProgressLine();
}

contexture::Dataset load_data(const std::string& program, const DataChoice& choice) {
  contexture::DataOptions options;
  options.image_size = choice.image_size;
  options.max_broken = choice.max_broken;
  options.limits = choice.limits;
  options.labels = choice.labels;
  options.never_data = choice.out;
  options.cache = choice.memory.cache;
  options.progress = progress_line(choice.quiet || !first_process());
  // Processes may be on one machine: what it has is for all of them.
  options.memory_limit = choice.memory.limit.empty()
                             ? contexture::default_memory_limit() / contexture::process_group().size()
                             : parse_bytes(choice.memory.limit);
  if (choice.train_images > 0) options.builtin_train = choice.train_images;
  if (choice.test_images > 0) options.builtin_test = choice.test_images;
  contexture::Dataset data = contexture::load_dataset(choice.data, options);
  for (const std::string& line : first_process() ? data.account.lines() : std::vector<std::string>())
    std::fprintf(stderr, "%s: warning: %s\n", program.c_str(), line.c_str());
  if (!contexture::builtin_set(choice.data)) {
    const contexture::Rng rng(0);
    data.train = part_of(std::move(data.train), choice.train_images, rng.split("training part"));
    data.test = part_of(std::move(data.test), choice.test_images, rng.split("test part"));
  }
  return data;
}

void prepare_folder(const std::filesystem::path& out) {
  if (!first_process()) return;
  std::error_code error, ignored;
  std::filesystem::create_directories(out, error);
  contexture::require_input(std::filesystem::is_directory(out, ignored), "--out ", out.string(),
                            ": cannot be created: ", error ? error.message() : "a file is in the way");
  // Under a name that the next run clears away, should this one be killed now.
  const std::filesystem::path probe = contexture::detail::temporary_beside(out / ".writable");
  errno = 0;
  std::ofstream file(probe);
  file << "contexture" << std::flush;
  const bool good = file.good();
  const int reason = errno;
  file.close();
  std::filesystem::remove(probe, ignored);
  contexture::require_input(good, "--out ", out.string(), ": cannot write there: ", std::strerror(reason));
  (void)contexture::detail::sync_to_disk(contexture::detail::folder_of(out));  // its name, where the system lets us
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  if (first_process()) contexture::report::write_file(path, text);
}

}  // namespace programs
