// SPDX-License-Identifier: MIT
// GIF by giflib, where CONTEXTURE_WITH_GIF is defined: the first picture, on white. Errors are the reason alone: the
// caller knows the file's name.
#pragma once

#if defined(CONTEXTURE_WITH_GIF)
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/stored_pixels.hpp"

namespace contexture::detail {

// Size of the screen that the pictures are shown on. A file's first bytes will do.
inline ImageHeader gif_header(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  require_input(bytes.size() >= 13, "GIF without a header, ", bytes.size(), " bytes");
  ImageHeader header;
  header.format = ImageHeader::Format::kGif;
  header.width = bytes[6] | bytes[7] << 8;
  header.height = bytes[8] | bytes[9] << 8;
  header.components = 1;
  check_extent(header, limits);
  return header;
}

// A GIF up to its first picture.
class GifReader {
 public:
  explicit GifReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    int error = 0;
    gif_ = DGifOpen(this, take, &error);
    require_input(gif_ != nullptr, "cannot be decoded: ", words(error));
  }
  ~GifReader() {
    int ignored = 0;
    DGifCloseFile(gif_, &ignored);
  }
  GifReader(const GifReader&) = delete;
  GifReader& operator=(const GifReader&) = delete;

  // Goes on to the picture, whose place and palette are known then.
  void find_picture() {
    for (GifRecordType kind = UNDEFINED_RECORD_TYPE;;) {
      done(DGifGetRecordType(gif_, &kind));
      if (kind == IMAGE_DESC_RECORD_TYPE) break;
      require_input(kind == EXTENSION_RECORD_TYPE, "GIF without a picture");
      skip_extension();
    }
    done(DGifGetImageDesc(gif_));
    const GifImageDesc& picture = gif_->Image;
    require_input(picture.Width >= 1 && picture.Height >= 1 && picture.Left >= 0 && picture.Top >= 0 &&
                      picture.Left + picture.Width <= gif_->SWidth && picture.Top + picture.Height <= gif_->SHeight,
                  "GIF is damaged: a picture of ", picture.Width, " x ", picture.Height, " at ", picture.Left, ", ",
                  picture.Top, " on a screen of ", gif_->SWidth, " x ", gif_->SHeight);
    palette_ = picture.ColorMap != nullptr ? picture.ColorMap : gif_->SColorMap;
    require_input(palette_ != nullptr, "GIF without a palette");
  }

  // Lays the picture over `image`, which has the size of the screen.
  void read(ImageSet& image) {
    const GifImageDesc& picture = gif_->Image;
    std::vector<GifPixelType> line(static_cast<std::size_t>(picture.Width));
    // Interlaced: every eighth row, those in the middle between them, and so on.
    constexpr std::array<std::array<int, 2>, 4> kPasses = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
    const std::size_t passes = picture.Interlace ? kPasses.size() : 1;
    for (std::size_t pass = 0; pass < passes; ++pass) {
      const int step = picture.Interlace ? kPasses[pass][1] : 1;
      for (int y = kPasses[pass][0]; y < picture.Height; y += step) {
        done(DGifGetLine(gif_, line.data(), picture.Width));
        std::uint8_t* const row = image.pixels.data() + ((picture.Top + y) * image.width + picture.Left) * 3;
        for (std::size_t x = 0; x < line.size(); ++x) put(line[x], row + 3 * x);
      }
    }
  }

 private:
  static const char* words(int error) {
    const char* const text = GifErrorString(error);
    return text == nullptr ? "an error without a name" : text;
  }
  void done(int status) const { require_input(status == GIF_OK, "cannot be decoded: ", words(gif_->Error)); }

  static int take(GifFileType* gif, GifByteType* out, int count) {
    GifReader& self = *static_cast<GifReader*>(gif->UserData);
    const std::size_t got = std::min(static_cast<std::size_t>(std::max(count, 0)), self.bytes_.size());
    std::copy_n(self.bytes_.begin(), got, out);
    self.bytes_ = self.bytes_.subspan(got);
    return static_cast<int>(got);
  }

  // All of it is read; of a graphics control, which colour is transparent is kept.
  void skip_extension() {
    int code = 0;
    GifByteType* block = nullptr;
    done(DGifGetExtension(gif_, &code, &block));
    while (block != nullptr) {
      if (code == GRAPHICS_EXT_FUNC_CODE && block[0] == 4) transparent_ = (block[1] & 1) != 0 ? block[4] : -1;
      done(DGifGetExtensionNext(gif_, &block));
    }
  }

  void put(int colour, std::uint8_t* out) const {
    if (colour == transparent_) return;
    require_input(colour < palette_->ColorCount, "GIF is damaged: colour ", colour, " of a palette of ",
                  palette_->ColorCount);
    const GifColorType& entry = palette_->Colors[colour];
    out[0] = entry.Red;
    out[1] = entry.Green;
    out[2] = entry.Blue;
  }

  std::span<const std::uint8_t> bytes_;  // not read yet
  GifFileType* gif_ = nullptr;
  const ColorMapObject* palette_ = nullptr;
  int transparent_ = -1;
};

inline ImageSet decode_gif(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  const ImageHeader header = gif_header(bytes, limits);
  GifReader reader(bytes);
  reader.find_picture();
  ImageSet image = image_of(header.height, header.width, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
  reader.read(image);
  return image;
}

}  // namespace contexture::detail
#endif
