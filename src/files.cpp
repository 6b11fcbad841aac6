// SPDX-License-Identifier: MIT
// Compiled mode, part 3: what reads data sets, and the built-in images.
#include "contexture/data/builtin-inl.hpp"
#include "contexture/data/load-inl.hpp"
