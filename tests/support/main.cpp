// SPDX-License-Identifier: MIT
// Where Catch2 v2 is headers only: its main, compiled once. v3, and v2 as Debian packages it, bring a library.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
