// SPDX-License-Identifier: MIT
// Is the task solved by looking at what images show, or by a shortcut? Training runs that answer
// it: other gaps, and tasks whose batches were tampered with in a way that leaves only the shortcut, or takes it away;
// and the rules by which their accuracies are judged. evaluate/shortcuts.hpp runs them.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/ssl/patch_options.hpp"
#include "contexture/ssl/pretext.hpp"

namespace contexture {

/// What is done to the examples of a batch.
enum class Tampering {
  none,
  shuffled_targets,  ///< answers have nothing to do with the inputs: whatever beats chance is a bug
  foreign_partner,   ///< every pair's second patch is some other pair's: what is still answered rightly
                     ///< comes from the first patch alone, that is, from its position in the image
  border_only,       ///< only a frame of every patch is left, the rest is 0: where edges that run on are
  border_hidden      ///< that frame is 0, the rest is left
};

/// The name, as options and files have it.
[[nodiscard]] constexpr const char* to_string(Tampering tampering) {
  switch (tampering) {
    case Tampering::none: return "none";
    case Tampering::shuffled_targets: return "shuffled targets";
    case Tampering::foreign_partner: return "foreign partner";
    case Tampering::border_only: return "border only";
    case Tampering::border_hidden: return "border hidden";
  }
  return "?";
}

/// Width of the frame of border_only and border_hidden: a twelfth of the patch's side, at least 1 pixel.
[[nodiscard]] constexpr Index border_width(Index side) { return side >= 24 ? side / 12 : 1; }

namespace detail {

// Sets the frame of all inputs (N,h,w,C), or everything else, to 0.
inline void blank_border(Tensor<float>& inputs, bool frame) {
  if (inputs.dimension() != 4) return;
  const Index n = dim(inputs, 0), h = dim(inputs, 1), w = dim(inputs, 2), c = dim(inputs, 3);
  const Index b = border_width(std::min(h, w));
  float* pixel = inputs.data();
  for (Index i = 0; i < n; ++i)
    for (Index y = 0; y < h; ++y)
      for (Index x = 0; x < w; ++x, pixel += c) {
        const bool on_frame = y < b || y >= h - b || x < b || x >= w - b;
        if (on_frame == frame) std::fill_n(pixel, c, 0.0F);
      }
}

}  // namespace detail

/// Tampers with a batch and its parts.
inline void tamper(PretextBatch& batch, Tampering tampering, Rng rng) {
  if (tampering == Tampering::shuffled_targets) rng.shuffle(batch.targets);
  if (tampering == Tampering::foreign_partner) rng.shuffle(batch.second);
  if (tampering == Tampering::border_only) detail::blank_border(batch.inputs, false);
  if (tampering == Tampering::border_hidden) detail::blank_border(batch.inputs, true);
  for (std::size_t i = 0; i < batch.parts.size(); ++i) tamper(batch.parts[i], tampering, rng.split(i));
}

/// Another task with tampered batches; trains and evaluates like it. The task must outlive it.
template <class T>
class TamperedTask final : public PretextTask<T> {
 public:
  TamperedTask(PretextTask<T>& task, Tampering tampering) : task_(task), tampering_(tampering) {}

  [[nodiscard]] std::string name() const override { return task_.name() + ", " + to_string(tampering_); }
  [[nodiscard]] double chance(Index batch_images) const override { return task_.chance(batch_images); }
  [[nodiscard]] PretextBatch make_batch(const ImageSet& images, const BatchIndices& indices,
                                        const Rng& rng) const override {
    PretextBatch batch = task_.make_batch(images, indices, rng);
    tamper(batch, tampering_, rng.split("tampering"));
    return batch;
  }
  [[nodiscard]] PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) override {
    return task_.loss(encoder, batch);
  }

 protected:
  void visit(ModuleVisitor<T>& v) override { task_.visit(v); }

 private:
  PretextTask<T>& task_;
  Tampering tampering_;
};

/// One training run of the shortcut test.
struct ShortcutCheck {
  std::string name;
  std::string question;  ///< what its accuracy tells
  PatchOptions options;
  Tampering tampering = Tampering::none;
};

/// Places in shortcut_checks().
enum class Check { touching, task, wide, foreign_partner, border_only, border_hidden, shuffled_targets };

/// Context prediction with gaps 0, g and 2g, with foreign partners, with the patches' borders alone and without them,
/// and with shuffled targets; in the order of Check. All have the jitter that gap 0 allows (none) or the given one, and
/// the same random scales: enlarged, where need be, until the grid with the widest gap has room in images of this size.
[[nodiscard]] inline std::vector<ShortcutCheck> shortcut_checks(const PatchOptions& options, Index height,
                                                                Index width) {
  validate(options);
  const Index shorter = std::min(height, width);
  require(shorter >= 1, "shortcut_checks: images of ", height, " x ", width);
  PatchOptions base = options;
  PatchOptions widest = options;
  widest.gap = 2 * options.gap;
  const float needed = static_cast<float>(widest.extent()) / static_cast<float>(shorter);
  if (needed > base.min_scale) {
    base.max_scale *= needed / base.min_scale;
    base.min_scale = needed;
  }
  PatchOptions touching = base;
  touching.gap = touching.jitter = 0;
  widest = base;
  widest.gap = 2 * options.gap;
  return {
      {"gap 0", "patches touch: what edges that run on would give", touching, Tampering::none},
      {"gap " + std::to_string(base.gap), "the task as it is trained", base, Tampering::none},
      {"gap " + std::to_string(widest.gap), "patches far apart: no border effects are left", widest, Tampering::none},
      {"foreign partner", "what one patch gives away by its position alone", base, Tampering::foreign_partner},
      {"border only", "what a thin frame of every patch gives away", base, Tampering::border_only},
      {"border hidden", "what is left without that frame", base, Tampering::border_hidden},
      {"shuffled targets", "answers without meaning", base, Tampering::shuffled_targets}};
}

/// What the checks measured, as plain data: accuracies 0..1 on images that were not trained on.
struct ShortcutMeasurements {
  std::vector<std::string> names;       ///< of the checks, in the order of Check
  std::vector<double> accuracy;         ///< parallel to names
  double chance = 0;                    ///< share of the most frequent direction
  double suspicious_accuracy = 1;       ///< of the task
  Index images = 0;                     ///< validated on
  double train_accuracy = 0;            ///< of the task on the images it was trained on
  double position_accuracy = 0;         ///< of a linear classifier that tells a single patch's place in the grid
  double random_position_accuracy = 0;  ///< the same on the features of an encoder with random weights
  double position_chance = 0;           ///< 1 / places
};

/// One line of the verdict.
struct ShortcutVerdict {
  std::string name;
  double accuracy = 0;
  double chance = 0;
  bool suspect = false;
  bool judged = true;  ///< false: for comparison, or the task was not learnt and the line says nothing
  std::string reason;
  /// "suspect", "pass" or "not judged".
  [[nodiscard]] const char* word() const { return suspect ? "suspect" : judged ? "pass" : "not judged"; }
};

/// Holds the measurements against rules of thumb, one line a check. They are alarms, not proofs: a suspect line is a
/// place to look at. docs/evaluation.md has the rules and what is behind them.
[[nodiscard]] inline std::vector<ShortcutVerdict> judge_shortcuts(const ShortcutMeasurements& m) {
  require(m.names.size() == 7 && m.accuracy.size() == 7, "judge_shortcuts: ", m.accuracy.size(), " checks, expected 7");
  const auto at = [&](Check check) { return m.accuracy[static_cast<std::size_t>(check)]; };
  const auto points = [](double x) { return std::to_string(std::lround(100 * x)); };
  const double task = at(Check::task), gain = task - m.chance;
  // The pairs of one image are no independent questions: the image is the unit.
  const double noise =
      3 * std::sqrt(std::max(m.chance * (1 - m.chance), 0.0) / static_cast<double>(std::max<Index>(m.images, 1)));
  const bool learnt = gain > noise;
  std::vector<ShortcutVerdict> out;
  const auto add = [&](Check check, bool suspect, std::string reason, bool judged = true) {
    out.push_back({m.names[static_cast<std::size_t>(check)], at(check), m.chance, suspect, judged, std::move(reason)});
  };
  // For comparison only: touching patches have edges that run on, but also less of the object in view.
  const double edges = at(Check::touching) - task;
  add(Check::touching, false,
      "touching patches give " + points(std::abs(edges)) + " points " + (edges >= 0 ? "more" : "less") +
          ", for comparison",
      false);
  if (!learnt)
    add(Check::task, true, "no better than chance: nothing was learnt, so the other lines say little");
  else if (task > m.suspicious_accuracy)
    add(Check::task, true,
        "above " + points(m.suspicious_accuracy) +
            " %, more than photographs give without a shortcut; drawn images may");
  else
    add(Check::task, false, points(gain) + " points above chance, as photographs give");
  // A share of the task's gain; 0 where there is none.
  const auto share = [&](double accuracy) { return learnt ? (accuracy - m.chance) / gain : 0.0; };
  const double wide = share(at(Check::wide));
  add(Check::wide, learnt && wide < 0.5,
      !learnt      ? "not judged: the task was not learnt"
      : wide < 0.5 ? "less than half of the gain is left at twice the gap: the task may live on what is near the border"
                   : points(wide) + " % of the gain is left at twice the gap",
      learnt);
  const double position = share(at(Check::foreign_partner));
  add(Check::foreign_partner, learnt && position > 0.5,
      !learnt ? "not judged: the task was not learnt"
              : points(std::max(position, 0.0)) + " % of the gain comes from one patch alone" +
                    (position > 0.5 ? ": patches tell their place in the image, partners are hardly compared" : ""),
      learnt);
  const double frame = share(at(Check::border_only)), inside = share(at(Check::border_hidden));
  // A frame also marks where in a patch something is, which averaged features hardly show otherwise: it may beat the
  // task without any edge running on. So it is suspect only where the rest is not enough.
  const bool border = frame > 0.8 && inside < 0.5;
  add(Check::border_only, learnt && border,
      !learnt ? "not judged: the task was not learnt"
              : "the frame alone gives " + points(std::max(frame, 0.0)) + " % of the gain" +
                    (border ? ", and the rest less than half: edges that run on" : ""),
      learnt);
  add(Check::border_hidden, learnt && inside < 0.5,
      !learnt ? "not judged: the task was not learnt"
              : points(std::max(inside, 0.0)) + " % of the gain is left without the frame" +
                    (inside < 0.5 ? ": the answer is in the outermost pixels" : ""),
      learnt);
  const double shuffled = at(Check::shuffled_targets) - m.chance;
  add(Check::shuffled_targets, shuffled > noise,
      shuffled > noise
          ? "beats chance with answers that mean nothing: the evaluation leaks"
          : "not above chance by more than three standard errors of " + std::to_string(m.images) + " images");
  // From the chance of guessing a place to knowing it.
  const double known = (m.position_accuracy - m.position_chance) / std::max(1 - m.position_chance, 1e-9);
  const double known_at_random =
      (m.random_position_accuracy - m.position_chance) / std::max(1 - m.position_chance, 1e-9);
  out.push_back({"absolute position", m.position_accuracy, m.position_chance,
                 known > 0.5 && known > known_at_random + 0.1, true,
                 "a linear classifier tells a patch's place in the grid; with random weights it is right in " +
                     points(m.random_position_accuracy) + " %" +
                     (known > 0.5 && known > known_at_random + 0.1
                          ? ": the encoder was trained to see where, look for lens or storage traces"
                          : "")});
  const double memorised = m.train_accuracy - task;
  out.push_back({"training images", m.train_accuracy, m.chance, memorised > 0.1, true,
                 points(memorised) + " points above images it has not seen" +
                     (memorised > 0.1 ? ": it remembers images, or something identifies them" : "")});
  return out;
}

}  // namespace contexture
