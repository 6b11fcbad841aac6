// SPDX-License-Identifier: MIT
// Data sets of one's own, and sets made of sets: a class with size() and get(i) becomes an ImageSet, which is what
// trainings, scores and batches take. An image is made when it is first asked for, mostly by the thread that makes
// batches, and then kept. What is to differ from epoch to epoch belongs into Augmentation::own instead.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/limits.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/picture.hpp"
#include "contexture/data/pixels.hpp"

namespace contexture {

/// An image and its class number.
struct Sample {
  Picture image = {};
  std::int32_t label = -1;  ///< from 0; -1: none
};

/// A data set of one's own: get(i) gives number i of size(), always the same. Several threads may call it at once.
template <class S>
concept SampleSource = std::move_constructible<S> && requires(const S& source, Index i) {
  { source.size() } -> std::convertible_to<Index>;
  { source.get(i) } -> std::convertible_to<Sample>;
};

/// One that has a label(i) as well, which tells a class number without its image: then no image is made too early.
template <class S>
concept LabelledSource = SampleSource<S> && requires(const S& source, Index i) {
  { source.label(i) } -> std::convertible_to<std::int32_t>;
};

/// An image set as a source; it must outlive this.
class SetSamples {
 public:
  explicit SetSamples(const ImageSet& set) : set_(&set) { detail::check_image_set("SetSamples", set); }

  [[nodiscard]] Index size() const { return set_->count; }
  [[nodiscard]] Sample get(Index i) const { return {picture_of(*set_, i), label(i)}; }
  [[nodiscard]] std::int32_t label(Index i) const {
    return set_->labels.empty() ? -1 : set_->labels.at(static_cast<std::size_t>(i));
  }

 private:
  const ImageSet* set_;
};

/// Can a function change the samples of a source: Picture -> Picture, or Sample -> Sample, which may change the label?
template <class F>
concept SampleChange =
    std::is_invocable_r_v<Picture, const F&, Picture> || std::is_invocable_r_v<Sample, const F&, Sample>;

/// What a function makes of the samples of a source; see map().
template <SampleSource S, SampleChange F>
class MappedSamples {
 public:
  MappedSamples(S source, F change) : source_(std::move(source)), change_(std::move(change)) {}

  [[nodiscard]] Index size() const { return source_.size(); }
  [[nodiscard]] Sample get(Index i) const {
    Sample sample = source_.get(i);
    if constexpr (std::is_invocable_r_v<Picture, const F&, Picture>) {
      sample.image = change_(std::move(sample.image));
      return sample;
    } else {
      return change_(std::move(sample));
    }
  }
  [[nodiscard]] std::int32_t label(Index i) const
      requires(LabelledSource<S>&& std::is_invocable_r_v<Picture, const F&, Picture>) {
    return source_.label(i);
  }

 private:
  S source_;
  F change_;
};

/// Image i of the source after a change by its own stream, rng.split(i); see map().
template <SampleSource S>
class ChangedSamples {
 public:
  ChangedSamples(S source, ImageChange change, const Rng& rng)
      : source_(std::move(source)), change_(std::move(change)), rng_(rng) {
    require(static_cast<bool>(change_), "map: an empty change");
  }

  [[nodiscard]] Index size() const { return source_.size(); }
  [[nodiscard]] Sample get(Index i) const {
    Sample sample = source_.get(i);
    Rng stream = rng_.split(static_cast<std::uint64_t>(i));
    Picture& image = sample.image;
    change_({image.pixels.data(), image.height, image.width, image.channels}, stream);
    return sample;
  }
  [[nodiscard]] std::int32_t label(Index i) const requires LabelledSource<S> { return source_.label(i); }

 private:
  S source_;
  ImageChange change_;
  Rng rng_;
};

/// Some samples of a source; see subset().
template <SampleSource S>
class SubsetSamples {
 public:
  SubsetSamples(S source, std::vector<Index> indices) : source_(std::move(source)), indices_(std::move(indices)) {
    for (const Index i : indices_) require(i >= 0 && i < source_.size(), "subset: image ", i, " of ", source_.size());
  }

  [[nodiscard]] Index size() const { return std::ssize(indices_); }
  [[nodiscard]] Sample get(Index i) const { return source_.get(indices_.at(static_cast<std::size_t>(i))); }
  [[nodiscard]] std::int32_t label(Index i) const requires LabelledSource<S> {
    return source_.label(indices_.at(static_cast<std::size_t>(i)));
  }

 private:
  S source_;
  std::vector<Index> indices_;
};

/// The samples of one source and behind them those of another; see concatenate().
template <SampleSource A, SampleSource B>
class JoinedSamples {
 public:
  JoinedSamples(A first, B behind) : first_(std::move(first)), behind_(std::move(behind)) {}

  [[nodiscard]] Index size() const { return first_.size() + behind_.size(); }
  [[nodiscard]] Sample get(Index i) const {
    return i < first_.size() ? Sample(first_.get(i)) : Sample(behind_.get(i - first_.size()));
  }
  [[nodiscard]] std::int32_t label(Index i) const requires(LabelledSource<A>&& LabelledSource<B>) {
    return i < first_.size() ? first_.label(i) : behind_.label(i - first_.size());
  }

 private:
  A first_;
  B behind_;
};

/// The source with a function applied to each image (Picture -> Picture) or to each sample (Sample -> Sample). It gives
/// the same for the same image, whenever and wherever it is called.
template <SampleSource S, SampleChange F>
[[nodiscard]] auto map(S source, F change) {
  return MappedSamples<S, F>(std::move(source), std::move(change));
}

/// The source with each image changed once, at random by its own stream of `rng`: the same image in every epoch.
template <SampleSource S>
[[nodiscard]] auto map(S source, ImageChange change, const Rng& rng) {
  return ChangedSamples<S>(std::move(source), std::move(change), rng);
}

/// The samples with these numbers, in this order. Throws std::invalid_argument for a number that the source has not.
template <SampleSource S>
[[nodiscard]] auto subset(S source, std::vector<Index> indices) {
  return SubsetSamples<S>(std::move(source), std::move(indices));
}

/// One source behind another; their images are of one size.
template <SampleSource A, SampleSource B>
[[nodiscard]] auto concatenate(A first, B behind) {
  return JoinedSamples<A, B>(std::move(first), std::move(behind));
}

namespace detail {

// Images of one size that a function makes, each once, whoever asks for it first.
class SamplePixels final : public MadePixels {
 public:
  SamplePixels(const ImageSet& like, std::function<Sample(Index)> make)
      : count_(like.count),
        height_(like.height),
        width_(like.width),
        channels_(like.channels),
        make_(std::move(make)),
        bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(size())),
        is_made_(std::make_unique<std::atomic<bool>[]>(static_cast<std::size_t>(count_))) {}

  [[nodiscard]] std::size_t size() const override { return static_cast<std::size_t>(count_ * image_bytes()); }

  std::uint8_t* part(std::size_t begin, std::size_t length) override {
    if (length > 0 && made_.load(std::memory_order_acquire) < count_) {
      const auto image = static_cast<std::size_t>(image_bytes());
      parallel_for(static_cast<Index>((begin + length - 1) / image - begin / image) + 1, 8, [&](Index from, Index to) {
        for (Index i = from; i < to; ++i) need(static_cast<Index>(begin / image) + i);
      });
    }
    return bytes_.get() + begin;
  }

  // The label of image i, which is made if it is not yet.
  std::int32_t keep(Index i, const Sample& sample) {
    const Picture& p = sample.image;
    require_input(p.height == height_ && p.width == width_ && p.channels == channels_ &&
                      p.pixels.size() == static_cast<std::size_t>(image_bytes()),
                  "image ", i, ": ", p.height, " x ", p.width, " x ", p.channels, " of ", p.pixels.size(),
                  " bytes, image 0 is ", height_, " x ", width_, " x ", channels_);
    std::copy(p.pixels.begin(), p.pixels.end(), bytes_.get() + i * image_bytes());
    is_made_[static_cast<std::size_t>(i)].store(true, std::memory_order_release);
    made_.fetch_add(1, std::memory_order_acq_rel);
    return sample.label;
  }

 private:
  [[nodiscard]] Index image_bytes() const { return height_ * width_ * channels_; }

  void need(Index i) {
    std::atomic<bool>& is_made = is_made_[static_cast<std::size_t>(i)];
    if (is_made.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(making_[static_cast<std::size_t>(i) % kLocks]);
    if (!is_made.load(std::memory_order_acquire)) (void)keep(i, make_(i));
  }

  static constexpr std::size_t kLocks = 64;
  Index count_, height_, width_, channels_;
  std::function<Sample(Index)> make_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::unique_ptr<std::atomic<bool>[]> is_made_;
  std::atomic<Index> made_{0};
  std::mutex making_[kLocks];
};

// What `make` throws is thrown with the number of the image.
template <class Make>
auto told_with_index(Index i, const Make& make) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw InputError(message("image ", i, ": ", error.what()));
  }
}

// An image set whose images `get` makes; `label` is empty where only an image tells its label.
inline ImageSet set_of_samples(Index count, std::function<Sample(Index)> get,
                               const std::function<std::int32_t(Index)>& label) {
  require_input(count >= 1, "image_set: a source of ", count, " images, expected at least 1");
  const auto make = [get = std::move(get)](Index i) { return told_with_index(i, [&] { return get(i); }); };
  const Sample first = make(0);
  ImageSet set{count, first.image.height, first.image.width, first.image.channels, {}, {}};
  require_input(set.height > 0 && set.width > 0 && set.channels > 0, "image 0: ", set.height, " x ", set.width, " x ",
                set.channels, ", expected pixels");
  require_memory(message(count, " images of ", set.height, " x ", set.width, " x ", set.channels),
                 static_cast<double>(count) * static_cast<double>(set.image_bytes()));
  const auto pixels = std::make_shared<SamplePixels>(set, make);
  set.labels.assign(static_cast<std::size_t>(count), pixels->keep(0, first));
  if (label) set.labels[0] = told_with_index(0, [&] { return label(0); });
  parallel_for(count - 1, 8, [&](Index from, Index to) {
    for (Index i = from + 1; i < to + 1; ++i)
      set.labels[static_cast<std::size_t>(i)] =
          label ? told_with_index(i, [&] { return label(i); }) : pixels->keep(i, make(i));
  });
  set.pixels = Pixels(pixels);
  if (std::all_of(set.labels.begin(), set.labels.end(), [](std::int32_t l) { return l == -1; })) set.labels.clear();
  for (std::size_t i = 0; i < set.labels.size(); ++i)
    require_input(set.labels[i] >= 0, "image ", i, ": label ", set.labels[i], ", expected 0 or more, or -1 for all");
  return set;
}

}  // namespace detail

/// The images of a source as a set, for pretrain(), train_classifier(), score(), make_batch() and whatever else takes
/// one. Each is made once, when it is first asked for; those of a source that is no LabelledSource now, for their
/// labels. Labels of -1 everywhere: the set is unlabelled. Copies share the images. Throws InputError for a source
/// without images, for images of different sizes, and with the number of the image for whatever get() throws: here, or
/// where the image is asked for, as through Prefetcher::next() in a training.
template <SampleSource S>
[[nodiscard]] ImageSet image_set(S source) {
  const auto shared = std::make_shared<const S>(std::move(source));
  std::function<std::int32_t(Index)> label;
  if constexpr (LabelledSource<S>) label = [shared](Index i) -> std::int32_t { return shared->label(i); };
  return detail::set_of_samples(
      shared->size(), [shared](Index i) -> Sample { return shared->get(i); }, label);
}

}  // namespace contexture
