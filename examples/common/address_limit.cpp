// SPDX-License-Identifier: MIT
// Compiled into every program: newer builds of OpenBLAS take a buffer for each of their threads while they are loaded,
// and where a limit (ulimit -v, -d) refuses it they ask again, for ever. Only what the loader calls ahead of all
// libraries' constructors comes before that.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <iterator>
#include <string_view>

#include "contexture/core/limits.hpp"

#if defined(__linux__)
namespace {

void print(std::string_view text) {  // no streams: no library is initialised yet
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) ::_exit(1);
}

// `environment` is what libraries still to come see: setenv() would not reach them.
void require_room_for_openblas(int, char** arguments, char** environment) {
  if (!contexture::detail::memory_is_limited()) return;
  constexpr std::string_view kThreads = "OPENBLAS_NUM_THREADS=";
  char one_thread[] = "OPENBLAS_NUM_THREADS=1";  // its own threads are of no use to us
  char* more[1024] = {one_thread};
  std::size_t count = 0;
  bool set = false;
  for (; environment[count] != nullptr && count + 2 < std::size(more); ++count) {
    more[count + 1] = environment[count];
    set = set || std::string_view(environment[count]).starts_with(kThreads);
  }
  if (!set && environment[count] == nullptr) ::execve("/proc/self/exe", arguments, more);
  constexpr std::size_t kBytes = contexture::detail::kOpenblasBuffer;
  void* const room = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room != MAP_FAILED) {
    ::munmap(room, kBytes);
    return;
  }
  const std::string_view path = arguments[0] == nullptr ? "" : arguments[0];
  print(path.substr(path.rfind('/') + 1));
  print(
      ": OpenBLAS: no room for its buffers, 129 MiB of addresses for 1 thread, because of a limit (ulimit -v or -d): "
      "raise it\n");
  ::_exit(1);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)(int, char**,
                                                                             char**) = require_room_for_openblas;

}  // namespace
#endif
