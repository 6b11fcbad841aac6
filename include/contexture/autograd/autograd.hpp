// SPDX-License-Identifier: MIT
// Everything in the autograd room: the tape and the ops, without gradcheck.
#pragma once

#include "contexture/autograd/broadcast.hpp"
#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/decorrelation.hpp"
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/gather.hpp"
#include "contexture/autograd/linear.hpp"
#include "contexture/autograd/loss.hpp"
#include "contexture/autograd/math.hpp"
#include "contexture/autograd/matmul.hpp"
#include "contexture/autograd/norm.hpp"
#include "contexture/autograd/pool.hpp"
#include "contexture/autograd/reduce.hpp"
#include "contexture/autograd/sample_norm.hpp"
#include "contexture/autograd/shape.hpp"
#include "contexture/autograd/similarity.hpp"
#include "contexture/autograd/variable.hpp"
