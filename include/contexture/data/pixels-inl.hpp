// SPDX-License-Identifier: MIT
// Where the bytes of data/pixels.hpp are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/mapped_file.hpp"
#include "contexture/data/pixels.hpp"

namespace contexture {

CONTEXTURE_FUNCTION Pixels::Pixels(std::shared_ptr<const MappedFile> file, std::size_t offset, std::size_t size)
    : file_(std::move(file)) {
  require(offset <= file_->size() && size <= file_->size() - offset, "Pixels: ", size, " bytes from ", offset,
          " of a file of ", file_->size());
  mapped_ = file_->data() + offset;
  mapped_size_ = size;
}

CONTEXTURE_FUNCTION void Pixels::insert(const std::uint8_t* place, std::size_t count, std::uint8_t byte) {
  const std::ptrdiff_t at = place - data();
  std::vector<std::uint8_t>& bytes = in_memory();
  bytes.insert(bytes.begin() + at, count, byte);
}

CONTEXTURE_FUNCTION std::vector<std::uint8_t>& Pixels::in_memory() {
  if (is_mapped() || made_) {
    owned_.assign(begin(), end());
    file_.reset();
    made_.reset();
  }
  return owned_;
}

}  // namespace contexture
