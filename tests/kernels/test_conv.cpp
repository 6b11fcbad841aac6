// Convolution: every algorithm, pass and instruction set against a naive loop in double, plus
// the promises that a random comparison cannot see (bits, NaN, allocations, errors).
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/kernels/conv.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;
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
ConvShape random_shape(Random& random, Index most_multiply_adds) {
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
ConvShape random_pointwise_shape(Random& random, Index most_multiply_adds) {
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

std::string describe(const ConvShape& s) {
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
    conv2d_forward<T>(s, x.data() + off, w.data() + off, with_bias ? bias.data() + off : nullptr, y.data() + off);
    conv2d_backward_data<T>(s, dy.data() + off, w.data() + off, dx.data() + off);
    conv2d_backward_weights<T>(s, x.data() + off, dy.data() + off, dw.data() + off, dbias.data() + off);
    for (std::vector<T>* v : {&y, &dx, &dw, &dbias}) {
      if (misalign) CHECK(v->front() == T(99));
      v->erase(v->begin(), v->begin() + static_cast<std::ptrdiff_t>(off));
    }
  }
};

template <class T>
void check_random_shapes(ConvAlgorithm algorithm, std::uint64_t seed, int count, Index most_multiply_adds,
                         ConvShape (*make_shape)(Random&, Index) = &random_shape) {
  const Settings settings;
  for (int i = 0; i < count; ++i) {
    Random random{seed + static_cast<std::uint64_t>(i)};
    const Problem<T> problem(make_shape(random, most_multiply_adds), random);
    const References<T> reference(problem);
    set_conv_algorithm(algorithm);
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      // im2col has no kernels of its own: one instruction set is enough.
      if (isa > supported_isa() || (algorithm == ConvAlgorithm::im2col && isa != Isa::baseline)) continue;
      set_isa(isa);
      set_num_threads(1 + i % 3);
      INFO("seed " << seed + static_cast<std::uint64_t>(i) << ", " << to_string(algorithm) << ", " << to_string(isa)
                   << ", " << describe(problem.shape));
      const Results<T> results(problem, i % 2 == 1);
      check_close("forward", results.y, reference.y);
      check_close("backward_data", results.dx, reference.dx);
      check_close("backward_weights", results.dw, reference.dw);
      check_close("bias", results.dbias, reference.dbias);
    }
  }
}

TEST_CASE("conv2d: random shapes, im2col") {
  check_random_shapes<float>(ConvAlgorithm::im2col, 1000, 300, 60000);
  check_random_shapes<double>(ConvAlgorithm::im2col, 2000, 100, 60000);
}

TEST_CASE("conv2d: random shapes, direct") {
  check_random_shapes<float>(ConvAlgorithm::direct, 3000, 400, 60000);
  check_random_shapes<double>(ConvAlgorithm::direct, 4000, 150, 60000);
}

TEST_CASE("conv2d: random shapes of 1x1 kernels, direct") {
  check_random_shapes<float>(ConvAlgorithm::direct, 40000, 300, 300000, &random_pointwise_shape);
  check_random_shapes<double>(ConvAlgorithm::direct, 41000, 100, 300000, &random_pointwise_shape);
}

// Winograd's errors follow the largest terms of a tile, not those of the element: shapes it can
// compute against the direct algorithm in double, which the cases above check.
void check_winograd(ConvAlgorithm algorithm, std::uint64_t seed, int count, double tolerance) {
  const Settings settings;
  for (int i = 0; i < count; ++i) {
    Random random{seed + static_cast<std::uint64_t>(i)};
    ConvShape shape;
    shape.n = random.one_in(3) ? random.integer(6, 31) : random.integer(0, 5);
    shape.h = random.integer(1, 13);
    shape.w = random.integer(1, 13);
    shape.c = random.one_in(3) ? random.integer(12, 70) : random.integer(1, 9);
    shape.k = random.one_in(3) ? random.integer(14, 70) : random.integer(1, 17);
    shape.r = shape.s = 3;
    shape.pad_h = random.integer(0, 2);
    shape.pad_w = random.integer(0, 2);
    const Problem<float> problem(shape, random);
    Random again = random;
    Problem<double> exact(shape, again);
    exact.x.assign(problem.x.begin(), problem.x.end());
    exact.w.assign(problem.w.begin(), problem.w.end());
    exact.dy.assign(problem.dy.begin(), problem.dy.end());
    exact.bias.assign(problem.bias.begin(), problem.bias.end());
    set_conv_algorithm(ConvAlgorithm::direct);
    const Results<double> want(exact, false);
    set_conv_algorithm(algorithm);
    CHECK(choose_algorithm(shape, ConvPass::forward) == algorithm);
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      if (isa > supported_isa()) continue;
      set_isa(isa);
      set_num_threads(1 + i % 3);
      INFO("seed " << seed + static_cast<std::uint64_t>(i) << ", " << to_string(algorithm) << ", " << to_string(isa)
                   << ", " << describe(shape));
      const Results<float> got(problem, i % 2 == 1);
      // Largest error relative to the largest element; sums of few or cancelling terms are small.
      const auto error = [](const std::vector<float>& a, const std::vector<double>& b, double least) {
        double most = 0, scale = least;
        for (std::size_t at = 0; at < a.size(); ++at) {
          const double difference = std::abs(a[at] - b[at]);
          if (!(difference <= most)) most = difference;
          scale = std::max(scale, std::abs(b[at]));
        }
        return most / scale;
      };
      CHECK(error(got.y, want.y, 1.0) <= tolerance);
      CHECK(error(got.dx, want.dx, 1.0) <= tolerance);
      CHECK(error(got.dw, want.dw, 1.0) <= tolerance);
    }
  }
}

TEST_CASE("conv2d: random shapes, Winograd") {
  check_winograd(ConvAlgorithm::winograd2, 5000, 300, 1e-5);
  check_winograd(ConvAlgorithm::winograd4, 6000, 300, 1e-4);
}

TEST_CASE("conv2d: thousands of random shapes", "[.slow]") {
  check_random_shapes<float>(ConvAlgorithm::direct, 100000, 5000, 400000);
  check_random_shapes<float>(ConvAlgorithm::direct, 150000, 2000, 400000, &random_pointwise_shape);
  check_random_shapes<float>(ConvAlgorithm::im2col, 200000, 2000, 400000);
  check_random_shapes<double>(ConvAlgorithm::direct, 300000, 1000, 400000);
  check_winograd(ConvAlgorithm::winograd2, 400000, 2000, 1e-5);
  check_winograd(ConvAlgorithm::winograd4, 500000, 2000, 1e-4);
}

TEST_CASE("conv2d: the shapes of training, against im2col") {
  const Settings settings;
  struct Layer {
    Index n, size, c, k, kernel, stride;
  };
  // Stem, residual stages with their shortcuts, and the maps that 12-pixel patches give.
  for (const Layer& l : {Layer{17, 32, 3, 24, 3, 1},  Layer{16, 32, 16, 16, 3, 1},  Layer{15, 32, 24, 48, 3, 2},
                         Layer{14, 32, 24, 48, 1, 2}, Layer{29, 16, 48, 48, 3, 1},  Layer{28, 16, 32, 64, 3, 2},
                         Layer{20, 8, 96, 96, 3, 1},  Layer{33, 8, 64, 128, 1, 2},  Layer{31, 4, 192, 128, 3, 1},
                         Layer{40, 12, 24, 24, 3, 1}, Layer{40, 6, 48, 96, 3, 2},   Layer{64, 3, 96, 96, 3, 1},
                         Layer{64, 3, 96, 192, 3, 2}, Layer{64, 2, 192, 192, 3, 1}, Layer{64, 1, 64, 96, 3, 1},
                         Layer{1, 32, 48, 64, 3, 1},  Layer{2, 17, 20, 40, 5, 1},   Layer{3, 29, 1, 16, 3, 1},
                         Layer{1, 37, 3, 40, 5, 2},   Layer{2, 15, 5, 72, 3, 3}}) {
    ConvShape shape;
    shape.n = l.n;
    shape.h = shape.w = l.size;
    shape.c = l.c;
    shape.k = l.k;
    shape.r = shape.s = l.kernel;
    shape.stride_h = shape.stride_w = l.stride;
    shape.pad_h = shape.pad_w = l.kernel / 2;
    INFO(describe(shape));
    Random random{77};
    const Problem<float> problem(shape, random);
    set_conv_algorithm(ConvAlgorithm::im2col);
    const Results<float> want(problem, false);
    const auto relative_error = [](const std::vector<float>& a, const std::vector<float>& b) {
      double error = 0, norm = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        error += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
        norm += static_cast<double>(b[i]) * b[i];
      }
      return std::sqrt(error / norm);
    };
    struct Bound {
      ConvAlgorithm algorithm;
      double data, weights;
    };
    for (const Bound& bound : {Bound{ConvAlgorithm::direct, 1e-6, 2e-6}, Bound{ConvAlgorithm::winograd2, 1e-6, 4e-6},
                               Bound{ConvAlgorithm::winograd4, 5e-6, 1e-5}}) {
      set_conv_algorithm(bound.algorithm);
      if (choose_algorithm(shape, ConvPass::forward) != bound.algorithm) continue;
      INFO(to_string(bound.algorithm));
      const Results<float> got(problem, false);
      CHECK(relative_error(got.y, want.y) <= bound.data);
      CHECK(relative_error(got.dx, want.dx) <= bound.data);
      CHECK(relative_error(got.dw, want.dw) <= bound.weights);
      CHECK(got.dbias == want.dbias);
    }
  }
}

TEST_CASE("conv2d: the same bits with any number of threads") {
  const Settings settings;
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::im2col, ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4})
    for (int i = 0; i < 40; ++i) {
      Random random{500 + static_cast<std::uint64_t>(i)};
      ConvShape shape = (i % 4 == 0 ? random_pointwise_shape : random_shape)(random, 400000);
      if (algorithm == ConvAlgorithm::winograd2 || algorithm == ConvAlgorithm::winograd4) {
        shape.r = shape.s = 3;
        shape.stride_h = shape.stride_w = shape.dilation_h = shape.dilation_w = shape.groups = 1;
        shape.pad_h = shape.pad_w = 1;
      }
      const Problem<float> problem(shape, random);
      INFO("seed " << 500 + i << ", " << to_string(algorithm) << ", " << describe(problem.shape));
      set_conv_algorithm(algorithm);
      set_num_threads(1);
      const Results<float> one(problem, false);
      for (const int threads : {2, 3, 7}) {
        set_num_threads(threads);
        const Results<float> many(problem, false);
        CHECK(one.y == many.y);
        CHECK(one.dx == many.dx);
        CHECK(one.dw == many.dw);
        CHECK(one.dbias == many.dbias);
      }
    }
}

TEST_CASE("conv2d: an image gives the same bits alone and in a batch (direct)") {
  const Settings settings;
  set_conv_algorithm(ConvAlgorithm::direct);
  for (int i = 0; i < 30; ++i) {
    Random random{900 + static_cast<std::uint64_t>(i)};
    ConvShape shape = random_shape(random, 20000);
    shape.n = 19;
    const Problem<float> batch(shape, random);
    const Results<float> all(batch, false);
    INFO("seed " << 900 + i << ", " << describe(shape));
    shape.n = 1;
    for (const Index image : {0, 13, 18}) {
      Problem<float> single(shape, random);
      single.w = batch.w;
      single.bias = batch.bias;
      const auto part = [image](const std::vector<float>& v, Index size) {
        return std::vector<float>(v.begin() + image * size, v.begin() + (image + 1) * size);
      };
      single.x = part(batch.x, shape.input_size());
      single.dy = part(batch.dy, shape.output_size());
      const Results<float> one(single, false);
      CHECK(one.y == part(all.y, shape.output_size()));
      CHECK(one.dx == part(all.dx, shape.input_size()));
    }
  }
}

TEST_CASE("conv2d: NaN and infinity reach exactly the elements that depend on them") {
  const Settings settings;
  for (int i = 0; i < 60; ++i) {
    Random random{1500 + static_cast<std::uint64_t>(i)};
    Problem<float> problem(random_shape(random, 60000), random);
    const float poison[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()};
    for (std::vector<float>* v : {&problem.x, &problem.dy})
      for (int times = 0; times < 3 && !v->empty(); ++times)
        (*v)[static_cast<std::size_t>(random.integer(0, static_cast<Index>(v->size()) - 1))] =
            poison[random.integer(0, 2)];
    const References<float> want(problem);
    INFO("seed " << 1500 + i << ", " << describe(problem.shape));
    const auto same_class = [](const std::vector<float>& got, const Reference& reference) {
      for (std::size_t at = 0; at < got.size(); ++at) {
        const double expected = reference.sum[at];
        if (std::isnan(expected)   ? !std::isnan(got[at])
            : std::isinf(expected) ? expected != got[at]
                                   : !std::isfinite(got[at]))
          return false;
      }
      return true;
    };
    for (const ConvAlgorithm algorithm : {ConvAlgorithm::im2col, ConvAlgorithm::direct}) {
      set_conv_algorithm(algorithm);
      for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
        if (isa > supported_isa()) continue;
        set_isa(isa);
        const Results<float> got(problem, false);
        INFO(to_string(algorithm) << ", " << to_string(isa));
        CHECK(same_class(got.y, want.y));
        CHECK(same_class(got.dx, want.dx));
        // In the weight gradient the zeros of the padding meet a non-finite dy in im2col only.
        if (algorithm == ConvAlgorithm::direct && problem.shape.s * problem.shape.c > 16)
          CHECK(same_class(got.dw, want.dw));
      }
    }
  }
}

#if defined(__linux__)
TEST_CASE("conv2d: images of more than 2^31 elements") {
  const Settings settings;
  // 3 x 2^30 elements of address space, of which a 1x1 kernel with a stride of 8192 reads 48.
  const ConvShape shape{.n = 3, .h = 32768, .w = 32768, .c = 1, .k = 4, .stride_h = 8192, .stride_w = 8192};
  const auto bytes = static_cast<std::size_t>(shape.input_size()) * sizeof(float);
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    WARN("no address space for " << bytes << " bytes");
    return;
  }
  float* const x = static_cast<float*>(memory);
  const std::vector<float> w{1, 2, 3, 4};
  std::vector<float> want_y, dy, want_dw(4, 0.0F);
  for (Index pixel = 0; pixel < shape.out_pixels(); ++pixel) {
    const Index n = pixel / 16, p = pixel / 4 % 4, q = pixel % 4;
    const auto value = static_cast<float>(pixel + 1);
    x[((n * shape.h + p * 8192) * shape.w + q * 8192)] = value;
    for (std::size_t k = 0; k < 4; ++k) {
      want_y.push_back(value * w[k]);
      dy.push_back(static_cast<float>(k + 1));
      want_dw[k] += value * static_cast<float>(k + 1);
    }
  }
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::im2col, ConvAlgorithm::direct}) {
    INFO(to_string(algorithm));
    set_conv_algorithm(algorithm);
    std::vector<float> y(want_y.size()), dw(4);
    conv2d_forward<float>(shape, x, w.data(), nullptr, y.data());
    conv2d_backward_weights<float>(shape, x, dy.data(), dw.data(), nullptr);
    CHECK(y == want_y);
    CHECK(dw == want_dw);
  }
  munmap(memory, bytes);
}
#endif

TEST_CASE("conv2d: denormals are computed, not flushed") {
  const Settings settings;
  ConvShape shape{.n = 3, .h = 4, .w = 4, .c = 5, .k = 6, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  Random random{9};
  Problem<float> problem(shape, random);
  for (float& v : problem.x) v *= 1e-38f;
  for (float& v : problem.bias) v = 0;
  set_conv_algorithm(ConvAlgorithm::direct);
  const Results<float> results(problem, false);
  const References<float> want(problem);
  for (std::size_t i = 0; i < results.y.size(); ++i)
    CHECK(std::abs(static_cast<double>(results.y[i]) - want.y.sum[i]) <= 1e-43);
}

TEST_CASE("conv2d: empty batches, kernels that do not fit, no channels") {
  const Settings settings;
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::im2col, ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4}) {
    set_conv_algorithm(algorithm);
    Random random{3};
    for (const ConvShape& shape :
         {ConvShape{.n = 0, .h = 8, .w = 8, .c = 4, .k = 4, .r = 3, .s = 3},
          ConvShape{.n = 2, .h = 2, .w = 2, .c = 4, .k = 4, .r = 3, .s = 3},
          ConvShape{.n = 2, .h = 2, .w = 2, .c = 0, .k = 4},
          ConvShape{.n = 2, .h = 6, .w = 6, .c = 0, .k = 4, .r = 3, .s = 3},
          ConvShape{.n = 2, .h = 6, .w = 6, .c = 4, .k = 0, .r = 3, .s = 3},
          ConvShape{.n = 2, .h = 2, .w = 2, .c = 4, .k = 0}, ConvShape{.n = 2, .h = 0, .w = 2, .c = 4, .k = 4}}) {
      INFO(to_string(algorithm) << ", " << describe(shape));
      const Problem<float> problem(shape, random);
      const References<float> want(problem);
      const Results<float> got(problem, false);
      check_close("forward", got.y, want.y);
      check_close("backward_data", got.dx, want.dx);
      check_close("backward_weights", got.dw, want.dw);
      check_close("bias", got.dbias, want.dbias);
    }
  }
}

TEST_CASE("conv2d: without bias") {
  const Settings settings;
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::im2col, ConvAlgorithm::direct}) {
    set_conv_algorithm(algorithm);
    Random random{4};
    Problem<float> problem(ConvShape{.n = 2, .h = 5, .w = 5, .c = 4, .k = 9, .r = 3, .s = 3}, random);
    const Results<float> got(problem, false, false);
    for (float& b : problem.bias) b = 0;
    check_close("forward", got.y, References<float>(problem).y);
  }
}

TEST_CASE("conv2d: impossible shapes are refused") {
  float value = 0;
  const auto run = [&](const ConvShape& shape) { conv2d_forward<float>(shape, &value, &value, nullptr, &value); };
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 3, .k = 4, .groups = 2}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 3, .groups = 2}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .groups = 0}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .r = 0}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .stride_h = 0}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .pad_w = -1}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = 1, .h = 4, .w = 4, .c = 4, .k = 4, .dilation_w = 0}), std::invalid_argument);
  CHECK_THROWS_AS(run({.n = -1, .h = 4, .w = 4, .c = 4, .k = 4}), std::invalid_argument);
}

TEST_CASE("conv2d: the algorithm is chosen by shape and can be forced") {
  const Settings settings;
  const ConvShape dense{.n = 8, .h = 8, .w = 8, .c = 32, .k = 32, .r = 3, .s = 3, .stride_h = 2, .stride_w = 2};
  const ConvShape stage{.n = 128, .h = 8, .w = 8, .c = 96, .k = 96, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const ConvShape patch{.n = 512, .h = 6, .w = 6, .c = 48, .k = 48, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const ConvShape tiny{.n = 512, .h = 2, .w = 2, .c = 192, .k = 192, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  CHECK(choose_algorithm(stage, ConvPass::forward) == ConvAlgorithm::winograd4);
  CHECK(choose_algorithm<double>(stage, ConvPass::forward) == ConvAlgorithm::direct);
  CHECK(choose_algorithm(patch, ConvPass::backward_weights) == ConvAlgorithm::winograd2);
  CHECK(choose_algorithm(tiny, ConvPass::forward) == ConvAlgorithm::direct);
  const ConvShape stem{.n = 8, .h = 8, .w = 8, .c = 3, .k = 32, .r = 3, .s = 3};
  CHECK(choose_algorithm(dense, ConvPass::forward) == ConvAlgorithm::direct);
  CHECK(choose_algorithm(stem, ConvPass::forward) == ConvAlgorithm::direct);
  CHECK(choose_algorithm(stem, ConvPass::backward_data) == ConvAlgorithm::im2col);
  const ConvShape pairs{.n = 8, .h = 8, .w = 8, .c = 32, .k = 32, .r = 3, .s = 3, .groups = 16};
  const ConvShape threes{.n = 8, .h = 8, .w = 8, .c = 48, .k = 48, .r = 3, .s = 3, .groups = 16};
  CHECK(choose_algorithm(pairs, ConvPass::forward) == ConvAlgorithm::direct);
  CHECK(choose_algorithm(threes, ConvPass::forward) == ConvAlgorithm::im2col);
  set_conv_algorithm(ConvAlgorithm::im2col);
  CHECK(choose_algorithm(dense, ConvPass::forward) == ConvAlgorithm::im2col);
  set_conv_algorithm(std::nullopt);
  CHECK(choose_algorithm(dense, ConvPass::forward) == ConvAlgorithm::direct);
}

#if !defined(CONTEXTURE_POOL_BYPASS)
TEST_CASE("conv2d: a repeated call takes no memory from the system") {
  const Settings settings;
  set_num_threads(1);
  Random random{5};
  const Problem<float> problem(
      ConvShape{.n = 20, .h = 8, .w = 8, .c = 24, .k = 40, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1}, random);
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::im2col, ConvAlgorithm::direct, ConvAlgorithm::winograd2, ConvAlgorithm::winograd4}) {
    set_conv_algorithm(algorithm);
    const Results<float> warm(problem, false);
    const std::uint64_t before = memory_stats().system_allocations;
    const Results<float> again(problem, false);
    CHECK(memory_stats().system_allocations == before);
    CHECK(warm.y == again.y);
  }
}
#endif

}  // namespace
