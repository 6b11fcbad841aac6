// SPDX-License-Identifier: MIT
// Compiled mode, part 6: accounts, pixels, splits, statistics, batches and scores.
#include "contexture/data/account-inl.hpp"
#include "contexture/data/batch-inl.hpp"
#include "contexture/data/normalisation-inl.hpp"
#include "contexture/data/pixels-inl.hpp"
#include "contexture/data/split-inl.hpp"
#include "contexture/evaluate/score-inl.hpp"
