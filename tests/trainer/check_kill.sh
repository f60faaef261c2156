#!/usr/bin/env bash
# kill -9 at random moments, resumed each time, on 1 and 2 threads in turn: the run ends with the same bytes as one that
# was never stopped. Everything that has a state of its own is switched on. usage: check_kill.sh LEADLINE
leadline=$1
source "$(dirname "${BASH_SOURCE[0]}")/../support/program.sh"

cat >all.ini <<'INI'
[data]
train = synthetic:count=14,height=24,width=32
val = synthetic:count=3,split=val,height=24,width=32
size = 24x32
batch_size = 4
rotation = 5
scale = 1.3
noise = 0.02
cutout = 1
[model]
base_channels = 4
levels = 2
dropout = 0.2
[loss]
name = silog + 0.5*gradient + 0.1*ssim
[optimizer]
name = nadam
lr = 1e-2
weight_decay = 1e-3
lr_factors = down.*=0.3
no_decay = norm, bias
[scheduler]
name = linear:10, plateau
patience = 1
[train]
epochs = 40
micro_batch = 2
clip_norm = 1
clip_value = 0.5
ema = 0.98
val_every = 2
[early_stopping]
monitor = train_loss
patience = 1000
[run]
checkpoint_every = 2
checkpoint_top_k = 2
loggers = csv, jsonl
INI
mkdir whole killed
(cd whole && "$leadline" train --config ../all.ini --run.dir run --threads 2 >/dev/null)

cd killed
kills=0 within=0 threads=1
for attempt in $(seq 200); do
  if [ -s run/checkpoints/last.h5 ]; then
    command=("$leadline" train --resume run)
  else
    rm -rf run
    command=("$leadline" train --config ../all.ini --run.dir run)
  fi
  "${command[@]}" --threads $threads >/dev/null 2>err.txt &
  program=$!
  # A random moment of the first 0.6 s; after twelve kills it may end.
  [ $kills -ge 12 ] || { sleep "0.$((RANDOM % 550 + 50))"; kill -KILL $program 2>/dev/null || true; }
  status=0; wait $program 2>/dev/null || status=$?
  threads=$((3 - threads))
  # Killed between its last checkpoint and its exit: nothing is left to do.
  if [ $status = 1 ] && grep -q 'the run is complete' err.txt; then status=0; fi
  if [ $status = 0 ]; then break; fi
  [ $status = 137 ] || fail "a resumed run ended with $status: $(cat err.txt)"
  kills=$((kills + 1))
  [ ! -s run/checkpoints/last.h5 ] || within=$((within + 1))
done
[ $status = 0 ] || fail "the run never ended"
[ $within -ge 3 ] || fail "only $within of $kills kills fell into the run: it is too short for this machine"
for file in checkpoints/last.h5 checkpoints/best.h5 metrics.csv; do
  cmp "../whole/run/$file" "run/$file" || fail "after $kills kills $file differs"
done
[ "$(cd ../whole/run/checkpoints && sha256sum epoch_*.h5)" = "$(cd run/checkpoints && sha256sum epoch_*.h5)" ] ||
  fail "after $kills kills other epochs are kept, or the same with other bytes: $(ls -l ../whole/run/checkpoints run/checkpoints)"
echo "same bytes after $kills kills, $within of them within the run"
