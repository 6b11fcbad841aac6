// SPDX-License-Identifier: MIT
// Tables as comma-separated text: what spreadsheets write is read, and what is written is read back.
#include <string>
#include <vector>

#include "contexture/data/csv.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using errors::refusal_of;

namespace {

using Table = std::vector<std::vector<std::string>>;

Table fields_of(std::string_view text) {
  Table out;
  for (const CsvRow& row : parse_csv(text, "t.csv")) out.push_back(row.fields);
  return out;
}

std::vector<Index> lines_of(std::string_view text) {
  std::vector<Index> out;
  for (const CsvRow& row : parse_csv(text, "t.csv")) out.push_back(row.line);
  return out;
}

}  // namespace

TEST_CASE("CSV: fields, quotes, commas and line breaks in quotes") {
  CHECK(fields_of("path,label\na.png,cat\n") == Table{{"path", "label"}, {"a.png", "cat"}});
  CHECK(fields_of("a,\"b, c\",d\n") == Table{{"a", "b, c", "d"}});
  CHECK(fields_of("\"say \"\"cheese\"\"\",\"\"\n") == Table{{"say \"cheese\"", ""}});
  CHECK(fields_of("\"two\nlines\",x\ny\n") == Table{{"two\nlines", "x"}, {"y"}});
  CHECK(fields_of("a\"b,c\n") == Table{{"a\"b", "c"}});    // a quote inside a field is a character
  CHECK(fields_of(" a , b \n") == Table{{" a ", " b "}});  // blanks are part of a field
}

TEST_CASE("CSV: ends of lines, byte order marks, rows of any length") {
  const Table both{{"a", "b"}, {"c", "d"}};
  CHECK(fields_of("a,b\nc,d") == both);  // the last line may end without a break
  CHECK(fields_of("a,b\r\nc,d\r\n") == both);
  CHECK(fields_of("\"a\",\"b\"\r\nc,\"d\"\r\n") == both);
  CHECK(fields_of("a,b\r\nc,d\r") == both);
  CHECK(fields_of("\xEF\xBB\xBF"
                  "a,b\nc,d\n") == both);
  CHECK(fields_of("a\rb,c\n") == Table{{"a\rb", "c"}});  // a carriage return alone ends nothing
  CHECK(fields_of("a\n\nb,c,d\n\r\n,\n") == Table{{"a"}, {"b", "c", "d"}, {"", ""}});  // empty lines are no rows
  CHECK(fields_of("").empty());
  CHECK(fields_of("\n\n").empty());
  CHECK(fields_of("\xEF\xBB\xBF").empty());
  CHECK(lines_of("a\n\nb\n\"c\nd\"\ne\n") == std::vector<Index>{1, 3, 4, 6});
}

TEST_CASE("CSV: what cannot be read is refused with its line") {
  CHECK(refusal_of([] { return parse_csv("a,b\n\"c,d\n", "t.csv"); }) == "t.csv: line 2: a quote that is not closed");
  CHECK(refusal_of([] { return parse_csv("a\n\"b\nc\"d\n", "t.csv"); }) ==
        "t.csv: line 3: text behind a closing quote, expected a comma or the end of the line");
}

TEST_CASE("CSV: what is written is read back") {
  CHECK(csv_line({"a", "b c", ""}) == "a,b c,\n");
  CHECK(csv_line({"a,b", "say \"x\""}) == "\"a,b\",\"say \"\"x\"\"\"\n");
  CHECK(csv_line({""}) == "\"\"\n");
  const Table rows{{"plain", "a,b", "\"", "", "two\nlines", "cr\r"}, {"\r\n", " ", "\"\"", ",", "\n", "x"}};
  CHECK(fields_of(csv_line(rows[0]) + csv_line(rows[1])) == rows);
  const Table marked{
      {"\xEF\xBB\xBF"
       "a",
       "b"}};  // a mark that is a field's, not the file's
  CHECK(fields_of(csv_line(marked[0])) == marked);
}
