// SPDX-License-Identifier: MIT
// Batch-norm statistics for another kind of input. An encoder that was pre-trained on patches has
// running statistics of patches; before it is used in evaluation mode on whole images (or is handed
// to a classifier) they are estimated anew, as plain averages, and nothing else is touched.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/nn/layers.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

/// Sets the running statistics of every BatchNorm in `module` to the average over `batches` forward
/// passes, of which forward(k) makes the k-th: in training mode, without a tape. Parameters, modes and
/// momenta are as before afterwards. Does nothing for a module without batch-norm.
template <class T>
void recalibrate_batch_norm(Module<T>& module, Index batches, const std::function<void(Index)>& forward) {
  require(batches >= 1, "recalibrate_batch_norm: ", batches, " batches, expected 1 or more");
  std::vector<BatchNorm<T>*> norms;
  for (Module<T>* m : module.modules()) {
    if (auto* norm = dynamic_cast<BatchNorm<T>*>(m)) norms.push_back(norm);
  }
  if (norms.empty()) return;
  // Gives back momenta, also when a forward pass throws.
  struct Restore {
    ~Restore() {
      for (const auto& [norm, momentum] : momenta) norm->set_momentum(momentum);
    }
    std::vector<std::pair<BatchNorm<T>*, double>> momenta;
  } restore;
  for (BatchNorm<T>* norm : norms) restore.momenta.emplace_back(norm, norm->momentum());
  const ModeGuard mode(true);
  const NoGrad no_grad;
  for (Index k = 0; k < batches; ++k) {
    for (BatchNorm<T>* norm : norms) norm->set_momentum(1.0 / static_cast<double>(k + 1));
    forward(k);
  }
}

/// The same on whole images, normalised as a classifier gets them and not augmented: up to `most` of
/// the images `indices`, evenly spread, in batches of `batch_size`. 2,000 images or so are plenty:
/// every position of every feature map is a sample.
inline void recalibrate_batch_norm(UnaryModule<float>& encoder, const ImageSet& images, std::span<const Index> indices,
                                   const Normalization& normalization, Index batch_size = 128, Index most = 2048) {
  require(!indices.empty(), "recalibrate_batch_norm: no images");
  require(batch_size >= 1 && most >= 1, "recalibrate_batch_norm: batch of ", batch_size, ", at most ", most,
          " images, expected 1 or more");
  const auto total = static_cast<Index>(indices.size());
  const Index used = std::min(total, most);
  const Index batches = (used + batch_size - 1) / batch_size;
  Batch batch;
  std::vector<Index> part;
  recalibrate_batch_norm<float>(encoder, batches, [&](Index k) {
    part.clear();  // batches of equal size, up to 1, so that all images weigh the same
    for (Index i = k * used / batches; i < (k + 1) * used / batches; ++i) {
      part.push_back(indices[static_cast<std::size_t>(i * total / used)]);
    }
    make_batch(images, part, normalization, nullptr, Rng(0), batch);
    (void)encoder(Variable<float>(batch.images));
  });
}

}  // namespace contexture
