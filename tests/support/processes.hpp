// SPDX-License-Identifier: MIT
// Processes of a group, played by threads of this one: what they show each other goes through memory.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "contexture/core/process_group.hpp"

namespace processes {

using contexture::Accumulator;
using contexture::bfloat16;
using contexture::ProcessGroup;
using Bytes = std::vector<std::byte>;

// Thrown in the threads that wait for one that failed.
class Broken : public std::runtime_error {
 public:
  Broken() : std::runtime_error("another process failed") {}
};

// Where they meet: the k-th meeting of each process is the same one.
class MeetingPlace {
 public:
  explicit MeetingPlace(int size) : size_(size) {}

  void bring(int kind, int number, int rank, Bytes bytes) {
    {
      const std::lock_guard lock(mutex_);
      Meeting& meeting = meetings_[{kind, number}];
      meeting.parts.resize(static_cast<std::size_t>(size_));
      meeting.parts[static_cast<std::size_t>(rank)] = std::move(bytes);
      ++meeting.came;
    }
    changed_.notify_all();
  }
  bool all_came(int kind, int number) {
    const std::lock_guard lock(mutex_);
    return meetings_.at({kind, number}).came == size_;
  }
  std::vector<Bytes> take(int kind, int number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return broken_ || meetings_.at({kind, number}).came == size_; });
    const auto found = meetings_.find({kind, number});
    if (found->second.came != size_) throw Broken();
    std::vector<Bytes> parts = found->second.parts;
    if (++found->second.left == size_) meetings_.erase(found);
    return parts;
  }
  void give_up() {
    {
      const std::lock_guard lock(mutex_);
      broken_ = true;
    }
    changed_.notify_all();
  }

 private:
  struct Meeting {
    std::vector<Bytes> parts;
    int came = 0, left = 0;
  };
  int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<int, int>, Meeting> meetings_;
  bool broken_ = false;
};

class ThreadGroup final : public ProcessGroup {
 public:
  ThreadGroup(MeetingPlace& place, int rank, int size) : place_(place), rank_(rank), size_(size) {}
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  void sum(std::span<double> values) override { add_up(gather(std::as_bytes(values)), values); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<double> values) override {
    return begin(2, ++calls_, values);
  }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<float> values) override {
    return begin(1, ++sums_, values);
  }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<bfloat16> values) override {
    return begin(1, ++sums_, values);
  }
  [[nodiscard]] std::vector<Bytes> gather(std::span<const std::byte> bytes) override {
    place_.bring(0, ++gathers_, rank_, Bytes(bytes.begin(), bytes.end()));
    return place_.take(0, gathers_);
  }
  int sums() const { return sums_; }

 private:
  template <class T>
  static void add_up(const std::vector<Bytes>& parts, std::span<T> into) {
    std::fill(into.begin(), into.end(), T{});
    for (const Bytes& part : parts) {
      if (part.size() != into.size_bytes()) throw std::logic_error("processes add up lists of other lengths");
      for (std::size_t i = 0; i < into.size(); ++i) {
        T value;
        std::memcpy(&value, part.data() + i * sizeof(T), sizeof(T));
        into[i] = T(static_cast<Accumulator<T>>(into[i]) + static_cast<Accumulator<T>>(value));
      }
    }
  }
  template <class T>
  std::unique_ptr<Pending> begin(int kind, int number, std::span<T> values) {
    const auto bytes = std::as_bytes(values);
    place_.bring(kind, number, rank_, Bytes(bytes.begin(), bytes.end()));
    return std::make_unique<Sum<T>>(place_, kind, number, values);
  }
  template <class T>
  struct Sum final : Pending {
    Sum(MeetingPlace& place, int kind, int number, std::span<T> values)
        : place_(place), kind_(kind), number_(number), values_(values) {}
    bool test() override {
      if (!done_ && place_.all_came(kind_, number_)) wait();
      return done_;
    }
    void wait() override {
      if (!done_) add_up(place_.take(kind_, number_), values_);
      done_ = true;
    }
    MeetingPlace& place_;
    int kind_, number_;
    std::span<T> values_;
    bool done_ = false;
  };

  MeetingPlace& place_;
  int rank_, size_, gathers_ = 0, calls_ = 0, sums_ = 0;
};

// Runs f(group) in so many threads, each of which is a process of the group; throws what the first of them threw that
// did not only wait for another.
template <class F>
void run(int size, F f) {
  MeetingPlace place(size);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      ThreadGroup group(place, rank, size);
      const contexture::ProcessGroupGuard guard(group);
      try {
        f(group);
      } catch (const Broken&) {
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
        place.give_up();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace processes
