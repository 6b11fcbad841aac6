// SPDX-License-Identifier: MIT
// An application that speaks German: decimal commas, dots in large numbers, in C++ and, where a locale can be had, in
// C.
#pragma once

#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <locale>
#include <sstream>
#include <string>

#include "support/catch.hpp"

class HostileLocale {
 public:
  HostileLocale() : before_(std::locale::global(std::locale(std::locale(), new Commas))) {
    // Made in a folder of our own: it need not be installed.
    const auto folder = std::filesystem::temp_directory_path() / ("contexture-locale-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const std::string command = "localedef -i de_DE -f UTF-8 '" + (folder / "de_DE.UTF-8").string() + "' 2>/dev/null";
    const bool made = std::system(command.c_str()) == 0;
    if (made) ::setenv("LOCPATH", folder.c_str(), 1);
    in_c_ = std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
    if (made) ::unsetenv("LOCPATH");
    std::filesystem::remove_all(folder);
    char text[16];
    std::snprintf(text, sizeof(text), "%.1f", 0.5);
    REQUIRE(std::string(text) == (in_c_ ? "0,5" : "0.5"));
    std::ostringstream out;
    out << 0.5 << ' ' << 1234;
    REQUIRE(out.str() == "0,5 1.234");
  }
  ~HostileLocale() {
    std::setlocale(LC_ALL, "C");
    std::locale::global(before_);
  }
  HostileLocale(const HostileLocale&) = delete;
  HostileLocale& operator=(const HostileLocale&) = delete;

 private:
  struct Commas final : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };

  std::locale before_;
  bool in_c_ = false;
};
