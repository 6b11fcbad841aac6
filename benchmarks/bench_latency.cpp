// SPDX-License-Identifier: MIT
// How long one image takes: a side of the comparison that benchmarks/latency.sh makes, in turns with other engines.
//   bench_latency --write FOLDER          a folder for each network: classifier.safetensors, classifier.onnx (batch
//                                         normalisation folded), images.f32 (N,C,H,W, 0 to 255), logits.f32 (N,10)
//   bench_latency FOLDER/NETWORK THREADS [PRECISION]  microseconds an image, the median: from 8-bit pixels to
//                                         probabilities; in float32, or as said
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/evaluate/predictor.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/onnx.hpp"

namespace {

using namespace contexture;
namespace fs = std::filesystem;

constexpr Index kImages = 50, kSide = 32, kChannels = 3, kBytes = kSide * kSide * kChannels;

ImageSet some_images() {
  ImageSet set{kImages, kSide, kSide, kChannels, {}, {}};
  Rng rng(1);
  for (Index i = 0; i < kImages * kBytes; ++i) set.pixels.push_back(static_cast<std::uint8_t>(rng.bits64()));
  return set;
}

void write_floats(const fs::path& path, const std::vector<float>& numbers) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(numbers.data()),
            static_cast<std::streamsize>(numbers.size() * sizeof(float)));
  require_input(out.good(), path.string(), ": cannot be written");
}

void write_network(std::string_view network, const fs::path& folder) {
  fs::create_directories(folder);
  const ImageSet set = some_images();
  const std::vector<std::string> names{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  ImageClassifier classifier(
      {kSide, kSide, default_description(network), names, {{0.5F, 0.5F, 0.5F}, {0.3F, 0.3F, 0.3F}}}, Rng(2));
  Batch batch;
  make_batch(set, numbered(kImages), classifier.options().normalization, nullptr, Rng(0), batch);
  {
    const NoGrad no_grad;
    for (int i = 0; i < 30; ++i) (void)classifier(Variable<float>(batch.images));  // running statistics of these images
  }
  classifier.save(folder / "classifier.safetensors");
  export_onnx(classifier, folder / "classifier.onnx", {.fold_norm = true});
  std::vector<float> channels_first;
  for (Index i = 0; i < kImages; ++i)
    for (Index c = 0; c < kChannels; ++c)
      for (Index p = 0; p < kSide * kSide; ++p) channels_first.push_back(set.image(i)[p * kChannels + c]);
  write_floats(folder / "images.f32", channels_first);
  const Tensor<float> logits = classifier.logits(batch.images);
  write_floats(folder / "logits.f32", {logits.begin(), logits.end()});
}

double median_latency(const fs::path& folder, int threads) {
  set_num_threads(threads);
  const Predictor predictor = Predictor::load((folder / "classifier.safetensors").string());
  const ImageSet set = some_images();
  std::vector<double> microseconds;
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  for (Index n = 0; n < 2 * kImages || Clock::now() - begin < std::chrono::milliseconds(700); ++n) {
    const ImageView image{set.image(n % kImages), kSide, kSide, kChannels};
    const Clock::time_point start = Clock::now();
    (void)predictor.classify(image);
    if (n >= kImages) microseconds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  const auto middle = microseconds.begin() + std::ssize(microseconds) / 2;
  std::nth_element(microseconds.begin(), middle, microseconds.end());
  return *middle;
}

int run(const std::vector<std::string_view>& arguments) {
  if (arguments.size() == 2 && arguments[0] == "--write") {
    for (const std::string_view network : network_names()) write_network(network, fs::path(arguments[1]) / network);
    return 0;
  }
  int threads = 0;
  if (arguments.size() == 2 || arguments.size() == 3)
    (void)std::from_chars(arguments[1].data(), arguments[1].data() + arguments[1].size(), threads);
  if (threads < 1)
    return std::fputs("bench_latency: expected --write FOLDER, or FOLDER/NETWORK THREADS [PRECISION]\n", stderr), 2;
  const PrecisionGuard precision(precision_named(arguments.size() == 3 ? arguments[2] : "float32"));
  std::printf("%.1f\n", median_latency(arguments[0], threads));
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return run({argv + 1, argv + argc}); } catch (const std::exception& error) {
  std::fprintf(stderr, "bench_latency: %s\n", error.what());
  return 1;
}
