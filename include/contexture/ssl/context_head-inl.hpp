// SPDX-License-Identifier: MIT
// How the head of context prediction compares patches.
#pragma once

#include <cstdint>
#include <span>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/ssl/context_head.hpp"
#include "contexture/ssl/neighbours.hpp"

namespace contexture {

template <class T>
ContextHead<T>::ContextHead(Index features, const ContextHeadOptions& options, const Rng& rng)
    : first_(features, options.hidden, {.bias = false, .hidden = true}, rng.split("first")),
      second_(features, options.hidden, {.bias = false, .hidden = true}, rng.split("second")),
      norm_(options.hidden, {.affine = false, .relu = true}),
      dropout_(options.dropout, rng.split("dropout")),
      output_(options.hidden, kDirections, rng.split("output")) {}

template <class T>
Variable<T> ContextHead<T>::forward(const Variable<T>& features, std::span<const std::int32_t> first,
                                    std::span<const std::int32_t> second) {
  require(first.size() == second.size(), "ContextHead: ", first.size(), " first and ", second.size(),
          " second patches");
  const Variable<T> sums = add_rows(first_(features), first, second_(features), second);
  return output_(dropout_(norm_(sums)));
}

template <class T>
void ContextHead<T>::visit(ModuleVisitor<T>& v) {
  v.child("first", first_);
  v.child("second", second_);
  v.child("norm", norm_);
  v.child("dropout", dropout_);
  v.child("output", output_);
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T) template class ContextHead<T>;
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
