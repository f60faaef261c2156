#!/usr/bin/env bash
# The program `leadline` as people use it: train, interrupt, resume, evaluate, export, inspect; and what it says when
# something is wrong. usage: check_program.sh LEADLINE
leadline=$1
source "$(dirname "${BASH_SOURCE[0]}")/../support/program.sh"

cat >tiny.ini <<'INI'
[data]
train = synthetic:count=10,height=24,width=32
val = synthetic:count=3,split=val,height=24,width=32
size = 24x32
batch_size = 2
[model]
base_channels = 4
levels = 2
dropout = 0.2
[train]
epochs = 4
INI

echo "== the same bytes on 1 and 2 threads"
for threads in 1 2; do # --threads wins over OMP_NUM_THREADS
  mkdir "threads_$threads"
  (cd "threads_$threads" && "$leadline" train --config ../tiny.ini --run.dir run --threads "$threads" >/dev/null)
done
for file in metrics.csv config.ini checkpoints/last.h5 checkpoints/best.h5 predictions/epoch_004.png; do
  cmp "threads_1/run/$file" "threads_2/run/$file" || fail "$file depends on threads"
done
mv threads_2/run whole

echo "== interrupted, resumed: the same bytes again"
"$leadline" train --config tiny.ini --run.dir run --train.epochs 4000 >/dev/null &
program=$!
for _ in $(seq 600); do [ -s run/metrics.csv ] && [ "$(wc -l <run/metrics.csv)" -ge 2 ] && break; sleep 0.1; done
expect_error 1 run "being trained by another process (pid $program)" -- "$leadline" train --resume run
kill -INT $program
status=0; wait $program || status=$?
[ $status = 130 ] || fail "an interrupted run ended with $status"
[ -s run/checkpoints/last.h5 ] || fail "an interrupted run left no checkpoint"
mv run interrupted
for signal in TERM USR1; do # as batch systems end jobs
  "$leadline" train --config tiny.ini --run.dir run --train.epochs 4000 >out.txt &
  program=$!
  for _ in $(seq 600); do [ -s run/metrics.csv ] && [ "$(wc -l <run/metrics.csv)" -ge 2 ] && break; sleep 0.1; done
  kill -$signal $program
  status=0; wait $program || status=$?
  [ $status = 130 ] || fail "SIG$signal ended a run with $status"
  grep -q -- '--resume run' out.txt || fail "SIG$signal: it isn't said how to go on: $(tail -1 out.txt)"
  rm -r run
done
"$leadline" train --config tiny.ini --run.dir run --scheduler.name constant >/dev/null
"$leadline" train --config tiny.ini --run.dir half --scheduler.name constant --train.epochs 2 >/dev/null
"$leadline" train --resume half --train.epochs 4 >/dev/null
cmp run/metrics.csv half/metrics.csv || fail "a resumed run has other metrics"

echo "== early stopping completes a run, a time limit interrupts it"
"$leadline" train --config tiny.ini --run.dir early --early_stopping.monitor train_loss --early_stopping.min_delta 1000 \
  --early_stopping.patience 1 >out.txt || fail "early stopping isn't exit status 0"
grep -q 'early stopping: train_loss' out.txt || fail "no reason for stopping early: $(cat out.txt)"
[ "$(wc -l <early/metrics.csv)" = 3 ] || fail "early stopping came late"
status=0
"$leadline" train --config tiny.ini --run.dir limited --train.epochs 4000 --run.max_minutes 0.01 >/dev/null || status=$?
[ $status = 130 ] || fail "a run whose time was over ended with $status"
rm -r early limited

echo "== a learning rate is found"
"$leadline" lr_find --config tiny.ini --steps 30 --out rates >out.txt
grep -q 'suggestion' out.txt || fail "lr_find suggests nothing: $(cat out.txt)"
[ "$(wc -l <rates.csv)" -gt 10 ] && grep -q '</svg>' rates.svg || fail "lr_find left no table or plot"
expect_error 1 max_lr 'min_lr' -- "$leadline" lr_find --config tiny.ini --min_lr 1 --max_lr 0.1

echo "== a saved config.ini repeats the run"
"$leadline" train --config whole/config.ini --run.dir repeated >/dev/null
cmp whole/metrics.csv repeated/metrics.csv || fail "config.ini doesn't repeat its run"

echo "== a run that ended before its first checkpoint begins again, with the same bits"
mkdir begun && cp whole/config.ini begun
expect_error 1 begun '--resume begun' -- "$leadline" evaluate begun
expect_error 1 begun '--resume begun' -- "$leadline" train --config tiny.ini --run.dir begun
"$leadline" train --resume begun >/dev/null
cmp whole/metrics.csv begun/metrics.csv || fail "a run that begins again has other metrics"
rm -r begun

echo "== fine-tuning: another run's weights first, and both data sets in the model's papers"
"$leadline" train --config tiny.ini --run.dir tuned --model.weights whole --data.train synthetic:count=4,seed=3 --train.epochs 1 >/dev/null
"$leadline" export tuned --out tuned.lead >/dev/null
"$leadline" inspect tuned.lead | grep pretraining | grep -qF 'synthetic:count=10,height=24,width=32' || fail "no pretraining in the papers"
expect_error 1 nowhere -- "$leadline" train --config tiny.ini --run.dir none --model.weights nowhere
rm -r tuned

echo "== evaluate, export, inspect"
"$leadline" evaluate whole >table.txt
grep -q 'constant depth' table.txt && grep -q 'mean map' table.txt && grep -q 'protocol raw' table.txt || fail "$(cat table.txt)"
"$leadline" evaluate whole/checkpoints/last.h5 --data "synthetic:count=2,split=val,height=48,width=64" --protocol eigen >table.txt
grep -q 'eigen' table.txt || fail "$(cat table.txt)"
"$leadline" export whole --out model.onnx --format onnx >out.txt
grep -q '^model.onnx: .* parameters' out.txt || fail "export --format onnx says nothing of its file"
grep -q 'down.0.0.weight' model.onnx || fail "model.onnx has no weights"
"$leadline" export whole --out model.lead >out.txt
grep -q 'self-test' out.txt || fail "$(cat out.txt)"
"$leadline" inspect model.lead >out.txt
for word in conv2d 'self-test passed' 'multiples of 4' synthetic; do grep -qF "$word" out.txt || fail "no $word in: $(cat out.txt)"; done

"$leadline" inspect model.lead --height 48 >out.txt
grep -q 'for a session at 48x32 on' out.txt && grep -qF 'depth in metres, 0.1 to 10 m' out.txt || fail "$(cat out.txt)"
expect_error 1 'a folder' -- "$leadline" inspect whole

echo "== pipes and devices stay what they are; a full standard output is told"
mkfifo pipe.png
expect_error 1 pipe.png 'no regular file' -- "$leadline" export whole --out pipe.png
expect_error 1 pipe.png 'no regular file' -- "$leadline" inspect model.lead --arena pipe.png
[ -p pipe.png ] || fail "a pipe became a file"
"$leadline" --version >/dev/full 2>err.txt || grep -q ': No space left' err.txt || fail "no reason: $(cat err.txt)"
for command in --help "train --help" "inspect model.lead"; do
  status=0
  "$leadline" $command >/dev/full 2>err.txt || status=$?
  [ $status = 1 ] && grep -q "standard output can't be written" err.txt || fail "$command: $status, $(cat err.txt)"
done

echo "== lbfgs says what of the settings it can't do with"
"$leadline" train --config tiny.ini --optimizer.name lbfgs --dry_run 2>err.txt
for word in 'data.batch_size = 2 (wants 10' data.flip data.brightness_gain model.dropout; do
  grep -qF "$word" err.txt || fail "no $word in: $(cat err.txt)"
done
"$leadline" train --config tiny.ini --optimizer.name lbfgs --dry_run --data.batch_size 10 --data.flip 0 --data.brightness_gain 0 \
  --data.brightness_shift 0 --model.dropout 0 2>err.txt
[ ! -s err.txt ] || fail "a warning about nothing: $(cat err.txt)"

echo "== networks as tables and pictures: of settings, a run and a model file"
"$leadline" summary --config tiny.ini --batch 2 >settings.txt
"$leadline" summary whole >run.txt
"$leadline" summary model.lead >model.txt
for file in settings run model; do grep -q '^Total params: ' $file.txt || fail "no sum: $(cat $file.txt)"; done
cmp <(grep '^Total params' settings.txt) <(grep '^Total params' run.txt) || fail "a run's summary has other parameters"
grep -qF '[2, 24, 32, 3]' settings.txt && grep -qF 'conv2d+relu' model.txt || fail "$(cat settings.txt model.txt)"
"$leadline" graph model.lead --out model.dot >/dev/null
grep -q '^digraph "unet" {' model.dot || fail "$(head model.dot)"
"$leadline" summary --config tiny.ini --optimizer.lr_factors 'down.*=0' | grep -q '^Non-trainable params: [1-9]' || fail "nothing is frozen"
expect_error 1 out -- "$leadline" graph model.lead
expect_error 1 model.png .svg -- "$leadline" graph model.lead --out model.png
expect_error 1 '--config tiny.ini' -- "$leadline" summary tiny.ini
expect_error 1 mobile_unet -- "$leadline" summary --model.network mobile_unett
expect_error 1 model.lead --model.levels -- "$leadline" summary model.lead --model.levels 2
expect_error 1 height '24 or 28' -- "$leadline" summary --model.levels 2 --data.size 25x32
expect_error 1 nowhere -- "$leadline" summary nowhere

echo "== predictions and their metrics"
rooms="synthetic:count=2,split=val,height=48,width=64"
"$leadline" predict whole "$rooms" --out depth --format npy,ply,pfm,png16,colour --filter median:1 --size network >out.txt
[ "$(ls depth | wc -l)" = 10 ] || fail "not five results for each of two pictures: $(ls depth)"
"$leadline" predict model.lead depth/*_colour.png --out again --format ply --fov 60 --flip >out.txt
grep -q 'median' out.txt || fail "$(cat out.txt)"
"$leadline" evaluate model.lead --data "$rooms" --align median --flip --frames frames.csv >table.txt
grep -q 'ALIGNED by median' table.txt && [ "$(wc -l <frames.csv)" = 3 ] || fail "$(cat table.txt)"
"$leadline" evaluate --predictions depth --data "$rooms" >table.txt
grep -q 'protocol raw' table.txt || fail "$(cat table.txt)"
expect_error 1 --out 'not given' -- "$leadline" predict whole "$rooms"
expect_error 1 INPUT 'missing' -- "$leadline" predict whole --out depth
expect_error 1 format 'png16' -- "$leadline" predict whole "$rooms" --out depth --format png
expect_error 1 filter 'guided:RADIUS' -- "$leadline" predict whole "$rooms" --out depth --filter mean
expect_error 1 nothere.jpg -- "$leadline" predict whole nothere.jpg --out depth
expect_error 1 --predictions 'no prediction' -- "$leadline" evaluate --predictions whole --data "$rooms"
expect_error 1 data 'not given' -- "$leadline" evaluate model.lead
expect_error 1 --predictions_unit 'Add --predictions' -- "$leadline" evaluate whole --predictions_unit 2
expect_error 1 --flip 'none to run' -- "$leadline" evaluate --predictions depth --data "$rooms" --flip
expect_error 1 --data 'no validation frames of their own' -- "$leadline" evaluate --predictions depth
"$leadline" evaluate --predictions depth --predictions_are disparity --data "$rooms" 2>err.txt >/dev/null
grep -q -- '--align disparity' err.txt || fail "disparity without a word about --align: $(cat err.txt)"

echo "== the report: baselines, best and worst frames; made again from the folder"
for word in 'constant depth' 'Where it is worst' 'Where it is best' 'complete, 4 epochs' 'protocol'; do
  grep -qi "$word" whole/report.html || fail "no \"$word\" in report.html"
done
worst=$(grep '"worst"' whole/evaluation.jsonl | sed 's/.*"abs_rel":\([0-9.e-]*\).*/\1/')
best=$(grep '"best"' whole/evaluation.jsonl | sed 's/.*"abs_rel":\([0-9.e-]*\).*/\1/')
awk "BEGIN { exit !($worst > $best) }" || fail "the worst frame ($worst) isn't worse than the best ($best)"
[ "$(head -c 4 whole/predictions/worst_1.png | tail -c 3)" = PNG ] || fail "worst_1.png"
cp -r whole moved && rm moved/report.html moved/evaluation.jsonl moved/predictions/{best,worst}_1.png
"$leadline" report moved >out.txt
cmp moved/evaluation.jsonl whole/evaluation.jsonl || fail "report measures something else"
cmp <(sed 's/>moved</>run</' moved/report.html) whole/report.html || fail "report makes another page"

echo "== the device agrees with the run"
"$leadline" verify whole model.lead --count 2 >out.txt || fail "$(cat out.txt)"
grep -q 'file.s plan  *2/2 .* bits  passed' out.txt && grep -q 'they agree' out.txt || fail "$(cat out.txt)"
cmp out.txt whole/parity.txt && grep -q 'id="parity"' whole/report.html || fail "verify left no table in the run"
expect_error 1 MODEL.lead 'missing' -- "$leadline" verify whole

echo "== help and versions"
for command in train lr_find evaluate predict export inspect summary graph report compare search; do
  "$leadline" $command --help >out.txt || fail "$command --help"
  grep -q "leadline $command" out.txt || fail "$command --help gives no example"
done
"$leadline" --help | grep -q inspect
"$leadline" --version | grep -q 'model format'

echo "== mistakes"
"$leadline" mlp fit --data digits --hidden_layer_sizes 4 --max_iter 1 --out digits >/dev/null 2>&1
for command in evaluate report summary "train --resume"; do
  expect_error 1 digits 'this is an MLP' 'leadline mlp score' -- "$leadline" $command digits
done
expect_error 2 trian 'Did you mean "train"' -- "$leadline" trian
expect_error 1 data.train 'not given' -- "$leadline" train
expect_error 1 --run.dir 'own folder' -- "$leadline" train --resume whole --run.dir other
expect_error 1 --isa pdp-11 "it has x86-64" -- "$leadline" train --config tiny.ini --isa pdp-11 --run.dir new
LEADLINE_ISA=pdp-11 expect_error 1 LEADLINE_ISA pdp-11 -- "$leadline" inspect whole
expect_error 1 --isa "needs a level's name" -- "$leadline" inspect whole --isa
expect_error 1 nothing.ini -- "$leadline" train --config nothing.ini
expect_error 1 --train.epoch 'train.epochs' -- "$leadline" train --config tiny.ini --train.epoch 3
printf '[train]\nepochs = 3\nsede = 1\n' >typo.ini
expect_error 1 typo.ini:3 train.sede 'train.seed' -- "$leadline" train --config typo.ini
expect_error 1 width 'multiple of 4' '28 or 32' -- "$leadline" train --config tiny.ini --data.size 24x30 --run.dir new
expect_error 1 size -- "$leadline" train --config tiny.ini --data.size 24 --run.dir new
expect_error 1 unet -- "$leadline" train --config tiny.ini --model.network unett --run.dir new
expect_error 1 missing.txt -- "$leadline" train --config tiny.ini --data.train pairs:missing.txt --run.dir new
[ ! -e new ] || fail "a run that couldn't start left a folder"
expect_error 1 whole '--resume' -- "$leadline" train --config tiny.ini --run.dir whole
expect_error 1 complete -- "$leadline" train --resume whole
expect_error 1 down.0.0.weight 'another network' -- "$leadline" train --resume whole --model.base_channels 5 --train.epochs 5
expect_error 1 nowhere -- "$leadline" evaluate nowhere
expect_error 1 RUN 'missing' -- "$leadline" evaluate
expect_error 1 protocol 'eigen' -- "$leadline" evaluate whole --protocol egen
expect_error 1 --out 'out' -- "$leadline" export whole
expect_error 1 model.lead -- "$leadline" export whole --out nowhere/model.lead
expect_error 1 model.onnx '--format onnx' -- "$leadline" export whole --out model.onnx
expect_error 1 model.onnx 'folder that exists' -- "$leadline" export whole --out nowhere/model.onnx --format onnx
head -c 3000 whole/checkpoints/last.h5 >cut.h5
expect_error 1 cut.h5 -- "$leadline" export cut.h5 --out cut.lead
[ ! -e cut.lead ] || fail "a failed export left a file"
head -c 3000 model.lead >cut.lead
expect_error 1 cut.lead -- "$leadline" inspect cut.lead
echo "all passed"
