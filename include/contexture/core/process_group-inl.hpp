// SPDX-License-Identifier: MIT
// The group of one process, and texts of several.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/process_group.hpp"

namespace contexture {

namespace detail {

class OnlyProcess final : public ProcessGroup {
 public:
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  void sum(std::span<double>) override {}
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<double>) override { return std::make_unique<Done>(); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<float>) override { return std::make_unique<Done>(); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<bfloat16>) override { return std::make_unique<Done>(); }
  [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override {
    return {{bytes.begin(), bytes.end()}};
  }

 private:
  struct Done final : Pending {
    bool test() override { return true; }
    void wait() override {}
  };
};

CONTEXTURE_FUNCTION ProcessGroup& only_process() noexcept {
  static OnlyProcess only;
  return only;
}

}  // namespace detail

CONTEXTURE_FUNCTION std::vector<std::string> gather_texts(ProcessGroup& group, const std::string& text) {
  std::vector<std::string> all;
  for (const std::vector<std::byte>& part : group.gather(std::as_bytes(std::span(text.data(), text.size()))))
    all.emplace_back(reinterpret_cast<const char*>(part.data()), part.size());
  return all;
}

}  // namespace contexture
