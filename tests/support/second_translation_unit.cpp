// SPDX-License-Identifier: MIT
// Linked into every test program beside its own sources: any non-inline definition in a header
// becomes a duplicate symbol here.
#include "contexture/contexture.hpp"
