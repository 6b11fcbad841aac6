// SPDX-License-Identifier: MIT
// A classifier inside a program, weights and all: no file is read at run time. Says what is on a picture.
//
//   embed_in_app < picture.ppm          prints e.g. `boat 97.3 %` for every picture on stdin, one after the other
//
// Pictures come as binary PPM, which `ffmpeg -f image2pipe -c:v ppm -` makes of any video: an application has its own
// from a camera or a decoder.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "contexture/evaluate/predictor.hpp"
#include "embedded/weights.hpp"

namespace {

struct Picture {
  std::vector<std::uint8_t> rgb;  // (height,width,3)
  int height = 0, width = 0;
};

// The next picture; false at the end.
bool read(std::istream& in, Picture& picture) {
  std::string magic;
  int most = 0;
  if (!(in >> magic)) return false;
  constexpr int kMost = 1 << 14;
  if (magic != "P6" || !(in >> picture.width >> picture.height >> most) || most != 255 || picture.width < 1 ||
      picture.height < 1 || picture.width > kMost || picture.height > kMost)
    throw std::runtime_error("stdin: expected a binary PPM of 8 bits, P6 <width> <height> 255");
  in.get();
  picture.rgb.resize(std::size_t{3} * static_cast<std::size_t>(picture.width) *
                     static_cast<std::size_t>(picture.height));
  if (!in.read(reinterpret_cast<char*>(picture.rgb.data()), static_cast<std::streamsize>(picture.rgb.size())))
    throw std::runtime_error("stdin: a picture is cut off");
  return true;
}

}  // namespace

int main() try {
  const auto predictor = contexture::Predictor::from_memory(embedded::weights());
  Picture picture;
  while (read(std::cin, picture)) {
    const contexture::Prediction answer = predictor.classify({picture.rgb.data(), picture.height, picture.width, 3});
    std::printf("%s %.1f %%\n", predictor.class_names()[answer.label].c_str(),
                100 * static_cast<double>(answer.probabilities[answer.label]));
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "embed_in_app: %s\n", error.what());
  return 1;
}
