// SPDX-License-Identifier: MIT
// A program as one of several processes that compute together. The first alone prints, draws and writes.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "contexture/core/process_group.hpp"

namespace programs {

/// run_program() of a program that others may share the work of: those that mpirun or srun started with it, where the
/// build has MPI. `body` runs in their process group.
int run_together(const char* name, int argc, char** argv, const std::function<int(int, char**)>& body);

/// Whether it is for this process to print, draw and write.
[[nodiscard]] inline bool first_process() { return contexture::process_group().rank() == 0; }

/// Throws contexture::InputError with the process and the difference where another process is another program, computes
/// with other instructions, or has another value of `choices` than the first. Collective.
void require_same_start(const std::map<std::string, std::string>& choices);

}  // namespace programs
