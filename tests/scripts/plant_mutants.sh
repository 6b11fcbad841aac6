#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What scripts/mutate.sh rests on: mutants are planted where they should be, sleep until they are woken, and tell whether
# they were reached; lines stay where they are.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
c++ -std=c++20 -o plant_mutants "$root/tests/mutation/plant_mutants.cpp"
cat >sample.hpp <<'TEXT'
// A comment: a < b.
#define SAMPLE(a, b) ((a) < (b))
inline int sample(int a, int b) {
  if (a < b) return a - 3;
  int sum = a * b + a;
  for (int i = 0; i < b; ++i) {
    sum += i;  // a term
  }
  const char* text = "a + b";
  return text[0] == 'a' ? sum : 0;
}
TEXT
cp sample.hpp before.hpp
./plant_mutants --tree . --list list --count 1000 --seed 3 sample.hpp >said
cut -f5-8 list | sort >planted
sort >expected <<'TEXT'
10	constant	0	1
10	negated	==	!=
4	bound	<	<=
4	negated	a < b	!(...)
4	dropped term	- 3	
4	sign	-	+
5	dropped term	* b	
5	dropped term	+ a	
5	sign	*	/
5	sign	+	-
6	bound	<	<=
7	dropped statement	sum += i;	
7	sign	+=	-=
TEXT
# Constants above 0 go up or down by the seed.
grep -vP '\tconstant\t3\t[24]$|\tconstant\t0\t1$' planted >rest
diff <(grep -v constant expected) rest
grep -qP '^4\tconstant\t3\t[24]$' planted
grep -q "^$(wc -l <list) mutants possible, $(wc -l <list) planted\$" said
[[ $(wc -l <sample.hpp) == $(wc -l <before.hpp) ]]

printf '#include <cstdio>\n#include "sample.hpp"\nint main() { std::printf("%%d", sample(5, 4)); }\n' >program.cpp
c++ -std=c++20 -include "$root/tests/mutation/mutants.hpp" -o program program.cpp
number() { awk -F'\t' -v kind="$1" -v what="$2" -v line="$3" '$5 == line && $6 == kind && $7 == what { print $1 }' list; }
woken() { CONTEXTURE_MUTANT=$(number "$@") ./program; }
[[ $(./program) == 31 ]]                             # 5 * 4 + 5 + 0 + 1 + 2 + 3
[[ $(woken 'dropped statement' 'sum += i;' 7) == 25 ]]
[[ $(woken sign + 5) == 21 ]]
[[ $(woken 'dropped term' '+ a' 5) == 26 ]]
[[ $(woken bound '<' 6) == 35 ]]
[[ $(woken negated == 10) == 0 ]]
[[ $(woken sign - 4) == 31 ]]                        # behind a condition that does not hold
CONTEXTURE_MUTANT_REACHED=reached ./program >said
grep -qx "$(number bound '<' 4)" reached
if grep -qx "$(number sign - 4)" reached; then exit 1; fi

# What does not compile is left out, and the others keep their numbers.
number sign + 5 >drop
cp before.hpp sample.hpp
./plant_mutants --tree . --list fewer --count 1000 --seed 3 --drop drop sample.hpp >said
diff <(grep -v "^$(cat drop)	" list) fewer
# A seed draws the same sample again.
cp before.hpp sample.hpp
./plant_mutants --tree . --list some --count 3 --seed 3 sample.hpp >said
diff <(head -3 list) some
