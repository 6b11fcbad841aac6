// SPDX-License-Identifier: MIT
#include "common/data.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/processes.hpp"
#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/load.hpp"
#include "contexture/report/files.hpp"

namespace programs {
namespace {

using contexture::Index;

// A random part of a set, always the same; all of it where `count` is 0 or larger than the set.
contexture::ImageSet part_of(contexture::ImageSet set, Index count, const contexture::Rng& rng) {
  if (count == 0 || count >= set.count) return set;
  std::vector<Index> order = contexture::numbered(set.count);
  contexture::Rng stream = rng;
  stream.shuffle(order);
  contexture::ImageSet part{count, set.height, set.width, set.channels, {}, {}};
  for (Index i = 0; i < count; ++i) {
    const Index from = order[static_cast<std::size_t>(i)];
    part.pixels.insert(part.pixels.end(), set.image(from), set.image(from) + set.image_bytes());
    if (!set.labels.empty()) part.labels.push_back(set.labels[static_cast<std::size_t>(from)]);
  }
  return part;
}

}  // namespace

contexture::Dataset load_data(const std::string& program, const DataChoice& choice) {
  contexture::DataOptions options;
  options.image_size = choice.image_size;
  options.max_broken = choice.max_broken;
  options.limits = choice.limits;
  options.labels = choice.labels;
  options.never_data = choice.out;
  if (choice.train_images > 0) options.builtin_train = choice.train_images;
  if (choice.test_images > 0) options.builtin_test = choice.test_images;
  contexture::Dataset data = contexture::load_dataset(choice.data, options);
  for (const std::string& line : first_process() ? data.account.lines() : std::vector<std::string>())
    std::fprintf(stderr, "%s: warning: %s\n", program.c_str(), line.c_str());
  if (choice.data != "builtin") {
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
