#!/usr/bin/env bash
# `leadline search`: by chance, as a grid, by successive halving; killed in the middle it goes on to the same end.
# usage: check_search.sh LEADLINE
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
[scheduler]
name = constant
[train]
epochs = 2
INI

echo "== killed in the middle, it goes on to the same end"
search=(search --config tiny.ini --over optimizer.lr=log:1e-4..1e-1 --over optimizer=adam,adamw --trials 6 --train.epochs 12 --jobs 2)
"$leadline" "${search[@]}" --out whole >out.txt
[ "$(grep -c '"result"' whole/journal.jsonl)" = 6 ] || fail "$(cat whole/journal.jsonl)"
"$leadline" "${search[@]}" --out killed >out.txt &
program=$!
for _ in $(seq 600); do [ -s killed/journal.jsonl ] && [ "$(wc -l <killed/journal.jsonl)" -ge 3 ] && break; sleep 0.02; done
kill -9 $program
wait $program 2>/dev/null || true
[ ! -e killed/best.ini ] || fail "it was killed too late for a test"
printf '{"event":"result","tri' >>killed/journal.jsonl # as if the machine had stopped within a line
"$leadline" "${search[@]}" --out killed >out.txt
[ "$(grep -c '"result"' killed/journal.jsonl)" = 6 ] || fail "$(cat killed/journal.jsonl)"
cmp <(sort whole/journal.jsonl) <(sort killed/journal.jsonl) || fail "the journal has other results after kill -9"
cmp whole/search.csv killed/search.csv && cmp whole/best.ini killed/best.ini || fail "another end after kill -9"
xs=$(tail -n +2 whole/search.csv | cut -d, -f4)
[ "$(sort -rg <<<"$xs")" = "$xs" ] || fail "the table isn't sorted: $xs"

echo "== more trials are added to those that are there; the best settings can be trained with"
"$leadline" "${search[@]}" --trials 7 --out whole >out.txt
[ "$(grep -c '"result"' whole/journal.jsonl)" = 7 ] || fail "$(cat whole/journal.jsonl)"
grep -q 'optimizer.lr' whole/optimizer.lr.svg || fail "no chart"
"$leadline" train --config whole/best.ini --run.dir best --run.report false >/dev/null
lr=$(sed -n 2p whole/search.csv | cut -d'"' -f2)
grep -qx "lr = $lr" best/config.ini || fail "best.ini hasn't the best rate, $lr"
best=$(sed -n 2p whole/search.csv | cut -d, -f4)
cut -d, -f5 best/metrics.csv | grep -qx "$best" || fail "best.ini doesn't repeat its trial: $best"

echo "== a grid"
"$leadline" search --config tiny.ini --method grid --over lr=log:1e-3..1e-1:2 --over levels=int:1..2 --out g >out.txt
grep -q 'grid search, 4 kinds' out.txt && [ "$(grep -c '^| *[0-3] ' g/search.md)" = 4 ] || fail "$(cat out.txt g/search.md)"

echo "== successive halving: each rung trains from the start, with the best of the rung before"
"$leadline" search --config tiny.ini --method halving --over lr=log:1e-4..1e-1 --trials 6 --train.epochs 4 --factor 2 --out h >out.txt
grep -q '6 of them for 1 epochs' out.txt && grep -q '3 of them for 2 epochs' out.txt && grep -q '1 of them for 4 epochs' out.txt || fail "$(cat out.txt)"
[ "$(ls -d h/trial_*/epochs_1 | wc -l) $(ls -d h/trial_*/epochs_2 | wc -l) $(ls -d h/trial_*/epochs_4 | wc -l)" = "6 3 1" ] || fail "$(ls h/*)"
promoted=$(grep '"epochs":1,' h/journal.jsonl | sed 's/.*"trial":\([0-9]*\).*"delta1":\([0-9.e-]*\).*/\2 \1/' | sort -k1,1gr -k2,2g | sed -n 1,3p | cut -d' ' -f2 | sort | tr '\n' ' ')
trained=$(grep '"epochs":2,' h/journal.jsonl | sed 's/.*"trial":\([0-9]*\).*/\1/' | sort | tr '\n' ' ')
[ "$promoted" = "$trained" ] || fail "promoted $trained instead of $promoted"
grep -qx 'epochs = 4' h/best.ini || fail "best.ini trains for another time"

echo "== a small space, and trials that fail"
"$leadline" search --config tiny.ini --over levels=int:1..2 --trials 9 --out s >out.txt
grep -q 'no more than 2' out.txt || fail "$(cat out.txt)"
"$leadline" search --config tiny.ini --method grid --over lr=1e-3,1e6 --optimizer.name sgd --model.head linear --loss.name mse --out f >out.txt
grep -q 'failed: .*diverged' out.txt && grep -q '^| .*failed' f/search.md && grep -qx 'lr = 1e-3' f/best.ini || fail "$(cat out.txt)"

echo "== mistakes"
expect_error 1 "nothing to vary" -- "$leadline" search --config tiny.ini --out n
expect_error 1 ":POINTS" -- "$leadline" search --config tiny.ini --method grid --over lr=log:1e-4..1 --out n
expect_error 1 "varied twice" -- "$leadline" search --config tiny.ini --over lr=1e-3,1e-2 --over optimizer.lr=1e-3,1e-2 --out n
expect_error 1 sillog silog -- "$leadline" search --config tiny.ini --over loss=silog,sillog --out n
expect_error 1 "another search" -- "$leadline" search --config tiny.ini --over levels=int:1..3 --out s
expect_error 1 min_epochs "out of range" -- "$leadline" search --config tiny.ini --method halving --over lr=1e-3,1e-2 --min_epochs 3 --out n
expect_error 1 train.epochs "one rung" "--train.epochs 3" -- "$leadline" search --config tiny.ini --method halving --over lr=1e-3,1e-2 --out n
expect_error 1 train.epochs "halving itself" -- "$leadline" search --config tiny.ini --method halving --train.epochs 9 --over epochs=3,9 --out n
expect_error 1 run.dir "its own" -- "$leadline" search --config tiny.ini --over run.dir=a,b --out n
expect_error 1 method halving -- "$leadline" search --config tiny.ini --method bayes --over lr=1e-3,1e-2 --out n
echo "all passed"
