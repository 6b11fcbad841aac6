// SPDX-License-Identifier: MIT
// What every comparison with LibTorch needs: the same numbers in both layouts, the same cotangent on both sides, and a
// table of the worst errors.
//
// The reference is LibTorch in double. Against it stand ours in double, ours in float and LibTorch in float, all on
// numbers that float holds exactly. An error is the largest difference of a tensor over its largest magnitude, or over
// the row's `floor` where that is larger.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/rng.hpp"

namespace parity {

using contexture::Index;
using contexture::Rng;
using contexture::Shape;
using contexture::Tensor;
using contexture::Variable;

inline constexpr double kKink = 1e-4;  ///< no gradient enters where a ReLU's input is nearer to 0: sides may differ

/// How a tensor of ours becomes one of theirs.
enum class Layout {
  same,
  image,    ///< (N,H,W,C) -> (N,C,H,W)
  weights,  ///< (R,S,C/groups,K) -> (K,C/groups,R,S)
  matrix,   ///< (I,O) -> (O,I)
};

/// Of a parameter, by its rank.
inline Layout layout_of(const Shape& shape) {
  return shape.size() == 4 ? Layout::weights : shape.size() == 2 ? Layout::matrix : Layout::same;
}

template <class T>
torch::Tensor to_torch(const Tensor<T>& ours, Layout layout) {
  const std::vector<std::int64_t> sizes(ours.shape().begin(), ours.shape().end());
  const torch::Tensor t = torch::from_blob(const_cast<T*>(ours.data()), sizes, torch::CppTypeToScalarType<T>::value);
  switch (layout) {
    case Layout::same: break;
    case Layout::image: return t.permute({0, 3, 1, 2}).clone(torch::MemoryFormat::Contiguous);
    case Layout::weights: return t.permute({3, 2, 0, 1}).clone(torch::MemoryFormat::Contiguous);
    case Layout::matrix: return t.t().clone(torch::MemoryFormat::Contiguous);
  }
  return t.clone();
}

template <class To>
Tensor<To> converted(const Tensor<double>& from) {
  Tensor<To> to = contexture::empty<To>(from.shape());
  for (std::size_t i = 0; i < from.size(); ++i) to.data()[i] = static_cast<To>(from.data()[i]);
  return to;
}

/// What a configuration is drawn with.
class Draw {
 public:
  explicit Draw(const Rng& rng) : rng_(rng) {}

  Index between(int low, int high) { return rng_.between(low, high); }
  std::size_t extent(int low, int high) { return static_cast<std::size_t>(rng_.between(low, high)); }
  bool one_in(int n) { return rng_.below(static_cast<std::uint32_t>(n)) == 0; }
  double uniform(double low, double high) {
    return static_cast<float>(low + (high - low) * static_cast<double>(rng_.uniform()));
  }
  template <class V>
  V of(std::initializer_list<V> values) {
    return values.begin()[rng_.below(static_cast<std::uint32_t>(values.size()))];
  }

  /// Normal numbers that float holds.
  Tensor<double> tensor(const Shape& shape, double deviation = 1, double mean = 0) {
    Tensor<double> t = contexture::empty<double>(shape);
    for (double& x : t.storage()) x = static_cast<float>(mean + deviation * static_cast<double>(rng_.normal()));
    return t;
  }
  std::vector<std::int32_t> labels(std::size_t count, std::size_t classes) {
    std::vector<std::int32_t> list(count);
    for (std::int32_t& label : list) label = static_cast<std::int32_t>(rng_.below(static_cast<std::uint32_t>(classes)));
    return list;
  }
  Rng stream() { return Rng(rng_.bits64()); }

 private:
  Rng rng_;
};

/// Largest errors of values and of gradients.
struct Errors {
  double values = 0, gradients = 0;
};

/// What ours may be off, in double and in float, and the reason for that.
struct Limits {
  Errors in64, in32;
  const char* why;
};

/// So many roundings of the largest magnitude: 2^-53 each in double, 2^-24 in float. A sum of n numbers of any sign
/// comes to some sqrt(n) of them (a random walk), its worst element of thousands to a few times that.
inline Limits roundings(double values, double gradients, const char* why) {
  constexpr double in64 = 0x1p-53, in32 = 0x1p-24;
  return {{values * in64, gradients * in64}, {values * in32, gradients * in32}, why};
}

/// A line of the table.
struct Row {
  std::string name;
  Limits limits;
  int configurations = 0;
  Errors ours64 = {}, ours32 = {}, theirs32 = {};  ///< what was measured
  std::vector<std::string> failures = {};          ///< a line each
  double floor = 0.01;                             ///< 1 for sums of numbers around 1, which may cancel
  bool euclidean = false;  ///< errors are norms of differences over norms, for what many roundings went into
};

struct Input {
  Tensor<double> value;
  Layout layout = Layout::same;
};

/// Of a side's function: the first is differentiated, the others are compared as they are.
template <class T>
using Outputs = std::vector<Variable<T>>;
struct TorchOutputs {
  std::vector<torch::Tensor> values;
  torch::Tensor kink = {};  ///< like values[0]: what goes into its ReLU; undefined without one
};
using TorchFunction = std::function<TorchOutputs(const std::vector<torch::Tensor>&)>;

/// Results of a side, all in LibTorch's layout.
struct Side {
  std::vector<torch::Tensor> values, gradients;
};

/// Enters a configuration's errors into a row; `what` says which one it was.
void enter(Row& row, const std::string& what, const Side& reference, const Side& ours64, const Side& ours32,
           const Side& theirs32);

/// LibTorch's side, in `type`; gradients of sum(values[0] * cotangent) with respect to every input.
Side their_side(const std::vector<Input>& inputs, const torch::Tensor& cotangent, const TorchFunction& function,
                torch::ScalarType type);

/// The cotangent of a case, without the places where a ReLU's input is near 0.
torch::Tensor their_cotangent(const std::vector<Input>& inputs, const Tensor<double>& drawn, Layout layout,
                              const TorchFunction& function);

template <class T, class F>
Side our_side(const std::vector<Input>& inputs, const torch::Tensor& cotangent, Layout layout, const F& function) {
  std::vector<Variable<T>> variables;
  for (const Input& input : inputs) variables.emplace_back(converted<T>(input.value), true);
  const Outputs<T> outputs = function.template operator()<T>(variables);
  Side side;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    side.values.push_back(to_torch(outputs[i].value(), i == 0 ? layout : Layout::same));
  // Back into our layout.
  const torch::Tensor ours = (layout == Layout::image ? cotangent.permute({0, 2, 3, 1}) : cotangent)
                                 .to(torch::CppTypeToScalarType<T>::value)
                                 .contiguous();
  Tensor<T> g = contexture::empty<T>(outputs[0].shape());
  std::copy_n(ours.template data_ptr<T>(), g.size(), g.data());
  outputs[0].backward(std::move(g));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    side.gradients.push_back(to_torch(
        variables[i].has_grad() ? variables[i].grad() : contexture::zeros<T>(variables[i].shape()), inputs[i].layout));
  return side;
}

/// Compares one configuration. `ours` is called as ours.operator()<T>(std::vector<Variable<T>>) and returns
/// Outputs<T>; `layout` is that of the first output.
template <class F>
void compare(Row& row, const std::string& what, Draw& draw, const std::vector<Input>& inputs, Layout layout,
             const F& ours, const TorchFunction& theirs) {
  std::vector<Variable<double>> constants;
  for (const Input& input : inputs) constants.emplace_back(input.value);
  const Shape shape = ours.template operator()<double>(constants)[0].shape();
  const torch::Tensor cotangent = their_cotangent(inputs, draw.tensor(shape), layout, theirs);
  enter(row, what, their_side(inputs, cotangent, theirs, torch::kFloat64),
        our_side<double>(inputs, cotangent, layout, ours), our_side<float>(inputs, cotangent, layout, ours),
        their_side(inputs, cotangent, theirs, torch::kFloat32));
}

/// Calls `each(draw, row)` for every configuration; what it draws depends on seed, row and number alone.
Row compare_all(const Row& empty_row, int configurations, std::uint64_t seed,
                const std::function<void(Draw&, Row&)>& each);

/// The groups of comparisons, a function a source.
struct Run {
  std::uint64_t seed = 1;
  int configurations = 200;  ///< a row
};
std::vector<Row> compare_convolution(const Run& run);
std::vector<Row> compare_layers(const Run& run);
std::vector<Row> compare_elementwise(const Run& run);
std::vector<Row> compare_functions(const Run& run);
std::vector<Row> compare_losses(const Run& run);
std::vector<Row> compare_optimizers(const Run& run);
std::vector<Row> compare_networks(const Run& run);
std::vector<Row> compare_training(const Run& run);

}  // namespace parity
