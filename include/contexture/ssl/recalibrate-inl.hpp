// SPDX-License-Identifier: MIT
// How ssl/recalibrate.hpp averages.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/nn/layers.hpp"
#include "contexture/ssl/recalibrate.hpp"

namespace contexture {

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

CONTEXTURE_FUNCTION void recalibrate_batch_norm(UnaryModule<float>& encoder, const ImageSet& images,
                                                std::span<const Index> indices, const Normalization& normalization,
                                                Index batch_size, Index most) {
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

#if defined(CONTEXTURE_COMPILED)
template void recalibrate_batch_norm<float>(Module<float>&, Index, const std::function<void(Index)>&);
template void recalibrate_batch_norm<double>(Module<double>&, Index, const std::function<void(Index)>&);
#endif

}  // namespace contexture
