// SPDX-License-Identifier: MIT
// The eight directions from a patch to its neighbours in a grid of patches, and all pairs of neighbours: the questions
// of context prediction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "contexture/core/error.hpp"

namespace contexture {

/// Directions are numbered row by row around the first patch, as in the paper's figure 2:
///   0 1 2
///   3 . 4
///   5 6 7
/// so the opposite of direction d is 7 - d.
inline constexpr int kDirections = 8;

/// Row and column offset, each -1, 0 or 1, of the second patch from the first.
struct Direction {
  int dy = 0;
  int dx = 0;
};

/// Where the second patch lies from the first, by a label from 0 to 7. Throws std::invalid_argument for another one.
[[nodiscard]] inline Direction direction(int label) {
  require(label >= 0 && label < kDirections, "direction: label ", label, ", expected 0 to 7");
  const int cell = label < 4 ? label : label + 1;  // 4 would be the patch itself
  return {cell / 3 - 1, cell % 3 - 1};
}

/// The reverse of direction().
[[nodiscard]] inline int direction_label(Direction d) {
  require(std::abs(d.dy) <= 1 && std::abs(d.dx) <= 1 && (d.dy != 0 || d.dx != 0), "direction_label: offset (", d.dy,
          ",", d.dx, "), expected one of the eight neighbours");
  const int cell = (d.dy + 1) * 3 + d.dx + 1;
  return cell < 4 ? cell : cell - 1;
}

/// Two patches of one grid, numbered row by row, and the direction from the first to the second.
struct NeighbourPair {
  std::int32_t first = 0;
  std::int32_t second = 0;
  std::int32_t label = 0;
};

/// All ordered pairs of neighbours, diagonals included, of a grid x grid arrangement: 12 for 2 x 2,
/// 40 for 3 x 3.
[[nodiscard]] inline std::vector<NeighbourPair> neighbour_pairs(int grid) {
  require(grid >= 2, "neighbour_pairs: grid of ", grid, " x ", grid, ", expected 2 or more");
  std::vector<NeighbourPair> pairs;
  for (int y = 0; y < grid; ++y) {
    for (int x = 0; x < grid; ++x) {
      for (int label = 0; label < kDirections; ++label) {
        const Direction d = direction(label);
        const int other_y = y + d.dy;
        const int other_x = x + d.dx;
        if (other_y < 0 || other_y >= grid || other_x < 0 || other_x >= grid) continue;
        pairs.push_back({y * grid + x, other_y * grid + other_x, label});
      }
    }
  }
  return pairs;
}

/// How pairs of each direction are distributed in a grid; sums to 1.
[[nodiscard]] inline std::array<double, kDirections> direction_shares(int grid) {
  std::array<double, kDirections> share{};
  const auto pairs = neighbour_pairs(grid);
  for (const NeighbourPair& pair : pairs) {
    share[static_cast<std::size_t>(pair.label)] += 1.0 / static_cast<double>(pairs.size());
  }
  return share;
}

}  // namespace contexture
