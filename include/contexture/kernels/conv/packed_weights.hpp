// SPDX-License-Identifier: MIT
// Weights as a convolution's kernels read them. A convolution packs its weights on every call, which a batch does not
// notice and a single image does; a network that only answers packs them once, and keeps them.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "contexture/core/memory.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::detail::conv {

// [block][tap][c][NV vectors], the same in pairs of channels, in pairs of what a kernel row sees (rows.hpp) in both
// directions, and [block][point][c][NV vectors] of Winograd's two tiles.
enum class WeightLayout { taps, pairs, rows, rows_backward, winograd2, winograd4 };

// What a packed form is of, and how it is laid out: two that are equal here have the same elements.
struct PackedKey {
  const void* weights;
  WeightLayout layout;
  std::size_t bytes;   // of an element
  Index vector, size;  // elements of a vector, and in all

  friend auto operator<=>(const PackedKey&, const PackedKey&) = default;
};

}  // namespace contexture::detail::conv

namespace contexture::kernels {

/// What forward convolutions packed of weights that stay as they are. Any number of threads may use one at once.
class PackedWeights {
 public:
  PackedWeights() = default;
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  /// The form of this key, which pack(to) makes where it is not there yet. Valid as long as this lives.
  template <class T, class Pack>
  [[nodiscard]] const T* get(const detail::conv::PackedKey& key, const Pack& pack) {
    {
      const std::shared_lock lock(mutex_);
      if (const auto found = forms_.find(key); found != forms_.end()) return static_cast<const T*>(found->second.get());
    }
    // Packed without the lock, by as many threads as ask for it first: packing uses the pool, whose threads may ask
    // too.
    auto made = std::make_shared<Workspace<T>>(static_cast<std::size_t>(key.size));
    pack(made->data());
    T* const elements = made->data();
    const std::unique_lock lock(mutex_);
    const auto kept = forms_.try_emplace(key, std::shared_ptr<const void>(std::move(made), elements)).first;
    return static_cast<const T*>(kept->second.get());
  }

 private:
  std::shared_mutex mutex_;
  std::map<detail::conv::PackedKey, std::shared_ptr<const void>> forms_;
};

}  // namespace contexture::kernels

namespace contexture::detail::conv {
inline kernels::PackedWeights*& kept_weights() noexcept {
  thread_local kernels::PackedWeights* kept = nullptr;
  return kept;
}
}  // namespace contexture::detail::conv

namespace contexture::kernels {

/// While one of these lives, forward convolutions of this thread keep what they pack in `kept`, and use it again. The
/// weights that they are given must not change, nor others take their place in memory, as long as `kept` is used.
class KeepPackedWeights {
 public:
  explicit KeepPackedWeights(PackedWeights& kept) : before_(std::exchange(detail::conv::kept_weights(), &kept)) {}
  ~KeepPackedWeights() { detail::conv::kept_weights() = before_; }
  KeepPackedWeights(const KeepPackedWeights&) = delete;
  KeepPackedWeights& operator=(const KeepPackedWeights&) = delete;

 private:
  PackedWeights* before_;
};

}  // namespace contexture::kernels

namespace contexture::detail::conv {

// A packed form for one call: kept, where this thread keeps them, else made for the call.
template <class T>
class PackedForm {
 public:
  template <class Pack>
  PackedForm(const PackedKey& key, const Pack& pack) {
    if (kernels::PackedWeights* const kept = kept_weights(); kept != nullptr) {
      data_ = kept->get<T>(key, pack);
    } else {
      pack(own_.emplace(static_cast<std::size_t>(key.size)).data());
      data_ = own_->data();
    }
  }

  [[nodiscard]] const T* data() const { return data_; }

 private:
  std::optional<Workspace<T>> own_;
  const T* data_;
};

}  // namespace contexture::detail::conv
