// SPDX-License-Identifier: MIT
// Results as a checkpoint keeps them: every field of every struct, so that one that is added and not kept is found.
#include <cstddef>
#include <string>
#include <utility>

#include "contexture/study/checkpoint.hpp"
#include "contexture/study/results_json.hpp"
#include "support/catch.hpp"

using namespace contexture;
using Json = nlohmann::json;

namespace {

// Converts to anything: how many of them an aggregate can be made of is how many fields it has.
struct Anything {
  template <class T>
  operator T() const {  // NOLINT: implicit on purpose; never called
    return {};
  }
};

template <class T, std::size_t... I>
constexpr bool made_of(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), Anything{})...}; };
}

template <class T, std::size_t N = 32>
constexpr std::size_t field_count() {
  if constexpr (made_of<T>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    static_assert(N > 0);
    return field_count<T, N - 1>();
  }
}

// Gives every leaf of an object a value of its own that is not its default.
void fill(Json& json, int& next) {
  for (auto& [name, value] : json.items()) {
    if (value.is_object())
      fill(value, next);
    else if (name == "arm")
      value = "pretrained";
    else if (value.is_boolean())
      value = true;
    else if (value.is_string())
      value = "text " + std::to_string(++next);
    else if (value.is_array())
      value = name == "rows" ? Json::array({HistoryRow{.step = ++next}}) : Json::array({++next, ++next});
    else if (value.is_number_float())
      value = ++next + 1.0 / 3;
    else
      value = ++next;
  }
}

// All fields but `apart` are kept, and each comes back as it went in.
template <class T>
void check_kept(std::size_t apart) {
  Json json = T{};
  CHECK(json.size() + apart == field_count<T>());
  int next = 0;
  fill(json, next);
  CHECK(json != Json(T{}));
  CHECK(Json(Json::parse(json.dump()).get<T>()) == json);
  for (const auto& [name, value] : json.items()) {  // none takes another's place
    Json without = json;
    without.erase(name);
    CAPTURE(name);
    CHECK_THROWS_AS(without.get<T>(), Json::exception);
  }
}

}  // namespace

TEST_CASE("results: a checkpoint keeps every field") {
  check_kept<PhaseId>(0);
  check_kept<HistoryRow>(0);
  check_kept<Divergence>(0);
  check_kept<TestAnswers>(0);
  check_kept<ConfusionMatrix>(0);
  check_kept<PretrainResult>(0);
  check_kept<EncoderOrigin>(0);
  check_kept<ArmResult>(4);             // plateau and time to accuracy, which follow from the history
  check_kept<FitState>(2);              // the best and the averaged weights, which are tensors
  CHECK(field_count<PhaseRow>() == 2);  // a row and its phase
}

TEST_CASE("results: a run's state is kept whole") {
  // Apart: the phase under way and the encoder's origin, which may be missing, and four maps of tensors.
  CHECK(Json(RunState{}).size() + 2 + 4 == field_count<RunState>());
}
