// From 8-bit images to batches of normalised floats: channel statistics, augmentation (random crop
// of the padded image, mirror), the order of the batches, and a background thread that makes them
// ahead of the training loop. Everything random is a pure function of (seed, step), so a run that
// was stopped and resumed sees the same batches.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture {

/// Per channel, in units of 0 (black) to 1 (white): a batch holds (value - mean) / stddev.
struct Normalization {
  std::vector<float> mean;
  std::vector<float> stddev;
};

/// Mean and standard deviation of each channel over the images `indices`. A channel that is
/// constant gets a standard deviation of one grey level, so that it normalises to 0.
/// Throws std::invalid_argument when `indices` is empty or out of range.
[[nodiscard]] inline Normalization channel_statistics(const ImageSet& set, std::span<const Index> indices) {
  detail::check_image_set("channel_statistics", set);
  require(!indices.empty(), "channel_statistics: no images");
  for (const Index i : indices) require(i >= 0 && i < set.count, "channel_statistics: image ", i, " of ", set.count);
  struct Sums {
    std::vector<std::uint64_t> value, square;
  };
  // Integer sums: exact, so the result does not depend on how the loop was cut.
  constexpr Index kChunks = 16;
  const auto channels = static_cast<std::size_t>(set.channels);
  std::vector<Sums> partial(kChunks, {std::vector<std::uint64_t>(channels), std::vector<std::uint64_t>(channels)});
  parallel_chunks(static_cast<Index>(indices.size()), kChunks, [&](Index chunk, Index begin, Index end) {
    Sums& sums = partial[static_cast<std::size_t>(chunk)];
    for (Index k = begin; k < end; ++k) {
      const std::uint8_t* p = set.image(indices[static_cast<std::size_t>(k)]);
      for (Index pixel = 0; pixel < set.height * set.width; ++pixel) {
        for (std::size_t c = 0; c < channels; ++c, ++p) {
          sums.value[c] += *p;
          sums.square[c] += static_cast<std::uint64_t>(*p) * *p;
        }
      }
    }
  });
  const double n = static_cast<double>(indices.size()) * static_cast<double>(set.height * set.width);
  Normalization result;
  for (std::size_t c = 0; c < channels; ++c) {
    std::uint64_t value = 0;
    std::uint64_t square = 0;
    for (const Sums& sums : partial) {
      value += sums.value[c];
      square += sums.square[c];
    }
    const double mean = static_cast<double>(value) / n;
    const double variance = std::max(0.0, static_cast<double>(square) / n - mean * mean);
    result.mean.push_back(static_cast<float>(mean / 255));
    result.stddev.push_back(static_cast<float>(std::max(std::sqrt(variance), 1.0) / 255));
  }
  return result;
}

/// How a training image is varied before it is used.
struct Augmentation {
  enum class Border { kReflect, kZero };
  int crop_padding = 4;              ///< pixels added on every side before a random crop of the image's size
  bool flip = true;                  ///< mirror left-right, every second image
  Border border = Border::kReflect;  ///< what the added pixels are: the mirrored image, or black
};

/// Some images of a set, ready for a model.
struct Batch {
  Tensor<float> images;              ///< (N,H,W,C), normalised
  std::vector<std::int32_t> labels;  ///< N, or empty for an unlabelled set
  std::vector<Index> indices;        ///< N, where the images are in the set
};

namespace detail {

// The reflection of coordinate i about the first and last pixel of [0, n): ... 2 1 0 1 2 ... n-1 n-2 ...
inline Index reflected(Index i, Index n) {
  if (n == 1) return 0;
  const Index period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

// One row of the image shifted by dx (columns outside: reflected, or 0) and mirrored on demand.
inline void shifted_row(const std::uint8_t* source, Index width, Index channels, Index dx, bool flip, bool reflect,
                        std::uint8_t* out) {
  const auto bytes = static_cast<std::size_t>(channels);
  const Index first = std::clamp<Index>(flip ? dx : -dx, 0, width);  // [first, last): inside the image
  const Index last = std::clamp<Index>(flip ? width + dx : width - dx, first, width);
  const auto border = [&](Index x) {
    const Index sx = (flip ? width - 1 - x : x) + dx;
    if (reflect) {
      std::memcpy(out + x * channels, source + reflected(sx, width) * channels, bytes);
    } else {
      std::memset(out + x * channels, 0, bytes);
    }
  };
  for (Index x = 0; x < first; ++x) border(x);
  if (!flip) {
    if (last > first) {
      std::memcpy(out + first * channels, source + (first + dx) * channels,
                  bytes * static_cast<std::size_t>(last - first));
    }
  } else if (channels == 3) {
    const std::uint8_t* p = source + (width - 1 - first + dx) * 3;
    for (Index x = first; x < last; ++x, p -= 3) {
      for (Index c = 0; c < 3; ++c) out[x * 3 + c] = p[c];
    }
  } else {
    for (Index x = first; x < last; ++x) {
      std::memcpy(out + x * channels, source + (width - 1 - x + dx) * channels, bytes);
    }
  }
  for (Index x = last; x < width; ++x) border(x);
}

}  // namespace detail

/// Fills `batch` with the images `indices`, augmented on demand (null: not) and normalised, in one
/// pass from bytes to floats. Image k of the batch is augmented from the stream rng.split(k).
/// Runs in the calling thread: it is meant for a Prefetcher, beside the training loop.
inline void make_batch(const ImageSet& set, std::span<const Index> indices, const Normalization& normalization,
                       const Augmentation* augmentation, const Rng& rng, Batch& batch) {
  detail::check_image_set("make_batch", set);
  const auto channels = static_cast<std::size_t>(set.channels);
  require(normalization.mean.size() == channels && normalization.stddev.size() == channels,
          "make_batch: ", normalization.mean.size(), " means and ", normalization.stddev.size(),
          " deviations for images of ", channels, " channels");
  require(augmentation == nullptr || augmentation->crop_padding >= 0, "make_batch: crop padding ",
          augmentation == nullptr ? 0 : augmentation->crop_padding, ", expected 0 or more");
  const Index row = set.width * set.channels;
  // value * scale + offset, spelled out for a whole row so that the loop below vectorises.
  std::vector<float> scale(static_cast<std::size_t>(row));
  std::vector<float> offset(static_cast<std::size_t>(row));
  for (std::size_t i = 0; i < scale.size(); ++i) {
    const float stddev = normalization.stddev[i % channels];
    require(stddev > 0, "make_batch: standard deviation ", stddev, ", expected more than 0");
    scale[i] = 1.0F / (255.0F * stddev);
    offset[i] = -normalization.mean[i % channels] / stddev;
  }

  const Shape shape = {indices.size(), static_cast<std::size_t>(set.height), static_cast<std::size_t>(set.width),
                       channels};
  if (batch.images.shape() != shape) batch.images = empty<float>(shape);
  batch.indices.assign(indices.begin(), indices.end());
  batch.labels.clear();
  std::vector<std::uint8_t> shifted(static_cast<std::size_t>(row));
  float* out = batch.images.data();
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const Index i = indices[k];
    require(i >= 0 && i < set.count, "make_batch: image ", i, " of ", set.count);
    if (!set.labels.empty()) batch.labels.push_back(set.labels[static_cast<std::size_t>(i)]);
    Index dx = 0;
    Index dy = 0;
    bool flip = false;
    bool reflect = false;
    if (augmentation != nullptr) {
      Rng stream = rng.split(k);
      const int padding = augmentation->crop_padding;
      if (padding > 0) {
        dy = stream.between(-padding, padding);
        dx = stream.between(-padding, padding);
      }
      flip = augmentation->flip && stream.bernoulli(0.5F);
      reflect = augmentation->border == Augmentation::Border::kReflect;
    }
    for (Index y = 0; y < set.height; ++y, out += row) {
      Index sy = y + dy;
      const bool outside = sy < 0 || sy >= set.height;
      if (outside && reflect) sy = detail::reflected(sy, set.height);
      const std::uint8_t* source = shifted.data();
      if (outside && !reflect) {
        std::fill(shifted.begin(), shifted.end(), std::uint8_t{0});
      } else {
        source = set.image(i) + sy * row;
        if (dx != 0 || flip) {
          detail::shifted_row(source, set.width, set.channels, dx, flip, reflect, shifted.data());
          source = shifted.data();
        }
      }
      for (Index j = 0; j < row; ++j)
        out[j] =
            static_cast<float>(source[j]) * scale[static_cast<std::size_t>(j)] + offset[static_cast<std::size_t>(j)];
    }
  }
}

/// Mirrors rows (rows,width,channels) left-right, in place: those of an image, or of many.
inline void mirror_columns(float* pixels, Index rows, Index width, Index channels) {
  for (Index r = 0; r < rows; ++r) {
    float* left = pixels + r * width * channels;
    float* right = left + (width - 1) * channels;
    for (; left < right; left += channels, right -= channels) std::swap_ranges(left, left + channels, right);
  }
}

/// The order in which images are seen: every epoch is a new permutation of the given images, and a
/// batch that reaches the end of one epoch is filled up from the next, so all batches are full.
/// A pure function of (seed, step), without state: safe to share between threads.
class EpochSampler {
 public:
  /// Throws std::invalid_argument when there are no indices or batch < 1.
  EpochSampler(std::vector<Index> indices, Index batch, const Rng& rng)
      : indices_(std::move(indices)), batch_(batch), rng_(rng) {
    require(!indices_.empty(), "EpochSampler: no images");
    require(batch >= 1, "EpochSampler: batch of ", batch, ", expected 1 or more");
    half_bits_ = std::max(1, (static_cast<int>(std::bit_width(indices_.size() - 1)) + 1) / 2);
  }

  /// The image numbers of batch `step` >= 0.
  [[nodiscard]] std::vector<Index> batch(std::int64_t step) const {
    require(step >= 0, "EpochSampler::batch: step ", step, ", expected 0 or more");
    std::vector<Index> result;
    result.reserve(static_cast<std::size_t>(batch_));
    const auto n = static_cast<std::int64_t>(indices_.size());
    std::int64_t epoch = -1;
    Keys keys{};
    for (std::int64_t position = step * batch_; position < (step + 1) * batch_; ++position) {
      if (position / n != epoch) {
        epoch = position / n;
        Rng stream = rng_.split(static_cast<std::uint64_t>(epoch));
        for (std::uint32_t& key : keys) key = stream();
      }
      result.push_back(indices_[permuted(static_cast<std::uint64_t>(position % n), keys)]);
    }
    return result;
  }

  /// Steps after which every image has been seen.
  [[nodiscard]] std::int64_t steps_per_epoch() const { return (size() + batch_ - 1) / batch_; }
  [[nodiscard]] Index size() const { return static_cast<Index>(indices_.size()); }
  [[nodiscard]] Index batch_size() const { return batch_; }

 private:
  static constexpr int kRounds = 8;
  using Keys = std::array<std::uint32_t, kRounds>;

  // A permutation that needs no table: a Feistel network on the next even number of bits, walked
  // until it lands inside the range again (Black and Rogaway, "Ciphers with arbitrary finite
  // domains", CT-RSA 2002). At most four steps are expected.
  [[nodiscard]] std::size_t permuted(std::uint64_t i, const Keys& keys) const {
    const std::uint32_t mask = half_bits_ >= 32 ? ~0U : (1U << half_bits_) - 1U;
    do {
      auto left = static_cast<std::uint32_t>(i >> half_bits_);
      auto right = static_cast<std::uint32_t>(i) & mask;
      for (const std::uint32_t key : keys) {
        const std::uint32_t next = left ^ (hash(right ^ key) & mask);
        left = right;
        right = next;
      }
      i = static_cast<std::uint64_t>(left) << half_bits_ | right;
    } while (i >= indices_.size());
    return static_cast<std::size_t>(i);
  }

  static std::uint32_t hash(std::uint32_t x) {  // murmur3's finaliser
    x = (x ^ (x >> 16)) * 0x85ebca6bU;
    x = (x ^ (x >> 13)) * 0xc2b2ae35U;
    return x ^ (x >> 16);
  }

  std::vector<Index> indices_;
  Index batch_;
  Rng rng_;
  int half_bits_;
};

/// Calls `make(step)` for first_step <= step < last_step on a thread of its own, at most `depth`
/// results ahead, and hands them out in order. What `make` throws is thrown by next() in its place.
/// Parallel loops inside `make` run in that thread alone, so they never take the pool away from
/// the training loop. Destruction waits for at most the one call of `make` that is running.
template <class B>
class Prefetcher {
 public:
  Prefetcher(std::int64_t first_step, std::int64_t last_step, std::function<B(std::int64_t)> make,
             std::size_t depth = 4)
      : next_(first_step), last_(last_step), depth_(depth), make_(std::move(make)) {
    require(first_step <= last_step, "Prefetcher: steps ", first_step, " to ", last_step);
    require(depth >= 1, "Prefetcher: depth 0, expected 1 or more");
    require(static_cast<bool>(make_), "Prefetcher: no function to call");
    thread_ = std::thread([this] { produce(); });
  }

  ~Prefetcher() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    thread_.join();
  }

  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The result of the next step; waits for it. Throws what `make` threw for that step (again on
  /// every further call), std::logic_error after the last step.
  B next() {
    std::unique_lock lock(mutex_);
    require_state(next_ < last_, "Prefetcher::next: called after the last step, ", last_ - 1);
    ready_.wait(lock, [this] { return !queue_.empty() || error_; });
    if (queue_.empty()) std::rethrow_exception(error_);
    B result = std::move(queue_.front());
    queue_.pop_front();
    ++next_;
    lock.unlock();
    room_.notify_one();
    return result;
  }

  /// Steps that next() has not handed out yet.
  [[nodiscard]] std::int64_t remaining() const {
    const std::lock_guard lock(mutex_);
    return last_ - next_;
  }

 private:
  void produce() {
    detail::inside_parallel_region() = true;
    const std::int64_t first = next_;  // nobody changes next_ before the first result is queued
    for (std::int64_t step = first; step < last_; ++step) {
      {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [this] { return stopping_ || queue_.size() < depth_; });
        if (stopping_) return;
      }
      try {
        B result = make_(step);
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(result));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        error_ = std::current_exception();
      }
      ready_.notify_one();
      if (error_) return;
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable ready_;  // a result or an error is there
  std::condition_variable room_;   // the queue has room, or it is time to stop
  std::deque<B> queue_;
  std::exception_ptr error_;
  bool stopping_ = false;
  std::int64_t next_;  // the step that next() hands out
  const std::int64_t last_;
  const std::size_t depth_;
  const std::function<B(std::int64_t)> make_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace contexture
