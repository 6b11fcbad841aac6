// SPDX-License-Identifier: MIT
// A picture made of boxes, images and lines of text, laid out once and written twice: as SVG (for the
// page: sharp, follows its colours) and as PNG (boxes and pixels drawn here, lettering by gnuplot).
// Coordinates are in layout pixels, y down. It is no general graphics library.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/data/png.hpp"
#include "contexture/report/escape.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/gnuplot.hpp"
#include "contexture/report/inputs.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/text.hpp"

namespace contexture::report::detail {

enum class Anchor { left, middle, right };

struct TextStyle {
  int size = 13;  ///< layout pixels
  Anchor anchor = Anchor::left;
  Ink ink = Ink::text;
  bool bold = false;
  int rotate = 0;  ///< degrees, counter-clockwise
};

class Scene {
 public:
  Scene(int width, int height) : width_(width), height_(height) {}
  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] int height() const { return height_; }

  /// A filled box; `opacity` 0..1 lets the paper through.
  void fill(int x, int y, int w, int h, Ink ink, double opacity = 1) {
    if (w > 0 && h > 0) boxes_.push_back({x, y, w, h, ink, std::clamp(opacity, 0.0, 1.0)});
  }
  /// A frame of `thickness` just inside the box.
  void frame(int x, int y, int w, int h, int thickness, Ink ink) {
    fill(x, y, w, thickness, ink);
    fill(x, y + h - thickness, w, thickness, ink);
    fill(x, y + thickness, thickness, h - 2 * thickness, ink);
    fill(x + w - thickness, y + thickness, thickness, h - 2 * thickness, ink);
  }
  /// A picture scaled to the box, every source pixel a sharp rectangle.
  void image(int x, int y, int w, int h, Picture picture) {
    require(picture.height > 0 && picture.width > 0 && picture.channels > 0 &&
                picture.pixels.size() == static_cast<std::size_t>(picture.height * picture.width * picture.channels),
            "report: a picture of ", picture.height, " x ", picture.width, " x ", picture.channels, " with ",
            picture.pixels.size(), " bytes");
    boxes_.push_back({x, y, w, h, Ink::none, 1, static_cast<int>(images_.size())});
    images_.push_back(std::move(picture));
  }
  /// One line of text, vertically centred on y.
  void text(int x, int y, std::string_view words, TextStyle style = {}) {
    texts_.push_back({x, y, clean(words), style});
  }

  /// Another scene, its corner at (x, y).
  void add(int x, int y, const Scene& other) {
    const int before = static_cast<int>(images_.size());
    for (Box b : other.boxes_) {
      b.x += x, b.y += y;
      if (b.image >= 0) b.image += before;
      boxes_.push_back(b);
    }
    images_.insert(images_.end(), other.images_.begin(), other.images_.end());
    for (Line t : other.texts_) {
      t.x += x, t.y += y;
      texts_.push_back(std::move(t));
    }
  }

  /// The scene as an <svg> element. Colours are page variables with the light ones as fall-back.
  [[nodiscard]] std::string svg(std::string_view description) const;

  /// Draws the scene at `scale` into `folder`/`name`.png. Empty: it worked; else why not.
  [[nodiscard]] std::string png(const std::filesystem::path& folder, const std::string& name, int scale = 2) const;

 private:
  struct Box {
    int x, y, w, h;
    Ink ink;
    double opacity;
    int image = -1;  ///< index into images_, or -1 for a filled box
  };
  struct Line {
    int x, y;
    std::string words;
    TextStyle style;
  };
  [[nodiscard]] std::string canvas(int scale) const;

  int width_, height_;
  std::vector<Box> boxes_;  // in drawing order
  std::vector<Picture> images_;
  std::vector<Line> texts_;
};

/// Scenes of one size that stand side by side where there is room for it, and below each other on a narrow page; above
/// and below them what all share.
struct Plates {
  std::optional<Scene> head = std::nullopt, tail = std::nullopt;
  std::vector<Scene> parts = {};
  int across = 1;  ///< plates in a row of the file
  int gap = 28;

  /// All of them, as the file shows them.
  [[nodiscard]] Scene joined() const {
    constexpr int kMargin = 24;
    const int n = static_cast<int>(parts.size()), columns = std::clamp(across, 1, std::max(1, n));
    const int w = parts.empty() ? 0 : parts[0].width(), h = parts.empty() ? 0 : parts[0].height();
    const int rows = (n + columns - 1) / columns;
    int width = columns * (w + gap) - gap, top = kMargin;
    for (const std::optional<Scene>& s : {head, tail})
      if (s) width = std::max(width, s->width());
    const auto height_of = [&](const std::optional<Scene>& s) { return s ? s->height() + gap : 0; };
    Scene out(width + 2 * kMargin, 2 * kMargin + height_of(head) + rows * (h + gap) - gap + height_of(tail));
    if (head) out.add(kMargin, top, *head);
    top += height_of(head);
    for (int i = 0; i < n; ++i)
      out.add(kMargin + i % columns * (w + gap), top + i / columns * (h + gap), parts[static_cast<std::size_t>(i)]);
    if (tail) out.add(kMargin, top + rows * (h + gap), *tail);
    return out;
  }
  [[nodiscard]] int width() const { return joined().width(); }
  [[nodiscard]] int height() const { return joined().height(); }

  /// For the page: an element a plate, that flow as the page's width has it.
  [[nodiscard]] std::string svg(std::string_view description) const {
    std::string out = "<div class=\"plates\" role=\"img\" aria-label=\"" + html_escaped(description) + "\">\n";
    if (head) out += "<div class=\"across\">" + head->svg("") + "</div>\n";
    for (const Scene& part : parts)
      out += "<div class=\"plate\" style=\"flex-basis:" + std::to_string(std::min(part.width(), 320)) +
             "px;max-width:" + std::to_string(part.width()) + "px\">" + part.svg("") + "</div>\n";
    if (tail) out += "<div class=\"across\">" + tail->svg("") + "</div>\n";
    return out + "</div>\n";
  }
};

/// Red, green and blue of pixel (row, column); grey pictures repeat their channel.
[[nodiscard]] inline std::array<std::uint8_t, 3> pixel_of(const Picture& p, Index row, Index column) {
  const auto at = static_cast<std::size_t>((row * p.width + column) * p.channels);
  if (p.channels < 3) return {p.pixels[at], p.pixels[at], p.pixels[at]};
  return {p.pixels[at], p.pixels[at + 1], p.pixels[at + 2]};
}

/// The bytes of a PNG file with the picture, grey or RGB.
[[nodiscard]] inline std::string png_bytes(const Picture& p) {
  std::vector<std::uint8_t> kept;
  const Index channels = p.channels < 3 ? 1 : 3;
  for (Index y = 0; y < p.height; ++y)
    for (Index x = 0; x < p.width; ++x) {
      const auto pixel = pixel_of(p, y, x);
      kept.insert(kept.end(), pixel.begin(), pixel.begin() + channels);
    }
  const std::vector<std::uint8_t> bytes = encode_png(kept.data(), p.height, p.width, channels);
  return {bytes.begin(), bytes.end()};
}

inline std::string Scene::canvas(int scale) const {
  const Index rows = static_cast<Index>(height_) * scale, cols = static_cast<Index>(width_) * scale;
  std::string out(static_cast<std::size_t>(rows * cols * 3), '\xff');
  for (const Box& box : boxes_) {
    const Index x0 = std::max<Index>(0, box.x) * scale, x1 = std::min<Index>(width_, box.x + box.w) * scale;
    const Index y0 = std::max<Index>(0, box.y) * scale, y1 = std::min<Index>(height_, box.y + box.h) * scale;
    const std::array<int, 3> ink = rgb(box.ink);
    for (Index y = y0; y < y1; ++y) {
      for (Index x = x0; x < x1; ++x) {
        const auto at = static_cast<std::size_t>((y * cols + x) * 3);
        if (box.image >= 0) {
          const Picture& p = images_[static_cast<std::size_t>(box.image)];
          const auto pixel =
              pixel_of(p, (y - static_cast<Index>(box.y) * scale) * p.height / (static_cast<Index>(box.h) * scale),
                       (x - static_cast<Index>(box.x) * scale) * p.width / (static_cast<Index>(box.w) * scale));
          for (std::size_t c = 0; c < 3; ++c) out[at + c] = static_cast<char>(pixel[c]);
        } else {
          for (std::size_t c = 0; c < 3; ++c) {
            const double under = static_cast<unsigned char>(out[at + c]);
            out[at + c] = static_cast<char>(std::lround(under + box.opacity * (ink[c] - under)));
          }
        }
      }
    }
  }
  return out;
}

inline std::string Scene::png(const std::filesystem::path& folder, const std::string& name, int scale) const {
  const std::filesystem::path pixels = folder / (name + ".rgb"), target = folder / (name + ".png");
  write_file(pixels, canvas(scale));
  const std::string w = std::to_string(width_ * scale), h = std::to_string(height_ * scale);
  std::string gp = "set encoding utf8\nset terminal pngcairo noenhanced background '#ffffff' size " + w + "," + h +
                   "\nset output " + gnuplot_quoted(target.string()) +
                   "\nset lmargin 0\nset rmargin 0\nset tmargin 0\nset bmargin 0\nunset border\nunset tics\nunset key\n"
                   "set xrange [-0.5:" +
                   w + "-0.5]\nset yrange [" + h + "-0.5:-0.5]\n";
  for (const Line& line : texts_) {
    const TextStyle& s = line.style;
    gp += "set label " + gnuplot_quoted(line.words) + " at " + std::to_string(line.x * scale) + "," +
          std::to_string(line.y * scale) +
          (s.anchor == Anchor::left     ? " left"
           : s.anchor == Anchor::middle ? " center"
                                        : " right") +
          (s.rotate != 0 ? " rotate by " + std::to_string(s.rotate) : std::string()) +
          " noenhanced front font 'DejaVu Sans" + (s.bold ? ":Bold" : "") + "," + fixed(s.size * scale * 0.8, 1) +
          "' textcolor rgb '" + light(s.ink) + "'\n";
  }
  gp +=
      "plot " + gnuplot_quoted(pixels.string()) + " binary array=(" + w + "," + h + ") format='%uchar' with rgbimage\n";
  const std::string trouble = run_gnuplot(folder, name, gp);
  if (!trouble.empty()) return trouble;
  return read_file(target) ? std::string() : "gnuplot wrote no picture";
}

inline std::string Scene::svg(std::string_view description) const {
  const auto paint = [](Ink ink) { return std::string("var(") + colours(ink).variable + "," + light(ink) + ")"; };
  std::string out = "<svg viewBox=\"0 0 " + std::to_string(width_) + " " + std::to_string(height_) +
                    "\" style=\"max-width:" + std::to_string(width_) + "px\"" +
                    (description.empty() ? std::string(" aria-hidden=\"true\"")
                                         : " role=\"img\" aria-label=\"" + html_escaped(description) + "\"") +
                    " font-family=\"DejaVu Sans,Verdana,sans-serif\">\n";
  for (const Box& b : boxes_) {
    const std::string place = " x=\"" + std::to_string(b.x) + "\" y=\"" + std::to_string(b.y) + "\" width=\"" +
                              std::to_string(b.w) + "\" height=\"" + std::to_string(b.h) + "\"";
    if (b.image >= 0)
      out += "<image" + place +
             " preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64," +
             base64(png_bytes(images_[static_cast<std::size_t>(b.image)])) + "\"/>\n";
    else
      out += "<rect" + place + " style=\"fill:" + paint(b.ink) + "\"" +
             (b.opacity < 1 ? " fill-opacity=\"" + fixed(b.opacity, 3) + "\"" : std::string()) + "/>\n";
  }
  for (const Line& t : texts_) {
    const std::string x = std::to_string(t.x), y = std::to_string(t.y);
    out += "<text x=\"" + x + "\" y=\"" + y + "\" dy=\"0.36em\" font-size=\"" + std::to_string(t.style.size) + "\"" +
           (t.style.anchor == Anchor::left     ? ""
            : t.style.anchor == Anchor::middle ? " text-anchor=\"middle\""
                                               : " text-anchor=\"end\"") +
           (t.style.bold ? " font-weight=\"bold\"" : "") +
           (t.style.rotate != 0 ? " transform=\"rotate(" + std::to_string(-t.style.rotate) + " " + x + " " + y + ")\""
                                : std::string()) +
           " style=\"fill:" + paint(t.style.ink) + "\">" + html_escaped(t.words) + "</text>\n";
  }
  return out + "</svg>\n";
}

}  // namespace contexture::report::detail
