// SPDX-License-Identifier: MIT
// Compiled mode, part 1: convolutions and batch normalisation.
#include "contexture/core/compiled.hpp"
#undef CONTEXTURE_EXTERN
#define CONTEXTURE_EXTERN

#include "contexture/kernels/conv.hpp"
#include "contexture/kernels/norm.hpp"
