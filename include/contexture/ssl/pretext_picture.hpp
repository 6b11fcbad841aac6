// SPDX-License-Identifier: MIT
// What a pretext task makes of an image, as plain data: whoever draws it needs to know no task.
#pragma once

#include <vector>

#include "contexture/core/tensor.hpp"
#include "contexture/data/picture.hpp"

namespace contexture {

/// A patch of the pretext task: where it was cut, and what became of it.
struct PatchPicture {
  Index row = 0, column = 0;  ///< place in the grid
  Index top = 0, left = 0;    ///< corner in PretextPicture::image, pixels
  Picture cut;                ///< as cut; its size is the patch size. Empty: a view of the image, cut from no place
  Picture treated;            ///< after colour treatment and standardisation: what the encoder sees
};

/// One image as the pretext task sees it.
struct PretextPicture {
  Picture image;  ///< the image the patches were cut from (after the random scaling), or that views were made of
  std::vector<PatchPicture> patches;
};

}  // namespace contexture
