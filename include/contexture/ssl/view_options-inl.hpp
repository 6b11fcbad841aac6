// SPDX-License-Identifier: MIT
// What ssl/view_options.hpp makes of images, and which options it refuses.
#pragma once

#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/ssl/view_options.hpp"

namespace contexture {

CONTEXTURE_FUNCTION ViewOptions view_defaults(Index channels, bool flip) {
  require(channels >= 1, "view_defaults: ", channels, " channels, expected 1 or more");
  ViewOptions options;
  options.flip = flip;
  if (channels != 3) options.saturation = options.hue = options.grey_probability = 0;
  return options;
}

CONTEXTURE_FUNCTION void validate(const ViewOptions& o) {
  const auto share = [](float x) { return x >= 0 && x <= 1; };
  require(o.height >= 0 && o.width >= 0 && o.height <= 4096 && o.width <= 4096, "ViewOptions: views of ", o.height,
          " x ", o.width, " px, expected 0 to 4096");
  require(o.min_area > 0 && o.min_area <= o.max_area && o.max_area <= 1, "ViewOptions: area ", o.min_area, " to ",
          o.max_area, ", expected 0 < min_area <= max_area <= 1");
  require(o.aspect >= 1 && o.aspect <= 16, "ViewOptions: aspect ", o.aspect, ", expected 1 to 16");
  require(share(o.colour_probability) && share(o.grey_probability), "ViewOptions: colour_probability ",
          o.colour_probability, ", grey_probability ", o.grey_probability, ", expected 0 to 1");
  require(share(o.brightness) && share(o.contrast) && share(o.saturation), "ViewOptions: brightness ", o.brightness,
          ", contrast ", o.contrast, ", saturation ", o.saturation, ", expected 0 to 1");
  require(o.hue >= 0 && o.hue <= 0.5F, "ViewOptions: hue ", o.hue, ", expected 0 to 0.5");
}

CONTEXTURE_FUNCTION std::vector<PretextSetting> view_settings(ViewOptions& o) {
  const auto of_colour_images = [](float usual) { return number_text(usual) + " of colour images, else 0"; };
  const ViewOptions usual;
  return {
      number_option("view-height", "height of a view, in pixels", o.height, 1, 4096)
          .by_rule("five eighths of the image's"),
      number_option("view-width", "width of a view, in pixels", o.width, 1, 4096)
          .by_rule("five eighths of the image's"),
      number_option("view-min-area", "smallest share of the image that a view shows", o.min_area, 0.001F, 1.0F),
      number_option("view-max-area", "largest share of the image that a view shows", o.max_area, 0.001F, 1.0F),
      number_option("view-aspect", "factor by which a view is stretched at most", o.aspect, 1.0F, 16.0F),
      flip_option(o.flip),
      number_option("view-colour-probability", "share of the views whose colours change", o.colour_probability, 0.0F,
                    1.0F),
      number_option("view-brightness", "a view's brightness changes by a factor of 1 - this to 1 + this", o.brightness,
                    0.0F, 1.0F),
      number_option("view-contrast", "a view's contrast changes by a factor of 1 - this to 1 + this", o.contrast, 0.0F,
                    1.0F),
      number_option("view-saturation", "a view's saturation changes by a factor of 1 - this to 1 + this", o.saturation,
                    0.0F, 1.0F)
          .by_rule(of_colour_images(usual.saturation)),
      number_option("view-hue", "share of the colour circle by which a view's hue turns at most", o.hue, 0.0F, 0.5F)
          .by_rule(of_colour_images(usual.hue)),
      number_option("view-grey-probability", "share of the views that become grey", o.grey_probability, 0.0F, 1.0F)
          .by_rule(of_colour_images(usual.grey_probability)),
  };
}

}  // namespace contexture
