// SPDX-License-Identifier: MIT
// Precompiled for the test programs: what nearly all of them include and this project did not
// write.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "contexture/core/xtensor.hpp"
#include "support/catch.hpp"
