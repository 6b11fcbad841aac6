// SPDX-License-Identifier: MIT
// A fingerprint tells every change, of whole words and of the bytes behind them.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "contexture/core/fingerprint.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

std::uint64_t print_of(const std::string& bytes) {
  Fingerprint print;
  print.add(bytes.data(), bytes.size());
  return print.value();
}

}  // namespace

TEST_CASE("a fingerprint of less than eight bytes is FNV-1a's") {
  CHECK(print_of("") == 0xcbf29ce484222325ULL);  // known answers of its authors
  CHECK(print_of("a") == 0xaf63dc4c8601ec8cULL);
  CHECK(print_of("foobar") == 0x85944171f73967e8ULL);
}

TEST_CASE("a fingerprint changes with every bit, and with the length") {
  for (std::size_t size = 1; size <= 26; ++size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(37 * i);
    std::set<std::uint64_t> seen{print_of(bytes), print_of(bytes + '\0'), print_of(bytes.substr(1))};
    for (std::size_t i = 0; i < size; ++i)
      for (int bit = 0; bit < 8; ++bit) {
        std::string flipped = bytes;
        flipped[i] = static_cast<char>(flipped[i] ^ 1 << bit);
        seen.insert(print_of(flipped));
      }
    CHECK(seen.size() == 3 + 8 * size);
  }
}

TEST_CASE("whole words may be added one by one") {
  const std::string bytes = "twenty-four bytes of it.";
  Fingerprint parts;
  for (std::size_t at = 0; at < bytes.size(); at += 8) parts.add(bytes.data() + at, 8);
  CHECK(parts.value() == print_of(bytes));
}

TEST_CASE("a fingerprint's text is hexadecimal, with as many digits as are wanted") {
  Fingerprint print;
  CHECK(print.text() == "cbf29ce484222325");
  CHECK(print.text(16) == "cbf29ce484222325");
  CHECK(print.text(18) == "00cbf29ce484222325");
}
