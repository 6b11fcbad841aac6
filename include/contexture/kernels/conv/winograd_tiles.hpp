// SPDX-License-Identifier: MIT
// The tiles of Winograd convolution F(MxM,3x3), M = 2 or 4 (A. Lavin, S. Gray, "Fast algorithms for convolutional
// neural networks", arXiv 1509.09308), and their transforms between pixels and points.
#pragma once

#include <algorithm>
#include <type_traits>

#include "contexture/core/tensor.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/tiles.hpp"

namespace contexture::detail::conv {

// One tile between pixels (NHWC), stored as P, and points. Rows and columns outside [begin, end) are padding.
template <class T, class P = T>
struct WinogradTile {
  P* pixels;  // of the tile's first row and column, which may lie outside the image; const where read
  Index row_stride, pixel_stride;
  Index row_begin, row_end, col_begin, col_end;
  Index channels;
  T* points;
  Index point_step;         // from one point to the next
  Index piece, piece_step;  // channels stored together, and the distance of such pieces
  const T* bias;            // where points become pixels
  const P* zeros;           // where pixels become points: stands in for the channels of a padding pixel
};

template <class T, class P>
struct WinogradKernels {
  void (*input)(const WinogradTile<T, P>&);
  void (*gradient)(const WinogradTile<T, P>&);
  void (*output)(const WinogradTile<T, P>&);
  void (*weight_gradient)(const WinogradTile<T>&);
  void (*weights)(const T* taps, T* points, Index count, bool flipped);
};

}  // namespace contexture::detail::conv

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/conv/winograd-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
template <class T, class P, int M>
detail::conv::WinogradKernels<T, P> select_winograd_kernels() {
  CONTEXTURE_DISPATCH(winograd_kernels<T, P, M>());
}
}  // namespace contexture::kernels

namespace contexture::detail::conv {

// Whether Winograd can compute this shape at all.
[[nodiscard]] constexpr bool winograd_applies(const ConvShape& shape) {
  return shape.r == 3 && shape.s == 3 && shape.stride_h == 1 && shape.stride_w == 1 && shape.dilation_h == 1 &&
         shape.dilation_w == 1 && shape.groups == 1 && shape.pad_h <= 2 && shape.pad_w <= 2;
}

// Where a tile begins, in pixels of its image.
struct WinogradPlace {
  Index image, y, x;
};

// The tiles of a pass whose output is (N,out_h,out_w,channels).
template <int M>
struct WinogradGrid {
  Index images, out_h, out_w;
  Index tiles_y, tiles_x;

  WinogradGrid(Index n, Index height, Index width)
      : images(n), out_h(height), out_w(width), tiles_y((height + M - 1) / M), tiles_x((width + M - 1) / M) {}
  [[nodiscard]] Index count() const { return images * tiles_y * tiles_x; }
  [[nodiscard]] WinogradPlace place(Index tile) const {
    return {tile / (tiles_y * tiles_x), tile / tiles_x % tiles_y * M, tile % tiles_x * M};
  }
  // To the next tile, without the divisions, which cost as much as a transform of few channels.
  void advance(WinogradPlace& at) const {
    if ((at.x += M) < out_w) return;
    at.x = 0;
    if ((at.y += M) < out_h) return;
    at.y = 0;
    ++at.image;
  }
};

// Images (N,rows,cols,pixel) that tiles read or write, from a channel of theirs on.
template <class P>
struct WinogradImages {
  P* data;
  Index rows, cols, pixel;

  // The square of `extent` pixels that begins at a place, cut at the image's borders.
  template <class T>
  [[nodiscard]] WinogradTile<T, std::remove_const_t<P>> square(const WinogradPlace& at, Index extent) const {
    WinogradTile<T, std::remove_const_t<P>> tile{};
    tile.row_stride = cols * pixel;
    tile.pixel_stride = pixel;
    // The pointer may point before the image; only what lies inside is read through it.
    tile.pixels =
        const_cast<std::remove_const_t<P>*>(data) + at.image * rows * cols * pixel + (at.y * cols + at.x) * pixel;
    tile.row_begin = std::clamp<Index>(-at.y, 0, extent);
    tile.row_end = std::clamp<Index>(rows - at.y, 0, extent);
    tile.col_begin = std::clamp<Index>(-at.x, 0, extent);
    tile.col_end = std::clamp<Index>(cols - at.x, 0, extent);
    return tile;
  }
};

}  // namespace contexture::detail::conv
