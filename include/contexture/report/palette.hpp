// SPDX-License-Identifier: MIT
// The colours of the report, once: on paper (pictures, light page) and in the dark page, where a
// style variable of the same meaning takes over. Arms differ in hue and lightness, so they stay
// apart for colour-blind readers and in grey print (Okabe and Ito's vermilion and blue).
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "contexture/study/results.hpp"

namespace contexture::report::detail {

enum class Ink {
  none,
  paper,
  text,
  muted,
  line,
  shade,
  scratch,
  pretrained,
  right,
  wrong,
  scratch_student,
  pretrained_student,
  same_time
};

struct InkColours {
  const char* variable;
  const char* light;
  const char* dark;
};

inline constexpr std::array<InkColours, 13> kInks = {{{"none", "none", "none"},
                                                      {"--paper", "#ffffff", "#171c23"},
                                                      {"--text", "#1c2530", "#e6eaef"},
                                                      {"--muted", "#5c6875", "#9aa6b3"},
                                                      {"--line", "#d5dbe1", "#36404b"},
                                                      {"--shade", "#eceff3", "#242c36"},
                                                      {"--scratch", "#d55e00", "#ff8f40"},
                                                      {"--pretrained", "#0072b2", "#5ab8f0"},
                                                      {"--right", "#137a47", "#4fca8f"},
                                                      {"--wrong", "#b3261e", "#ff8b80"},
                                                      {"--student", "#e69f00", "#f5c04a"},
                                                      {"--taught", "#56b4e9", "#a5dbff"},
                                                      {"--longer", "#a0527d", "#dd9cc0"}}};

[[nodiscard]] constexpr const InkColours& colours(Ink ink) { return kInks[static_cast<std::size_t>(ink)]; }
[[nodiscard]] constexpr const char* light(Ink ink) { return colours(ink).light; }
[[nodiscard]] constexpr Ink ink_of(Arm arm) {
  return arm == Arm::scratch                  ? Ink::scratch
         : arm == Arm::scratch_selftrained    ? Ink::scratch_student
         : arm == Arm::pretrained_selftrained ? Ink::pretrained_student
         : arm == Arm::scratch_same_time      ? Ink::same_time
                                              : Ink::pretrained;
}
[[nodiscard]] constexpr const char* name_of(Arm arm) {
  return arm == Arm::scratch                  ? "from scratch"
         : arm == Arm::scratch_selftrained    ? "from scratch, student"
         : arm == Arm::pretrained_selftrained ? "pre-trained, student"
         : arm == Arm::scratch_same_time      ? "from scratch, same time"
                                              : "pre-trained";
}

/// Red, green, blue of a light colour, 0..255.
[[nodiscard]] inline std::array<int, 3> rgb(Ink ink) {
  const std::string hex = light(ink);
  std::array<int, 3> out{255, 255, 255};
  if (hex.size() != 7) return out;
  for (std::size_t i = 0; i < 3; ++i) out[i] = std::stoi(hex.substr(1 + 2 * i, 2), nullptr, 16);
  return out;
}

}  // namespace contexture::report::detail
