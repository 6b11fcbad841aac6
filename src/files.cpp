// SPDX-License-Identifier: MIT
// Compiled mode, part 3: what reads and writes files, the built-in images, and RandAugment.
#include "contexture/data/builtin-inl.hpp"
#include "contexture/data/load-inl.hpp"
#include "contexture/data/rand_augment-inl.hpp"
#include "contexture/models/backbone_file-inl.hpp"
#include "contexture/models/image_classifier-inl.hpp"
#include "contexture/nn/safetensors-inl.hpp"
