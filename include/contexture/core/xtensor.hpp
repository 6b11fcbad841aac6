// SPDX-License-Identifier: MIT
// The only place that includes xtensor. It copes with the header moves of xtensor 0.26 and
// cures a bug of xtensor <= 0.25 in C++20 that turns every dynamic-shape temporary into a
// rank-4 tensor. Include it before any xtensor header of your own.
//
// Banned throughout this library: lazy reducers (xt::sum, xt::mean, ... without
// evaluation_strategy::immediate) as operands of a larger expression; with keep_dims they
// read wrong elements in every release from 0.24.3 to 0.27.1.
#pragma once

#if __has_include(<xtensor/containers/xarray.hpp>)  // xtensor >= 0.26
#include <xtensor/core/xexpression_traits.hpp>
#else
#include <xtensor/xexpression_traits.hpp>
#endif

// A shape whose length is known at run time only is an svector, and what is computed of it an xarray. xtensor tells
// svector from std::array by their parameters, with a specialisation that xtensor <= 0.25 guards by
// `__cplusplus == 201703L`: where a compiler matches template parameters with defaults left out (g++, clang >= 19),
// svector<T, 4> is a std::array of 4 without it. Explicit ones are right whatever xtensor has: the two kinds of
// shape that expressions have.
namespace xt::detail {
template <>
struct xtype_for_shape<dynamic_shape<std::size_t>> {
  template <class T, layout_type L>
  using type = xarray<T, L>;
};
template <>
struct xtype_for_shape<dynamic_shape<std::ptrdiff_t>> : xtype_for_shape<dynamic_shape<std::size_t>> {};
}  // namespace xt::detail

// So is a shape of one integer made to one of another: clang >= 19 finds two specialisations of xtensor <= 0.25 for it,
// and neither the better one (Debian 13's xtensor is patched).
namespace xt {
template <>
struct rebind_container<std::ptrdiff_t, dynamic_shape<std::size_t>> {
  using type = dynamic_shape<std::ptrdiff_t>;
};
template <>
struct rebind_container<std::size_t, dynamic_shape<std::ptrdiff_t>> {
  using type = dynamic_shape<std::size_t>;
};
}  // namespace xt

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#endif
