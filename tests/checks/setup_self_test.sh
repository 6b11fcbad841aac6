#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# scripts/setup.sh against stand-ins of dpkg-query, apt-get and sudo that write down what they are
# asked: nothing to do means nothing is asked of apt; what is missing or too old is installed;
# lists are fetched only when needed; failure is said plainly. Needs dpkg; skipped (77) without.
# shellcheck disable=SC2015  # in A && B || fail, it is meant that either failing calls fail
set -euo pipefail
command -v dpkg >/dev/null || exit 77
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/scripts" "$work/bin" "$work/installed"
cp "$root/scripts/setup.sh" "$work/tree/scripts/"
cat >"$work/tree/requirements.txt" <<'LIST'
# a comment
present>=1.0
old>=2:3.0       # a reason
any-version

[mpi]            # another reason
optional>=4.0
[formats]
picture>=1.0
LIST

# Stand-ins: $work/installed/NAME holds NAME's version; $work/offers/NAME what apt would install,
# once $work/fresh exists where $work/stale does.
cat >"$work/bin/dpkg-query" <<'STUB'
#!/usr/bin/env bash
file=$WORK/installed/${!#}
[[ -f $file ]] || exit 1
echo "installed $(cat "$file")"
STUB
cat >"$work/bin/apt-get" <<'STUB'
#!/usr/bin/env bash
echo "apt-get $*" >>"$WORK/log"
if [[ $1 == update ]]; then touch "$WORK/fresh"; exit 0; fi
[[ ! -f $WORK/stale || -f $WORK/fresh ]] || exit 100
for argument in "$@"; do
  [[ $argument == install || $argument == -* ]] && continue
  [[ -f $WORK/offers/$argument ]] || exit 100
  [[ " $* " == *" --simulate "* ]] || cp "$WORK/offers/$argument" "$WORK/installed/"
done
STUB
cat >"$work/bin/sudo" <<'STUB'
#!/usr/bin/env bash
echo "sudo" >>"$WORK/log"
exec "$@"
STUB
chmod +x "$work/bin/"*
export WORK=$work

wrong=0
fail() {
  echo "setup.sh: $1"
  sed 's/^/    /' "$work/log" "$work/out"
  wrong=$((wrong + 1))
}
begin() {  # begin PRESENT OLD ANY: versions installed, "-" for none
  rm -rf "$work/installed" "$work/offers" "$work/fresh" "$work/stale"
  mkdir -p "$work/installed" "$work/offers"
  : >"$work/log"
  [[ $1 == - ]] || echo "$1" >"$work/installed/present"
  [[ $2 == - ]] || echo "$2" >"$work/installed/old"
  [[ $3 == - ]] || echo "$3" >"$work/installed/any-version"
}
run() {
  status=0
  PATH="$work/bin:$PATH" "$work/tree/scripts/setup.sh" "$@" >"$work/out" 2>&1 || status=$?
}

begin 1.0-1 2:3.0-1 0.1
run
[[ $status == 0 && ! -s $work/log && ! -s $work/out ]] || fail "all there: expected silence and no apt, got $status"

begin 1.5 1:9.0 -
run --check
[[ $status == 1 && ! -s $work/log ]] || fail "--check: expected status 1 and no apt"
grep -q 'old any-version$' "$work/out" || fail "--check names what is missing or too old"
echo 2:3.1 >"$work/offers/old"
echo 7 >"$work/offers/any-version"
run
[[ $status == 0 ]] || fail "missing: expected success, got $status"
grep -q 'install .*old any-version' "$work/log" || fail "missing: expected both in one apt-get install"
if grep -q present "$work/log"; then fail "what is there is not installed again"; fi
if grep -q update "$work/log"; then fail "lists that do are not fetched again"; fi

begin 1.0 2:3.0 -
touch "$work/stale"
echo 7 >"$work/offers/any-version"
run
[[ $status == 0 ]] && grep -q update "$work/log" || fail "stale lists: expected apt-get update and success, got $status"

begin 1.0 2:3.0 1
echo 7 >"$work/offers/one-more"
run one-more
[[ $status == 0 ]] && grep -q 'install .*one-more' "$work/log" || fail "a package named: expected it installed, got $status"
: >"$work/log"
run one-more
[[ $status == 0 && ! -s $work/log ]] || fail "a package named that is there: expected no apt, got $status"

begin 1.0 2:3.0 1
echo 4.1 >"$work/offers/optional"
run
[[ $status == 0 && ! -s $work/log ]] || fail "the optional part is not asked for: expected no apt, got $status"
run --check --with-mpi
[[ $status == 1 ]] && grep -q 'optional$' "$work/out" || fail "--with-mpi --check: expected status 1 and its name, got $status"
run --with-mpi
[[ $status == 0 ]] && grep -q 'install .*optional' "$work/log" || fail "--with-mpi: expected it installed, got $status"

begin 1.0 2:3.0 1
run --check --with-formats
[[ $status == 1 ]] && grep -q 'too old: picture$' "$work/out" || fail "--with-formats: expected its part alone, got $status"
run --check --with-formats --with-mpi
[[ $status == 1 ]] && grep -q 'too old: optional picture$' "$work/out" || fail "both parts: expected both, got $status"

begin - 2:3.0 1
run
[[ $status == 1 ]] && grep -q 'present 1.0' "$work/out" || fail "not on offer: expected status 1 and its name, got $status"

begin 1.0 2:3.0 1
run --frobnicate
[[ $status == 2 ]] && grep -q frobnicate "$work/out" || fail "unknown option: expected status 2, got $status"

# No apt: says what to install by hand; goes on where a compiler and CMake are there.
mkdir -p "$work/noapt"
for tool in bash sed cat dirname env cmake c++; do ln -sf "$(command -v "$tool")" "$work/noapt/$tool"; done
: >"$work/log"
status=0
PATH="$work/noapt" "$work/tree/scripts/setup.sh" >"$work/out" 2>&1 || status=$?
[[ $status == 0 ]] && grep -q 'old >= 2:3.0' "$work/out" || fail "no apt: expected the list and status 0, got $status"
rm "$work/noapt/cmake"
status=0
PATH="$work/noapt" "$work/tree/scripts/setup.sh" >"$work/out" 2>&1 || status=$?
[[ $status == 1 ]] && grep -q "'cmake' is not in PATH" "$work/out" || fail "no apt, no cmake: expected status 1, got $status"

((wrong == 0))
