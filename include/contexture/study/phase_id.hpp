// SPDX-License-Identifier: MIT
// Which part of a run something belongs to, as one value: pre-training, or one arm with one share of the labels, by one
// seed. Names are made of it where people or files need them, here and nowhere else; nothing reads them back.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"

namespace contexture {

/// The two arms of an experiment, the same network from scratch and from the pre-trained encoder; of no experiment,
/// pre-training by a pretext task; and further arms, where a run is to have them.
enum class Arm {
  scratch,
  pretrained,
  pretext,
  scratch_selftrained,     ///< a student from scratch, taught by the arm from scratch
  pretrained_selftrained,  ///< a student from the pre-trained encoder, taught by the pre-trained arm
  scratch_same_time        ///< from scratch, longer by the time of pre-training, with strong augmentation
};

/// All of them, in their order.
inline constexpr std::array<Arm, 6> kArms{
    Arm::scratch,          Arm::pretrained, Arm::pretext, Arm::scratch_selftrained, Arm::pretrained_selftrained,
    Arm::scratch_same_time};

/// As in files: "scratch", "pretrained", "pretext", "scratch_selftrained", ...
[[nodiscard]] constexpr const char* to_string(Arm arm) {
  constexpr std::array<const char*, kArms.size()> kNames{
      "scratch", "pretrained", "pretext", "scratch_selftrained", "pretrained_selftrained", "scratch_same_time"};
  return kNames[static_cast<std::size_t>(arm)];
}

/// Does the arm begin with a pre-trained encoder?
[[nodiscard]] constexpr bool begins_pretrained(Arm arm) {
  return arm == Arm::pretrained || arm == Arm::pretrained_selftrained;
}

/// The arm whose answers a student is taught; none: it is no student.
[[nodiscard]] constexpr std::optional<Arm> teacher_of(Arm arm) {
  if (arm == Arm::scratch_selftrained) return Arm::scratch;
  if (arm == Arm::pretrained_selftrained) return Arm::pretrained;
  return std::nullopt;
}

/// The arm that learns from this one's answers; none: no arm does.
[[nodiscard]] constexpr std::optional<Arm> student_of(Arm arm) {
  if (arm == Arm::scratch) return Arm::scratch_selftrained;
  if (arm == Arm::pretrained) return Arm::pretrained_selftrained;
  return std::nullopt;
}

/// PhaseId::label_fraction of pre-training.
inline constexpr double kNoLabels = 0;

/// One phase of a run. Label fractions are compared as they were given: those of one run differ in their names too
/// (plan_run() refuses others).
struct PhaseId {
  double label_fraction = kNoLabels;  ///< 0..1; kNoLabels: pre-training
  Arm arm = Arm::pretext;
  std::uint64_t seed = 0;

  [[nodiscard]] constexpr bool pretraining() const { return arm == Arm::pretext; }
  friend auto operator<=>(const PhaseId&, const PhaseId&) = default;
};

/// Pre-training by this seed.
[[nodiscard]] constexpr PhaseId pretraining_phase(std::uint64_t seed) { return {kNoLabels, Arm::pretext, seed}; }

/// A label fraction in percent, without trailing zeros: "100", "50", "12.5". Throws std::invalid_argument for one that
/// is no number.
[[nodiscard]] inline std::string percent_name(double fraction) {
  char text[32];
  // Rounded to 1e-4 percent so that 0.1 * 100 is "10" and not 10.000000000000002.
  const double percent = std::round(fraction * 1e6) / 1e4;
  const auto [end, error] = std::to_chars(text, text + sizeof(text), percent, std::chars_format::fixed);
  require(error == std::errc() && is_finite(fraction), "percent_name: fraction ", fraction);
  return {text, end};
}

/// A phase in words: the first three columns of history.csv, and the parts of file names, titles and messages.
struct PhaseText {
  std::string experiment;  ///< "pretrain", or the label fraction in percent: "100", "50", "10"
  std::string arm;         ///< as to_string() says
  std::string seed;        ///< "1"
};

/// A phase in texts, as files name it.
[[nodiscard]] inline PhaseText text_of(const PhaseId& id) {
  return {id.pretraining() ? "pretrain" : percent_name(id.label_fraction), to_string(id.arm), std::to_string(id.seed)};
}

}  // namespace contexture
