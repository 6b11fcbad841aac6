// SPDX-License-Identifier: MIT
// Numbers and names as people read them, and made safe for the formats that hold them.

#include "contexture/report/escape.hpp"
#include "contexture/report/plain_table.hpp"
#include "contexture/report/text.hpp"
#include "made_up_experiment.hpp"
#include "support/catch.hpp"

using namespace contexture;
using namespace contexture::report;
using namespace contexture::report::detail;
using made_up::kNan;

TEST_CASE("numbers as people read them", "[report]") {
  CHECK(percent(0.7344) == "73.4 %");
  CHECK(percent(kNan) == "n/a");
  CHECK(points(0.029) == "+2.9");
  CHECK(points(-0.0041) == "\u22120.4");
  CHECK(points(0.0001) == "0.0");
  CHECK(points(-0.0001) == "0.0");
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(-1234567) == "-1,234,567");
  CHECK(duration(0.84) == "0.84 s");
  CHECK(duration(41.2) == "41 s");
  CHECK(duration(99.7) == "1 min 40 s");
  CHECK(duration(200) == "3 min 20 s");
  CHECK(duration(3599.8) == "1 h");
  CHECK(duration(3900) == "1 h 5 min");
  CHECK(duration(kNan) == "n/a");
  CHECK(exact(0.1) == "0.1");
  CHECK(exact(kNan) == "nan");
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("names from outside are made harmless", "[report]") {
  CHECK(html_escaped("<b>\"R&D\"'</b>") == "&lt;b&gt;&quot;R&amp;D&quot;&#39;&lt;/b&gt;");
  CHECK(markdown_escaped("a|b*c_d<e>") == "a\\|b\\*c\\_d\\<e\\>");
  CHECK(gnuplot_quoted("plain `\"\\n") == "'plain `\"\\n'");
  CHECK(gnuplot_quoted("'t Hooft's `\"@\\n") == "\"\\047t Hooft\\047s \\140\\042\\100\\134n\"");
  CHECK(clean("line\nbreak\tend") == "line break end");
  CHECK(clean("Gr\xc3\xb6\xc3\x9f"
              "e") ==
        "Gr\xc3\xb6\xc3\x9f"
        "e");
  CHECK(clean("\xff"
              "a\xc3") ==
        "\uFFFD"
        "a\uFFFD");                                      // stray byte, cut sequence
  CHECK(clean("\xc0\xaf") == "\uFFFD\uFFFD");            // overlong
  CHECK(clean("\xed\xa0\x80") == "\uFFFD\uFFFD\uFFFD");  // surrogate
  CHECK(shortened("abcdef", 4) == "abc\u2026");
  CHECK(shortened("abcd", 4) == "abcd");
  CHECK(abridged("abcdefghij", 7) == "abcd\u2026ij");
  CHECK(abridged("abcdefg", 7) == "abcdefg");
  CHECK(columns("Gr\xc3\xb6\xc3\x9f"
                "e") == 5);
}

TEST_CASE("lists and counts in words", "[report]") {
  CHECK(listed({}).empty());
  CHECK(listed({"a"}) == "a");
  CHECK(listed({"a", "b"}) == "a and b");
  CHECK(listed({"a", "b", "c"}) == "a, b and c");
  CHECK(plural(1, "seed") == "1 seed");
  CHECK(plural(0, "seed") == "0 seeds");
}

TEST_CASE("tables for terminals are aligned, whatever the letters", "[report]") {
  CHECK(plain_table({{"name", "n"}, {"Gr\xc3\xb6n", "12"}, {"x"}}, 1) ==
        "name   n\n"
        "--------\n"
        "Gr\xc3\xb6n  12\n"
        "x\n");
  CHECK(plain_table({}, 1).empty());
}
