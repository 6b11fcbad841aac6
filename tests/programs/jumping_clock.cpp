// SPDX-License-Identifier: MIT
// To be preloaded into a program: the wall clock jumps, by hours and days, forward and back, at every look. The
// monotonic clock goes on as it is: no system lets that one jump.
#include <dlfcn.h>
#include <sys/time.h>

#include <atomic>
#include <ctime>

namespace {

// Of the n-th look, in seconds.
time_t jump() {
  static std::atomic<unsigned> looks{0};
  constexpr time_t jumps[] = {0, 7200, -86400, 31536000, -3600, -315360000};
  return jumps[looks++ % (sizeof(jumps) / sizeof(jumps[0]))];
}

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static const auto call = real<int (*)(clockid_t, timespec*)>("clock_gettime");
  const int status = call(clock, now);
  if (clock == CLOCK_REALTIME && status == 0) now->tv_sec += jump();
  return status;
}

int gettimeofday(timeval* now, void* zone) noexcept {
  static const auto call = real<int (*)(timeval*, void*)>("gettimeofday");
  const int status = call(now, zone);
  if (status == 0) now->tv_sec += jump();
  return status;
}

time_t time(time_t* now) noexcept {
  static const auto call = real<time_t (*)(time_t*)>("time");
  const time_t jumped = call(nullptr) + jump();
  if (now != nullptr) *now = jumped;
  return jumped;
}

}  // extern "C"
