// SPDX-License-Identifier: MIT
// Compiled mode, part 5: weight files, and classifiers that only answer. Apart from files.cpp, so that an application
// that only asks links none of the image decoders.
#include "contexture/evaluate/predictor-inl.hpp"
#include "contexture/models/backbone_file-inl.hpp"
#include "contexture/models/image_classifier-inl.hpp"
#include "contexture/nn/safetensors-inl.hpp"
