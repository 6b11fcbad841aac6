// The decoders of images that this build has, each as a function from a file's bytes.
#pragma once

#include <vector>

#include "contexture/data/decode.hpp"
#include "contexture/data/decode_stb.hpp"
#include "data/files.hpp"

namespace files {

using Decoder = contexture::ImageSet (*)(const Bytes& bytes);

inline std::vector<Decoder> decoders() {
  std::vector<Decoder> all = {[](const Bytes& bytes) { return contexture::detail::decode_with_stb(bytes, {}); }};
#if !defined(CONTEXTURE_WITH_STB_IMAGE)
  all.push_back([](const Bytes& bytes) { return contexture::detail::decode_with_libraries(bytes, {}); });
#endif
  return all;
}

}  // namespace files
