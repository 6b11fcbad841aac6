// SPDX-License-Identifier: MIT
// What the convolution's tests share: random shapes and values, the naive loop in double, and the three passes as
// the library computes them.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv.hpp"
#include "support/catch.hpp"

namespace contexture::tests {

using namespace contexture::kernels;

// Process-wide settings, put back at the end of a test.
struct Settings {
  Isa isa = active_isa();
  int threads = num_threads();
  Settings() = default;
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;
  ~Settings() {
    set_isa(isa);
    set_num_threads(threads);
    set_conv_algorithm(std::nullopt);
  }
};

// splitmix64: the shapes must be the same whatever happens to the library's generator.
struct Random {
  std::uint64_t state;
  std::uint64_t bits() {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  Index integer(Index low, Index high) {
    return low + static_cast<Index>(bits() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(Index n) { return integer(1, n) == 1; }
  template <class T>
  std::vector<T> values(Index count) {
    std::vector<T> out(static_cast<std::size_t>(count));
    for (T& v : out) v = static_cast<T>(static_cast<double>(bits() >> 11) * 0x1p-52 - 1.0);
    return out;
  }
};

// Small enough for the naive loop, but with batches beyond the lanes of a tile, channels beyond
// one block and odd everything.
inline ConvShape random_shape(Random& random, Index most_multiply_adds) {
  for (;;) {
    ConvShape shape;
    const Index kernels[] = {1, 3, 3, 5, 7, 2};
    shape.groups = random.one_in(5) ? random.integer(2, 4) : 1;
    shape.n = random.one_in(3) ? random.integer(6, 31) : random.integer(0, 5);
    shape.h = random.integer(1, 13);
    shape.w = random.integer(1, 13);
    shape.c = shape.groups * (random.one_in(3) ? random.integer(12, 70) : random.integer(1, 9));
    shape.k = shape.groups * (random.one_in(3) ? random.integer(14, 70) : random.integer(1, 17));
    if (random.one_in(6)) {  // groups of 1, 2 or 4 channels: depthwise and the like
      const Index group = Index{1} << random.integer(0, 2);
      shape.groups = random.integer(1, 40 / group);
      shape.c = shape.k = group * shape.groups;
    }
    shape.r = kernels[random.integer(0, 5)];
    shape.s = random.one_in(4) ? kernels[random.integer(0, 5)] : shape.r;
    shape.stride_h = random.integer(1, 3);
    shape.stride_w = random.one_in(4) ? random.integer(1, 3) : shape.stride_h;
    shape.pad_h = random.integer(0, shape.r / 2 + 1);
    shape.pad_w = random.one_in(4) ? random.integer(0, shape.s) : random.integer(0, shape.s / 2);
    shape.dilation_h = random.one_in(4) ? random.integer(1, 3) : 1;
    shape.dilation_w = random.one_in(4) ? random.integer(1, 3) : 1;
    if (shape.multiply_adds() <= most_multiply_adds) return shape;
  }
}

// 1x1 kernels without padding, of any stride, over rows of fewer and of more pixels than a tile has lanes.
inline ConvShape random_pointwise_shape(Random& random, Index most_multiply_adds) {
  for (;;) {
    ConvShape shape;
    shape.n = random.one_in(3) ? random.integer(6, 31) : random.integer(0, 5);
    shape.h = random.one_in(4) ? 1 : random.integer(1, 13);
    shape.w = random.one_in(4) ? 1 : random.integer(1, 40);
    shape.c = random.one_in(3) ? random.integer(12, 70) : random.integer(1, 9);
    shape.k = random.one_in(3) ? random.integer(1, 17) : 16 * random.integer(1, 18);
    shape.stride_h = random.integer(1, 3);
    shape.stride_w = random.one_in(4) ? random.integer(1, 3) : shape.stride_h;
    if (shape.multiply_adds() <= most_multiply_adds) return shape;
  }
}

inline std::string describe(const ConvShape& s) {
  return message("n", s.n, " h", s.h, " w", s.w, " c", s.c, " k", s.k, " kernel ", s.r, "x", s.s, " stride ",
                 s.stride_h, ",", s.stride_w, " pad ", s.pad_h, ",", s.pad_w, " dilation ", s.dilation_h, ",",
                 s.dilation_w, " groups ", s.groups);
}

// The sum of each output element in double, the sum of its terms' magnitudes, and their number:
// what a float sum in any order may differ by follows from these.
struct Reference {
  std::vector<double> sum, magnitude, terms;
  explicit Reference(Index size) : sum(static_cast<std::size_t>(size)), magnitude(sum.size()), terms(sum.size()) {}
  void add(Index at, double term) {
    const auto i = static_cast<std::size_t>(at);
    sum[i] += term;
    magnitude[i] += std::abs(term);
    terms[i] += 1;
  }
};

template <class T>
struct Problem {
  ConvShape shape;
  std::vector<T> x, w, bias, dy;
  Problem(const ConvShape& s, Random& random)
      : shape(s),
        x(random.values<T>(s.input_size())),
        w(random.values<T>(s.weight_size())),
        bias(random.values<T>(s.k)),
        dy(random.values<T>(s.output_size())) {}
};

template <class T>
struct References {
  Reference y, dx, dw, dbias;
  explicit References(const Problem<T>& problem)
      : y(problem.shape.output_size()),
        dx(problem.shape.input_size()),
        dw(problem.shape.weight_size()),
        dbias(problem.shape.k) {
    const ConvShape& s = problem.shape;
    const Index cg = s.group_c(), kg = s.group_k();
    Index o = 0;
    for (Index n = 0; n < s.n; ++n)
      for (Index p = 0; p < s.out_h(); ++p)
        for (Index q = 0; q < s.out_w(); ++q)
          for (Index k = 0; k < s.k; ++k, ++o) {
            const double g = problem.dy[static_cast<std::size_t>(o)];
            y.add(o, problem.bias[static_cast<std::size_t>(k)]);
            dbias.add(k, g);
            for (Index r = 0; r < s.r; ++r)
              for (Index t = 0; t < s.s; ++t) {
                const Index iy = p * s.stride_h - s.pad_h + r * s.dilation_h;
                const Index ix = q * s.stride_w - s.pad_w + t * s.dilation_w;
                if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
                for (Index c = 0; c < cg; ++c) {
                  const Index at_x = ((n * s.h + iy) * s.w + ix) * s.c + k / kg * cg + c;
                  const Index at_w = ((r * s.s + t) * cg + c) * s.k + k;
                  const double xv = problem.x[static_cast<std::size_t>(at_x)];
                  const double wv = problem.w[static_cast<std::size_t>(at_w)];
                  y.add(o, xv * wv);
                  dx.add(at_x, g * wv);
                  dw.add(at_w, g * xv);
                }
              }
          }
  }
};

template <class T>
void check_close(const char* what, const std::vector<T>& got, const Reference& want) {
  std::size_t wrong = 0, where = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double bound = std::numeric_limits<T>::epsilon() * (want.terms[i] + 2) * want.magnitude[i];
    if (!(std::abs(static_cast<double>(got[i]) - want.sum[i]) <= bound)) {
      if (wrong++ == 0) where = i;
    }
  }
  const T first = got.empty() ? T(0) : got[where];
  INFO(what << ": " << wrong << " of " << got.size() << " elements wrong, first at " << where << ": got " << first
            << ", expected " << (got.empty() ? 0.0 : static_cast<double>(want.sum[where])));
  CHECK(wrong == 0);
}

// Results of the three passes. With `misalign`, every pointer is one element off its natural
// alignment; the buffers end where the data ends, so that AddressSanitizer sees an overrun.
template <class T>
struct Results {
  std::vector<T> y, dx, dw, dbias;
  Results(const Problem<T>& problem, bool misalign, bool with_bias = true) {
    const ConvShape& s = problem.shape;
    const std::size_t off = misalign ? 1 : 0;
    const auto shifted = [off](const std::vector<T>& v) {
      std::vector<T> out(off, T(7));
      out.insert(out.end(), v.begin(), v.end());
      return out;
    };
    const std::vector<T> x = shifted(problem.x), w = shifted(problem.w), bias = shifted(problem.bias),
                         dy = shifted(problem.dy);
    const auto output = [off](Index size) { return std::vector<T>(off + static_cast<std::size_t>(size), T(99)); };
    y = output(s.output_size());
    dx = output(s.input_size());
    dw = output(s.weight_size());
    dbias = output(s.k);
    conv2d_forward<T>(s, x.data() + off, w.data() + off, {.bias = with_bias ? bias.data() + off : nullptr},
                      y.data() + off);
    conv2d_backward_data<T>(s, dy.data() + off, w.data() + off, dx.data() + off, Gradients::overwritten);
    conv2d_backward_weights<T>(s, x.data() + off, dy.data() + off, dw.data() + off, dbias.data() + off);
    for (std::vector<T>* v : {&y, &dx, &dw, &dbias}) {
      if (misalign) CHECK(v->front() == T(99));
      v->erase(v->begin(), v->begin() + static_cast<std::ptrdiff_t>(off));
    }
  }
};

}  // namespace contexture::tests
