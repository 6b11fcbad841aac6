// SPDX-License-Identifier: MIT
// Compiled mode, which the CMake target contexture::compiled switches on: what costs every translation unit that uses
// it seconds is compiled once, in src/, and the headers only declare it. Without it everything is in the headers.
#pragma once

#if defined(CONTEXTURE_COMPILED)
/// Before an explicit instantiation in a header. A source in src/ makes it empty ahead of the headers it is to hold.
#define CONTEXTURE_EXTERN extern
/// Before a function whose body is in the *-inl.hpp file of the header's name.
#define CONTEXTURE_FUNCTION
#else
#define CONTEXTURE_FUNCTION inline
#endif
