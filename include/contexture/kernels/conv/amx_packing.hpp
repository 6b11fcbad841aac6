// SPDX-License-Identifier: MIT
// What lays numbers out as tiles of AMX read them (amx_tiles.hpp): pixels a cache line apart, and for weight gradients,
// which are summed over pixels or images, rows and columns exchanged.
#pragma once

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/conv/tiles.hpp"

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/conv/amx_packing-inl.hpp"
#define CONTEXTURE_KERNEL_PAIRS
#include "contexture/kernels/for_each_isa.hpp"
