#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Nothing too long to be read in one go:
#   - no header has more than 400 lines
#   - no function has more than 80, from its first line to its closing brace, except a table: a function that only lists
#     things, and says so by a comment `[table]` in the line above it or in its first line
# Functions are told by the braces as clang-format writes them; those inside others (lambdas) count with the outer one.
#   tests/checks/sizes.sh [folder]          checks a folder; sizes.sh --self-test checks the check
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
most_of_header=400
most_of_function=80

# Lines `file:line: function of N lines: how it begins`, for functions of more than $1 lines in the files named after it.
long_functions() {
  awk -v most="$1" '
    # The line without comments, strings and characters, whose braces mean nothing. Raw strings may go over lines.
    function code_of(line,   out, c, i, rest) {
      out = ""
      for (i = 1; i <= length(line); ++i) {
        rest = substr(line, i)
        if (raw_end != "") {
          if (!(c = index(rest, raw_end))) return out
          i += c + length(raw_end) - 2
          raw_end = ""
          out = out "\"\""
          continue
        }
        if (in_comment) {
          if (!(c = index(rest, "*/"))) return out
          i += c
          in_comment = 0
          continue
        }
        c = substr(line, i, 1)
        if (c == "/" && substr(rest, 2, 1) == "/") return out
        if (c == "/" && substr(rest, 2, 1) == "*") { in_comment = 1; ++i; continue }
        if (c == "R" && match(rest, /^R"[A-Za-z_]*\(/) && out !~ /[A-Za-z0-9_]$/) {
          raw_end = ")" substr(rest, 3, RLENGTH - 3) "\""
          i += RLENGTH - 1
          continue
        }
        if (match(rest, /^"([^"\\]|\\.)*"/)) { out = out "\"\""; i += RLENGTH - 1; continue }
        if (out !~ /[0-9A-Fa-f]$/ && match(rest, /^\x27([^\x27\\]|\\.[0-9a-f]*)\x27/)) { out = out "0"; i += RLENGTH - 1; continue }
        out = out c
      }
      return out
    }
    function kind_of(text) {
      if (inside_function || depth > 1 && kind[depth - 1] != "scope") return "block"
      gsub(/\[\[[^]]*\]\]/, "", text)
      if (text ~ /(^|[ \t])(namespace|extern)([ \t"]|$)/) return "scope"
      if (text ~ /(^|[ \t>])(class|struct|union|enum)[ \t][^()]*$/ ||
          text ~ /(^|[ \t>])(class|struct|union|enum)[ \t].*[^:]:[^:]/ && text !~ /\)[ \t]*(const|noexcept|:|$)/) return "scope"
      if (text ~ /\)/ && text !~ /(^|[^=!<>])=[ \t]*$/) return "function"
      return "block"
    }
    function finish() { statement = ""; begin = 0 }
    FNR == 1 { depth = inside_function = in_comment = continued = 0; raw_end = ""; previous = ""; finish() }
    {
      is_table = (previous ~ /\[table\]/ || $0 ~ /\[table\]/)
      previous = $0
      if (continued || raw_end == "" && /^[ \t]*#/) { continued = /\\$/; next }
      code = code_of($0)
      for (at = 1; at <= length(code); ++at) {
        c = substr(code, at, 1)
        if (c == "{") {
          ++depth
          # `member_{1}`, `f({.a = 1})`, `x = {}`: an initialiser, and the statement goes on after it
          if (!inside_function && statement ~ /([A-Za-z0-9_>]|[(,=][ \t]*)$/) { kind[depth] = "initialiser"; statement = statement "{"; continue }
          kind[depth] = kind_of(statement)
          if (kind[depth] == "function") { inside_function = depth; first = begin; name = text; table = tabled || is_table }
          finish()
        } else if (c == "}") {
          if (kind[depth] == "initialiser") { statement = statement "}"; --depth; continue }
          if (inside_function == depth && depth > 0) {
            lines = FNR - first + 1
            if (lines > most && !table) printf "%s:%d: function of %d lines: %s\n", FILENAME, first, lines, substr(name, 1, 90)
            inside_function = 0
          }
          if (depth > 0) --depth
          finish()
        } else if (c == ";" && (depth == 0 || kind[depth] != "initialiser")) {
          finish()
        } else if (!(statement == "" && c ~ /[ \t]/)) {
          if (statement == "") { begin = FNR; text = $0; tabled = is_table }
          statement = statement c
        }
      }
      # Continuation lines join by a space; an access specifier or a label begins nothing.
      if (statement ~ /^(public|private|protected):$/) finish()
      else if (statement != "") statement = statement " "
    }' "${@:2}"
}

sources_of() {  # sources_of FOLDER: its C++ files, from inside it
  if [[ $(git -C "$1" rev-parse --show-toplevel 2>/dev/null) == "$1" ]]; then
    git -C "$1" ls-files --cached --others --exclude-standard '*.hpp' '*.cpp' |
      while IFS= read -r file; do if [[ -f $1/$file ]]; then echo "$file"; fi; done
  else  # an unpacked archive
    (cd "$1" && find . \( -name .git -o -name build \) -prune -o \( -name '*.hpp' -o -name '*.cpp' \) -print | sed 's|^\./||' | sort)
  fi
}

check() {
  local bad=0 lines line
  cd "$1"
  mapfile -t files < <(sources_of "$(pwd -P)")
  if ((${#files[@]} == 0)); then
    echo "no C++ files under $1"
    return 1
  fi
  while IFS= read -r line; do
    echo "$line"
    bad=$((bad + 1))
  done < <(
    for file in "${files[@]}"; do
      lines=$(wc -l <"$file")
      if [[ $file == *.hpp ]] && ((lines > most_of_header)); then echo "$file: header of $lines lines, at most $most_of_header"; fi
    done
    long_functions "$most_of_function" "${files[@]}"
  )
  echo "sizes: ${#files[@]} files, $bad complaints"
  ((bad == 0))
}

# Cases are separated by lines `== LINES`, with the length of the case's longest function; those of less than 3 are not
# told. `== none`: nothing is found.
self_test() {
  local wrong=0 expected='' found work
  work=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder of now
  trap "rm -rf '$work'" EXIT
  verdict() {
    [[ -n $expected ]] || return 0
    found=$(long_functions 2 "$work/case.hpp" | sed -E 's/.*function of ([0-9]+) lines.*/\1/' | sort -n | tail -n 1)
    if [[ ${found:-none} != "$expected" ]]; then
      echo "self-test: expected $expected lines, found ${found:-none}:"
      sed 's/^/    /' "$work/case.hpp"
      wrong=$((wrong + 1))
    fi
  }
  while IFS= read -r line; do
    if [[ $line == '== '* ]]; then
      verdict
      expected=${line#== }
      : >"$work/case.hpp"
    else
      printf '%s\n' "$line" >>"$work/case.hpp"
    fi
  done <<'CASES'
== 3
int f() {
  return 1;
}
== 5
template <class T>
inline void f(const T& a,
              int b) {
  g({.a = 1});
}
== none
// [table]
inline std::vector<Row> rows() {
  return {{1, 2},
          {3, 4}};
}
== 4
inline std::vector<Row> rows() {
  return {{1, 2},
          {3, 4}};
}
== none
inline constexpr Row kRows[] = {
    {1, 2},
    {3, f(4)},
};
== 3
class A final : public B<int> {
 public:
  A(int a, int b) : a_{a}, b_(b), c_{f(1), 2} {
    g();
  }
  int a_ = {};

  int b_;
};
== none
class A {
 public:
  [[nodiscard]] int a() const { return a_; }
  // a brace in a comment {
  const char* brace() const { return "{ not \" this {"; }
  char other() const { return '{'; }

  long big = 1'000'000;
};
== 5
inline int f(int x, const Options& options = {},
             const std::vector<int>& list = {1, 2}) {
  if (x > 0) return g();
  return 0;
}
== none
struct Options {
  std::function<int(int)> f = {};
  int a;
  int b;
};
== 4
struct S {
  static const char* text() {
    return R"css(
body { margin: 0 }} } )css";
  }
};
== 6
namespace a {
auto f(int x) -> std::pair<int, int> {
  const auto g = [&](int y) {
    return x + y;
  };
  return {g(1), 2};
}
}  // namespace a
== 3
#define BODY(name) \
  int name() {     \
    return 1;      \
  }
TEST_CASE("a case { with a brace") {
  CHECK(true);
}
== 3
template <class T, class = std::enable_if_t<true>>
struct Trait {
  int a = 0;
  int b = 0;
  friend std::ostream& operator<<(std::ostream& out, const Trait& t) {
    return out;
  }
};
== 4
extern "C" {
double f(double* x) noexcept
    __asm__("f") {
  return *x;
}
}
== 4
enum class Kind { one, two };
template <struct Tag>
bool operator==(A, B) {
  return true;
}
CASES
  verdict
  # The whole check: a header of 401 lines, a function of 81.
  mkdir "$work/house"
  { echo '#pragma once'; seq -f '// line %g' 399; } >"$work/house/a.hpp"
  { echo 'void f() {'; seq -f '  g(%g);' 78; echo '}'; } >"$work/house/b.cpp"
  (check "$work/house") >/dev/null || { echo 'self-test: 400 and 80 lines are not too many'; wrong=$((wrong + 1)); }
  echo '// one more' >>"$work/house/a.hpp"
  if (check "$work/house") >/dev/null; then echo 'self-test: a header of 401 lines passes'; wrong=$((wrong + 1)); fi
  echo '#pragma once' >"$work/house/a.hpp"
  { echo 'void f() {'; seq -f '  g(%g);' 79; echo '}'; } >"$work/house/b.cpp"
  if (check "$work/house") >/dev/null; then echo 'self-test: a function of 81 lines passes'; wrong=$((wrong + 1)); fi
  echo "self-test: $wrong wrong"
  ((wrong == 0))
}

if [[ ${1:-} == --self-test ]]; then
  self_test
else
  check "${1:-$(cd -- "$here/../.." && pwd -P)}"
fi
