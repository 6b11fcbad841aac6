#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Rules that a compiler does not check, on the text of the sources:
#   - macros of headers begin with CONTEXTURE_, or are undefined again in the same file
#   - every header begins with #pragma once, kernel sources aside
#   - no `using namespace` at the namespace level of headers; no `using namespace std` anywhere
#   - no namespace detail inside contexture::kernels
#   - no lazy xtensor reducer as an operand, no `auto` that holds an xtensor expression
#   - the library names no flag of a program (`--resume`): programs own the spelling
#   - no absolute machine paths, no unfinished business (the usual four letters)
#   - the first line of a source or script (the second, after a #! line) names the licence, as SPDX writes it
#   - shell scripts parse, and pass shellcheck where it is installed
#   tests/checks/sources.sh [folder]        checks a folder; sources.sh --self-test checks the checks
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
bad=0

report() {  # report RULE < lines of findings
  local line
  while IFS= read -r line; do
    echo "$1: $line"
    bad=$((bad + 1))
  done
}

# Joins statements over lines, then looks at each: awk, so that it needs no more than the build.
lazy_xtensor() {
  awk '
    function finish() {
      gsub(/[ \t]+/, " ", statement)
      if (is_bad(statement)) printf "%s:%d:%s\n", FILENAME, first, substr(statement, 1, 120)
      statement = ""
    }
    # Position after the parenthesis that closes the one at `open`, 0 if none.
    function closing(text, open,   i, depth, c) {
      for (i = open; i <= length(text); ++i) {
        c = substr(text, i, 1)
        if (c == "(") ++depth
        if (c == ")" && --depth == 0) return i + 1
      }
      return 0
    }
    function is_bad(text,   start, open, after, rest, before) {
      if (text ~ /(^|[^a-z_])auto *[&*]* *[a-z_0-9]+ *= *[^;]*xt::/ && text !~ /= *xt::(eval|adapt|xarray|xtensor)/) return 1
      rest = text
      while (match(rest, /xt::(sum|prod|mean|average|variance|stddev|amax|amin|minmax|norm_[a-z0-9_]+|nan[a-z]+|count_nonzero|all|any|argmax|argmin) *\(/)) {
        if (substr(rest, RSTART, 8) ~ /^xt::(all|any)/) { rest = substr(rest, RSTART + RLENGTH); continue }
        before = substr(rest, 1, RSTART - 1)
        open = RSTART + RLENGTH - 1
        after = closing(rest, open)
        if (after == 0) return 0
        # Evaluated on the spot, read as a scalar, or evaluated into a named container.
        if (substr(rest, RSTART, after - RSTART) !~ /immediate/ && substr(rest, after, 2) != "()" &&
            !(before ~ /(Tensor<[^;]*>|xarray<[^;]*>)&? *[a-z_0-9]+ *= *$/ && substr(rest, after) ~ /^ *;?$/)) return 1
        rest = substr(rest, after)
      }
      return 0
    }
    FNR == 1 { statement = "" }
    {
      line = $0
      sub(/\/\/.*/, "", line)
      if (line ~ /^[ \t]*#/) next
      while (match(line, /[;{}]/)) {
        if (statement == "") first = FNR
        statement = statement substr(line, 1, RSTART)
        # braces inside a call, such as axes {1}, do not end a statement
        unbalanced = gsub(/\(/, "(", statement) - gsub(/\)/, ")", statement)
        line = substr(line, RSTART + 1)
        if (unbalanced <= 0) finish()
      }
      if (line !~ /^[ \t]*$/) { if (statement == "") first = FNR; statement = statement line " " }
    }' "$@"
}

# Flags in comments and strings; `--i` in code is none, nor are the page's colours (`var(--line)`, `"--line", "#d5dbe1"`).
named_flags() {
  awk '
    {
      line = $0
      gsub(/"--[a-z]+", "#[0-9a-f]+"|--[a-z]+:#[0-9a-f]+|var\(--[a-z]+\)/, "", line)
      text = ""
      while (match(line, /"([^"\\]|\\.)*"|\/\/.*/)) {
        text = text " " substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
      }
      if (match(text, /(^|[^A-Za-z0-9_-])--[a-z][a-z0-9-]*/)) printf "%s:%d:%s\n", FILENAME, FNR, $0
    }' "$@"
}

# Files that do not begin with the licence.
unlicensed() {
  awk '
    FNR == 1 && /^#!/ { next }
    !(FILENAME in seen) {
      seen[FILENAME] = 1
      wanted = (FILENAME ~ /\.(hpp|cpp)$/ ? "//" : "#") " SPDX-License-Identifier: MIT"
      if ($0 != wanted) printf "%s:%d: expected \"%s\"\n", FILENAME, FNR, wanted
    }' "$@"
}

check() {
  local root=$1 files headers cpp scripts licensed
  cd "$root"
  if git -C "$root" rev-parse --show-toplevel >/dev/null 2>&1 &&
    [[ $(git -C "$root" rev-parse --show-toplevel) == "$(pwd -P)" ]]; then
    mapfile -t files < <(git ls-files --cached --others --exclude-standard | while read -r f; do [[ -f $f ]] && echo "$f"; done)
  else  # an unpacked archive
    mapfile -t files < <(find . \( -name .git -o -name build -o -name 'results-*' \) -prune -o -type f -print | sed 's|^\./||')
  fi
  mapfile -t headers < <(printf '%s\n' "${files[@]}" | grep '^include/.*\.hpp$' || true)
  mapfile -t cpp < <(printf '%s\n' "${files[@]}" | grep -E '\.(hpp|cpp)$' || true)
  mapfile -t scripts < <(printf '%s\n' "${files[@]}" | grep -E '\.sh$|^\.ci/run$' || true)
  mapfile -t licensed < <(printf '%s\n' "${cpp[@]}" "${scripts[@]}" "${files[@]}" | grep -E '\.(hpp|cpp|sh|jq|cmake|py)$|(^|/)CMakeLists\.txt$|^\.ci/run$' | sort -u)
  if ((${#headers[@]} == 0)); then report "no headers" <<<"$root/include"; return; fi

  for header in "${headers[@]}"; do
    while IFS=: read -r line name; do
      grep -qE "^[[:space:]]*#[[:space:]]*undef[[:space:]]+$name\b" "$header" ||
        report "macro without the CONTEXTURE_ prefix" <<<"$header:$line: $name"
    done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*define[[:space:]]+([A-Za-z_0-9]+).*/\1/;t show;b;:show =;p' "$header" |
      paste -d: - - | grep -v ':CONTEXTURE_' || true)
    case $header in
      */kernels/*-inl.hpp | */for_each_isa.hpp) ;;  # included once for each instruction set
      *) grep -q '^#pragma once' "$header" || report "no #pragma once" <<<"$header" ;;
    esac
  done

  # A contexture::kernels::detail would change what `detail::` means in the headers included after it.
  report "namespace detail inside kernels" < <(grep -nE '^(namespace contexture::kernels::detail|namespace detail)' include/contexture/kernels/*.hpp /dev/null || true)
  report "using namespace in a header" < <(grep -nE '^using namespace' "${headers[@]}" /dev/null || true)
  report "using namespace std" < <(grep -nE 'using namespace std\b' "${cpp[@]}" /dev/null || true)
  report "lazy xtensor expression" < <(lazy_xtensor "${cpp[@]}")
  report "flag of a program" < <(named_flags "${headers[@]}")
  report "no licence" < <(unlicensed "${licensed[@]}")
  report "absolute path" < <(printf '%s\0' "${files[@]}" | xargs -0 grep -InE '(^|[^A-Za-z0-9_.~}/])/(home|root|work|Users|mnt|tmp)/[A-Za-z0-9]' || true)
  local unfinished='\b(TO''DO|FIX''ME|XX''X|HA''CK)\b'
  report "unfinished" < <(printf '%s\0' "${files[@]}" | xargs -0 grep -InE "$unfinished" || true)

  for script in "${scripts[@]}"; do
    bash -n "$script" || report "does not parse" <<<"$script"
    [[ $script == */build.sh || $script == */debian13.sh || -x $script ]] || report "not executable" <<<"$script"
  done
  if command -v shellcheck >/dev/null && ((${#scripts[@]} > 0)); then
    shellcheck -x "${scripts[@]}" || report "shellcheck" <<<"see above"
  fi
  echo "sources: ${#files[@]} files, $bad complaints"
}

# judge RULE < lines `good|code` or `bad|code`, \n for a new line: whether the rule says so.
judge() {
  local verdict code found
  while IFS='|' read -r verdict code; do
    printf '%s\n' "${code//'\n'/$'\n'}" >"$file"
    found=$("$1" "$file")
    if [[ ($verdict == bad && -z $found) || ($verdict == good && -n $found) ]]; then
      echo "self-test: $1: expected $verdict: $code"
      wrong=$((wrong + 1))
    fi
  done
}

self_test() {
  wrong=0
  file=$(mktemp)
  trap 'rm -f "$file"' EXIT
  judge lazy_xtensor <<'CASES'
bad|Tensor<float> y = a - xt::sum(a, {1}, xt::keep_dims);
bad|Tensor<float> y = xt::exp(a) / xt::sum(xt::exp(a), {1});
bad|Tensor<float> y = xt::sum(a) + xt::sum(b);
bad|f(xt::mean(a, {0}));
bad|auto s = a + xt::exp(b);
bad|const auto& s = xt::view(a, 0);
bad|Tensor<double> s = xt::variance(a) * 2.0;
good|Tensor<float> s = xt::sum(a, {1});
good|const Tensor<float> s = xt::sum(a, {1}, xt::keep_dims);
good|const float s = xt::sum(a)();
good|Tensor<float> y = a - xt::sum(a, {1}, xt::keep_dims | xt::evaluation_strategy::immediate);
good|const auto e = xt::eval(a + b);
good|auto v = xt::adapt(p, n);
good|x = 1; // a - xt::sum(a)
good|xt::view(y, xt::all(), 1) = 2.0F;
CASES
  judge named_flags <<'CASES'
bad|/// Goes on where a run stopped (--resume).
bad|require(ok, "--flip: '", text, "', expected on or off");
bad|require(ok, "not with --scratch-from");
bad|int a = b;  // as --encoder does
bad|f("var(--line)", "--line-width");
good|for (int i = n; --i >= 0;) --count;
good|if (--size == 0) f("a - b", "a--b");  // a -- b
good|{"--paper", "#ffffff", "#171c23"},
good|return "--page:#f4f6f8}" + R"(html{background:var(--page)})";
CASES
  judge unlicensed <<'CASES'
good|# SPDX-License-Identifier: MIT
good|#!/usr/bin/env bash\n# SPDX-License-Identifier: MIT
bad|#!/usr/bin/env bash\n# What this does.
bad|# What this does.\n# SPDX-License-Identifier: MIT
bad|#  SPDX-License-Identifier: MIT
bad|# SPDX-License-Identifier: GPL-2.0-only
bad|// SPDX-License-Identifier: MIT
CASES
  echo "self-test: $wrong wrong"
  ((wrong == 0))
}

if [[ ${1:-} == --self-test ]]; then
  self_test
else
  check "${1:-$(cd -- "$here/../.." && pwd -P)}"
  ((bad == 0))
fi
