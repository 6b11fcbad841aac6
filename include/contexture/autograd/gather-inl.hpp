// SPDX-License-Identifier: MIT
// How autograd/gather.hpp asks other processes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "contexture/autograd/gather.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"

namespace contexture {

template <class T>
GatheredRows<T> all_gather_rows(ProcessGroup& group, const Variable<T>& x) {
  require(x.value().dimension() == 2, "all_gather_rows: input ", x.shape(), ", expected (N,D)");
  const std::size_t own = x.shape()[0], width = x.shape()[1];
  const std::vector<std::size_t> sizes = gather_value(group, x.size());
  std::size_t first = 0, count = 0;
  for (std::size_t r = 0; r < sizes.size(); ++r) {
    require(width > 0 && sizes[r] % width == 0, "all_gather_rows: ", sizes[r], " numbers of process ", r,
            " for rows of ", width);
    if (static_cast<int>(r) < group.rank()) first += sizes[r] / width;
    count += sizes[r] / width;
  }
  const std::vector<T> values = gather_values<T>(group, std::span<const T>(x.value().data(), x.size()));
  Tensor<T> all = empty<T>({count, width});
  std::copy(values.begin(), values.end(), all.data());
  Variable<T> rows = record<T>("all_gather_rows", std::move(all), {x},
                               [&group, first, own, width](const Tensor<T>& g, const detail::InputGradients<T>& in) {
                                 std::vector<double> sums(g.data(), g.data() + g.size());
                                 group.sum(sums);
                                 Tensor<T> dx = empty<T>({own, width});
                                 std::transform(sums.begin() + static_cast<std::ptrdiff_t>(first * width),
                                                sums.begin() + static_cast<std::ptrdiff_t>((first + own) * width),
                                                dx.data(), [](double value) { return static_cast<T>(value); });
                                 in.add(0, std::move(dx));
                               });
  return {std::move(rows), static_cast<Index>(first)};
}

template <class T>
GatheredRows<T> rows_of_batch(const Variable<T>& x) {
  ProcessGroup* const group = shared_batch();
  return group == nullptr ? GatheredRows<T>{x, 0} : all_gather_rows(*group, x);
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                      \
  template GatheredRows<T> all_gather_rows(ProcessGroup& group, const Variable<T>& x); \
  template GatheredRows<T> rows_of_batch(const Variable<T>& x);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
