// SPDX-License-Identifier: MIT
// Compiled mode, part 4: networks for other engines.
#include "contexture/models/onnx-inl.hpp"
