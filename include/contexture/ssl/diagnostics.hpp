// Is the task solved by looking at what images show, or by a shortcut? Training runs that answer
// it: other gaps, and tasks whose batches were tampered with in a way that leaves only the shortcut.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/ssl/patch_sampler.hpp"
#include "contexture/ssl/pretext.hpp"

namespace contexture {

/// What is done to the examples of a batch. The inputs stay as they are.
enum class Tampering {
  none,
  shuffled_targets,  ///< answers have nothing to do with the inputs: whatever beats chance is a bug
  foreign_partner    ///< every pair's second patch is some other pair's: what is still answered rightly
                     ///< comes from the first patch alone, that is, from its position in the image
};

[[nodiscard]] constexpr const char* to_string(Tampering tampering) {
  switch (tampering) {
    case Tampering::none: return "none";
    case Tampering::shuffled_targets: return "shuffled targets";
    case Tampering::foreign_partner: return "foreign partner";
  }
  return "?";
}

/// Tampers with a batch and its parts.
inline void tamper(PretextBatch& batch, Tampering tampering, Rng rng) {
  if (tampering == Tampering::shuffled_targets) rng.shuffle(batch.targets);
  if (tampering == Tampering::foreign_partner) rng.shuffle(batch.second);
  for (std::size_t i = 0; i < batch.parts.size(); ++i) tamper(batch.parts[i], tampering, rng.split(i));
}

/// Another task with tampered batches; trains and evaluates like it. The task must outlive it.
template <class T>
class TamperedTask final : public PretextTask<T> {
 public:
  TamperedTask(PretextTask<T>& task, Tampering tampering) : task_(task), tampering_(tampering) {}

  [[nodiscard]] std::string name() const override { return task_.name() + ", " + to_string(tampering_); }
  [[nodiscard]] double chance() const override { return task_.chance(); }
  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, std::span<const Index> indices,
                                        const Rng& rng) const override {
    PretextBatch batch = task_.make_batch(images, indices, rng);
    tamper(batch, tampering_, rng.split("tampering"));
    return batch;
  }
  [[nodiscard]] PretextLoss<T> loss(Encoder<T>& encoder, const PretextBatch& batch) override {
    return task_.loss(encoder, batch);
  }
  [[nodiscard]] Module<T>& head() override { return task_.head(); }

 private:
  PretextTask<T>& task_;
  Tampering tampering_;
};

/// One training run of the shortcut test.
struct ShortcutCheck {
  std::string name;
  std::string question;  ///< what its accuracy tells
  ContextOptions options;
  Tampering tampering = Tampering::none;
};

/// Context prediction with gaps 0, g and 2g, with foreign partners and with shuffled targets. All have
/// the jitter that gap 0 allows (none) or the given one, and the same random scales: enlarged, where
/// need be, until the grid with the widest gap has room in images of this size.
[[nodiscard]] inline std::vector<ShortcutCheck> shortcut_checks(const ContextOptions& options, Index height,
                                                                Index width) {
  validate(options);
  const Index shorter = std::min(height, width);
  require(shorter >= 1, "shortcut_checks: images of ", height, " x ", width);
  ContextOptions base = options;
  ContextOptions widest = options;
  widest.gap = 2 * options.gap;
  const float needed = static_cast<float>(widest.extent()) / static_cast<float>(shorter);
  if (needed > base.min_scale) {
    base.max_scale *= needed / base.min_scale;
    base.min_scale = needed;
  }
  ContextOptions touching = base;
  touching.gap = touching.jitter = 0;
  widest = base;
  widest.gap = 2 * options.gap;
  return {
      {"gap 0", "continuing edges: what it gains over the task is what the gap takes away", touching, Tampering::none},
      {"gap " + std::to_string(base.gap), "the task as it is trained", base, Tampering::none},
      {"gap " + std::to_string(widest.gap), "little below the task: no border effects are left", widest,
       Tampering::none},
      {"foreign partner", "what one patch gives away by its position alone: little above chance", base,
       Tampering::foreign_partner},
      {"shuffled targets", "must be chance", base, Tampering::shuffled_targets}};
}

}  // namespace contexture
