// SPDX-License-Identifier: MIT
// Convolution as matrix multiplication: windows of the input are copied into the rows of a
// matrix (M = pixels of the output, R*S*C/groups columns), a tile of rows at a time so that
// the tile stays in the second-level cache between the copy and the BLAS call. The portable
// path, for every shape and for float and double; tiles and partial sums depend on the shape
// only, so results do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstring>

#include "contexture/core/blas.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::detail::conv {

// A 1x1 convolution whose input already is the matrix.
[[nodiscard]] constexpr bool input_is_matrix(const ConvShape& shape) {
  return shape.r == 1 && shape.s == 1 && shape.stride_h == 1 && shape.stride_w == 1 && shape.pad_h == 0 &&
         shape.pad_w == 0;
}

// Output pixels in one tile: about half an L2, but enough rows to pay for packing the weights.
template <class T>
[[nodiscard]] Index im2col_rows(const ConvShape& shape) {
  constexpr Index target = 512 * 1024 / static_cast<Index>(sizeof(T));
  return std::clamp<Index>(target / std::max<Index>(shape.patch(), 1), 128, 4096);
}

// Walks the output pixels in memory order.
struct PixelCursor {
  Index image, p, q;

  PixelCursor(const ConvShape& shape, Index pixel)
      : image(pixel / (shape.out_h() * shape.out_w())),
        p(pixel / shape.out_w() % shape.out_h()),
        q(pixel % shape.out_w()) {}

  void advance(Index out_h, Index out_w) {
    if (++q < out_w) return;
    q = 0;
    if (++p < out_h) return;
    p = 0;
    ++image;
  }
};

// Rows of the matrix: output pixels [begin, end), channels of one group.
struct MatrixRows {
  Index group, begin, end;
};

// col (end - begin, R*S*C/groups) = the windows of these pixels.
template <class T>
void im2col(const ConvShape& shape, const MatrixRows& rows, const T* x, T* col) {
  const Index cg = shape.group_c(), out_h = shape.out_h(), out_w = shape.out_w();
  const auto bytes = static_cast<std::size_t>(cg) * sizeof(T);
  PixelCursor at(shape, rows.begin);
  for (Index pixel = rows.begin; pixel < rows.end; ++pixel, at.advance(out_h, out_w)) {
    const Index x0 = at.q * shape.stride_w - shape.pad_w;
    for (Index r = 0; r < shape.r; ++r) {
      const Index iy = at.p * shape.stride_h - shape.pad_h + r * shape.dilation_h;
      if (iy < 0 || iy >= shape.h) {
        std::memset(col, 0, bytes * static_cast<std::size_t>(shape.s));
        col += shape.s * cg;
        continue;
      }
      const T* row = x + ((at.image * shape.h + iy) * shape.w) * shape.c + rows.group * cg;
      for (Index s = 0; s < shape.s; ++s, col += cg) {
        const Index ix = x0 + s * shape.dilation_w;
        if (ix < 0 || ix >= shape.w)
          std::memset(col, 0, bytes);
        else
          std::memcpy(col, row + ix * shape.c, bytes);
      }
    }
  }
}

// Adds col (end - begin, R*S*C/groups) back to where im2col read it.
template <class T>
void col2im_add(const ConvShape& shape, const MatrixRows& rows, const T* col, T* dx) {
  const Index cg = shape.group_c(), out_h = shape.out_h(), out_w = shape.out_w();
  PixelCursor at(shape, rows.begin);
  for (Index pixel = rows.begin; pixel < rows.end; ++pixel, at.advance(out_h, out_w)) {
    const Index x0 = at.q * shape.stride_w - shape.pad_w;
    for (Index r = 0; r < shape.r; ++r) {
      const Index iy = at.p * shape.stride_h - shape.pad_h + r * shape.dilation_h;
      if (iy < 0 || iy >= shape.h) {
        col += shape.s * cg;
        continue;
      }
      T* row = dx + ((at.image * shape.h + iy) * shape.w) * shape.c + rows.group * cg;
      for (Index s = 0; s < shape.s; ++s, col += cg) {
        const Index ix = x0 + s * shape.dilation_w;
        if (ix < 0 || ix >= shape.w) continue;
        T* to = row + ix * shape.c;
        for (Index i = 0; i < cg; ++i) to[i] += col[i];
      }
    }
  }
}

template <class T>
void im2col_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  const Index m = shape.out_pixels(), patch = shape.patch(), kg = shape.group_k();
  const Index rows = im2col_rows<T>(shape);
  const bool direct = input_is_matrix(shape);
  parallel_for((m + rows - 1) / rows, 1, [&](Index first, Index last) {
    Workspace<T> col(direct ? 0 : static_cast<std::size_t>(rows * patch));
    for (Index tile = first; tile < last; ++tile) {
      const Index begin = tile * rows, end = std::min(m, begin + rows);
      if (bias != nullptr)
        for (Index i = begin; i < end; ++i) std::copy_n(bias, shape.k, y + i * shape.k);
      for (Index group = 0; group < shape.groups; ++group) {
        const T* a = x + begin * shape.c + group * shape.group_c();
        if (!direct) {
          im2col(shape, {group, begin, end}, x, col.data());
          a = col.data();
        }
        gemm<T>(Transpose::no, Transpose::no, end - begin, kg, patch, T(1), a, direct ? shape.c : patch, w + group * kg,
                shape.k, bias == nullptr ? T(0) : T(1), y + begin * shape.k + group * kg, shape.k);
      }
    }
  });
}

template <class T>
void im2col_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  const Index patch = shape.patch(), kg = shape.group_k();
  const Index rows = im2col_rows<T>(shape);
  if (input_is_matrix(shape)) {
    const Index m = shape.out_pixels();
    parallel_for((m + rows - 1) / rows, 1, [&](Index first, Index last) {
      for (Index begin = first * rows; begin < std::min(m, last * rows); begin += rows)
        for (Index group = 0; group < shape.groups; ++group)
          gemm<T>(Transpose::no, Transpose::yes, std::min(rows, m - begin), shape.group_c(), kg, T(1),
                  dy + begin * shape.k + group * kg, shape.k, w + group * kg, shape.k, T(0),
                  dx + begin * shape.c + group * shape.group_c(), shape.c);
    });
    return;
  }
  // Windows overlap within an image only: one thread owns an image. Small images share a tile.
  const Index per_image = shape.out_h() * shape.out_w();
  const Index images = std::max<Index>(1, rows / std::max<Index>(per_image, 1));
  const Index in_image = shape.h * shape.w * shape.c;
  parallel_for((shape.n + images - 1) / images, 1, [&](Index first, Index last) {
    Workspace<T> col(static_cast<std::size_t>(rows * patch));
    for (Index block = first; block < last; ++block) {
      const Index image = block * images, image_end = std::min(shape.n, image + images);
      kernels::fill_zero(dx + image * in_image, (image_end - image) * in_image);
      for (Index begin = image * per_image; begin < image_end * per_image; begin += rows) {
        const Index end = std::min(image_end * per_image, begin + rows);
        for (Index group = 0; group < shape.groups; ++group) {
          gemm<T>(Transpose::no, Transpose::yes, end - begin, patch, kg, T(1), dy + begin * shape.k + group * kg,
                  shape.k, w + group * kg, shape.k, T(0), col.data(), patch);
          col2im_add(shape, {group, begin, end}, col.data(), dx);
        }
      }
    }
  });
}

// Chunks of the pixels whose partial weight gradients are summed in order. A function of the
// shape alone, so that the sum has the same bits with any number of threads.
template <class T>
[[nodiscard]] Index weight_gradient_chunks(const ConvShape& shape, Index min_pixels) {
  constexpr Index budget = 32 * 1024 * 1024 / static_cast<Index>(sizeof(T));
  const Index by_memory = std::clamp<Index>(budget / std::max<Index>(shape.weight_size(), 1), 4, 16);
  return std::clamp<Index>(shape.out_pixels() / min_pixels, 1, by_memory);
}

template <class T>
void im2col_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw) {
  const Index m = shape.out_pixels(), patch = shape.patch(), kg = shape.group_k(), size = shape.weight_size();
  const Index rows = im2col_rows<T>(shape);
  const bool direct = input_is_matrix(shape);
  const Index chunks = weight_gradient_chunks<T>(shape, 512);
  Workspace<T> partial(chunks == 1 ? 0 : static_cast<std::size_t>(chunks * size));
  parallel_chunks(m, chunks, [&](Index chunk, Index chunk_begin, Index chunk_end) {
    Workspace<T> col(direct ? 0 : static_cast<std::size_t>(rows * patch));
    T* sum = chunks == 1 ? dw : partial.data() + chunk * size;
    for (Index begin = chunk_begin; begin < chunk_end; begin += rows) {
      const Index end = std::min(chunk_end, begin + rows);
      for (Index group = 0; group < shape.groups; ++group) {
        const T* a = x + begin * shape.c + group * shape.group_c();
        if (!direct) {
          im2col(shape, {group, begin, end}, x, col.data());
          a = col.data();
        }
        gemm<T>(Transpose::yes, Transpose::no, patch, kg, end - begin, T(1), a, direct ? shape.c : patch,
                dy + begin * shape.k + group * kg, shape.k, begin == chunk_begin ? T(0) : T(1), sum + group * kg,
                shape.k);
      }
    }
  });
  if (chunks > 1) kernels::reduce_in_order(partial.data(), chunks, size, dw);
}

}  // namespace contexture::detail::conv
