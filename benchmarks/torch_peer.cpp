// SPDX-License-Identifier: MIT
#include "torch_peer.hpp"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

namespace contexture::benchmarks {
namespace {

// torch.autocast("cpu", torch.bfloat16), whose C++ names changed.
class Autocast {
 public:
  explicit Autocast(bool on) : on_(on) {
    if (!on_) return;
    enable(true);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!on_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    enable(false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  static void enable(bool on) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, on);
#else
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    at::autocast::set_cpu_enabled(on);
#endif
  }

  bool on_;
};

torch::Tensor clone(const TensorView& view) {
  return torch::from_blob(const_cast<float*>(view.data), view.shape, torch::kFloat32).clone();
}

// Our layout to theirs: (N,H,W,C) to (N,C,H,W), (R,S,C,K) to (K,C,R,S), (inputs,outputs) to its transpose.
torch::Tensor parameter_to_torch(const torch::Tensor& t) {
  return t.dim() == 4 ? t.permute({3, 2, 0, 1}) : t.dim() == 2 ? t.t() : t;
}
std::vector<float> parameter_from_torch(const torch::Tensor& t) {
  const torch::Tensor ours = (t.dim() == 4   ? t.permute({2, 3, 1, 0})
                              : t.dim() == 2 ? t.t()
                                             : t)
                                 .contiguous(torch::MemoryFormat::Contiguous);
  return {ours.data_ptr<float>(), ours.data_ptr<float>() + ours.numel()};
}

torch::Tensor indices(const std::vector<std::int32_t>& values) { return torch::tensor(values, torch::kInt64); }

}  // namespace

struct TorchPeer::Network {
  struct RunningStatistics {
    torch::Tensor mean, variance;
  };

  std::vector<TorchBlock> blocks;
  torch::Tensor x, targets, first, second, class_weights, output;
  std::vector<torch::Tensor> parameters;
  std::vector<RunningStatistics> statistics;
  std::unique_ptr<torch::optim::SGD> optimizer;
  double dropout, temperature;
  bool bfloat16, training = true;
  std::size_t next_parameter = 0, next_statistics = 0;  // while a forward pass goes on

  torch::Tensor next() { return parameters[next_parameter++]; }

  torch::Tensor batch_norm(const torch::Tensor& input, bool affine = true) {
    if (next_statistics == statistics.size())
      statistics.push_back({torch::zeros({input.size(1)}), torch::ones({input.size(1)})});
    const RunningStatistics& running = statistics[next_statistics++];
    const torch::Tensor gamma = affine ? next() : torch::Tensor();
    const torch::Tensor beta = affine ? next() : torch::Tensor();
    return torch::batch_norm(input, gamma, beta, running.mean, running.variance, training, 0.1, 1e-5, true);
  }

  torch::Tensor block(const torch::Tensor& input, const TorchBlock& its) {
    torch::Tensor inner = batch_norm(torch::conv2d(input, next(), {}, its.stride, 1)).relu_();
    inner = batch_norm(torch::conv2d(inner, next(), {}, 1, 1));
    if (!its.shortcut) return inner.add_(input).relu_();
    const torch::Tensor shortcut = torch::conv2d(input, next(), {}, its.stride);
    return inner.add_(batch_norm(shortcut)).relu_();
  }

  torch::Tensor linear(const torch::Tensor& input) {
    const torch::Tensor w = next(), b = next();
    return torch::linear(input, w, b);
  }

  torch::Tensor context_logits(const torch::Tensor& features) {
    const torch::Tensor w_first = next(), w_second = next();
    const torch::Tensor sums = torch::linear(features, w_first).index_select(0, first) +
                               torch::linear(features, w_second).index_select(0, second);
    torch::Tensor hidden = batch_norm(sums, false).relu_();
    if (dropout > 0) hidden = torch::dropout(hidden, dropout, training);
    return linear(hidden);
  }

  void forward() {
    next_parameter = next_statistics = 0;
    const torch::Tensor stem = torch::conv2d(x, next(), {}, 1, 1);
    torch::Tensor map = batch_norm(stem).relu_();
    for (const TorchBlock& its : blocks) map = block(map, its);
    const torch::Tensor features = map.mean({2, 3});
    if (first.defined()) {
      output = context_logits(features);
    } else if (temperature > 0) {
      const torch::Tensor hidden = batch_norm(torch::linear(features, next())).relu_();
      output = torch::nn::functional::normalize(linear(hidden));
    } else {
      output = linear(features);
    }
  }

  torch::Tensor loss() {
    torch::Tensor logits = output;
    if (temperature > 0) {
      const torch::Tensor same = torch::eye(output.size(0), torch::kBool);
      logits = (torch::mm(output, output.t()) / temperature).masked_fill(same, -1e30);
    }
    torch::nn::functional::CrossEntropyFuncOptions options;
    if (class_weights.defined()) options.weight(class_weights);
    return torch::nn::functional::cross_entropy(logits, targets, options);
  }
};

TorchPeer::TorchPeer(const TorchProblem& problem, const std::vector<TensorView>& parameters)
    : network_(std::make_unique<Network>()) {
  Network& net = *network_;
  const auto format = problem.channels_last ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
  net.x = clone(problem.inputs).permute({0, 3, 1, 2}).contiguous(format);
  net.targets = indices(problem.targets);
  net.blocks = problem.blocks;
  net.dropout = static_cast<double>(problem.dropout);
  net.temperature = static_cast<double>(problem.temperature);
  net.bfloat16 = problem.bfloat16;
  if (!problem.first.empty()) {
    net.first = indices(problem.first);
    net.second = indices(problem.second);
  }
  if (!problem.class_weights.empty()) net.class_weights = torch::tensor(problem.class_weights);
  std::vector<torch::Tensor> decayed, undecayed;  // as our SGD: biases and batch-norms are not decayed
  for (const TensorView& view : parameters) {
    torch::Tensor p = parameter_to_torch(clone(view));
    p = p.contiguous(p.dim() == 4 ? format : torch::MemoryFormat::Contiguous).requires_grad_(true);
    net.parameters.push_back(p);
    (p.dim() > 1 ? decayed : undecayed).push_back(p);
  }
  const auto options = [](double decay) {
    return torch::optim::SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(decay);
  };
  net.optimizer = std::make_unique<torch::optim::SGD>(
      std::vector<torch::optim::OptimizerParamGroup>{
          {decayed, std::make_unique<torch::optim::SGDOptions>(options(5e-4))},
          {undecayed, std::make_unique<torch::optim::SGDOptions>(options(0))}},
      options(0));
}

TorchPeer::~TorchPeer() = default;

void TorchPeer::train(double lr) {
  Network& net = *network_;
  net.training = true;
  for (torch::Tensor& p : net.parameters) p.mutable_grad() = torch::Tensor();
  for (auto& group : net.optimizer->param_groups()) static_cast<torch::optim::SGDOptions&>(group.options()).lr(lr);
  torch::Tensor loss;
  {
    const Autocast autocast(net.bfloat16);
    net.forward();
    loss = net.loss();
  }
  loss.backward();
  net.optimizer->step();
}

void TorchPeer::infer() {
  const torch::NoGradGuard no_grad;
  const Autocast autocast(network_->bfloat16);
  network_->training = false;
  network_->forward();
}

std::vector<float> TorchPeer::output() const {
  const torch::Tensor t = network_->output.detach().to(torch::kFloat32).contiguous();
  return {t.data_ptr<float>(), t.data_ptr<float>() + t.numel()};
}

std::vector<float> TorchPeer::parameter(std::size_t i) const {
  return parameter_from_torch(network_->parameters[i].detach());
}

std::vector<float> TorchPeer::gradient(std::size_t i) const {
  return parameter_from_torch(network_->parameters[i].grad().detach());
}

void TorchPeer::set_threads(int threads) { torch::set_num_threads(threads); }

}  // namespace contexture::benchmarks
