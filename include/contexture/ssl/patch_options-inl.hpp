// SPDX-License-Identifier: MIT
// What ssl/patch_options.hpp makes of sizes, and which options it refuses.
#pragma once

#include <algorithm>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/ssl/patch_options.hpp"

namespace contexture {

CONTEXTURE_FUNCTION PatchOptions patch_defaults(Index image_size, Index channels, int grid) {
  require(channels >= 1, "patch_defaults: ", channels, " channels, expected 1 or more");
  constexpr Index kSmall = 64;
  PatchOptions options;
  options.grid = grid > 0 ? grid : image_size < kSmall ? 2 : 3;
  const Index room = image_size < kSmall ? image_size : image_size - image_size / 8;
  for (int patch = 4;; ++patch) {
    PatchOptions next = options;
    next.patch = patch;
    next.jitter = std::max(1, (patch + 6) / 12);
    next.gap = std::max(patch / 2, 2 * next.jitter + 1);
    if (next.extent() > room) {
      require(patch > 4, "patches: images of ", image_size, " px are too small for a ", next.grid, "x", next.grid,
              " grid of patches, expected ", next.extent(), " px or more");
      break;
    }
    options = next;
  }
  if (channels != 3) options.colour = ColourTreatment::keep;
  return options;
}

CONTEXTURE_FUNCTION void validate(const PatchOptions& o) {
  constexpr int kMost = 1 << 15;
  require(o.grid >= 2 && o.grid <= 64, "PatchOptions: grid ", o.grid, ", expected 2 to 64");
  require(o.patch >= 1 && o.patch <= kMost, "PatchOptions: patch ", o.patch, " px, expected 1 to ", kMost);
  require(o.gap >= 0 && o.gap <= kMost, "PatchOptions: gap ", o.gap, " px, expected 0 to ", kMost);
  require(o.jitter >= 0 && 2 * o.jitter <= o.gap, "PatchOptions: jitter ", o.jitter, " px with gap ", o.gap,
          " px, expected 0 to half the gap");
  require(o.min_scale > 0 && o.min_scale <= o.max_scale && o.max_scale <= 64.0F, "PatchOptions: scale ", o.min_scale,
          " to ", o.max_scale, ", expected 0 < min_scale <= max_scale <= 64");
  require(o.grids_per_image >= 1 && o.grids_per_image <= 1024, "PatchOptions: ", o.grids_per_image,
          " grids per image, expected 1 to 1024");
  require(o.colour_probability >= 0 && o.colour_probability <= 1, "PatchOptions: colour_probability ",
          o.colour_probability, ", expected 0 to 1");
  require(o.blank_deviation > 0 && o.blank_deviation < 1, "PatchOptions: blank_deviation ", o.blank_deviation,
          ", expected between 0 and 1");
  require(o.blank_pair_share >= 0 && o.blank_pair_share <= 1, "PatchOptions: blank_pair_share ", o.blank_pair_share,
          ", expected 0 to 1");
}

CONTEXTURE_FUNCTION std::vector<PretextSetting> patch_settings(PatchOptions& o) {
  return {
      number_option("patch", "side of a patch, in pixels", o.patch, 1, 1024).by_rule("by image size", "0"),
      number_option("gap", "pixels between neighbouring patches, before they move", o.gap, 0, 1024)
          .by_rule("by image size", "-1"),
      number_option("jitter", "pixels that a patch moves by at most; half the gap or less", o.jitter, 0, 512)
          .by_rule("by image size", "-1"),
      number_option("min-scale", "smallest random factor by which an image is resized before patches are cut",
                    o.min_scale, 0.001F, 64.0F)
          .by_rule("", "0"),
      number_option("max-scale", "largest random factor by which an image is resized before patches are cut",
                    o.max_scale, 0.001F, 64.0F)
          .by_rule("", "0"),
      switch_option("random-origin", "cut the grid of patches anywhere in the image, not from its middle",
                    o.random_origin),
      switch_option("subpixel", "sample every patch at a fraction of a pixel of its own", o.subpixel),
      number_option("grids-per-image", "grids of patches cut from an image each time it is seen", o.grids_per_image, 1,
                    64),
      flip_option(o.flip),
      choice_option("colour", "what is done to the colours of a patch", o.colour, colour_treatment_names())
          .by_rule("grey of colour images, else keep", "auto"),
      number_option("colour-probability", "share of the grids whose colours are treated", o.colour_probability, 0.0F,
                    1.0F)
          .by_rule("", "-1"),
      switch_option("standardise", "give every patch mean 0 and deviation 1", o.standardise),
      number_option("blank-deviation", "deviation, of 0 to 1, under which a patch counts as blank", o.blank_deviation,
                    1e-6F, 0.999F),
  };
}

}  // namespace contexture
