# SPDX-License-Identifier: MIT
# Numbers of summary.json and diagnostics.json as Markdown, in the words of a report (report/text.hpp). For jq 1.6.

# With so many decimals, rounded as C rounds: by the exact value, to even where that is halfway. The product's rounding
# error is Dekker's (1971), whose split by 2^27 + 1 keeps `high` times the power of ten exact.
def fixed($digits):
  fabs as $x | pow(10; $digits) as $power | ($x * $power) as $product | (134217729 * $x) as $c
  | ($c - ($c - $x)) as $high | ($high * $power - $product + ($x - $high) * $power) as $error
  | ($product | floor) as $below | ($product - $below - 0.5) as $over
  | (if $over > 0 or ($over == 0 and ($error > 0 or ($error == 0 and $below % 2 == 1))) then $below + 1 else $below end)
    as $scaled
  | ($scaled | tostring | ("0" * ([0, $digits + 1 - length] | max)) + .) as $all
  | (if . < 0 and $scaled > 0 then "-" else "" end)
    + (if $digits == 0 then $all else $all[:-$digits] + "." + $all[-$digits:] end);

# 18000 -> "18,000"
def grouped: tostring | [while(length > 0; .[:-3]) | .[-3:]] | reverse | join(",");

# 0.7344 -> "73.44 %"
def percent($digits): "\(100 * . | fixed($digits)) %";

# 0.029 -> "+2.90", with a true minus sign
def points:
  (100 * . | fixed(2)) as $text
  | if $text | startswith("-") then "\u2212" + $text[1:] elif $text == "0.00" then $text else "+" + $text end;

# Seconds as "2.5 s", "41 s", "3 min 20 s", "1 h 5 min"
def duration:
  def pair($big; $unit; $small; $small_unit):
    "\($big) \($unit)" + if $small > 0 then " \($small) \($small_unit)" else "" end;
  if . < 0.995 then "\(fixed(2)) s"
  elif . < 9.95 then "\(fixed(1)) s"
  else round
    | if . < 100 then "\(.) s"
      elif . < 3600 then pair(. / 60 | floor; "min"; . % 60; "s")
      else ((. + 30) / 60 | floor) | pair(. / 60 | floor; "h"; . % 60; "min")
      end
  end;

def p_text:
  if . == null then "\u2013" elif . < 0.001 then "p \\< 0.001"
  else "p = " + (if . < 0.0995 then fixed(3) else fixed(2) end)
  end;

# Half-width of the 95 % interval of the mean of up to ten values (Student's t); null for one value.
def half_width:
  [12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836, 2.446911851, 2.364624252, 2.306004135, 2.262157163]
    as $t
  | length as $n
  | if $n < 2 then null
    elif $n > 10 then error("more than ten seeds")
    else (add / $n) as $mean | $t[$n - 2] * (map((. - $mean) * (. - $mean)) | add / ($n - 1) / $n | sqrt)
    end;

# Shares as " ± 0.46", in percent; nothing for one value.
def plus_minus: half_width | if . == null then "" else " \u00b1 \(100 * . | fixed(2))" end;

# An arm's test accuracy: "76.67 % ± 0.46"
def accuracy: (.test_accuracy | percent(2)) + (.test_accuracy_per_seed | plus_minus);

# Of experiments, those with so many percent of the labels.
def with_labels($labels): select((100 * .label_fraction - $labels | fabs) < 1e-6);

# The experiment with so many percent of the labels, with both arms.
def experiment($labels):
  [.experiments[] | with_labels($labels)] as $found
  | if ($found | length) == 0 or $found[0].test_accuracy_difference.mean == null
    then error("no experiment with \($labels) % of the labels")
    else $found[0]
    end;

# "3,906 steps, 1 min 53 s"
def pretraining: .pretrain | if . == null then "\u2013" else "\(.steps | grouped) steps, \(.seconds | duration)" end;

# "0.4 from scratch, 0.2 pre-trained", or "0.2"
def learning_rate($labels):
  experiment($labels) | [.scratch.learning_rate, .pretrained.learning_rate]
  | if .[0] == .[1] then "\(.[0])" else "\(.[0]) from scratch, \(.[1]) pre-trained" end;

# A row of a table that compares runs, after its first columns.
def row($labels; $first):
  experiment($labels)
  | .test_accuracy_difference as $d
  | [$first, $d.seeds, "**\(.scratch | accuracy)**", "**\(.pretrained | accuracy)**", "**\($d.mean | points)**",
     if $d.ci95[0] == null then "one seed" else "\($d.ci95[0] | points) to \($d.ci95[1] | points)" end,
     ($d.tests.mcnemar.over_seeds.p | p_text)]
  | "| \(map(tostring) | join(" | ")) |";

# Rows of a table that compares encoders: `.` is the list of their runs, the first with the arms from scratch that all are
# compared with, seed by seed. Each cell is a mean and the half-width of its 95 % interval, over seeds; in the last row,
# over encoders, of the seeds that all have.
def encoder_rows($labels):
  def arms: [.further_arms[] | with_labels($labels)][0].arms // error("no arms with \($labels) % of the labels");
  def cell: (add / length | points) + plus_minus;
  def minus($other): [., $other] | transpose | map(select(.[0] != null and .[1] != null) | .[0] - .[1]);
  def tested($arm): arms[$arm].test_accuracy_per_seed;
  (.[0] | tested("scratch")) as $scratch | (.[0] | tested("scratch_selftrained")) as $student
  | [.[] | tested("pretrained_selftrained") as $last
     | {own: .pretrain.accuracy,
        differences: [(tested("pretrained") | minus($scratch)), ($last | minus($student)), ($last | minus($scratch))]}]
  | (map(.differences[0] | length) | min) as $common
  | (range(length) as $i | .[$i]
     | "| \($labels) % | \($i + 1) | \(.own | percent(1)) | \(.differences[0] | length) | \(.differences | map(cell) | join(" | ")) |"),
    ([.[].differences | map(.[:$common] | add / length)] | transpose
     | "| \($labels) % | all \(.[0] | length) | | \($common) | \(map("**\(cell)**") | join(" | ")) |");

# The shortcut checks as a table.
def diagnosis:
  if (.checks | length) == 0 then error("no checks") else empty end,
  "| Check | Accuracy | Chance | Verdict | Reason |",
  "|---|---:|---:|---|---|",
  (.checks[] | "| \(.name) | \(.accuracy | percent(1)) | \(.chance | percent(1)) | \(.verdict) | \(.reason) |");

def of_data($name): if .dataset == $name then empty else error("is not about \($name) images") end;
