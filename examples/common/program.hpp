// SPDX-License-Identifier: MIT
// What every program does around its own work: exceptions become one line on stderr and an exit
// status (1 failure, 2 wrong use, 130 stopped), Ctrl-C becomes a stop request.
#pragma once

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <filesystem>
#include <functional>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "contexture/core/precision.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/train/progress.hpp"

namespace programs {

/// Wrong use of the command line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  /// Of a setting, which on the command line has dashes.
  explicit UsageError(const contexture::SettingError& error) : std::runtime_error(std::string("--") + error.what()) {}
};

/// While there is one, parse() gives it a program's options, and ends the program with status 0.
inline std::function<void(const CLI::App&)>& option_reader() {
  static std::function<void(const CLI::App&)> reader;
  return reader;
}

/// Parses the command line. Returns an exit status after --help, before which `explain` is called; throws UsageError
/// with one line.
inline std::optional<int> parse(CLI::App& app, int argc, char** argv, const std::function<void()>& explain = {}) {
  if (option_reader()) {
    option_reader()(app);
    return 0;
  }
  // An option without its value takes the next word for it, which then would be missed somewhere else.
  for (CLI::Option* option : app.get_options())
    if (!option->get_positional() && option->get_items_expected_min() > 0)
      option->check([](const std::string& value) {
        return value.starts_with("--") ? "no value, the next word is " + value : std::string();
      });
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    if (explain) explain();
    std::printf("%s", app.help().c_str());
    return 0;
  } catch (const CLI::Error& error) {
    throw UsageError(std::string(error.what()) + " (--help lists the options)");
  }
  return std::nullopt;
}

/// An option for what networks compute in; the program then makes a guard with precision_of().
inline void add_precision_option(CLI::App& app, std::string& name) {
  app.add_option("--precision", name,
                 "what networks compute in, auto meaning bfloat16 where that is faster: auto, float32 or bfloat16")
      ->type_name("NAME")
      ->capture_default_str();
}

/// Throws UsageError for any other name.
inline contexture::Precision precision_of(const std::string& name) {
  try {
    return contexture::precision_named(name);
  } catch (const contexture::SettingError& error) {
    throw UsageError(error);
  }
}

inline contexture::StopToken& stop_token() {
  static contexture::StopToken token;
  return token;
}

// The first Ctrl-C, SIGTERM or lost terminal asks for a stop after the current step. A second Ctrl-C or SIGTERM ends
// the program at once, whatever its threads do. A lost terminal may be told many times, by the kernel and the shell,
// and timeout(1) sends its signal twice in a row: that counts once.
inline void stop_on_signal(int number) {
  static std::atomic<std::int64_t> first{0};
  static_assert(std::atomic<std::int64_t>::is_always_lock_free, "a signal handler may only touch lock-free atomics");
  timespec clock{};
  ::clock_gettime(CLOCK_MONOTONIC, &clock);
  const std::int64_t now = std::int64_t{clock.tv_sec} * 1000 + clock.tv_nsec / 1'000'000;
  std::int64_t none = 0;
  if (number != SIGHUP && !first.compare_exchange_strong(none, now) && now - first > 100) ::_exit(128 + number);
  stop_token().request();
}

/// `also`: another signal that asks for a stop.
inline void stop_on_signals(std::optional<int> also = {}) {
  stop_token();  // constructed now, not in the handler
  struct sigaction action {};
  action.sa_handler = stop_on_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, also.value_or(SIGINT)}) {
    struct sigaction before {};
    ::sigaction(number, nullptr, &before);
    if (number == SIGHUP && before.sa_handler == SIG_IGN) continue;  // started by nohup
    ::sigaction(number, &action, nullptr);
  }
}

/// Exit status after a stop request.
inline constexpr int kStopped = 130;

/// What became of a program's work.
struct Outcome {
  int status = 1;         ///< to exit with
  std::string text = {};  ///< of a failure, in one line; else empty
};

/// Does the work, which returns an exit status or throws.
template <class Work>
Outcome outcome_of(Work work) {
  int status = 1;
  std::string text;
  try {
    status = work();
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {status};
    text = "standard output cannot be written";
    status = 1;
  } catch (const UsageError& error) {
    text = error.what();
    status = 2;
  } catch (const contexture::Stopped& stopped) {
    text = stopped.what();
    status = kStopped;
  } catch (const std::bad_alloc&) {
    text = "out of memory; smaller batches, images or networks need less";
  } catch (const std::filesystem::filesystem_error& error) {
    text = error.path1().string() + ": " + error.code().message();
  } catch (const std::exception& error) {
    text = error.what();
  }
  for (char& c : text)
    if (c == '\n') c = ' ';
  return {status, text};
}

/// Says a failure on stderr.
inline void tell(const char* name, const Outcome& outcome) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s: %s\n", name, outcome.text.c_str());
}

/// Runs the program; returns its exit status.
template <class Body>
int run_program(const char* name, int argc, char** argv, Body body) {
  const Outcome outcome = outcome_of([&] { return body(argc, argv); });
  if (!outcome.text.empty()) tell(name, outcome);
  return outcome.status;
}

}  // namespace programs
