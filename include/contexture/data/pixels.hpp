// SPDX-License-Identifier: MIT
// The pixels of a set of images: in memory, in a file that is mapped, so that a set may be larger than memory, or made
// when they are first asked for. Who reads does not see which.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/mapped_file.hpp"

namespace contexture {

/// Bytes that are made when they are first asked for, and then stay where they are. Several threads may ask.
class MadePixels {
 public:
  virtual ~MadePixels() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// Where bytes [begin, begin + size) are, made if they are not yet. Throws what their making does.
  virtual std::uint8_t* part(std::size_t begin, std::size_t size) = 0;
};

/// Bytes as a std::vector has them, a part of a mapped file, or MadePixels. Copies of the latter two share their
/// memory. What changes their number brings them into a memory of their own first.
class Pixels {
 public:
  using value_type = std::uint8_t;
  Pixels() = default;
  Pixels(std::vector<std::uint8_t> bytes) : owned_(std::move(bytes)) {}
  Pixels(std::initializer_list<std::uint8_t> bytes) : owned_(bytes) {}
  Pixels(const std::uint8_t* first, const std::uint8_t* last) : owned_(first, last) {}

  /// Bytes [offset, offset + size) of the file. Throws std::invalid_argument where it has fewer.
  CONTEXTURE_FUNCTION Pixels(std::shared_ptr<const MappedFile> file, std::size_t offset, std::size_t size);
  explicit Pixels(std::shared_ptr<MadePixels> made) : made_(std::move(made)) {}
  [[nodiscard]] bool is_mapped() const { return file_ != nullptr; }
  [[nodiscard]] std::size_t size() const { return made_ ? made_->size() : is_mapped() ? mapped_size_ : owned_.size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] const std::uint8_t* data() const { return part(0, size()); }
  [[nodiscard]] std::uint8_t* data() { return part(0, size()); }

  /// Where bytes [begin, begin + size) are.
  [[nodiscard]] const std::uint8_t* part(std::size_t begin, std::size_t size) const {
    if (made_) return made_->part(begin, size);
    return (is_mapped() ? mapped_ : owned_.data()) + begin;
  }
  [[nodiscard]] std::uint8_t* part(std::size_t begin, std::size_t size) {
    if (made_) return made_->part(begin, size);
    return (is_mapped() ? mapped_ : owned_.data()) + begin;
  }
  [[nodiscard]] const std::uint8_t* begin() const { return data(); }
  [[nodiscard]] const std::uint8_t* end() const { return data() + size(); }
  [[nodiscard]] std::uint8_t* begin() { return data(); }
  [[nodiscard]] std::uint8_t* end() { return data() + size(); }
  [[nodiscard]] const std::uint8_t& operator[](std::size_t i) const { return *part(i, 1); }
  [[nodiscard]] std::uint8_t& operator[](std::size_t i) { return *part(i, 1); }
  void resize(std::size_t size) { in_memory().resize(size); }
  void reserve(std::size_t size) { in_memory().reserve(size); }
  void clear() { *this = Pixels(); }
  void push_back(std::uint8_t byte) { in_memory().push_back(byte); }
  void pop_back() { in_memory().pop_back(); }
  template <class Iterator>
  void assign(Iterator first, Iterator last) {
    *this = Pixels(std::vector<std::uint8_t>(first, last));
  }
  void assign(std::size_t size, std::uint8_t byte) { *this = Pixels(std::vector<std::uint8_t>(size, byte)); }

  /// Before `place`, of these bytes.
  template <class Iterator>
  void insert(const std::uint8_t* place, Iterator first, Iterator last) {
    const std::ptrdiff_t at = place - data();
    std::vector<std::uint8_t>& bytes = in_memory();
    bytes.insert(bytes.begin() + at, first, last);
  }
  CONTEXTURE_FUNCTION void insert(const std::uint8_t* place, std::size_t count, std::uint8_t byte);
  friend bool operator==(const Pixels& a, const Pixels& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  CONTEXTURE_FUNCTION std::vector<std::uint8_t>& in_memory();

  std::vector<std::uint8_t> owned_;
  std::shared_ptr<MadePixels> made_;        // none: one of the others has them
  std::shared_ptr<const MappedFile> file_;  // none: owned_ has them
  std::uint8_t* mapped_ = nullptr;
  std::size_t mapped_size_ = 0;
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/pixels-inl.hpp"
#endif
