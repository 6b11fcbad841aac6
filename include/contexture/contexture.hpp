// The umbrella header: everything but image files and reports, which cost compile time and are
// included on their own (contexture/data/images.hpp, contexture/report/report.hpp).
#pragma once

#include "contexture/core/blas.hpp"
#include "contexture/core/cpu.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
