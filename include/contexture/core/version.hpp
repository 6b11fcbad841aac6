// SPDX-License-Identifier: MIT
// The library's version. CMake reads it from here; CHANGELOG.md says what came with it.
#pragma once

#define CONTEXTURE_VERSION_MAJOR 0
#define CONTEXTURE_VERSION_MINOR 1
#define CONTEXTURE_VERSION_PATCH 0
