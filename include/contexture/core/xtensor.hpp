// The only place that includes xtensor. It copes with the header moves of xtensor 0.26 and
// cures, for xtensor <= 0.25 under g++ in C++20, the bug that turns every dynamic-shape
// temporary into a rank-4 tensor (the upstream specialisation is guarded by
// `__cplusplus == 201703L`). Include it before any xtensor header of your own.
//
// Banned throughout this library: lazy reducers (xt::sum, xt::mean, ... without
// evaluation_strategy::immediate) as operands of a larger expression; with keep_dims they
// read wrong elements in every release from 0.24.3 to 0.27.1.
#pragma once

#if __has_include(<xtensor/containers/xarray.hpp>)  // xtensor >= 0.26
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/core/xexpression_traits.hpp>
#include <xtensor/core/xtensor_config.hpp>
#else  // xtensor <= 0.25
#include <xtensor/xexpression_traits.hpp>
#include <xtensor/xtensor_config.hpp>
#if defined(__GNUC__) && !defined(__clang__) && __cplusplus > 201703L && XTENSOR_VERSION_MAJOR == 0 && \
    XTENSOR_VERSION_MINOR <= 25
namespace xt::detail {
template <template <class, std::size_t, class, bool> class S, class X, std::size_t N, class A, bool Init>
struct xtype_for_shape<S<X, N, A, Init>> {
  template <class T, layout_type L>
  using type = xarray<T, L>;
};
}  // namespace xt::detail
#endif
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#endif
