// SPDX-License-Identifier: MIT
// Texts for machines are those of the classic locale, whatever an application has set.
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "contexture/core/folder_lock.hpp"
#include "contexture/core/settings.hpp"
#include "support/hostile_locale.hpp"

using namespace contexture;

TEST_CASE("numbers in texts are written and read as in C++, whatever the locale", "[core]") {
  const HostileLocale german;
  CHECK(message("rate ", 0.3, ", seed ", 1235, ", shape ", std::vector<int>{1234, 5}) ==
        "rate 0.3, seed 1235, shape (1234,5)");
  CHECK(number_text(1234567.5) == "1234567.5");
  CHECK(parse_number("rate", "0.25", 0.0, 1.0) == 0.25);
  CHECK_THROWS_AS(parse_number("rate", "0,25", 0.0, 1.0), SettingError);
}

TEST_CASE("a folder's owner is told in any locale", "[core]") {
  const HostileLocale german;
  const auto folder = std::filesystem::temp_directory_path() / message("contexture-locked-", ::getpid());
  std::filesystem::create_directories(folder);
  {
    const FolderLock lock(folder);
    CHECK_THROWS_WITH(FolderLock(folder),
                      Catch::Matchers::ContainsSubstring("process " + std::to_string(::getpid()) + " on "));
  }
  std::filesystem::remove_all(folder);
}
