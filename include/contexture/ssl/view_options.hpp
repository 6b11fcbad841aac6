// SPDX-License-Identifier: MIT
// How far the views of an image may be from it: the options, their defaults, what makes sense, and all of it as
// settings.
#pragma once

#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

/// How far a view may be from its image. The values here suit 32 x 32 colour images; view_defaults() adapts them.
struct ViewOptions {
  /// Sides of a view, in pixels; 0: the image's. Smaller views cost less.
  Index height = 0;
  Index width = 0;
  /// Share of the image's area that a view shows, uniform. SimCLR takes 0.08 to 1 of 224 px; of 32 px,
  /// 8 % are 9 x 9 pixels, in which there is little left to see.
  float min_area = 0.2F;
  float max_area = 1.0F;
  /// The part's width over height, relative to the image's, is 1/aspect..aspect, log-uniform.
  float aspect = 4.0F / 3.0F;
  /// Mirror every second view. Off: not every kind of image survives it (text, digits).
  bool flip = false;
  /// Share of the views whose colours change at all, and how far: factors 1 - x..1 + x in random order, and
  /// a turn of the hue by -hue..hue of the circle. Strength 0.5 of SimCLR, as for CIFAR-10 (appendix B.9).
  /// Images of other than 3 channels have no saturation and no hue.
  float colour_probability = 0.8F;
  float brightness = 0.4F;
  float contrast = 0.4F;
  float saturation = 0.4F;
  float hue = 0.1F;
  /// Share of the views that become grey (Rec. 601 luminance), where there are 3 channels.
  float grey_probability = 0.2F;
};

/// Options for images of these channels; `flip`: mirrored images are as good as the others.
[[nodiscard]] CONTEXTURE_FUNCTION ViewOptions view_defaults(Index channels, bool flip);

/// Options under which a view is the image itself.
[[nodiscard]] inline ViewOptions no_augmentation() {
  return {.min_area = 1, .aspect = 1, .colour_probability = 0, .grey_probability = 0};
}

/// Throws std::invalid_argument unless the options make sense together.
CONTEXTURE_FUNCTION void validate(const ViewOptions& o);

/// The settings of views.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<PretextSetting> view_settings(ViewOptions& o);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/view_options-inl.hpp"
#endif
