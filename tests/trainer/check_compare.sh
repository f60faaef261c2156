#!/usr/bin/env bash
# `leadline compare`: a table of several settings and seeds; what was trained stays, what was killed goes on; mistakes
# are named before anything is trained. usage: check_compare.sh LEADLINE
leadline=$1
source "$(dirname "${BASH_SOURCE[0]}")/../support/program.sh"

cat >tiny.ini <<'INI'
[data]
train = synthetic:count=8,height=16,width=16
val = synthetic:count=2,split=val,height=16,width=16
size = 16x16
batch_size = 2
[model]
base_channels = 4
levels = 1
[optimizer]
lr = 1e-3
[scheduler]
name = constant
[train]
epochs = 2
[run]
report = false
INI

echo "== every combination and seed, one table, two charts"
"$leadline" compare --config tiny.ini --over optimizer=sgd,adam --over lr=log:1e-3..1e-1:2 --seeds 2 --out c --jobs 2 >out.txt
grep -q '4 kinds of settings, 8 trainings' out.txt && grep -q '\[8/8\]' out.txt || fail "$(cat out.txt)"
[ "$(grep -c '^| optimizer=' c/compare.md)" = 4 ] || fail "$(cat c/compare.md)"
grep -q '2 seeds' c/compare.md && grep -q 'optimizer=adam lr=0.1' c/compare.md || fail "$(cat c/compare.md)"
[ "$(grep -c '^"optimizer=' c/compare.csv)" = 8 ] || fail "$(cat c/compare.csv)"
grep -q '^lr = 0.1$' c/optimizer=adam_lr=0.1/seed_1/config.ini && grep -q '^seed = 1$' c/optimizer=adam_lr=0.1/seed_1/config.ini ||
  fail "a trial has other settings than its name says"
for chart in metric loss; do grep -q 'optimizer=sgd lr=0.001' c/$chart.svg || fail "$chart.svg"; done
# The first line of the table is the best of compare.csv's means.
best=$(awk -F, 'NR > 1 { sum[$1] += $5 } END { for (v in sum) if (sum[v] > most || most == "") { most = sum[v]; name = v } print name }' c/compare.csv | tr -d '"')
grep '^| optimizer=' c/compare.md | sed -n 1p | grep -qF "$best" || fail "$best isn't the table's first: $(cat c/compare.md)"

echo "== the same command again trains nothing"
before=$(cat c/*/*/metrics.jsonl | wc -l)
cp c/compare.md first.md
"$leadline" compare --config tiny.ini --over optimizer=sgd,adam --over lr=log:1e-3..1e-1:2 --seeds 2 --out c >out.txt
[ "$(cat c/*/*/metrics.jsonl | wc -l)" = "$before" ] || fail "it trained again"
cmp first.md c/compare.md || fail "another table"

echo "== a comparison that was killed goes on, and ends as if it had not been"
long=(compare --config tiny.ini --over optimizer=sgd,adam --train.epochs 60)
"$leadline" "${long[@]}" --out k >out.txt &
program=$!
for _ in $(seq 300); do [ -s k/optimizer=sgd/checkpoints/last.h5 ] && break; sleep 0.05; done
kill -9 $program
wait $program 2>/dev/null || true
"$leadline" "${long[@]}" --out k >out.txt # waits for the training that its parent left behind to save itself
"$leadline" "${long[@]}" --out w >out.txt
for kind in sgd adam; do
  cmp k/optimizer=$kind/metrics.csv w/optimizer=$kind/metrics.csv || fail "$kind has other numbers after kill -9"
done

echo "== configuration files, and a training that fails doesn't end the others"
sed 's/lr = 1e-3/lr = 1e6/' tiny.ini >wild.ini
status=0
"$leadline" compare tiny.ini wild.ini --model.head linear --loss.name mse --optimizer.name sgd --out f >out.txt 2>err.txt || status=$?
[ $status = 1 ] || fail "exit status $status: $(cat out.txt err.txt)"
grep -q '^wild .*failed' out.txt && grep -q '^tiny ' out.txt && grep -q 'wild failed: .*diverged' f/compare.md || fail "$(cat out.txt err.txt)"

echo "== mistakes are named before anything is trained"
expect_error 1 "nothing to compare" -- "$leadline" compare --config tiny.ini --out n
expect_error 1 optimizer "Did you mean" -- "$leadline" compare --config tiny.ini --over optimiser.name=sgd,adam --out n
expect_error 1 adamm "adam" -- "$leadline" compare --config tiny.ini --over optimizer=sgd,adamm --out n
expect_error 1 bilineer bilinear -- "$leadline" compare --config tiny.ini --over up_sampling=nearest,bilineer --out n
expect_error 1 "several options" -- "$leadline" compare --config tiny.ini --over name=a,b --out n
expect_error 1 ":POINTS" -- "$leadline" compare --config tiny.ini --over lr=log:1e-4..1e-1 --out n
expect_error 1 momentum -- "$leadline" compare --config tiny.ini --over optimizer=sgd --over scheduler=one_cycle,constant --scheduler.cycle_momentum true --out n
! grep -q 'check.ini' err.txt || fail "a file that is gone is cited: $(cat err.txt)"
expect_error 1 "its settings differ" -- "$leadline" compare --config tiny.ini --over optimizer=sgd,adam --over lr=log:1e-3..1e-1:2 --seeds 2 --train.epochs 3 --out c
expect_error 1 nowhere.ini -- "$leadline" compare nowhere.ini tiny.ini --out n
expect_error 1 --over "needs KEY=VALUES" -- "$leadline" compare --config tiny.ini --over
expect_error 1 optimizer.lr "varied twice" -- "$leadline" compare --config tiny.ini --over lr=1e-3,1e-2 --over optimizer.lr=1,2 --out n
expect_error 1 run.dir "its own" -- "$leadline" compare --config tiny.ini --over run.dir=a,b --out n
expect_error 1 train.seed "--seeds" -- "$leadline" compare --config tiny.ini --over train.seed=1,2 --seeds 2 --out n
[ ! -e n ] || fail "a comparison that couldn't start left a folder: $(ls -A n)"
echo "all passed"
