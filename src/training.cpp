// SPDX-License-Identifier: MIT
// Compiled mode, part 2: ops, networks, pretext tasks, augmentation and the training of both kinds.
#include "contexture/kernels/conv.hpp"
#include "contexture/kernels/norm.hpp"
#undef CONTEXTURE_EXTERN
#define CONTEXTURE_EXTERN

#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gradcheck-inl.hpp"
#include "contexture/data/rand_augment-inl.hpp"
#include "contexture/models/networks-inl.hpp"
#include "contexture/ssl/context_prediction-inl.hpp"
#include "contexture/ssl/context_rotation-inl.hpp"
#include "contexture/ssl/jigsaw-inl.hpp"
#include "contexture/ssl/patch_options-inl.hpp"
#include "contexture/ssl/patch_sampler-inl.hpp"
#include "contexture/ssl/pretext_settings-inl.hpp"
#include "contexture/ssl/pretext_tasks-inl.hpp"
#include "contexture/ssl/recalibrate-inl.hpp"
#include "contexture/ssl/rotation-inl.hpp"
#include "contexture/ssl/simclr-inl.hpp"
#include "contexture/ssl/vicreg-inl.hpp"
#include "contexture/ssl/view_options-inl.hpp"
#include "contexture/train/classifier-inl.hpp"
#include "contexture/train/data_parallel-inl.hpp"
#include "contexture/train/pretraining-inl.hpp"
