// SPDX-License-Identifier: MIT
// The program of docs/tensors.md: tests/checks/doc_snippet.sh holds the two together, and doc_output.sh what it prints.
#include <iostream>
#include <tuple>

#include "contexture/core/linalg.hpp"
#include "contexture/core/tensor_math.hpp"
using namespace contexture;

int main() {
  // Made, read, written; a copy has elements of its own.
  Tensor<float> x = {{1, 2, 3}, {4, 5, 6}};
  Tensor<float> y = zeros<float>({2, 3});
  y(0, 2) = 10;
  std::cout << x + 2 * y << "\n\n";

  // Functions and comparisons are element by element; shapes are broadcast.
  const Tensor<float> row = {1, 0, -1};
  const Tensor<float> mixed = xt::maximum(x * row, 0.0F);
  std::cout << mixed << "\n\n";

  // A part of a tensor, to read and to write.
  xt::view(y, 1, xt::all()) = xt::view(x, 0, xt::all());
  std::cout << y << "\n\n";

  // Sums, means and maxima along an axis: at once.
  const Tensor<float> mean = xt::mean(x, {1}, xt::keep_dims | xt::evaluation_strategy::immediate);
  const Tensor<float> centred = x - mean;
  std::cout << centred << "\nlargest: " << xt::amax(x)() << "\n\n";

  // Matrix algebra by LAPACK: the straight line nearest to the points (0,1), (1,3), (2,5), (3,7).
  const Tensor<double> points = {{0, 1}, {1, 1}, {2, 1}, {3, 1}};
  const Tensor<double> heights = {1, 3, 5, 7};
  const Tensor<double> line = std::get<0>(xt::linalg::lstsq(points, heights));
  std::cout << "slope " << line(0) << ", offset " << line(1) << "\n";
}
