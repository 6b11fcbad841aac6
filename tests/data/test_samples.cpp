// SPDX-License-Identifier: MIT
// Data sets of one's own: what is made of them, when, by whom, and what of their faults is told.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "contexture/data/batch.hpp"
#include "contexture/data/prefetch.hpp"
#include "contexture/data/samples.hpp"
#include "data/example_dataset.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using errors::refusal_of;

namespace {

std::uint8_t value_of(Index i) { return static_cast<std::uint8_t>(10 * i); }

// Image i is 2 x 1 grey pixels of value 10 i, of class i % 3; counts what was asked of it.
struct Counted {
  Index count = 5;
  std::atomic<int>* gets;
  Index broken = -1, wide = -1;

  Index size() const { return count; }
  Sample get(Index i) const {
    ++*gets;
    if (i == broken) throw std::runtime_error("the drawer is empty");
    const Index height = i == wide ? 3 : 2;
    return {{height, 1, 1, std::vector<std::uint8_t>(static_cast<std::size_t>(height), value_of(i))}, label_of(i)};
  }
  static std::int32_t label_of(Index i) { return static_cast<std::int32_t>(i % 3); }
};

struct Labelled : Counted {
  static std::int32_t label(Index i) { return label_of(i); }
};
static_assert(SampleSource<Counted> && !LabelledSource<Counted> && LabelledSource<Labelled>);
static_assert(!SampleSource<int>);

Labelled labelled(std::atomic<int>& gets, Index count = 5) { return Labelled{{.count = count, .gets = &gets}}; }

std::vector<std::uint8_t> firsts(const ImageSet& set) {
  std::vector<std::uint8_t> out;
  for (Index i = 0; i < set.count; ++i) out.push_back(*set.image(i));
  return out;
}

}  // namespace

TEST_CASE("a source with labels is read when its images are asked for, each once") {
  std::atomic<int> gets{0};
  const ImageSet set = image_set(labelled(gets));
  CHECK(gets == 1);  // the first tells the size
  CHECK(set.count == 5);
  CHECK(set.image_bytes() == 2);
  CHECK(set.labels == std::vector<std::int32_t>{0, 1, 2, 0, 1});
  CHECK(*set.image(3) == 30);
  CHECK(gets == 2);
  const ImageSet copy = set;
  CHECK(firsts(copy) == std::vector<std::uint8_t>{0, 10, 20, 30, 40});
  CHECK(gets == 5);
  CHECK(set.pixels == std::vector<std::uint8_t>{0, 0, 10, 10, 20, 20, 30, 30, 40, 40});
  CHECK(gets == 5);
}

TEST_CASE("a source without labels of its own is read at once; one of -1 is unlabelled") {
  std::atomic<int> gets{0};
  const ImageSet set = image_set(Counted{.gets = &gets});
  CHECK(gets == 5);
  CHECK(set.labels == std::vector<std::int32_t>{0, 1, 2, 0, 1});
  CHECK(firsts(set) == std::vector<std::uint8_t>{0, 10, 20, 30, 40});
  CHECK(gets == 5);
  const auto without = map(labelled(gets), [](Sample s) { return Sample{std::move(s.image), -1}; });
  CHECK(image_set(without).labels.empty());
}

TEST_CASE("all pixels at once are those of every image") {
  std::atomic<int> gets{0};
  const ImageSet set = image_set(labelled(gets, 3));
  CHECK(std::vector<std::uint8_t>(set.pixels.begin(), set.pixels.end()) ==
        std::vector<std::uint8_t>{0, 0, 10, 10, 20, 20});
  Pixels changed = set.pixels;
  changed.push_back(7);  // its own from here on
  CHECK(changed.size() == 7);
  CHECK(set.pixels.size() == 6);
}

TEST_CASE("map, subset and concatenate go together") {
  std::atomic<int> gets{0};
  const auto more = [](Picture p) {
    ++p.pixels[0];
    return p;
  };
  const auto source = subset(concatenate(labelled(gets), map(labelled(gets, 2), more)), {6, 5, 0, 4, 4});
  static_assert(LabelledSource<decltype(source)>);
  const ImageSet set = image_set(source);
  CHECK(gets == 1);
  CHECK(set.labels == std::vector<std::int32_t>{1, 0, 0, 1, 1});
  CHECK(firsts(set) == std::vector<std::uint8_t>{11, 1, 0, 40, 40});
  const auto relabelled = map(labelled(gets), [](Sample s) {
    s.label = 1 - s.label % 2;
    return s;
  });
  static_assert(!LabelledSource<decltype(relabelled)>);
  CHECK(image_set(relabelled).labels == std::vector<std::int32_t>{1, 0, 1, 1, 0});
  // An image set is a source too.
  CHECK(firsts(image_set(map(SetSamples(set), more))) == std::vector<std::uint8_t>{12, 2, 1, 41, 41});
  CHECK_THROWS_WITH(subset(labelled(gets), {5}), ContainsSubstring("subset: image 5 of 5"));
  CHECK_THROWS_AS(map(labelled(gets), ImageChange(), Rng(1)), std::invalid_argument);
}

TEST_CASE("random changes depend on seed and number alone") {
  std::atomic<int> gets{0};
  const ImageChange change = [](const PixelView& image, Rng& rng) {
    for (Index k = 0; k < image.bytes(); ++k) image.pixels[k] = static_cast<std::uint8_t>(rng.between(0, 255));
  };
  const auto set = [&](std::uint64_t seed) { return image_set(map(labelled(gets, 40), change, Rng(seed))); };
  const ImageSet a = set(1), b = set(1), c = set(2);
  for (Index i = b.count; i-- > 0;) (void)b.image(i);  // in another order
  CHECK(a.pixels == b.pixels);
  CHECK_FALSE(a.pixels == c.pixels);
}

TEST_CASE("many threads that ask for the same images get them, made once") {
  std::atomic<int> gets{0};
  const ImageSet set = image_set(labelled(gets, 25));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (Index i = 0; i < set.count; ++i) wrong += *set.image(i) != value_of(i);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(gets == 25);
}

TEST_CASE("a fault of get() comes with the image's number, from the thread that makes batches too") {
  std::atomic<int> gets{0};
  Labelled broken = labelled(gets);
  broken.broken = 3;
  const ImageSet set = image_set(broken);
  CHECK_THROWS_AS(set.image(3), InputError);
  CHECK(refusal_of([&] { (void)set.image(3); }) == "image 3: the drawer is empty");
  CHECK(*set.image(4) == 40);
  Prefetcher<Batch> batches(0, 4, [&](std::int64_t step) {
    Batch batch;
    make_batch(set, std::vector<Index>{step, step + 1}, {{0}, {1}}, nullptr, Rng(1), batch);
    return batch;
  });
  CHECK(batches.next().labels == std::vector<std::int32_t>{0, 1});
  CHECK(batches.next().labels == std::vector<std::int32_t>{1, 2});
  CHECK(refusal_of([&] { (void)batches.next(); }) == "image 3: the drawer is empty");
  CHECK(refusal_of([&] { (void)image_set(Counted{.gets = &gets, .broken = 2}); }) == "image 2: the drawer is empty");
  CHECK(refusal_of([&] { (void)image_set(Counted{.gets = &gets, .wide = 4}); }) ==
        "image 4: 3 x 1 x 1 of 3 bytes, image 0 is 2 x 1 x 1");
  CHECK_THAT(refusal_of([&] { (void)image_set(Counted{.count = 0, .gets = &gets}); }),
             ContainsSubstring("a source of 0 images"));
  const auto wrong_label = map(labelled(gets), [](Sample s) {
    s.label -= 1;
    return s;
  });
  CHECK_THAT(refusal_of([&] { (void)image_set(wrong_label); }), ContainsSubstring("image 0: label -1"));
}

TEST_CASE("the example of docs/data.md is a data set") {
  const Dataset data = example::waves();
  CHECK(data.train.count == 300);
  CHECK(data.test.count == 60);
  CHECK(data.train.labels[201] == 1);
  CHECK(class_counts(data.train.labels, 2) == std::vector<Index>{150, 150});
}
