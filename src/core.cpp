// SPDX-License-Identifier: MIT
// Compiled mode, part 7: messages, memory, files, threads, processes and BLAS, which everything else rests on.
#include "contexture/core/blas-inl.hpp"
#include "contexture/core/error-inl.hpp"
#include "contexture/core/limits-inl.hpp"
#include "contexture/core/mapped_file-inl.hpp"
#include "contexture/core/memory-inl.hpp"
#include "contexture/core/parallel-inl.hpp"
#include "contexture/core/process_group-inl.hpp"
