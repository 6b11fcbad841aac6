// The umbrella header: the library without what costs compile time and is included on its own:
// image files (contexture/data/load.hpp), and reports (contexture/report/report.hpp).
#pragma once

#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/cpu.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/models/encoder.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/nn/layers.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
