// SPDX-License-Identifier: MIT
// Rows of all processes that share a batch, for losses that compare an example with every other one. What each process
// computes of them is its part of one loss, so that gradients of all parts add up: nn's and the optimiser's business is
// as in one process.
#pragma once

#include "contexture/autograd/variable.hpp"
#include "contexture/core/process_group.hpp"

namespace contexture {

/// The rows of all processes, and where this one's stand among them.
template <class T>
struct GatheredRows {
  Variable<T> rows;  ///< (M,D)
  Index first = 0;   ///< this process's first row
};

/// Rows x (N,D) of every process of the group, in their order. Its backward adds up what all processes' losses say of
/// this one's rows, so it is collective too. Throws std::invalid_argument where D differs.
template <class T>
[[nodiscard]] GatheredRows<T> all_gather_rows(ProcessGroup& group, const Variable<T>& x);

/// The same where this thread's batch is shared, and x itself where it is not.
template <class T>
[[nodiscard]] GatheredRows<T> rows_of_batch(const Variable<T>& x);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/gather-inl.hpp"
#endif
