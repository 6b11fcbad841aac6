// SPDX-License-Identifier: MIT
// Where a run keeps its files, who sees it as it goes, and what of a former run in the same folder goes.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/folder_lock.hpp"
#include "contexture/study/phase_id.hpp"

namespace contexture {

class RunWatcher;  // study/watch.hpp

/// Where a run keeps its files, and who sees it as it goes.
struct RunFiles {
  std::filesystem::path out = {};    ///< an existing folder; empty: nothing is written
  bool resume = false;               ///< continue from the checkpoint in out
  double save_seconds = 30;          ///< at least this long between two checkpoints
  const FolderLock* lock = nullptr;  ///< on out, held by the caller; null: the run takes one itself
  RunWatcher* watcher = nullptr;     ///< of several processes the first's alone is called; null: nobody
};

/// Where a run keeps its checkpoint.
[[nodiscard]] inline std::filesystem::path checkpoint_path(const std::filesystem::path& folder) {
  return folder / "checkpoint.safetensors";
}

/// Where the checkpoint that a newer one replaced is kept, for the case that the newer one is damaged.
[[nodiscard]] inline std::filesystem::path previous_checkpoint(const std::filesystem::path& checkpoint) {
  return checkpoint.parent_path() / (checkpoint.stem().string() + ".previous" + checkpoint.extension().string());
}

/// The weights that a phase leaves. Those of a run's first seed have no seed in their name, so that a run with one seed
/// and the first of many name their files alike.
[[nodiscard]] inline std::filesystem::path weights_path(const std::filesystem::path& folder, const PhaseId& phase,
                                                        std::uint64_t first_seed) {
  const PhaseText text = text_of(phase);
  return folder / message(phase.pretraining() ? "encoder" : "classifier_" + text.experiment + "_" + text.arm,
                          phase.seed == first_seed ? "" : "_seed" + text.seed, ".safetensors");
}

/// Removes weights and checkpoints of a former run: they would pass for the next one's, until it has written its own.
/// `encoders`: those too.
inline void remove_former_run(const std::filesystem::path& folder, bool encoders) {
  std::vector<std::filesystem::path> old;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.path() == checkpoint_path(folder) ||
        (name.ends_with(".safetensors") &&
         (name.starts_with("classifier_") || (encoders && name.starts_with("encoder")))))
      old.push_back(entry.path());
  }
  std::filesystem::remove(previous_checkpoint(checkpoint_path(folder)));  // first: it must not outlive the newer one
  for (const std::filesystem::path& path : old) std::filesystem::remove(path);
}

/// Throws InputError naming the file that cannot be read or written.
inline void copy_file_atomically(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::ifstream in(from, std::ios::binary);
  require_input(in.good(), from.string(), ": cannot be read: ", std::strerror(errno));
  detail::write_atomically(to, [&](std::ostream& out) { out << in.rdbuf(); });
}

}  // namespace contexture
