// SPDX-License-Identifier: MIT
// What a person sees while a program computes: on a terminal one line that is rewritten, with a bar,
// loss, accuracy, images/s and the time left; elsewhere a plain line per evaluation, for log files. Of several
// processes' terminal that is not known: mpirun shows them one, wherever its own output goes.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include "contexture/core/process_group.hpp"
#include "contexture/report/text.hpp"
#include "contexture/train/progress.hpp"

namespace programs {

class TerminalProgress : public contexture::Progress {
 public:
  explicit TerminalProgress(bool quiet)
      : quiet_(quiet), terminal_(::isatty(STDOUT_FILENO) == 1 && contexture::process_group().size() == 1) {}

  ~TerminalProgress() override { clear(); }

  void begin(const contexture::PhaseInfo& phase) override {
    phase_ = phase;
    step_ = phase.first_step;
    began_ = std::chrono::steady_clock::now();
    smooth_loss_ = -1;
    if (quiet_) return;
    clear();
    std::printf("[%d/%d] %s, %lld steps of %lld images%s\n", phase.number, phase.of, phase.title.c_str(),
                static_cast<long long>(phase.steps), static_cast<long long>(phase.images_per_step),
                phase.first_step > 0 ? contexture::message(", from step ", phase.first_step).c_str() : "");
    std::fflush(stdout);
  }

  void step(std::int64_t step, double loss, double, double images_per_second) override {
    step_ = step;
    speed_ = images_per_second;
    smooth_loss_ = smooth_loss_ < 0 ? loss : 0.95 * smooth_loss_ + 0.05 * loss;
    if (quiet_ || !terminal_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - drawn_ < std::chrono::milliseconds(100)) return;  // the terminal need not keep up with the steps
    drawn_ = now;
    draw(std::chrono::duration<double>(now - began_).count());
  }

  void row(const contexture::HistoryRow& row) override {
    if (row.split == "train") train_loss_ = row.loss;
    if (row.split != "validation") return;
    accuracy_ = row.accuracy;
    if (quiet_ || terminal_) return;
    std::printf("  step %lld/%lld  epoch %.2f  train loss %s  validation loss %.4f  accuracy %.2f %%",
                static_cast<long long>(row.step), static_cast<long long>(phase_.steps), row.epoch,
                row.step == 0 ? "-" : number(train_loss_).c_str(), row.loss, 100 * row.accuracy);
    if (row.step > phase_.first_step) std::printf("  %.0f images/s", speed_);
    std::printf("\n");
    std::fflush(stdout);
  }

  void end(const contexture::PhaseInfo& phase) override {
    if (quiet_) return;
    clear();
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began_;
    std::printf("  done in %s, validation accuracy %.2f %%, %.0f images/s\n",
                contexture::report::duration(passed.count()).c_str(), 100 * accuracy_, speed_);
    std::fflush(stdout);
    (void)phase;
  }

  void note(std::string_view text) override {
    if (quiet_) return;
    clear();
    std::printf("  %.*s\n", static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
  }

 private:
  static std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.4f", value);
    return text;
  }

  void draw(double passed) {
    const double share = phase_.steps > 0 ? static_cast<double>(step_) / static_cast<double>(phase_.steps) : 1;
    const auto taken = static_cast<double>(step_ - phase_.first_step);
    const double left = taken > 0 ? passed / taken * static_cast<double>(phase_.steps - step_) : 0;
    char text[256];
    std::snprintf(text, sizeof(text), "%3.0f %%  loss %.4f  val acc %.2f %%  %.0f images/s  %s left", 100 * share,
                  smooth_loss_, 100 * accuracy_, speed_, contexture::report::duration(left).c_str());
    winsize window{};
    const int columns = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
    std::string line = text;
    const int bar = std::min(24, columns - static_cast<int>(line.size()) - 6);
    if (bar >= 6) {  // numbers first: a narrow terminal goes without the bar
      const int full = static_cast<int>(share * bar);
      line = "[" + std::string(static_cast<std::size_t>(full), '#') +
             std::string(static_cast<std::size_t>(bar - full), '.') + "] " + line;
    }
    line = "  " + line;
    if (static_cast<int>(line.size()) >= columns)  // a wrapped line could not be rewritten
      line.resize(static_cast<std::size_t>(columns - 1));
    std::printf("\r\033[K%s", line.c_str());
    std::fflush(stdout);
    drawn_line_ = true;
  }

  void clear() {
    if (!drawn_line_) return;
    std::printf("\r\033[K");
    std::fflush(stdout);
    drawn_line_ = false;
  }

  bool quiet_;
  bool terminal_;
  bool drawn_line_ = false;
  contexture::PhaseInfo phase_;
  std::int64_t step_ = 0;
  double speed_ = 0, smooth_loss_ = -1, train_loss_ = 0, accuracy_ = 0;
  std::chrono::steady_clock::time_point began_, drawn_;
};

}  // namespace programs
