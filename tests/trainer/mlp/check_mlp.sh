#!/usr/bin/env bash
# check_mlp.sh LEADLINE: the commands `leadline mlp ...` as a person types them.
set -euo pipefail
leadline=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "check_mlp.sh: $*" >&2; exit 1; }
expect() { grep -qF -- "$1" <<<"$2" || fail "\"$1\" is missing in: $2"; }
refused() { # words, then the command
  local words=$1 text
  shift
  if text=$("$@" 2>&1); then fail "accepted: $*"; fi
  expect "$words" "$text"
}

text=$("$leadline" mlp fit --data digits --hidden-layer-sizes 16 --solver lbfgs --max_iter 300 --out a)
expect "accuracy 0.953" "$text" # scikit-learn 1.9.1 says 0.9528 after 71 iterations, too
expect "lbfgs, 71 iterations" "$text"
expect "weighted avg" "$text"
[ -s a/confusion.png ] && [ -s a/checkpoints/best.h5 ] || fail "files are missing"
"$leadline" mlp fit --data digits --hidden_layer_sizes 16 --max_iter 3 --early_stopping true --validation_loss true --out b 2>warnings >/dev/null
expect "Maximum iterations (3) reached" "$(cat warnings)"
expect "epoch,loss,validation_score,validation_loss" "$(head -1 b/loss_curve.csv)"
[ -s b/loss_curve.svg ] || fail "no curve"
expect "accuracy 0.99" "$("$leadline" mlp score a --data digits)"
for exec in layers kokkos; do # the seconds apart, the same words
  "$leadline" mlp fit --data digits --hidden_layer_sizes 16 --max_iter 3 --exec $exec --out on_$exec 2>/dev/null | grep accuracy >$exec.txt
  "$leadline" mlp score on_$exec --data digits >>$exec.txt
done
expect "accuracy 0." "$(cat layers.txt)"
cmp layers.txt kokkos.txt || fail "execs differ"
"$leadline" export a --out digits.lead >/dev/null
"$leadline" inspect digits.lead >/dev/null

printf 'x,y,sum\n' >plane.csv
for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4; do echo "$i,$j,$((i + 2 * j))" >>plane.csv; done; done
expect "r2 1.0000" "$("$leadline" mlp fit --data csv:plane.csv --task regressor --standardize true --solver lbfgs --out c)"
for target in "" sum 3; do
  "$leadline" mlp predict c --data csv:plane.csv --target "$target" --out answers.csv
  [ "$(wc -l <answers.csv)" = 37 ] && [ "$(head -1 answers.csv)" = sum ] || fail "answers.csv with target '$target'"
done
awk -F, '{ print $2 "," $1 "," $3 }' plane.csv >swapped.csv
for command in predict score; do
  refused "the fit's order: x,y" "$leadline" mlp $command c --data csv:swapped.csv
  refused "no such column" "$leadline" mlp $command c --data csv:plane.csv --target price
done
refused "target is \"foo\"" "$leadline" mlp fit --data digits --target foo
text=$("$leadline" mlp fit --data csv:plane.csv --task regressor --max_iter 20 --test_size 0 --out whole 2>/dev/null)
[ "$(tail -1 <<<"$text")" = "whole: model, loss_curve.csv, loss_curve.svg" ] || fail "the last line: $text"

# classes that the part to fit lacks, or that are none
printf 'a,b,kind\n' >rare.csv
for i in 1 2 3 4 5 6 7 8 9 10; do printf '%s,1,red\n%s,2,blue\n' "$i" "$i" >>rare.csv; done
cp rare.csv single.csv
echo 3,3,green >>single.csv
refused "csv:single.csv: kind is \"green\": this class has only 1 member" "$leadline" mlp fit --data csv:single.csv
expect "--stratify false" "$("$leadline" mlp fit --data csv:single.csv 2>&1 || true)"
printf '3,3,green\n4,3,green\n' >>rare.csv
refused "--stratify true" "$leadline" mlp fit --data csv:rare.csv --stratify false --test_size 0.9 --out lost
expect "csv:rare.csv: kind is" "$("$leadline" mlp fit --data csv:rare.csv --stratify false --test_size 0.9 2>&1 || true)"
[ ! -e lost ] || fail "a refused fit left a folder"
printf 'a,kind\n1,red\n2,red\n3,red\n4,red\n5,blue\n' >blue.csv
refused "blue.csv: kind is \"blue\": only 1 row" "$leadline" mlp fit --data csv:blue.csv --test_size 0 --early_stopping true
awk -F, 'NR == 1 { print "x,y,value" } NR > 1 { print $1 "," $2 "," $1 * 1.37 + $2 / 7 }' plane.csv >curve.csv
refused "--task regressor" "$leadline" mlp fit --data csv:curve.csv
refused "looks continuous" "$leadline" mlp fit --data csv:curve.csv
echo 1,2,nan >>rare.csv
refused "rare.csv:24: kind is \"nan\"" "$leadline" mlp fit --data csv:rare.csv
refused "validation_fraction is \"0\"" "$leadline" mlp fit --data digits --early_stopping true --validation_fraction 0

# where a fit goes to is looked at before it; a signal ends it in order
refused "out: the folder can't be made" "$leadline" mlp fit --data digits --out rare.csv
refused "non-finite" "$leadline" mlp fit --data csv:plane.csv --task regressor --solver sgd --learning_rate_init 1e200 --out deep/wild
[ ! -e deep ] || fail "a failed fit left a folder"
for signal in INT TERM; do
  "$leadline" mlp fit --data digits --hidden_layer_sizes 4 --max_iter 100000000 --n_iter_no_change inf --verbose true --out long_$signal >lines.txt 2>warnings &
  program=$!
  for _ in $(seq 300); do [ -s lines.txt ] && break || sleep 0.1; done
  kill -$signal $program
  code=0
  wait $program || code=$?
  [ $code = 130 ] || fail "$signal: exit code $code"
  expect "Training interrupted by user." "$(cat warnings)"
  expect "accuracy" "$("$leadline" mlp score long_$signal --data digits)"
done
# (a sanitizer doesn't throw where memory is short)
grep -q __asan_init "$leadline" ||
  refused "hidden_layer_sizes is \"1000000,1000000\": memory is short" "$leadline" mlp fit --data digits --hidden_layer_sizes 1000000,1000000

text=$("$leadline" mlp depth --data synthetic:count=24,seed=1,height=48,width=64 --max_iter 4 --hidden_layer_sizes 8 --max_memory 0.3MB --out d 2>/dev/null)
expect "of 20 frames fit 0.3MB; 4 to measure" "$text"
expect "mean map" "$text"
[ -s d/predictions.png ] && [ -s d/checkpoints/best.h5 ] || fail "no depth"
refused "not even two frames" "$leadline" mlp depth --data synthetic:count=24 --max_memory 10KB
refused "can be negative" "$leadline" mlp depth --data synthetic:count=24 --loss poisson

refused "Use lbfgs, sgd or adam" "$leadline" mlp fit --data digits --solver newton
refused "lbfgs computes on the host" "$leadline" mlp fit --data digits --solver lbfgs --exec kokkos
refused "no size of a layer" "$leadline" mlp fit --data digits --hidden_layer_sizes 16,0
refused "from 0 to 1" "$leadline" mlp fit --data digits --momentum 2
refused "csv:FILE" "$leadline" mlp fit --data plane.csv
refused "test_size" "$leadline" mlp fit --data digits --test_size 1.5
refused "is not given" "$leadline" mlp fit
refused "Known: fit, predict, score, depth" "$leadline" mlp fot
refused "--task regressor" "$leadline" mlp fit --data csv:plane.csv --target x --loss poisson
refused "Name another folder with --out" "$leadline" mlp fit --data digits --max_iter 1 --out a
refused "each set needs at least one sample" "$leadline" mlp fit --data csv:plane.csv --target x --test_size 0.01
