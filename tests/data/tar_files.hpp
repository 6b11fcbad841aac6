// SPDX-License-Identifier: MIT
// Tar files as the tests want them, made without the library that reads them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "data/files.hpp"

namespace files {

using TarEntries = std::vector<std::pair<std::string, Bytes>>;  // name (at most 99 characters), contents

// POSIX.1-1988 (ustar): a header of 512 bytes, the contents filled up to a multiple of that; at the end two of zeros.
inline Bytes tar(const TarEntries& entries, bool with_end = true) {
  Bytes out;
  for (const auto& [name, contents] : entries) {
    Bytes header(512, 0);
    const auto put = [&header](std::size_t at, const std::string& text) {
      std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
    };
    char size[12];
    std::snprintf(size, sizeof(size), "%011zo", contents.size());
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, size);
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    unsigned sum = 0;
    for (const std::uint8_t byte : header) sum += byte;
    char checksum[8];
    std::snprintf(checksum, sizeof(checksum), "%06o", sum);
    put(148, checksum);
    header[155] = ' ';
    out.insert(out.end(), header.begin(), header.end());
    out.insert(out.end(), contents.begin(), contents.end());
    out.resize((out.size() + 511) / 512 * 512, 0);
  }
  if (with_end) out.resize(out.size() + 1024, 0);
  return out;
}

// The members of `count` samples from number `first`, 8 x 8 PNGs that are (n, 2 n, 3 n) all over; class n % classes.
inline TarEntries samples(int first, int count, int classes, bool with_json = false) {
  TarEntries out;
  for (int n = first; n < first + count; ++n) {
    char key[16];
    std::snprintf(key, sizeof(key), "%06d", n);
    const auto value = [n](int times) { return static_cast<std::uint8_t>(n * times % 256); };
    out.emplace_back(std::string(key) + ".png", rgb_png(8, 8, value(1), value(2), value(3)));
    out.emplace_back(std::string(key) + ".cls", text_bytes(std::to_string(n % classes)));
    if (with_json) out.emplace_back(std::string(key) + ".json", text_bytes("{}"));
  }
  return out;
}

}  // namespace files
