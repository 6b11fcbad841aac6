#include "torch_peer.hpp"

#include <torch/torch.h>

namespace contexture::benchmarks {
namespace {

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

  torch::Tensor x, targets, first, second, class_weights, logits;
  std::vector<torch::Tensor> parameters;
  std::vector<RunningStatistics> statistics;
  std::unique_ptr<torch::optim::SGD> optimizer;
  double dropout;
  bool training = true;
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

  torch::Tensor block(const torch::Tensor& input) {
    torch::Tensor inner = batch_norm(torch::conv2d(input, next(), {}, 2, 1)).relu_();
    inner = batch_norm(torch::conv2d(inner, next(), {}, 1, 1));
    const torch::Tensor shortcut = torch::conv2d(input, next(), {}, 2);
    return inner.add_(batch_norm(shortcut)).relu_();
  }

  void forward() {
    next_parameter = next_statistics = 0;
    const torch::Tensor stem = torch::conv2d(x, next(), {}, 1, 1);
    torch::Tensor map = batch_norm(stem).relu_();
    for (int stage = 0; stage < 3; ++stage) map = block(map);
    const torch::Tensor features = map.mean({2, 3});
    if (!first.defined()) {
      const torch::Tensor w = next(), b = next();
      logits = torch::linear(features, w, b);
      return;
    }
    const torch::Tensor w_first = next(), w_second = next();
    const torch::Tensor sums = torch::linear(features, w_first).index_select(0, first) +
                               torch::linear(features, w_second).index_select(0, second);
    torch::Tensor hidden = batch_norm(sums, false).relu_();
    if (dropout > 0) hidden = torch::dropout(hidden, dropout, training);
    const torch::Tensor w = next(), b = next();
    logits = torch::linear(hidden, w, b);
  }
};

TorchPeer::TorchPeer(const TorchProblem& problem, const std::vector<TensorView>& parameters)
    : network_(std::make_unique<Network>()) {
  Network& net = *network_;
  const auto format = problem.channels_last ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
  net.x = clone(problem.inputs).permute({0, 3, 1, 2}).contiguous(format);
  net.targets = indices(problem.targets);
  net.dropout = static_cast<double>(problem.dropout);
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
  net.forward();
  torch::nn::functional::CrossEntropyFuncOptions options;
  if (net.class_weights.defined()) options.weight(net.class_weights);
  torch::nn::functional::cross_entropy(net.logits, net.targets, options).backward();
  net.optimizer->step();
}

void TorchPeer::infer() {
  const torch::NoGradGuard no_grad;
  network_->training = false;
  network_->forward();
}

std::vector<float> TorchPeer::logits() const {
  const torch::Tensor t = network_->logits.detach().contiguous();
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
