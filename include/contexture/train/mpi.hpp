// SPDX-License-Identifier: MIT
// A process group whose engine is MPI: the processes that mpirun (or srun) started. Compiled only where the build has
// MPI (CONTEXTURE_WITH_MPI); nothing else of the library knows it.
//
// All calls come from one thread. Waiting leaves processors to others, so that processes may be more than these; and it
// ends: a process that does not answer in time ends the job, by name.
#pragma once

#if defined(CONTEXTURE_WITH_MPI)

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/train/mpi_sum.hpp"

namespace contexture {

/// Whether a launcher of MPI programs started this process.
[[nodiscard]] inline bool started_by_mpi() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "MV2_COMM_WORLD_SIZE"})
    if (std::getenv(name) != nullptr) return true;
  return false;
}

/// One of these lives as long as the program works; MPI ends with it.
class MpiGroup final : public ProcessGroup {
 public:
  /// Joins the others. A process that is waited for so many seconds in vain is lost.
  MpiGroup(int& argc, char**& argv, double patience) : patience_(patience) {
    require(patience > 0, "MpiGroup: patience of ", patience, " s, expected more than 0");
    int provided = 0;
    check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI cannot be started");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI");
    for (MPI_Comm* const one : {&calls_.comm, &buckets_.comm, &control_, &gathers_}) {
      check(MPI_Comm_dup(MPI_COMM_WORLD, one), "MPI");
      check(MPI_Comm_set_errhandler(*one, MPI_ERRORS_RETURN), "MPI");
    }
    failures_.resize(static_cast<std::size_t>(size_));
    alive_.resize(static_cast<std::size_t>(size_));
  }

  ~MpiGroup() override { MPI_Finalize(); }
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  /// The end of the work: the first process's value, once all are here, however long that takes. Collective.
  [[nodiscard]] int leave(int value) {
    patience_ = std::numeric_limits<double>::infinity();
    return of_first<int>(*this, value);
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  void sum(std::span<double> values) override { begin_sum(values)->wait(); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<double> values) override { return begin(calls_, values); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<float> values) override { return begin(buckets_, values); }
  [[nodiscard]] std::unique_ptr<Pending> begin_sum(std::span<bfloat16> values) override {
    return begin(buckets_, values);
  }

  [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override {
    const auto count = static_cast<std::size_t>(size_);
    const std::uint64_t own = bytes.size();
    std::vector<std::uint64_t> sizes(count);
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Iallgather(&own, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, gathers_, &request), "gathering sizes");
    wait(request);
    std::vector<std::vector<std::byte>> out(count);
    const std::uint64_t piece = kMost / count, longest = *std::max_element(sizes.begin(), sizes.end());
    for (std::uint64_t at = 0; at < longest; at += piece) {
      std::vector<int> lengths(count), places(count);
      for (std::size_t r = 0; r < count; ++r)
        lengths[r] = static_cast<int>(std::min(piece, sizes[r] > at ? sizes[r] - at : 0));
      std::exclusive_scan(lengths.begin(), lengths.end(), places.begin(), 0);
      std::vector<std::byte> all(static_cast<std::size_t>(places.back() + lengths.back()));
      const std::byte* const from = at < own ? bytes.data() + at : nullptr;
      check(MPI_Iallgatherv(from, lengths[static_cast<std::size_t>(rank_)], MPI_BYTE, all.data(), lengths.data(),
                            places.data(), MPI_BYTE, gathers_, &request),
            "gathering");
      wait(request);
      for (std::size_t r = 0; r < count; ++r)
        out[r].insert(out[r].end(), all.begin() + places[r], all.begin() + places[r] + lengths[r]);
    }
    return out;
  }

  /// What becomes of the job when this process fails for a reason, as a number (0: that another one did).
  struct Failure {
    bool all = false;     ///< all fail for the same reason: they may end as a program does
    bool speaks = false;  ///< it is for this process to say why
  };

  /// Tells the others, and hears for a moment whether they fail too.
  [[nodiscard]] Failure fail(std::uint64_t reason) {
    failures_[static_cast<std::size_t>(rank_)] = reason;
    tell(kFailed, reason);
    failing_ = true;
    const auto begin = Clock::now();
    while (seconds_since(begin) < kHearing && heard_ < size_ - 1) {
      listen();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const bool all = heard_ == size_ - 1 && std::all_of(failures_.begin(), failures_.end(),
                                                        [&](std::uint64_t other) { return other == reason; });
    const auto first = std::find(failures_.begin(), failures_.end(), reason) - failures_.begin();
    return {all, reason != 0 && first == rank_};
  }

  /// Ends all processes; the one that speaks does so first.
  [[noreturn]] void abort(int status, bool speaks) {
    if (!speaks) std::this_thread::sleep_for(std::chrono::seconds(5));
    MPI_Abort(MPI_COMM_WORLD, status);
    std::_Exit(status);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMost = std::size_t{1} << 30;  // of one call's int
  static constexpr double kHearing = 3;                       // seconds in which others answer
  static constexpr int kTags = 32'000;                        // MPI promises these
  enum Tag : int { kFailed = 1, kAreYouThere, kHere };

  // Where sums meet: those of numbers that all wait for, and those of gradients, each in the order in which they began.
  struct Meeting {
    MPI_Comm comm = MPI_COMM_NULL;
    int begun = 0;
  };

  template <class T>
  struct Sum final : Pending {
    Sum(MpiGroup& group, Meeting& meeting, std::span<T> values)
        : group_(group), sum_(meeting.comm, meeting.begun++ % kTags, values) {
      group.moving_.push_back(&sum_);
    }
    ~Sum() override { std::erase(group_.moving_, &sum_); }
    bool test() override {
      group_.move_on();
      return sum_.move_on();
    }
    void wait() override {
      group_.wait([this] { return sum_.move_on(); });
    }

   private:
    MpiGroup& group_;
    detail::MpiSum<T> sum_;
  };

  template <class T>
  std::unique_ptr<Pending> begin(Meeting& meeting, std::span<T> values) {
    require(values.size() <= kMost, "MpiGroup::begin_sum: ", values.size(), " numbers, expected ", kMost, " at most");
    return std::make_unique<Sum<T>>(*this, meeting, values);
  }

  // Sums move on only when somebody sees to it.
  void move_on() {
    std::erase_if(moving_, [](detail::MovingSum* sum) { return sum->move_on(); });
  }

  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  static void check(int code, const char* what) { detail::check_mpi(code, what); }

  void wait(MPI_Request& request) {
    wait([&request] {
      int done = 0;
      check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "waiting for another process");
      return done != 0;
    });
  }

  // Looks, for a moment without a pause; then it sleeps in between, a sixteenth of what it has waited. Who sleeps is
  // woken at once, also where others compute on this processor; who only yields comes after all of them.
  template <class Done>
  void wait(Done done) {
    constexpr double kAtOnce = 200e-6, kListen = 0.1, kLongestSleep = 1e-3;
    if (lost_) throw ProcessLost("another process failed", true);  // as was said: nobody waits for it twice
    const auto begin = Clock::now();
    double heard_at = 0;
    for (;;) {
      move_on();
      if (done()) return;
      const double waited = seconds_since(begin);
      if (waited < kAtOnce) {
        ::sched_yield();
        continue;
      }
      std::this_thread::sleep_for(std::chrono::duration<double>(std::min(waited / 16, kLongestSleep)));
      if (waited - heard_at < kListen) continue;
      heard_at = waited;
      listen();
      if (waited > patience_) lose();
    }
  }

  // Reads what others told: answers their question, notes that they fail.
  void listen() {
    for (;;) {
      int there = 0;
      MPI_Status status{};
      check(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, control_, &there, &status), "listening");
      if (there == 0) return;
      std::uint64_t number = 0;
      check(MPI_Recv(&number, 1, MPI_UINT64_T, status.MPI_SOURCE, status.MPI_TAG, control_, MPI_STATUS_IGNORE),
            "listening");
      const auto source = static_cast<std::size_t>(status.MPI_SOURCE);
      alive_[source] = 1;
      if (status.MPI_TAG == kAreYouThere) tell_one(status.MPI_SOURCE, kHere, 0);
      if (status.MPI_TAG != kFailed) continue;
      failures_[source] = number;
      ++heard_;
      if (failing_) continue;
      lost_ = true;
      throw ProcessLost("another process failed", true);
    }
  }

  // Finds out who does not answer, and throws.
  [[noreturn]] void lose() {
    lost_ = true;
    std::fill(alive_.begin(), alive_.end(), char{0});
    alive_[static_cast<std::size_t>(rank_)] = 1;
    tell(kAreYouThere, 0);
    const auto begin = Clock::now();
    while (seconds_since(begin) < kHearing && std::count(alive_.begin(), alive_.end(), char{0}) > 0) {
      listen();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::string silent;
    for (std::size_t r = 0; r < alive_.size(); ++r)
      if (alive_[r] == 0) silent += message(silent.empty() ? "" : ", ", r);
    const bool first = std::find(alive_.begin(), alive_.end(), char{1}) - alive_.begin() == rank_;
    throw ProcessLost(silent.empty()
                          ? message("the ", size_, " processes wait for each other, for ", patience_, " s")
                          : message("process ", silent, " of ", size_, " has not answered for ", patience_, " s"),
                      !first);
  }

  void tell(Tag tag, std::uint64_t number) {
    for (int other = 0; other < size_; ++other)
      if (other != rank_) tell_one(other, tag, number);
  }

  // Without waiting: who does not listen any more must hold up nobody.
  void tell_one(int other, Tag tag, std::uint64_t number) {
    said_.push_back(std::make_unique<std::uint64_t>(number));
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Isend(said_.back().get(), 1, MPI_UINT64_T, other, tag, control_, &request), "telling another process");
    check(MPI_Request_free(&request), "telling another process");
  }

  double patience_;
  int rank_ = 0, size_ = 1, heard_ = 0;
  bool failing_ = false, lost_ = false;
  Meeting calls_, buckets_;
  MPI_Comm control_ = MPI_COMM_NULL, gathers_ = MPI_COMM_NULL;
  std::vector<detail::MovingSum*> moving_;  // sums under way
  std::vector<std::uint64_t> failures_;     // what each process said, 0: nothing yet, or that another failed
  std::vector<char> alive_;
  std::vector<std::unique_ptr<std::uint64_t>> said_;
};

}  // namespace contexture

#endif
