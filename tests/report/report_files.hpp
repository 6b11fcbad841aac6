// SPDX-License-Identifier: MIT
// A written report as the tests look at it: its files, its page, what was said on stderr, and a PATH without gnuplot.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "contains.hpp"
#include "contexture/report/files.hpp"
#include "support/catch.hpp"

inline std::string text_of(const std::filesystem::path& file) {
  INFO(file);
  const auto text = contexture::report::detail::read_file(file);
  REQUIRE(text);
  return *text;
}

inline std::set<std::string> files_in(const std::filesystem::path& folder) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out.insert(entry.path().filename().string());
  return out;
}

inline const std::set<std::string> kFigures = {"loss_curves.svg",     "loss_curves.png",     "accuracy_curves.svg",
                                               "accuracy_curves.png", "pretrain_curves.svg", "pretrain_curves.png",
                                               "predictions.png",     "confusion.png",       "patches.png",
                                               "neighbours.png",      "embedding.png"};
inline const std::set<std::string> kTexts = {"history.csv", "summary.json", "report.md", "report.html"};

// Collects what goes to std::cerr.
class Stderr {
 public:
  Stderr() : before_(std::cerr.rdbuf(text_.rdbuf())) {}
  ~Stderr() { std::cerr.rdbuf(before_); }
  Stderr(const Stderr&) = delete;
  Stderr& operator=(const Stderr&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

class Path {
 public:
  explicit Path(const std::string& value) : before_(std::getenv("PATH") ? std::getenv("PATH") : "") {
    setenv("PATH", value.c_str(), 1);
  }
  ~Path() { setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string before_;
};

// Every element of the page is closed in the order it was opened.
inline void check_balanced(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = html.find('<', at)) != std::string::npos;) {
    const std::size_t end = html.find('>', at);
    REQUIRE(end != std::string::npos);
    const std::string tag = html.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag[0] == '!' || tag.back() == '/' || tag.rfind("meta", 0) == 0) continue;
    if (tag == "style") at = html.find("</style>", at);
    if (tag.starts_with("script")) at = html.find("</script>", at);
    if (tag[0] == '/') {
      REQUIRE_FALSE(open.empty());
      REQUIRE(open.back() == tag.substr(1));
      open.pop_back();
    } else {
      open.push_back(tag.substr(0, tag.find_first_of(" \n")));
    }
  }
  CHECK(open.empty());
}

inline void check_self_contained(const std::string& html) {
  for (const char* outside : {"http:", "https:", "<script src", "<link", "<iframe", "@import", "url("}) {
    INFO(outside);
    CHECK_FALSE(contains(html, outside));
  }
  for (const std::string name : {"href=", " src="})
    for (std::size_t at = 0; (at = html.find(name, at)) != std::string::npos; at += 5) {
      const std::string target = html.substr(at + 6, 22);
      INFO(target);
      CHECK((target[0] == '#' || target.rfind("data:image/png;base64,", 0) == 0));
    }
}
