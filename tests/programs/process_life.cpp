// SPDX-License-Identifier: MIT
// The library around a process's own turning points: a child of fork() that only exits, one that computes, one that was
// forked while another thread trained; a global object whose destructor computes after main(). Exit status 0 where all
// went well; what hangs is ended by the alarm.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <thread>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/nn/layers.hpp"

using namespace contexture;

namespace {

// One step of training: parallel loops, BLAS, pooled memory. The same number every time.
float computed() {
  Conv2d<float> conv(3, 16, {.kernel = 3}, Rng(1));
  const Variable<float> y = conv(Variable<float>(full<float>({8, 16, 16, 3}, 0.5F)));
  Tensor<float> ones = full<float>(y.shape(), 1.0F);
  y.backward(std::move(ones));
  const Tensor<float> gradient = conv.parameters()[0].variable.grad();
  std::vector<float> c(64 * 64);
  const std::vector<float> a(64 * 64, 0.25F);
  gemm<float>(Transpose::no, Transpose::no, 64, 64, 64, 1.0F, a.data(), 64, a.data(), 64, 0.0F, c.data(), 64);
  return std::accumulate(gradient.data(), gradient.data() + gradient.size(), c[5]);
}

float expected = 0;

// Made before the library's own static objects, and so destroyed after them.
struct Global {
  ~Global() {
    const bool right = computed() == expected && num_threads() == 3 && !cpu_report().line().empty();
    if (!right) std::puts("FAILED: another result in a global object's destructor");
    std::fflush(stdout);
    if (!right) std::_Exit(1);
  }
} global;

int failures = 0;

template <class Body>
void in_child(const char* what, Body body) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    body();
    std::_Exit(3);  // body ends the child itself
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const bool good = child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  std::printf("%s: %s (status %d)\n", what, good ? "fine" : "FAILED", status);
  failures += good ? 0 : 1;
}

}  // namespace

#if defined(CONTEXTURE_POOL_BYPASS)  // AddressSanitizer, of either compiler
// In a child the parent's threads are gone, and what only they could reach: no leak of ours.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif

int main() {
  ::alarm(120);
  set_num_threads(3);
  expected = computed();  // the pool is started
  // std::exit runs the destructors of static objects, the pool's and the global one's.
  in_child("a child that only exits", [] { std::_Exit(0); });
  in_child("a child that exits by way of all destructors", [] { std::exit(0); });
#if !defined(__SANITIZE_THREAD__)  // which allows no threads after fork()
  in_child("a child that computes", [] { std::exit(computed() == expected && num_threads() == 3 ? 0 : 1); });
  in_child("a child of a child", [] {
    if (computed() != expected) std::exit(1);
    in_child("  which computes", [] { std::exit(computed() == expected ? 0 : 1); });
    std::exit(failures);
  });
#if !defined(CONTEXTURE_POOL_BYPASS)  // clang 14's AddressSanitizer: a child waits for a lock of its memory for ever
  std::atomic<bool> stop{false};
  std::thread trainer([&] {
    while (!stop) (void)computed();
  });
  for (int i = 0; i < 20; ++i)
    in_child("a child made while another thread computes", [] { std::exit(computed() == expected ? 0 : 1); });
  stop = true;
  trainer.join();
#endif
#endif
  if (computed() != expected) ++failures;
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
