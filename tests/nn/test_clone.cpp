// SPDX-License-Identifier: MIT
// Modules are not copied; clone() shares nothing with its original. Modes, and what gives them back.
#include <thread>
#include <type_traits>

#include "contexture/kernels/elementwise.hpp"
#include "contexture/nn/layers.hpp"
#include "contexture/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace contexture;
using tensors::random_tensor;

static_assert(!std::is_copy_constructible_v<Linear<float>> && !std::is_copy_assignable_v<Linear<float>>);
static_assert(!std::is_copy_constructible_v<BatchNorm<float>> && !std::is_copy_assignable_v<BatchNorm<float>>);
static_assert(!std::is_copy_constructible_v<Sequential<float>> && !std::is_copy_assignable_v<Sequential<float>>);
static_assert(!std::is_copy_constructible_v<ResidualBlock<float>>);
static_assert(std::is_move_constructible_v<Linear<float>> && std::is_move_assignable_v<Linear<float>>);
static_assert(std::is_move_constructible_v<Sequential<float>> && std::is_move_constructible_v<ResidualBlock<float>>);

namespace {

std::vector<Tensor<float>> state_of(Module<float>& module) {
  std::vector<Tensor<float>> state;
  for (const auto& p : module.parameters()) state.push_back(p.variable.value());
  for (const auto& b : module.buffers()) state.push_back(*b.tensor);
  return state;
}

void train(UnaryModule<float>& module, const Variable<float>& x) {
  Sgd<float> optimizer(module.parameters(), {});
  const Variable<float> y = module(x);
  mean(mul(y, y)).backward();
  optimizer.step(0.5);
  optimizer.zero_grad();
}

// Trains a clone and finds the original as it was.
template <class M>
void check_clone(M original, const Tensor<float>& input) {
  const Variable<float> x(input);
  train(original, x);  // away from the initial values
  original.set_training(false);
  if (!original.parameters().empty()) original.parameters()[0].variable.set_requires_grad(false);
  M clone = original.clone();
  REQUIRE((state_of(clone) == state_of(original)));
  CHECK_FALSE(clone.training());
  CHECK((clone(x).value() == original(x).value()));
  if (!clone.parameters().empty()) CHECK_FALSE(clone.parameters()[0].variable.requires_grad());
  const std::vector<Tensor<float>> before = state_of(original);
  clone.set_training(true);
  clone.set_requires_grad(true);
  CHECK_FALSE(original.training());
  if (!clone.parameters().empty()) {
    train(clone, x);
    CHECK((state_of(clone) != before));
    CHECK_FALSE(original.parameters()[0].variable.requires_grad());
  }
  CHECK((state_of(original) == before));
}

}  // namespace

TEST_CASE("a clone of any layer has the same state, and none of its own changes reach the original") {
  const Tensor<float> map = random_tensor<float>({3, 6, 5, 8}, 1);
  check_clone(Conv2d<float>(8, 4, {.kernel = 3, .stride = 2, .dilation = 2, .groups = 2, .bias = true}, Rng(1)), map);
  check_clone(Linear<float>(8, 3, Rng(1)), random_tensor<float>({5, 8}, 1));
  check_clone(Linear<float>(8, 3, {.bias = false}, Rng(1)), random_tensor<float>({5, 8}, 1));
  check_clone(BatchNorm<float>(8, {.epsilon = 0.5, .relu = true}), map);
  check_clone(LayerNorm<float>(8, {.epsilon = 0.5, .relu = true}), map);
  check_clone(GroupNorm<float>(8, {.groups = 4, .epsilon = 0.5, .relu = true}), map);
  for (const Norm norm : {Norm::batch, Norm::group, Norm::layer}) {
    check_clone(ResidualBlock<float>(8, 12, {.stride = 2, .norm = norm}, Rng(1)), map);
    check_clone(ResidualBlock<float>(8, 8, {.norm = norm}, Rng(1)), map);
  }
  check_clone(ConvTranspose2d<float>(8, 4, {.extra = 1}, Rng(1)), map);
  Sequential<float> net;
  net.add(Conv2d<float>(8, 4, {}, Rng(1))).add(BatchNorm<float>(4)).add(Gelu<float>()).add(Relu<float>());
  net.add(Silu<float>()).add(Sigmoid<float>()).add(Tanh<float>()).add(Upsample2d<float>(2)).add(MaxPool2d<float>());
  net.add(AvgPool2d<float>({.kernel = 3})).add(Flatten<float>());
  check_clone(std::move(net), map);
  Sequential<float> pooled;
  pooled.add(Conv2d<float>(8, 4, {}, Rng(1))).add(GlobalAvgPool<float>());
  check_clone(std::move(pooled), map);
}

TEST_CASE("a clone draws the same dropout, has the same momentum, and children keep their own modes") {
  Sequential<float> net;
  net.add(Dropout<float>(0.5F, Rng(1))).add(BatchNorm<float>(4)).add(Dropout<float>(0.5F, Rng(2)));
  const Variable<float> x(random_tensor<float>({30, 4}, 1));
  (void)net(x);  // the streams are somewhere
  dynamic_cast<BatchNorm<float>&>(*net.modules()[2]).set_momentum(0.75);
  net.modules()[3]->set_training(false);
  Sequential<float> clone = net.clone();
  CHECK(dynamic_cast<BatchNorm<float>&>(*clone.modules()[2]).momentum() == 0.75);
  CHECK_FALSE(clone.modules()[3]->training());
  CHECK(clone.modules()[1]->training());
  CHECK((net(x).value() == clone(x).value()));
  CHECK((state_of(net) == state_of(clone)));
}

TEST_CASE("what copies another's state draws the same dropout from then on") {
  Dropout<float> from(0.5F, Rng(1)), into(0.5F, Rng(2));
  const Variable<float> x(full<float>({10, 10}, 1.0F));
  (void)from(x);
  into.copy_state(from);
  CHECK((from(x).value() == into(x).value()));
}

TEST_CASE("a Sequential with a module that cannot be cloned says so") {
  struct Twice final : UnaryModule<float> {
    Variable<float> forward(const Variable<float>& x) override { return add(x, x); }
    void visit(ModuleVisitor<float>&) override {}
  };
  Sequential<float> net;
  net.add(Twice());
  CHECK_THROWS_AS(net.clone(), std::logic_error);
}

TEST_CASE("copy_state refuses a module whose random streams have other names") {
  struct Drawing final : UnaryModule<float> {
    explicit Drawing(std::string name) : name_(std::move(name)) {}
    Variable<float> forward(const Variable<float>& x) override { return x; }
    void visit(ModuleVisitor<float>& v) override { v.stream(name_, rng_); }
    std::string name_;
    Rng rng_;
  } left("left"), right("right");
  CHECK_THROWS_WITH(left.copy_state(right), Catch::Matchers::ContainsSubstring("right of another module"));
  CHECK_NOTHROW(left.copy_state(Drawing("left")));
}

TEST_CASE("copy_state refuses another module and leaves the state alone") {
  Linear<float> a(3, 4, Rng(1)), b(3, 5, Rng(2)), c(3, 4, {.bias = false}, Rng(3));
  const std::vector<Tensor<float>> before = state_of(a);
  CHECK_THROWS_WITH(a.copy_state(b), Catch::Matchers::ContainsSubstring("weight (3,5)") &&
                                         Catch::Matchers::ContainsSubstring("weight (3,4)"));
  CHECK_THROWS_WITH(a.copy_state(c), Catch::Matchers::ContainsSubstring("nothing"));
  CHECK((state_of(a) == before));
}

TEST_CASE("a teacher made by clone() follows its student as a moving average") {
  Sequential<float> student;
  student.add(Linear<float>(4, 8, Rng(1))).add(BatchNorm<float>(8)).add(Relu<float>()).add(Linear<float>(8, 2, Rng(2)));
  Sequential<float> teacher = student.clone();
  teacher.set_requires_grad(false);
  const Variable<float> x(random_tensor<float>({16, 4}, 3));
  const std::vector<Tensor<float>> start = state_of(student);
  std::vector<Tensor<float>> expected = start;
  for (int step = 0; step < 5; ++step) {
    train(student, x);
    auto from = student.parameters();
    auto into = teacher.parameters();
    for (std::size_t i = 0; i < into.size(); ++i) {
      Tensor<float>& w = into[i].variable.mutable_value();
      kernels::axpby(0.25F, from[i].variable.value().data(), 0.75F, w.data(), static_cast<Index>(w.size()));
      for (std::size_t k = 0; k < w.size(); ++k)
        expected[i].data()[k] = 0.25F * from[i].variable.value().data()[k] + 0.75F * expected[i].data()[k];
    }
  }
  const std::vector<Tensor<float>> taught = state_of(teacher), learnt = state_of(student);
  for (std::size_t i = 0; i < teacher.parameters().size(); ++i) {
    for (std::size_t k = 0; k < taught[i].size(); ++k)
      CHECK(taught[i].data()[k] == Approx(expected[i].data()[k]).margin(1e-6));
    CHECK((taught[i] != learnt[i]));
    CHECK((taught[i] != start[i]));
  }
  CHECK((*teacher.buffers()[0].tensor == start[start.size() - 2]));  // the student's batches moved the student's alone
  CHECK((*student.buffers()[0].tensor != *teacher.buffers()[0].tensor));
}

TEST_CASE("a mode guard sets the mode of this thread, and leaves every module its own, also after an exception") {
  Sequential<float> net;
  net.add(BatchNorm<float>(2)).add(Dropout<float>(0.5F, Rng(1)));
  net.modules()[1]->set_training(false);  // frozen statistics in a net that trains
  const auto all = [&](bool training) {
    for (const Module<float>* m : net.modules())
      if (m->training() != training) return false;
    return true;
  };
  try {
    const ModeGuard guard(true);
    CHECK(all(true));
    {
      const Inference inference;
      CHECK(all(false));
      const ModeGuard again(true);
      CHECK(all(true));
    }
    CHECK(all(true));
    bool elsewhere = true;
    std::thread([&] { elsewhere = net.modules()[1]->training(); }).join();
    CHECK_FALSE(elsewhere);
    throw 1;
  } catch (int) {
  }
  CHECK(net.training());
  CHECK_FALSE(net.modules()[1]->training());
  CHECK(net.modules()[2]->training());
}

TEST_CASE("the groups of a GroupNorm divide its channels") {
  for (Index channels = 1; channels <= 520; ++channels) {
    const Index groups = default_groups(channels);
    CAPTURE(channels, groups);
    CHECK((groups >= 1 && groups <= 32 && channels % groups == 0));
    CHECK((groups == 1 || channels / groups >= 4));
  }
  CHECK(default_groups(512) == 32);
  CHECK(default_groups(64) == 16);
  CHECK_THROWS_AS(GroupNorm<float>(6, {.groups = 4}), std::invalid_argument);
  CHECK_THROWS_AS(GroupNorm<float>(0), std::invalid_argument);
  CHECK_THROWS_AS(LayerNorm<float>(4, {.epsilon = 0}), std::invalid_argument);
  CHECK_THROWS_AS(LayerNorm<float>(4, {.affine = false})(Variable<float>(zeros<float>({2, 5}))), std::invalid_argument);
  CHECK(to_string(norm_named("group")) == "group");
  CHECK_THROWS_AS(norm_named("instance"), std::invalid_argument);
}
