// SPDX-License-Identifier: MIT
// Losses, and what the losses of contrastive tasks are made of; theirs are put together from LibTorch's operations.
#include "contexture/autograd/decorrelation.hpp"
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/loss.hpp"
#include "contexture/autograd/similarity.hpp"
#include "contexture/core/error.hpp"
#include "parity.hpp"

namespace parity {
namespace {

namespace functional = torch::nn::functional;
using contexture::message;
using Tensors = std::vector<torch::Tensor>;

void one_cross_entropy(Draw& draw, Row& row) {
  const Shape shape{draw.extent(1, 40), draw.extent(2, 30)};
  const std::vector<std::int32_t> labels = draw.labels(shape[0], shape[1]);
  const double smoothing = draw.one_in(2) ? draw.uniform(0, 0.5) : 0.0;
  std::vector<double> weights;
  if (draw.one_in(2)) {
    for (std::size_t c = 0; c < shape[1]; ++c) weights.push_back(draw.one_in(6) ? 0.0 : draw.uniform(0.1, 3));
    weights[static_cast<std::size_t>(labels[0])] = 1;  // where all are 0, theirs is no number
  }
  compare(
      row, message("logits ", shape, ", smoothing ", smoothing, weights.empty() ? "" : ", class weights"), draw,
      {{draw.tensor(shape, draw.of({1.0, 1.0, 10.0, 100.0}))}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        const std::vector<T> own(weights.begin(), weights.end());
        return {contexture::softmax_cross_entropy<T>(
            in[0], labels, {.class_weights = std::span<const T>(own), .label_smoothing = smoothing})};
      },
      [&](const Tensors& in) -> TorchOutputs {
        functional::CrossEntropyFuncOptions options;
        options.label_smoothing(smoothing);
        if (!weights.empty()) options.weight(torch::tensor(weights, in[0].options().requires_grad(false)));
        return {{functional::cross_entropy(in[0], torch::tensor(labels, torch::kInt64), options)}};
      });
}

void one_mse(Draw& draw, Row& row) {
  const Shape shape{draw.extent(1, 40), draw.extent(1, 40)};
  compare(
      row, message(shape), draw, {{draw.tensor(shape)}, {draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> { return {contexture::mse_loss(in[0], in[1])}; },
      [&](const Tensors& in) -> TorchOutputs { return {{torch::mse_loss(in[0], in[1])}}; });
}

void one_normalize(Draw& draw, Row& row) {
  // Of rows of one number the gradient is 0, and what is computed of it is rounding.
  const Shape shape{draw.extent(1, 40), draw.extent(2, 64)};
  const Tensor<double> x = draw.tensor(shape, draw.of({1.0, 0.01, 100.0}));
  compare(
      row, message(shape), draw, {{x}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> { return {contexture::normalize_rows(in[0])}; },
      [&](const Tensors& in) -> TorchOutputs {
        return {{functional::normalize(in[0], functional::NormalizeFuncOptions().p(2).dim(1).eps(1e-8))}};
      });
}

void one_similarity(Draw& draw, Row& row) {
  const Shape shape{draw.extent(2, 40), draw.extent(1, 64)};
  const double factor = draw.uniform(0.5, 10);
  Tensor<double> off_diagonal = contexture::full<double>({shape[0], shape[0]}, 1);  // on it stands -1e30
  for (std::size_t i = 0; i < shape[0]; ++i) off_diagonal.data()[i * shape[0] + i] = 0;
  compare(
      row, message(shape, ", scale ", factor), draw, {{draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::mul(contexture::self_similarity(in[0], static_cast<T>(factor)),
                                Variable<T>(converted<T>(off_diagonal)))};
      },
      [&](const Tensors& in) -> TorchOutputs {
        const torch::Tensor diagonal = torch::eye(in[0].size(0), torch::kBool);
        return {{(torch::mm(in[0], in[0].t()) * factor).masked_fill(diagonal, 0)}};
      });
}

// NT-Xent (arXiv 2002.05709) of 2N embeddings, row i and row i + N views of one image.
void one_nt_xent(Draw& draw, Row& row) {
  const std::size_t images = draw.extent(2, 24);
  const Shape shape{2 * images, draw.extent(2, 64)};
  const double temperature = draw.uniform(0.1, 1);
  std::vector<std::int32_t> partner(2 * images);
  for (std::size_t i = 0; i < partner.size(); ++i) partner[i] = static_cast<std::int32_t>((i + images) % (2 * images));
  compare(
      row, message(shape, ", temperature ", temperature), draw, {{draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::softmax_cross_entropy<T>(
            contexture::self_similarity(contexture::normalize_rows(in[0]), static_cast<T>(1 / temperature)), partner)};
      },
      [&](const Tensors& in) -> TorchOutputs {
        const torch::Tensor unit = functional::normalize(in[0]);
        const torch::Tensor self = torch::eye(in[0].size(0), torch::kBool);
        const torch::Tensor logits = (torch::mm(unit, unit.t()) / temperature).masked_fill(self, -INFINITY);
        return {{functional::cross_entropy(logits, torch::tensor(partner, torch::kInt64))}};
      });
}

torch::Tensor vicreg_terms(const torch::Tensor& z, const contexture::DecorrelationOptions& o) {
  const double rows = static_cast<double>(z.size(0)), width = static_cast<double>(z.size(1));
  const torch::Tensor centred = z - z.mean(0);
  const torch::Tensor covariance = torch::mm(centred.t(), centred) / (rows - 1);
  const torch::Tensor hinge = torch::relu(o.deviation - torch::sqrt(z.var(0) + o.epsilon)).mean();
  const torch::Tensor off = covariance - torch::diag(torch::diag(covariance));
  return o.variance_weight * hinge + o.covariance_weight * off.pow(2).sum() / width;
}

void one_decorrelation(Draw& draw, Row& row) {
  const Shape shape{draw.extent(4, 40), draw.extent(1, 48)};
  const contexture::DecorrelationOptions o{.variance_weight = draw.uniform(0, 30),
                                           .covariance_weight = draw.uniform(0, 3),
                                           .deviation = draw.uniform(0.5, 1.5),
                                           .epsilon = draw.of({1e-4, 1e-2})};
  compare(
      row, message(shape), draw, {{draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::decorrelation_loss(in[0], o)};
      },
      [&](const Tensors& in) -> TorchOutputs { return {{vicreg_terms(in[0], o)}}; });
}

}  // namespace

std::vector<Row> compare_losses(const Run& run) {
  std::vector<Row> rows;
  const auto all = [&](const char* name, const Limits& limits, const std::function<void(Draw&, Row&)>& each) {
    rows.push_back(compare_all({.name = name, .limits = limits}, run.configurations, run.seed, each));
  };
  all("softmax_cross_entropy", roundings(64, 64, "a difference of logits, exp of it, sums of up to 30, and log"),
      one_cross_entropy);
  all("mse_loss", roundings(64, 16, "a mean of up to 1,600 squares"), one_mse);
  all("normalize_rows", roundings(16, 32, "a norm of up to 64 numbers, and a division"), one_normalize);
  all("self_similarity", roundings(64, 64, "sums of up to 64 products; of one, the largest may be small"),
      one_similarity);
  all("NT-Xent", roundings(64, 64, "cosines of up to 64 numbers, over a temperature; exp, sums of up to 48, and log"),
      one_nt_xent);
  all("decorrelation_loss", roundings(200, 64, "sums of squares of covariances of up to 40 rows"), one_decorrelation);
  return rows;
}

}  // namespace parity
