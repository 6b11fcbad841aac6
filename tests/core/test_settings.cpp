// SPDX-License-Identifier: MIT
// Options as text: what is read, what is refused and how, and that what is written reads back.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "contexture/core/settings.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;

enum class Way { there, back };

struct Inner {
  float share = 0.1F;
};

struct Options {
  std::int64_t count = 3;
  double rate = 0.5;
  std::string text = "x";
  std::string chosen = "b";
  Way way = Way::there;
  bool on = true;
  Inner inner;
};

std::vector<Setting<Options>> settings() {
  return {number_setting<Options>("count", "things", &Options::count, 1, 10),
          number_setting<Options>("rate", "of them", &Options::rate, 0.0, 1e300),
          number_setting<Options>(
              "share", "inside", [](auto& o) -> auto& { return o.inner.share; }, 0.0F, 1.0F),
          text_setting<Options>("text", "any", &Options::text),
          choice_setting<Options>("chosen", "one", &Options::chosen, {"a", "b", "c"}),
          choice_setting<Options>("way", "where to", &Options::way, {"there", "back"}),
          switch_setting<Options>("on", "or not", &Options::on)};
}

Setting<Options> setting(const std::string& name) {
  for (const auto& s : settings())
    if (s.name == name) return s;
  throw std::logic_error(name);
}

std::string refusal(const std::string& name, const std::string& text) {
  Options options;
  try {
    setting(name).set(options, text);
  } catch (const SettingError& error) {
    CHECK(error.name() == name);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("settings tell their kind, and their choices in the help", "[core]") {
  CHECK(setting("count").value == "INT");
  CHECK(setting("rate").value == "NUMBER");
  CHECK(setting("share").value == "NUMBER");
  CHECK(setting("text").value == "TEXT");
  CHECK(setting("chosen").value == "NAME");
  CHECK(setting("chosen").help == "one: a, b or c");
  CHECK(setting("on").help == "or not: off or on");
}

TEST_CASE("settings are set by text, and their text reads back exactly", "[core]") {
  Options options;
  setting("count").set(options, "7");
  setting("rate").set(options, "0.30000000000000004");
  setting("share").set(options, "0.7");
  setting("text").set(options, "--\n'");
  setting("chosen").set(options, "c");
  setting("way").set(options, "back");
  setting("on").set(options, "off");
  CHECK(options.count == 7);
  CHECK(options.rate == 0.1 + 0.2);
  CHECK(options.inner.share == 0.7F);
  CHECK(options.text == "--\n'");
  CHECK(options.chosen == "c");
  CHECK(options.way == Way::back);
  CHECK_FALSE(options.on);
  CHECK(setting("share").get(options) == "0.7");  // the shortest text of the float, not of a double
  for (const double rate : {1.0 / 3.0, 5e-324, 1e300, std::nextafter(0.5, 1.0)}) {
    options.rate = rate;
    Options copy;
    for (const auto& s : settings()) s.set(copy, s.get(options));
    CHECK(copy.rate == rate);
    for (const auto& s : settings()) CHECK(s.get(copy) == s.get(options));
  }
}

TEST_CASE("settings refuse rubbish with their name, what came and what was expected", "[core]") {
  CHECK(refusal("count", "x") == "count: 'x', expected a whole number from 1 to 10");
  CHECK(refusal("share", "2") == "share: '2', expected a number from 0 to 1");
  CHECK(refusal("chosen", "d") == "chosen: 'd', expected a, b or c");
  CHECK(refusal("on", "1") == "on: '1', expected off or on");
  for (const char* const text : {"", " 3", "3 ", "+3", "0", "11", "3.5", "0x3", "99999999999999999999", "-1", "nan"})
    CHECK(refusal("count", text) != "");
  for (const char* const text : {"nan", "inf", "-inf", "1e301", "-0.1", "1,5", "0.5x", "1e999"})
    CHECK(refusal("rate", text) != "");
  CHECK(refusal("rate", "1e300") == "");
  Options options;
  CHECK_THROWS_AS(setting("way").set(options, "THERE"), SettingError);
  CHECK(options.way == Way::there);
}

TEST_CASE("times are read with their unit, and written so that they read back as no less") {
  CHECK(parse_time("time", "90s") == 90);
  CHECK(parse_time("time", "5m") == 300);
  CHECK(parse_time("time", "1.5h") == 5400);
  CHECK(parse_time("time", "1000h") == 3.6e6);
  for (const char* text : {"", "s", "5", "5 m", "m5", "-5m", "0m", "nanh", "infh", "5m30", "5d", "1001h", "1e9h"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(parse_time("time", text),
                      "time: '" + std::string(text) + "', expected a number and s, m or h, such as 90s, 5m or 1h");
  }
  CHECK(time_text(95.2) == "96s");
  CHECK(time_text(120) == "120s");
  CHECK(time_text(600) == "10m");
  CHECK(time_text(601) == "11m");
  CHECK(time_text(9000) == "2.5h");
  for (double seconds = 0.5; seconds < 1e6; seconds *= 1.37) CHECK(parse_time("time", time_text(seconds)) >= seconds);
}
