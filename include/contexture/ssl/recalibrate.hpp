// SPDX-License-Identifier: MIT
// Batch-norm statistics for another kind of input. An encoder that was pre-trained on patches has
// running statistics of patches; before it is used in evaluation mode on whole images (or is handed
// to a classifier) they are estimated anew, as plain averages, and nothing else is touched.
#pragma once

#include <functional>
#include <span>

#include "contexture/core/compiled.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

/// Sets the running statistics of every BatchNorm in `module` to the average over `batches` forward
/// passes, of which forward(k) makes the k-th: in training mode, without a tape. Parameters, modes and
/// momenta are as before afterwards. Does nothing for a module without batch-norm.
template <class T>
void recalibrate_batch_norm(Module<T>& module, Index batches, const std::function<void(Index)>& forward);

/// The same on whole images, normalised as a classifier gets them and not augmented: up to `most` of
/// the images `indices`, evenly spread, in batches of `batch_size`. 2,000 images or so are plenty:
/// every position of every feature map is a sample.
CONTEXTURE_FUNCTION void recalibrate_batch_norm(UnaryModule<float>& encoder, const ImageSet& images,
                                                std::span<const Index> indices, const Normalization& normalization,
                                                Index batch_size = 128, Index most = 2048);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/recalibrate-inl.hpp"
#endif
