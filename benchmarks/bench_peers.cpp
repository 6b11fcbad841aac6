// Our convolutions beside oneDNN's, kernel by kernel, single precision, in one process: the same
// shapes, interleaved rounds, the median of each side. oneDNN gets its own best layouts and its
// own choice of algorithm, and reorders into its layouts are not timed. Both sides must first
// compute the same numbers. Last line: geometric means of oneDNN's time over ours, by pass.
//   bench_peers [threads]        (built where CMake finds oneDNN, which gets as many threads)
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <dnnl.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/kernels/conv.hpp"

namespace {

using namespace contexture;
using namespace contexture::kernels;

struct Case {
  Index batch, size, c, k, kernel, stride;
};

constexpr int kRounds = 7;

// One thread is timed by its CPU clock, so that other work on the machine does not count.
double seconds(bool one_thread) {
  if (!one_thread) return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Median seconds a call of both sides, taking turns.
template <class Ours, class Theirs>
std::pair<double, double> race(bool one_thread, Ours ours, Theirs theirs) {
  std::vector<double> a, b;
  ours();
  theirs();
  for (int round = 0; round < kRounds; ++round) {
    const double start = seconds(one_thread);
    ours();
    const double middle = seconds(one_thread);
    theirs();
    a.push_back(middle - start);
    b.push_back(seconds(one_thread) - middle);
  }
  const auto median = [](std::vector<double>& v) {
    std::nth_element(v.begin(), v.begin() + kRounds / 2, v.end());
    return v[kRounds / 2];
  };
  return {median(a), median(b)};
}

Tensor<float> random_tensor(Index size, Rng rng) {
  Tensor<float> t = empty<float>({static_cast<std::size_t>(size)});
  for (float& v : t) v = rng.uniform(-0.5f, 0.5f);
  return t;
}

double relative_difference(const Tensor<float>& a, const Tensor<float>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a.data()[i]) - b.data()[i];
    difference += d * d;
    norm += static_cast<double>(b.data()[i]) * b.data()[i];
  }
  return std::sqrt(difference / norm);
}

// oneDNN's side of one shape.
class Peer {
 public:
  using memory = dnnl::memory;

  Peer(const ConvShape& s, const Tensor<float>& x, const Tensor<float>& w, const Tensor<float>& dy)
      : x_dims_{s.n, s.c, s.h, s.w}, w_dims_{s.k, s.c, s.r, s.s}, y_dims_{s.n, s.k, s.out_h(), s.out_w()} {
    const auto any = [](const memory::dims& dims) {
      return memory::desc(dims, memory::data_type::f32, memory::format_tag::any);
    };
    const memory::dims stride{s.stride_h, s.stride_w}, before{s.pad_h, s.pad_w};
    const memory::dims after{(s.out_h() - 1) * s.stride_h + s.r - s.h - s.pad_h,
                             (s.out_w() - 1) * s.stride_w + s.s - s.w - s.pad_w};
    constexpr auto choose = dnnl::algorithm::convolution_auto;
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, choose, any(x_dims_), any(w_dims_), any(y_dims_), stride, before, after},
        engine_);
    const dnnl::convolution_backward_data::primitive_desc data(
        {choose, any(x_dims_), any(w_dims_), any(y_dims_), stride, before, after}, engine_, forward);
    const dnnl::convolution_backward_weights::primitive_desc weights(
        {choose, any(x_dims_), any(w_dims_), any(y_dims_), stride, before, after}, engine_, forward);
    name = forward.impl_info_str();
    const auto output = [&](const memory::desc& desc) { return memory(desc, engine_); };
    passes_[0] = {dnnl::convolution_forward(forward),
                  {{DNNL_ARG_SRC, from_nhwc(x, x_dims_, forward.src_desc())},
                   {DNNL_ARG_WEIGHTS, from_hwio(w, forward.weights_desc())},
                   {DNNL_ARG_DST, output(forward.dst_desc())}}};
    passes_[1] = {dnnl::convolution_backward_data(data),
                  {{DNNL_ARG_DIFF_DST, from_nhwc(dy, y_dims_, data.diff_dst_desc())},
                   {DNNL_ARG_WEIGHTS, from_hwio(w, data.weights_desc())},
                   {DNNL_ARG_DIFF_SRC, output(data.diff_src_desc())}}};
    passes_[2] = {dnnl::convolution_backward_weights(weights),
                  {{DNNL_ARG_SRC, from_nhwc(x, x_dims_, weights.src_desc())},
                   {DNNL_ARG_DIFF_DST, from_nhwc(dy, y_dims_, weights.diff_dst_desc())},
                   {DNNL_ARG_DIFF_WEIGHTS, output(weights.diff_weights_desc())}}};
  }

  void run(int pass) {
    passes_[pass].primitive.execute(stream_, passes_[pass].arguments);
    stream_.wait();
  }

  // The result of a pass, in our layout.
  Tensor<float> result(int pass) {
    const int what = pass == 0 ? DNNL_ARG_DST : pass == 1 ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DIFF_WEIGHTS;
    const memory::dims& dims = pass == 0 ? y_dims_ : pass == 1 ? x_dims_ : w_dims_;
    memory::dim size = 1;
    for (const memory::dim extent : dims) size *= extent;
    Tensor<float> out = empty<float>({static_cast<std::size_t>(size)});
    const auto tag = pass == 2 ? memory::format_tag::hwio : memory::format_tag::nhwc;
    memory plain({dims, memory::data_type::f32, tag}, engine_, out.data());
    dnnl::reorder(passes_[pass].arguments.at(what), plain).execute(stream_, passes_[pass].arguments.at(what), plain);
    stream_.wait();
    return out;
  }

  std::string name;  // of the implementation it chose for the forward pass

 private:
  struct Pass {
    dnnl::primitive primitive;
    std::unordered_map<int, memory> arguments;
  };

  memory from_nhwc(const Tensor<float>& t, const memory::dims& dims, const memory::desc& desc) {
    return reordered({dims, memory::data_type::f32, memory::format_tag::nhwc}, t, desc);
  }
  memory from_hwio(const Tensor<float>& t, const memory::desc& desc) {
    return reordered({w_dims_, memory::data_type::f32, memory::format_tag::hwio}, t, desc);
  }
  memory reordered(const memory::desc& plain, const Tensor<float>& t, const memory::desc& desc) {
    memory from(plain, engine_, const_cast<float*>(t.data())), to(desc, engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    return to;
  }

  memory::dims x_dims_, w_dims_, y_dims_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Pass passes_[3];
};

}  // namespace

int main(int argc, char** argv) {
  // OpenMP's workers would go on spinning through our turn; they read this before main.
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) {
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv("/proc/self/exe", argv);
  }
  const int threads = argc > 1 ? std::atoi(argv[1]) : num_threads();
  set_num_threads(threads);
  // oneDNN's threads are OpenMP's; the environment has been read already.
  if (detail::contexture_omp_set_num_threads != nullptr) detail::contexture_omp_set_num_threads(threads);
  std::printf("%s\nGFLOP/s of ours and of oneDNN, and how many times faster ours is\n", cpu_report().line().c_str());
  double logs[3] = {0, 0, 0};
  int counts[3] = {0, 0, 0};
  bool all_equal = true;
  for (const Case& c : {Case{128, 32, 3, 32, 3, 1}, Case{128, 32, 32, 64, 3, 2}, Case{128, 16, 64, 64, 3, 1},
                        Case{128, 16, 64, 128, 3, 2}, Case{128, 8, 128, 128, 3, 1}, Case{128, 8, 128, 256, 3, 2},
                        Case{128, 4, 256, 256, 3, 1}, Case{128, 32, 64, 64, 3, 1}, Case{128, 32, 32, 64, 1, 2},
                        Case{128, 16, 64, 128, 1, 2}, Case{128, 32, 24, 48, 3, 2}, Case{128, 16, 48, 48, 3, 1},
                        Case{128, 8, 96, 96, 3, 1}, Case{512, 12, 24, 48, 3, 2}, Case{512, 6, 48, 48, 3, 1},
                        Case{512, 3, 96, 96, 3, 1}}) {
    ConvShape s;
    s.n = c.batch;
    s.h = s.w = c.size;
    s.c = c.c;
    s.k = c.k;
    s.r = s.s = c.kernel;
    s.stride_h = s.stride_w = c.stride;
    s.pad_h = s.pad_w = c.kernel / 2;
    const Rng rng(1);
    const Tensor<float> x = random_tensor(s.input_size(), rng.split(0));
    const Tensor<float> w = random_tensor(s.weight_size(), rng.split(1));
    const Tensor<float> dy = random_tensor(s.output_size(), rng.split(2));
    Tensor<float> y = dy, dx = x, dw = w;
    Peer peer(s, x, w, dy);
    std::printf("%3d->%3d@%-2d %dx%d s%d n%d", static_cast<int>(s.c), static_cast<int>(s.k), static_cast<int>(s.h),
                static_cast<int>(s.r), static_cast<int>(s.s), static_cast<int>(s.stride_h), static_cast<int>(s.n));
    for (int pass = 0; pass < 3; ++pass) {
      if (pass == 1 && s.c == 3) {  // nobody wants the gradient of an image
        std::printf(" |                ");
        continue;
      }
      const auto ours = [&] {
        if (pass == 0) conv2d_forward<float>(s, x.data(), w.data(), nullptr, y.data());
        if (pass == 1) conv2d_backward_data<float>(s, dy.data(), w.data(), dx.data());
        if (pass == 2) conv2d_backward_weights<float>(s, x.data(), dy.data(), dw.data(), nullptr);
      };
      const auto [mine, theirs] = race(threads == 1, ours, [&] { peer.run(pass); });
      const double difference = relative_difference(pass == 0 ? y : pass == 1 ? dx : dw, peer.result(pass));
      const double flops = 2e-9 * static_cast<double>(s.multiply_adds());
      std::printf(" | %3.0f %3.0f %5.2f", flops / mine, flops / theirs, theirs / mine);
      if (!(difference <= 1e-4)) {
        std::printf(" DIFFERENT by %.1e", difference);
        all_equal = false;
      }
      logs[pass] += std::log(theirs / mine);
      ++counts[pass];
    }
    std::printf(" | %s\n", peer.name.c_str());
    std::fflush(stdout);
  }
  std::printf("geomean ours/onednn forward=%.2f backward_data=%.2f backward_weights=%.2f\n",
              std::exp(logs[0] / counts[0]), std::exp(logs[1] / counts[1]), std::exp(logs[2] / counts[2]));
  return all_equal ? 0 : 1;
}
