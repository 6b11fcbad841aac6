// SPDX-License-Identifier: MIT
// The default encoder with its heads: losses of classification, SimCLR and VICReg, and the gradients of all weights, in
// one step; then a whole training.
#include <memory>

#include "contexture/models/heads.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
#include "contexture/ssl/simclr.hpp"
#include "contexture/ssl/vicreg.hpp"
#include "contexture/ssl/view_pairs.hpp"
#include "torch_network.hpp"

namespace parity {
namespace {

namespace functional = torch::nn::functional;
using contexture::BackboneDescription;
using contexture::message;
using contexture::PretextBatch;

BackboneDescription any_encoder(Draw& draw) {
  return {.in_channels = draw.of<Index>({1, 3}),
          .width = draw.between(2, 8),
          .stages = draw.between(1, 3),
          .blocks_per_stage = draw.between(1, 2),
          .affine = !draw.one_in(4)};
}

// An encoder with what stands on it, as one module.
template <class T, class Head>
struct Both final : contexture::Module<T> {
  std::unique_ptr<contexture::Backbone<T>> encoder;
  std::unique_ptr<Head> head;
  void visit(contexture::ModuleVisitor<T>& v) override {
    v.child("encoder", *encoder);
    v.child("head", *head);
  }
};

template <class T>
struct Classifier {
  using Model = Both<T, contexture::ClassifierHead<T>>;
  static constexpr Index kClasses = 7;
  static void make(Model& m, const BackboneDescription& d) {
    m.encoder = std::make_unique<contexture::ResNet<T>>(d, Rng(1));
    m.head = std::make_unique<contexture::ClassifierHead<T>>(m.encoder->feature_channels(), kClasses,
                                                             contexture::ClassifierHeadOptions{}, Rng(2));
  }
  static Variable<T> loss(Model& m, const PretextBatch& b) {
    const Variable<T> logits = (*m.head)((*m.encoder)(contexture::input_variable<T>(b.inputs)));
    return contexture::softmax_cross_entropy<T>(logits, b.targets);
  }
};

torch::Tensor classifier_loss(TorchNetwork& net, const torch::Tensor& x, const BackboneDescription& d,
                              const PretextBatch& b) {
  const torch::Tensor logits = net.linear(net.resnet(x, d, "encoder.").mean({2, 3}), "head.output");
  return functional::cross_entropy(logits, torch::tensor(b.targets, torch::kInt64));
}

torch::Tensor rows(const torch::Tensor& z, const std::vector<std::int32_t>& picks) {
  return z.index_select(0, torch::tensor(picks, torch::kInt64));
}

// Rows i and i + N show one image.
torch::Tensor simclr_loss(TorchNetwork& net, const torch::Tensor& x, const BackboneDescription& d,
                          const PretextBatch& b) {
  const torch::Tensor z = net.mlp(net.resnet(x, d, "encoder.").mean({2, 3}), 1, "head.projection_head.");
  const torch::Tensor unit = functional::normalize(z);
  const torch::Tensor self = torch::eye(z.size(0), torch::kBool);
  const torch::Tensor logits = (torch::mm(unit, unit.t()) / 0.5).masked_fill(self, -INFINITY);
  const auto n = static_cast<std::int64_t>(b.first.size());
  return functional::cross_entropy(logits, (torch::arange(2 * n) + n).remainder(2 * n));
}

// As in the authors' program (github.com/facebookresearch/vicreg).
torch::Tensor vicreg_loss(TorchNetwork& net, const torch::Tensor& x, const BackboneDescription& d,
                          const PretextBatch& b) {
  const torch::Tensor z = net.mlp(net.resnet(x, d, "encoder.").mean({2, 3}), 2, "head.expander.");
  torch::Tensor loss = 25 * functional::mse_loss(rows(z, b.first), rows(z, b.second));
  for (const auto* picks : {&b.first, &b.second}) {
    const torch::Tensor view = rows(z, *picks), centred = view - view.mean(0);
    const auto n = static_cast<double>(view.size(0)), width = static_cast<double>(view.size(1));
    const torch::Tensor covariance = torch::mm(centred.t(), centred) / (n - 1);
    const torch::Tensor hinge = torch::relu(1 - torch::sqrt(view.var(0) + 1e-4)).mean();
    loss = loss + 25 * hinge / 2 + (covariance.pow(2).sum() - torch::diag(covariance).pow(2).sum()) / width;
  }
  return loss;
}

template <class T, template <class> class Task>
struct Pretext {
  using Model = Both<T, contexture::PretextTask<T>>;
  static void make(Model& m, const BackboneDescription& d) {
    m.encoder = std::make_unique<contexture::ResNet<T>>(d, Rng(1));
    const std::vector<float> zeros(static_cast<std::size_t>(d.in_channels), 0), ones(zeros.size(), 1);
    const contexture::PretextImages images{
        .height = 16, .width = 16, .channels = d.in_channels, .normalization = {zeros, ones}};
    typename Task<T>::Options options{.views = contexture::view_pair_defaults(images)};
    options.head.hidden = 24;
    options.head.output = 12;
    m.head = std::make_unique<typename Task<T>::Type>(options, images, *m.encoder, Rng(2));
  }
  static Variable<T> loss(Model& m, const PretextBatch& b) { return m.head->loss(*m.encoder, b).loss; }
};
template <class T>
struct SimclrTask {
  using Type = contexture::Simclr<T>;
  using Options = contexture::SimclrOptions;
};
template <class T>
struct VicregTask {
  using Type = contexture::Vicreg<T>;
  using Options = contexture::VicregOptions;
};
template <class T>
using SimclrModel = Pretext<T, SimclrTask>;
template <class T>
using VicregModel = Pretext<T, VicregTask>;

using TheirLoss = torch::Tensor (*)(TorchNetwork&, const torch::Tensor&, const BackboneDescription&,
                                    const PretextBatch&);

template <class T, template <class> class Kind>
Side our_step(const BackboneDescription& d, const Weights& weights, const PretextBatch& batch) {
  typename Kind<T>::Model model;
  Kind<T>::make(model, d);
  set_weights<T>(model, weights);
  const Variable<T> loss = Kind<T>::loss(model, batch);
  loss.backward();
  Side side{listed<T>(model, false), listed<T>(model, true)};
  side.values.push_back(to_torch(loss.value(), Layout::same));
  const contexture::Inference inference;  // with the running statistics of this step
  side.values.push_back(to_torch(Kind<T>::loss(model, batch).value(), Layout::same));
  return side;
}

// How near to 0 an input of a ReLU comes in training mode.
double nearest_kink(const BackboneDescription& d, const Weights& weights, const PretextBatch& batch,
                    TheirLoss loss_of) {
  const torch::NoGradGuard no_grad;
  TorchNetwork net(weights, torch::kFloat64);
  (void)loss_of(net, to_torch(batch.inputs, Layout::image).to(torch::kFloat64), d, batch);
  return net.nearest_kink;
}

Side their_step(const BackboneDescription& d, const Weights& weights, const PretextBatch& batch, TheirLoss loss_of,
                torch::ScalarType type) {
  TorchNetwork net(weights, type);
  const torch::Tensor x = to_torch(batch.inputs, Layout::image).to(type);
  const torch::Tensor loss = loss_of(net, x, d, batch);
  loss.backward();
  Side side{net.listed(false), net.listed(true)};
  side.values.push_back(loss.detach());
  const torch::NoGradGuard no_grad;
  net.training = false;
  side.values.push_back(loss_of(net, x, d, batch));
  return side;
}

template <template <class> class Kind>
void one_step(Draw& draw, Row& row, TheirLoss loss_of) {
  const BackboneDescription d = any_encoder(draw);
  const std::size_t n = draw.extent(4, 6);
  PretextBatch batch;
  const Shape shape{2 * n, draw.extent(8, 16), draw.extent(8, 16), static_cast<std::size_t>(d.in_channels)};
  for (std::size_t i = 0; i < n; ++i) {
    batch.first.push_back(static_cast<std::int32_t>(i));
    batch.second.push_back(static_cast<std::int32_t>(i + n));
  }
  batch.targets = draw.labels(2 * n, 7);
  typename Kind<float>::Model model;
  Kind<float>::make(model, d);
  Weights weights = weights_of<float>(model);
  for (auto& [name, value] : weights)  // none of them special: gammas of 1, betas of 0
    if (!TorchNetwork::is_buffer(name))
      for (double& w : value.storage()) w = static_cast<float>(w + draw.uniform(-0.05, 0.05));
  // In float, a ReLU whose input is nearer to 0 than its rounding may be open on one side and shut on the other.
  for (int attempt = 0; attempt == 0 || nearest_kink(d, weights, batch, loss_of) < 1e-5; ++attempt) {
    contexture::require_state(attempt < 200, row.name, ": no images without a ReLU near its kink");
    batch.inputs = converted<float>(draw.tensor(shape));
  }
  enter(row, message("x ", shape, ", width ", d.width, ", stages ", d.stages, " of ", d.blocks_per_stage),
        their_step(d, weights, batch, loss_of, torch::kFloat64), our_step<double, Kind>(d, weights, batch),
        our_step<float, Kind>(d, weights, batch), their_step(d, weights, batch, loss_of, torch::kFloat32));
}

// A training of the default encoder: images with a pattern of their class in noise, the same batches for all.
constexpr int kSteps = 100;
constexpr std::size_t kBatch = 32, kExtent = 24, kColours = 3;

PretextBatch training_batch(const Rng& rng, const Tensor<float>& patterns) {
  Rng stream = rng;
  PretextBatch batch;
  batch.inputs = contexture::empty<float>({kBatch, kExtent, kExtent, kColours});
  const std::size_t size = kExtent * kExtent * kColours;
  for (std::size_t i = 0; i < kBatch; ++i) {
    batch.targets.push_back(static_cast<std::int32_t>(stream.below(7)));
    const float* const pattern = patterns.data() + static_cast<std::size_t>(batch.targets.back()) * size;
    for (std::size_t k = 0; k < size; ++k) batch.inputs.data()[i * size + k] = 0.5F * pattern[k] + stream.normal();
  }
  return batch;
}

contexture::Schedule training_schedule() {
  return {.kind = contexture::ScheduleKind::one_cycle, .peak = 0.002, .total_steps = kSteps};
}

// All weights as one tensor, and so with one magnitude.
torch::Tensor joined(std::vector<torch::Tensor> weights) {
  for (torch::Tensor& t : weights) t = t.flatten();
  return torch::cat(weights);
}

template <class T>
Side our_training(const BackboneDescription& d, const Weights& start, const std::vector<PretextBatch>& batches) {
  typename Classifier<T>::Model model;
  Classifier<T>::make(model, d);
  set_weights<T>(model, start);
  contexture::Sgd<T> optimizer(model.parameters());
  const contexture::Schedule schedule = training_schedule();
  std::vector<double> losses;
  for (int step = 0; step < kSteps; ++step) {
    const Variable<T> loss = Classifier<T>::loss(model, batches[static_cast<std::size_t>(step)]);
    losses.push_back(static_cast<double>(loss.item()));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step(schedule(step));
  }
  Side side{{joined(listed<T>(model, false))}, {}};
  side.values.push_back(torch::tensor(losses, torch::kFloat64));
  return side;
}

Side their_training(const BackboneDescription& d, const Weights& start, const std::vector<PretextBatch>& batches,
                    torch::ScalarType type) {
  TorchNetwork net(start, type);
  std::vector<torch::Tensor> decayed, others;
  for (auto& [name, tensor] : net.weights)
    if (!TorchNetwork::is_buffer(name)) (tensor.dim() > 1 ? decayed : others).push_back(tensor);
  const auto options = [](double decay) {
    return torch::optim::SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(decay);
  };
  torch::optim::SGD optimizer({{decayed, std::make_unique<torch::optim::SGDOptions>(options(5e-4))},
                               {others, std::make_unique<torch::optim::SGDOptions>(options(0))}},
                              options(0));
  const contexture::Schedule schedule = training_schedule();
  std::vector<double> losses;
  for (int step = 0; step < kSteps; ++step) {
    const PretextBatch& batch = batches[static_cast<std::size_t>(step)];
    const torch::Tensor loss = classifier_loss(net, to_torch(batch.inputs, Layout::image).to(type), d, batch);
    losses.push_back(loss.item<double>());
    optimizer.zero_grad();
    loss.backward();
    for (auto& group : optimizer.param_groups())
      static_cast<torch::optim::SGDOptions&>(group.options()).lr(schedule(step));
    optimizer.step();
  }
  Side side{{joined(net.listed(false))}, {}};
  side.values.push_back(torch::tensor(losses, torch::kFloat64));
  return side;
}

}  // namespace

std::vector<Row> compare_networks(const Run& run) {
  const auto all = [&](const char* name, const std::function<void(Draw&, Row&)>& each) {
    const Limits limits{
        {1e-10, 1e-10}, {1e-3, 1e-2}, "up to 17 layers; each batch-norm divides by a deviation and passes errors on"};
    return compare_all({.name = name, .limits = limits}, run.configurations, run.seed, each);
  };
  return {all("encoder, classifier", [](Draw& d, Row& r) { one_step<Classifier>(d, r, classifier_loss); }),
          all("encoder, SimCLR", [](Draw& d, Row& r) { one_step<SimclrModel>(d, r, simclr_loss); }),
          all("encoder, VICReg", [](Draw& d, Row& r) { one_step<VicregModel>(d, r, vicreg_loss); })};
}

std::vector<Row> compare_training(const Run& run) {
  const Limits limits{{1e-9, 0}, {1e-3, 0}, "every step passes the errors of those before on, and enlarges them"};
  Row row{.name = "default encoder, 100 steps", .limits = limits, .euclidean = true};
  const Rng rng = Rng(run.seed).split("training");
  const BackboneDescription d;
  Draw draw(rng.split("patterns"));
  const Tensor<float> patterns = converted<float>(draw.tensor({7, kExtent, kExtent, kColours}));
  std::vector<PretextBatch> batches;
  for (std::uint64_t step = 0; step < kSteps; ++step) batches.push_back(training_batch(rng.split(step), patterns));
  Classifier<float>::Model model;
  Classifier<float>::make(model, d);
  const Weights start = weights_of<float>(model);
  enter(row, "losses of all steps and final weights", their_training(d, start, batches, torch::kFloat64),
        our_training<double>(d, start, batches), our_training<float>(d, start, batches),
        their_training(d, start, batches, torch::kFloat32));
  return {row};
}

}  // namespace parity
