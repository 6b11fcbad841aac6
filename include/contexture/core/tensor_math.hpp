// SPDX-License-Identifier: MIT
// For programs that calculate with tensors: xtensor's arithmetic, functions, views, sums and maxima, and printing by
// operator<<, under one include whatever xtensor's version. docs/tensors.md shows them. The library's own headers do
// without: instantiated expressions cost compile time. For matrix algebra (xt::linalg) include core/linalg.hpp.
#pragma once

#include "contexture/core/tensor.hpp"

#if __has_include(<xtensor/containers/xarray.hpp>)  // xtensor >= 0.26
#include <xtensor/core/xmath.hpp>
#include <xtensor/io/xio.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xio.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>
#endif
