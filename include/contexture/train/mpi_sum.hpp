// SPDX-License-Identifier: MIT
// A sum over all processes that moves on while its process computes: part of train/mpi.hpp. All end with the same bits,
// for each number is added up in one place, or by the same tree everywhere.
//
// Recursive halving, then doubling (Thakur, Rabenseifner and Gropp, Int. J. High Perform. Comput. Appl. 19, 2005): of n
// processes each sends 2 log2(n) messages, one after the other, of 2 (n - 1) / n times the bytes together. Few numbers
// are exchanged whole, in log2(n) messages. (Open MPI 4's MPI_Iallreduce sends what it adds up in place along a tree to
// the first process and back: between two, twice the time.)
#pragma once

#if defined(CONTEXTURE_WITH_MPI)

#if !defined(OMPI_SKIP_MPICXX)
#define OMPI_SKIP_MPICXX 1  // MPI's C++ interface, which was withdrawn
#define CONTEXTURE_SKIPPED_MPICXX
#endif
#include <mpi.h>
#if defined(CONTEXTURE_SKIPPED_MPICXX)
#undef OMPI_SKIP_MPICXX
#undef CONTEXTURE_SKIPPED_MPICXX
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/elementwise.hpp"

namespace contexture {

/// Another process of the group failed, or does not answer: this one cannot go on.
class ProcessLost : public std::runtime_error {
 public:
  ProcessLost(const std::string& what, bool told) : std::runtime_error(what), told_(told) {}
  /// Another process says what happened.
  [[nodiscard]] bool told() const noexcept { return told_; }

 private:
  bool told_;
};

namespace detail {

// Throws ProcessLost unless the call went well.
inline void check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int size = 0;
  MPI_Error_string(code, text, &size);
  throw ProcessLost(message(what, ": ", text), false);
}

template <class T>
MPI_Datatype mpi_type() {
  if constexpr (std::is_same_v<T, double>) return MPI_DOUBLE;
  if constexpr (std::is_same_v<T, float>) return MPI_FLOAT;
  return MPI_UINT16_T;  // MPI knows no bfloat16
}

// What a process sends to another and gets from it, as parts of its numbers; the next one begins when both are done.
struct SumMove {
  int peer = 0;
  std::size_t send_begin = 0, send_end = 0, receive_begin = 0, receive_end = 0;
  bool add = false;  // what comes is added to what is there, else it takes its place
};

// Those of one process for so many numbers. `whole`: they are few.
inline std::vector<SumMove> sum_moves(int rank, int size, std::size_t count, bool whole) {
  std::vector<SumMove> moves;
  const int among = static_cast<int>(std::bit_floor(static_cast<unsigned>(size))), extra = size - among;
  // Of the first 2 * extra processes, those with even numbers leave their work to the next one.
  if (rank < 2 * extra && rank % 2 == 0) return {{rank + 1, 0, count, 0, 0}, {rank + 1, 0, 0, 0, count}};
  if (rank < 2 * extra) moves.push_back({rank - 1, 0, 0, 0, count, true});
  const int own = rank < 2 * extra ? rank / 2 : rank - extra;
  const auto peer_of = [&](int mask) {
    const int other = own ^ mask;
    return other < extra ? 2 * other + 1 : other + extra;
  };
  if (whole) {
    for (int mask = 1; mask < among; mask *= 2) moves.push_back({peer_of(mask), 0, count, 0, count, true});
  } else {
    std::size_t begin = 0, end = count;
    const std::size_t first = moves.size();
    for (int mask = among / 2; mask > 0; mask /= 2) {
      const std::size_t middle = begin + (end - begin) / 2;
      const bool upper = (own & mask) != 0;
      moves.push_back(upper ? SumMove{peer_of(mask), begin, middle, middle, end, true}
                            : SumMove{peer_of(mask), middle, end, begin, middle, true});
      (upper ? begin : end) = middle;
    }
    for (std::size_t i = moves.size(); i-- > first;) {
      const SumMove back = moves[i];
      moves.push_back({back.peer, back.receive_begin, back.receive_end, back.send_begin, back.send_end});
    }
  }
  if (rank < 2 * extra) moves.push_back({rank - 1, 0, count, 0, 0});
  return moves;
}

class MovingSum {
 public:
  virtual ~MovingSum() = default;
  // As far as it goes without waiting; true once it is done.
  virtual bool move_on() = 0;
};

template <class T>
class MpiSum final : public MovingSum {
 public:
  // Bytes that are exchanged whole.
  static constexpr std::size_t kFew = 4096;

  // Sums of one communicator that are under way at once have other tags.
  MpiSum(MPI_Comm comm, int tag, std::span<T> values) : comm_(comm), tag_(tag), values_(values) {
    int rank = 0, size = 1;
    check_mpi(MPI_Comm_rank(comm, &rank), "MPI");
    check_mpi(MPI_Comm_size(comm, &size), "MPI");
    moves_ = sum_moves(rank, size, values.size(), values.size_bytes() <= kFew);
    std::size_t most = 0;
    for (const SumMove& move : moves_)
      if (move.add) most = std::max(most, move.receive_end - move.receive_begin);
    came_ = empty<T>({most});
    begin();
  }
  MpiSum(const MpiSum&) = delete;
  MpiSum& operator=(const MpiSum&) = delete;
  // What may still come needs its memory.
  ~MpiSum() override {
    if (next_ < moves_.size()) (void)new (std::nothrow) Tensor<T>(std::move(came_));
  }

  bool move_on() override {
    while (next_ < moves_.size()) {
      int done = 0;
      check_mpi(MPI_Testall(2, requests_.data(), &done, MPI_STATUSES_IGNORE), "adding up");
      if (done == 0) return false;
      const SumMove& move = moves_[next_];
      if (move.add) add(came_.data(), values_.data() + move.receive_begin, move.receive_end - move.receive_begin);
      ++next_;
      begin();
    }
    return true;
  }

 private:
  void begin() {
    if (next_ == moves_.size()) return;
    const SumMove& move = moves_[next_];
    const auto receive = move.receive_end - move.receive_begin, send = move.send_end - move.send_begin;
    if (receive > 0)
      check_mpi(MPI_Irecv(move.add ? came_.data() : values_.data() + move.receive_begin, static_cast<int>(receive),
                          mpi_type<T>(), move.peer, tag_, comm_, &requests_[0]),
                "adding up");
    if (send > 0)
      check_mpi(MPI_Isend(values_.data() + move.send_begin, static_cast<int>(send), mpi_type<T>(), move.peer, tag_,
                          comm_, &requests_[1]),
                "adding up");
  }

  static void add(const T* from, T* into, std::size_t count) {
    if constexpr (std::is_same_v<T, bfloat16>) {
      for (std::size_t i = 0; i < count; ++i)
        into[i] = bfloat16(static_cast<float>(from[i]) + static_cast<float>(into[i]));
    } else {
      kernels::add(from, into, into, static_cast<Index>(count));
    }
  }

  MPI_Comm comm_;
  int tag_;
  std::span<T> values_;
  std::vector<SumMove> moves_;
  std::size_t next_ = 0;
  std::array<MPI_Request, 2> requests_{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
  Tensor<T> came_;
};

}  // namespace detail
}  // namespace contexture

#endif
