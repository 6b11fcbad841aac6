// SPDX-License-Identifier: MIT
// Writes the files that the tests of the programs need into a folder: sample_files FOLDER. Images of every kind
// that is to be read, images and data sets with one fault each; run.sh says what each has to give.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/data/png.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/models/image_classifier.hpp"
#include "data/files.hpp"

namespace fs = std::filesystem;
using files::Bytes;

namespace {

fs::path root;

void edit(const fs::path& path, const auto& change) {
  std::ifstream in(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(in), {}};
  in.close();
  change(bytes);
  files::write(path, bytes);
}

// Copies a data set under a new name and changes one of its files.
void damaged(const std::string& from, const std::string& name, const std::string& file, const auto& change) {
  fs::create_directories((root / name).parent_path());
  fs::copy(root / from, root / name, fs::copy_options::recursive);
  edit(root / name / file, change);
}

void images() {
  const fs::path to = root / "images";
  using files::flat_rows, files::png;
  files::write(to / "rgb.png", files::rgb_png(40, 30, 10, 200, 30));
  files::write(to / "grey.png", files::grey_png(40, 30, 90));
  files::write(to / "grey16.png", png(24, 24, flat_rows(24, 24, {0x80, 0x12}), {.depth = 16, .color_type = 0}));
  files::write(to / "rgb16.png", png(24, 24, flat_rows(24, 24, {9, 9, 99, 9, 200, 9}), {.depth = 16}));
  files::write(to / "alpha.png", png(24, 24, flat_rows(24, 24, {10, 20, 30, 128}), {.color_type = 6}));
  files::write(to / "grey-alpha.png", png(24, 24, flat_rows(24, 24, {10, 128}), {.color_type = 4}));
  files::write(to / "one-pixel.png", files::rgb_png(1, 1, 1, 2, 3));
  files::write(to / "narrow.png", files::rgb_png(3, 900, 1, 2, 3));
  files::write(to / "grey.jpg", files::jpeg(3, {90}));
  files::write(to / "colour.jpg", files::jpeg(3, {90, 100, 200}));
  files::write(to / "cmyk.jpg", files::jpeg(3, {255, 100, 30, 128}));
  files::write(to / "wrong-name.jpg", files::rgb_png(24, 24, 1, 2, 3));
  files::write(to / "b\u00fccher \u4e66.png", files::rgb_png(24, 24, 1, 2, 3));

  const fs::path bad = root / "bad-images";
  files::write(bad / "too-tall.png", png(20, 10, flat_rows(20, 10, {1, 2, 3}), {.claimed_height = 11}));
  files::write(bad / "too-big.png",
               png(20, 10, flat_rows(20, 10, {1, 2, 3}), {.claimed_width = 60'000, .claimed_height = 60'000}));
  Bytes cut = files::rgb_png(40, 30, 10, 200, 30);
  cut.resize(cut.size() / 2);
  files::write(bad / "truncated.png", cut);
  cut = files::jpeg(3, {90, 100, 200});
  cut.resize(cut.size() - 8);
  files::write(bad / "truncated.jpg", cut);
  files::write(bad / "empty.png", Bytes{});
  files::write(bad / "words.png", "not an image");
}

// <class>/<n>.png, as many as asked for.
void class_folder(const fs::path& folder, int count, std::uint8_t red) {
  for (int i = 0; i < count; ++i)
    files::write(folder / (std::to_string(i) + ".png"),
                 files::rgb_png(16, 16, red, static_cast<std::uint8_t>(10 * i), 40));
}

void folders() {
  fs::create_directories(root / "data/nothing-inside");
  class_folder(root / "data/single-image/apple", 6, 200);
  class_folder(root / "data/single-image/pear", 1, 20);
  class_folder(root / "data/one-class/apple", 6, 200);
  class_folder(root / "data/broken-images/apple", 6, 200);
  class_folder(root / "data/broken-images/pear", 6, 20);
  edit(root / "data/broken-images/pear/3.png", [](Bytes& bytes) { bytes.resize(bytes.size() - 20); });
  class_folder(root / "data/lying-image/apple", 6, 200);
  class_folder(root / "data/lying-image/pear", 6, 20);
  files::write(root / "data/lying-image/pear/3.png",
               files::png(16, 16, files::flat_rows(16, 16, {1, 2, 3}), {.claimed_height = 17}));
  // Grey JPEGs, three a class: the smallest folder that can be learnt from.
  for (int i = 0; i < 3; ++i)
    for (const char* name : {"dark", "bright \u00e9t\u00e9"})
      files::write(root / "data/smallest" / name / (std::to_string(i) + ".jpg"),
                   files::jpeg(4, {static_cast<std::uint8_t>((name[0] == 'd' ? 30 : 180) + 10 * i)}));
}

void binary_sets() {
  files::write_idx_folder(root / "data/idx", false);
  files::write_idx_folder(root / "data/gz", true);
  for (int i = 1; i <= 5; ++i)
    files::write(root / "data/cifar" / ("data_batch_" + std::to_string(i) + ".bin"), files::cifar_records(10, 1, 10));
  files::write(root / "data/cifar/test_batch.bin", files::cifar_records(10, 1, 10));

  const std::string images = "train-images-idx3-ubyte";
  damaged("data/idx", "data/idx-truncated", images, [](Bytes& b) { b.resize(b.size() - 7); });
  damaged("data/idx", "data/idx-oversized", images, [](Bytes& b) { b.push_back(0); });
  damaged("data/idx", "data/idx-magic", images, [](Bytes& b) { b[3] = 9; });
  damaged("data/idx", "data/idx-huge", images, [](Bytes& b) { b[4] = 0x7f; });
  damaged("data/idx", "data/idx-label", "train-labels-idx1-ubyte", [](Bytes& b) { b[8 + 5] = 10; });
  damaged("data/idx", "data/idx-counts", "t10k-labels-idx1-ubyte", [](Bytes& b) {
    b[7] = 19;
    b.pop_back();
  });
  damaged("data/gz", "data/gz-truncated", images + ".gz", [](Bytes& b) { b.resize(b.size() - 20); });
  damaged("data/gz", "data/gz-oversized", images + ".gz", [](Bytes& b) { b.push_back('x'); });
  damaged("data/gz", "data/gz-checksum", images + ".gz", [](Bytes& b) { b[b.size() - 6] ^= 1; });
  damaged("data/cifar", "data/cifar-truncated", "data_batch_3.bin", [](Bytes& b) { b.pop_back(); });
  damaged("data/cifar", "data/cifar-oversized", "data_batch_3.bin", [](Bytes& b) { b.push_back(0); });
  damaged("data/cifar", "data/cifar-label", "test_batch.bin", [](Bytes& b) { b[3073] = 77; });
}

// The built-in images as somebody's photos: four labelled ones of each class, 89 others and a copy of a labelled one.
void photos() {
  constexpr contexture::Index kSide = 16;
  const contexture::Dataset data = contexture::builtin_dataset(600, 0, kSide);
  const auto save = [&](const fs::path& path, contexture::Index i) {
    fs::create_directories(path.parent_path());
    contexture::write_png(path, data.train.image(i), kSide, kSide, data.train.channels);
  };
  std::vector<int> of_class(data.class_names.size(), 0);
  int others = 0;
  for (contexture::Index i = 0; i < data.train.count; ++i) {
    const auto label = static_cast<std::size_t>(data.train.labels[static_cast<std::size_t>(i)]);
    if (of_class[label] < 4) {
      save(root / "photos/labelled" / data.class_names[label] / (std::to_string(of_class[label]++) + ".png"), i);
    } else if (others < 89) {
      save(root / "photos/unlabelled" / (std::to_string(others++) + ".png"), i);
    }
  }
  fs::copy(root / "photos/labelled/boat/0.png", root / "photos/unlabelled/copy.png");
}

// Two classifiers, two pictures as PPM, and what the classifiers say of them, as examples/embed_in_app prints it.
void classifiers() {
  const fs::path to = root / "classifiers";
  constexpr contexture::Index kSide = 20;
  const contexture::Dataset data = contexture::builtin_dataset(40, 0, kSide);
  const auto all = contexture::numbered(data.train.count);
  const contexture::Normalization scale = contexture::channel_statistics(data.train, all);
  std::ostringstream pictures;
  for (const contexture::Index i : {0, 1}) {
    pictures << "P6\n" << kSide << ' ' << kSide << "\n255\n";
    pictures.write(reinterpret_cast<const char*>(data.train.image(i)), data.train.image_bytes());
  }
  files::write(to / "pictures.ppm", pictures.str());
  for (const int seed : {1, 2}) {
    contexture::ImageClassifier made({kSide, kSide, {.width = 8, .stages = 2}, data.class_names, scale, true},
                                     contexture::Rng(static_cast<std::uint64_t>(seed)));
    const std::string name = std::to_string(seed);
    made.save(to / (name + ".safetensors"));
    std::string answers;
    for (const contexture::Index i : {0, 1}) {
      const auto p = contexture::class_probabilities(made, data.train, std::array{i});
      const auto best = std::max_element(p.begin(), p.end());
      std::array<char, 80> line{};
      std::snprintf(line.data(), line.size(), "%s %.1f %%\n",
                    data.class_names[static_cast<std::size_t>(best - p.begin())].c_str(),
                    100 * static_cast<double>(*best));
      answers += line.data();
    }
    files::write(to / (name + ".txt"), answers);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "sample_files: expected a folder\n");
    return 2;
  }
  root = argv[1];
  images();
  folders();
  binary_sets();
  photos();
  classifiers();
  return 0;
}
