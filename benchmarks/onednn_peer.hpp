// SPDX-License-Identifier: MIT
// oneDNN's side of a convolution, 2 or 3 of its versions, and what OpenMP wants before it.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <dnnl.hpp>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>

#include "contexture/core/blas.hpp"
#include "contexture/core/parallel.hpp"
#include "conv_problem.hpp"

namespace contexture::benchmarks {

/// To be called first by a program that runs oneDNN or LibTorch: may start the program again. Debian's OpenBLAS does
/// not know newer processors and would give LibTorch SSE3 kernels; and OpenMP's threads need a processor each, or they
/// crowd on one (await_cores() says why). Both read the environment before main. Afterwards this thread is tied to one
/// processor: start_threads(), not set_num_threads(), makes ours.
inline void place_openmp_threads(char** argv) {
  if (std::getenv("OMP_PLACES") == nullptr) {
    if (active_isa() != Isa::baseline)
      setenv("OPENBLAS_CORETYPE", active_isa() == Isa::avx512 ? "SkylakeX" : "Haswell", 0);
    // OpenMP binds the new process's first thread before it can count the processors.
    setenv("CONTEXTURE_NUM_THREADS", std::to_string(num_threads()).c_str(), 1);
    setenv("OMP_PROC_BIND", "close", 1);
    setenv("OMP_PLACES", "threads", 1);
    execv("/proc/self/exe", argv);
  }
}

/// oneDNN's threads are OpenMP's, of which the environment has been read already.
inline void set_openmp_threads(int threads) {
  if (contexture::detail::contexture_omp_set_num_threads != nullptr)
    contexture::detail::contexture_omp_set_num_threads(threads);
}

/// One pass of a problem by oneDNN, in the layouts that it likes best: reorders into them are not timed. Images and
/// weights are of the problem's type, weight gradients float. Throws dnnl::error where it cannot.
template <class T>
class OneDnn {
 public:
  OneDnn(dnnl::algorithm choose, const ConvProblem<T>& problem, kernels::ConvPass pass)
      : x_dims_{problem.shape.n, problem.shape.c, problem.shape.h, problem.shape.w},
        w_dims_{problem.shape.k, problem.shape.c, problem.shape.r, problem.shape.s},
        y_dims_{problem.shape.n, problem.shape.k, problem.shape.out_h(), problem.shape.out_w()} {
    const kernels::ConvShape& s = problem.shape;
    const auto any = [](const memory::dims& dims, memory::data_type type = kType) {
      return memory::desc(dims, type, memory::format_tag::any);
    };
    const memory::dims stride{s.stride_h, s.stride_w}, before{s.pad_h, s.pad_w};
    const memory::dims after{(s.out_h() - 1) * s.stride_h + s.r - s.h - s.pad_h,
                             (s.out_w() - 1) * s.stride_w + s.s - s.w - s.pad_w};
    const auto forward = described<dnnl::convolution_forward>(dnnl::prop_kind::forward_training, choose, any(x_dims_),
                                                              any(w_dims_), any(y_dims_), stride, before, after)();
    switch (pass) {
      case kernels::ConvPass::forward:
        name_ = forward.impl_info_str();
        primitive_ = dnnl::convolution_forward(forward);
        arguments_ = {{DNNL_ARG_SRC, images(problem.x, x_dims_, forward.src_desc())},
                      {DNNL_ARG_WEIGHTS, weights(problem.w, forward.weights_desc())}};
        add_result(DNNL_ARG_DST, forward.dst_desc(), {y_dims_, f32, memory::format_tag::nhwc});
        break;
      case kernels::ConvPass::backward_data: {
        const auto data = described<dnnl::convolution_backward_data>(choose, any(x_dims_), any(w_dims_), any(y_dims_),
                                                                     stride, before, after)(forward);
        name_ = data.impl_info_str();
        primitive_ = dnnl::convolution_backward_data(data);
        arguments_ = {{DNNL_ARG_DIFF_DST, images(problem.dy, y_dims_, data.diff_dst_desc())},
                      {DNNL_ARG_WEIGHTS, weights(problem.w, data.weights_desc())}};
        add_result(DNNL_ARG_DIFF_SRC, data.diff_src_desc(), {x_dims_, f32, memory::format_tag::nhwc});
        break;
      }
      case kernels::ConvPass::backward_weights: {
        const auto sums = described<dnnl::convolution_backward_weights>(choose, any(x_dims_), any(w_dims_, f32),
                                                                        any(y_dims_), stride, before, after)(forward);
        name_ = sums.impl_info_str();
        primitive_ = dnnl::convolution_backward_weights(sums);
        arguments_ = {{DNNL_ARG_SRC, images(problem.x, x_dims_, sums.src_desc())},
                      {DNNL_ARG_DIFF_DST, images(problem.dy, y_dims_, sums.diff_dst_desc())}};
        add_result(DNNL_ARG_DIFF_WEIGHTS, sums.diff_weights_desc(), {w_dims_, f32, memory::format_tag::hwio});
        break;
      }
    }
  }

  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }

  /// What the pass computed, in our layout.
  [[nodiscard]] Tensor<float> result() {
    memory& from = arguments_.at(result_);
    Tensor<float> out = empty<float>({plain_result_.get_size() / sizeof(float)});
    memory plain(plain_result_, engine_, out.data());
    dnnl::reorder(from, plain).execute(stream_, from, plain);
    stream_.wait();
    return out;
  }

  /// Of the implementation it chose; "ref..." is a plain loop.
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  using memory = dnnl::memory;
  static constexpr auto f32 = memory::data_type::f32;
  static constexpr auto kType = std::is_same_v<T, float> ? f32 : memory::data_type::bf16;

  // An operation's primitive_desc, to be called with its hint if it has one. oneDNN 2 wants the parts as an object of
  // their own, a type that 3 does not have.
  template <class Operation, class... Parts>
  auto described(const Parts&... parts) {
    return [&](const auto&... hint) -> typename Operation::primitive_desc {
      if constexpr (requires { typename Operation::desc; })
        return {typename Operation::desc(parts...), engine_, hint...};
      else
        return {engine_, parts..., hint...};
    };
  }

  memory images(const Tensor<T>& t, const memory::dims& dims, const memory::desc& desc) {
    return reordered({dims, kType, memory::format_tag::nhwc}, t.data(), desc);
  }
  memory weights(const Tensor<float>& t, const memory::desc& desc) {
    return reordered({w_dims_, f32, memory::format_tag::hwio}, t.data(), desc);
  }
  memory reordered(const memory::desc& plain, const void* data, const memory::desc& desc) {
    memory from(plain, engine_, const_cast<void*>(data)), to(desc, engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    return to;
  }
  void add_result(int argument, const memory::desc& desc, const memory::desc& plain) {
    result_ = argument;
    plain_result_ = plain;
    arguments_.emplace(argument, memory(desc, engine_));
  }

  memory::dims x_dims_, w_dims_, y_dims_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive primitive_;
  std::unordered_map<int, memory> arguments_;
  memory::desc plain_result_;
  int result_ = 0;
  std::string name_;
};

/// The same, or nullptr where oneDNN has no kernel for it on this processor.
template <class T>
std::unique_ptr<OneDnn<T>> onednn(dnnl::algorithm choose, const ConvProblem<T>& problem, kernels::ConvPass pass) {
  try {
    auto made = std::make_unique<OneDnn<T>>(choose, problem, pass);
    return made->name().starts_with("ref") ? nullptr : std::move(made);
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented) throw;
    return nullptr;
  }
}

}  // namespace contexture::benchmarks
