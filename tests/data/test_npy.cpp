// SPDX-License-Identifier: MIT
#include <stdexcept>
#include <string>
#include <vector>

#include "contexture/data/npy.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("a NumPy file has the bytes that NumPy writes") {
  // numpy.save() of [[1, -2, 0.5]], NumPy 1.24.
  std::string wanted("\x93NUMPY\x01\x00\x76\x00", 10);
  wanted += "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }";
  wanted.resize(127, ' ');
  wanted += '\n';
  wanted += std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x00\x3f", 12);
  CHECK(npy_of(1, 3, std::vector<float>{1, -2, 0.5F}) == wanted);
  CHECK(npy_of(0, 3, {}).size() == 128);
  CHECK_THROWS_AS(npy_of(2, 2, std::vector<float>{1}), std::invalid_argument);
}
