// SPDX-License-Identifier: MIT
// Compiled mode, part 2: ops, networks, pretext tasks, augmentation and the training of both kinds.
#include "contexture/kernels/conv.hpp"
#include "contexture/kernels/norm.hpp"
#undef CONTEXTURE_EXTERN
#define CONTEXTURE_EXTERN

#include "contexture/autograd/autograd.hpp"
#include "contexture/data/rand_augment-inl.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/train/classifier-inl.hpp"
#include "contexture/train/pretraining-inl.hpp"
