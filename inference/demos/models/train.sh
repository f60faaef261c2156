#!/usr/bin/env bash
# train.sh LEADLINE PAIRS OUT
#
# Makes indoor.lead and the figures of its card again. LEADLINE is the program; PAIRS a folder of real pictures with their
# depth, one folder a place, and two lists, train.txt and val.txt (lines PLACE/IMAGE PLACE/DEPTH METRES_PER_UNIT); OUT a
# folder for runs, tables and the model. What is there already is not trained again, so it can be stopped and go on.
#
# 1. pre-training on rendered rooms;
# 2. for each place: fine-tuning without it, and metrics on it alone. Folders that show one place are left out together:
#    name them in SAME_PLACE, with spaces between (default: the two of the same desk);
# 3. fine-tuning on all places, export.
set -euo pipefail
[ $# = 3 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
leadline=$(realpath "$1") pairs=$(realpath "$2")
[ -x "$leadline" ] || { echo "train.sh: $leadline isn't a program" >&2; exit 2; }
configs=$(realpath "$(dirname "$0")/../../../trainer/configs")
mkdir -p "$3/lists"
cd "$3"
same_place=${SAME_PLACE:-tum_fr1_xyz tum_fr1_rpy}
licence=${DATA_LICENCE:-"TUM RGB-D freiburg1_xyz, freiburg1_rpy, freiburg3_cabinet (Sturm et al., IROS 2012): CC BY 4.0; sample sequence of ardaduz/deep-video-mvs: MIT; felixchenfy/ros_detect_planes_from_depth_img: MIT"}

# train NAME OPTIONS...: a run, unless it is there; an interrupted one goes on
train() {
  local run=runs/$1
  shift
  if [ -f "$run/done" ]; then return; fi
  if [ -f "$run/checkpoints/last.h5" ]; then
    "$leadline" train --resume "$run"
  else
    rm -rf "$run"
    "$leadline" train --run.dir "$run" "$@"
  fi
  touch "$run/done"
}

# list NAME WHICH EXPRESSION: lines of PAIRS/WHICH.txt whose place does (or doesn't) match, with whole paths
list() { sed "/^#/d; /^ *$/d; $3; s#^\([^ ]*\) \([^ ]*\)#$pairs/\1 $pairs/\2#" "$pairs/$2.txt" >"lists/$1.txt"; }

train pretraining --config "$configs/indoor_pretraining.ini" --run.checkpoint_every 500

places=$(sed '/^#/d; /^ *$/d; s#/.*##' "$pairs/train.txt" | sort -u)
for place in $places; do
  together=$place
  case " $same_place " in *" $place "*) together=$same_place ;; esac
  pattern=$(printf '%s' "$together" | sed 's/ /\\|/g')
  name=without_$(printf '%s' "$together" | sed 's/ /_and_/g')
  list "${name}_train" train "/^\($pattern\)\//d"
  list "${name}_val" val "/^\($pattern\)\//d"
  list "only_${place}_train" train "/^$place\//!d"
  list "only_${place}_val" val "/^$place\//!d"
  cat "lists/only_${place}_train.txt" "lists/only_${place}_val.txt" >"lists/only_$place.txt"
  train "$name" --config "$configs/indoor.ini" --model.weights runs/pretraining \
    --data.train "pairs:lists/${name}_train.txt" --data.val "pairs:lists/${name}_val.txt"
  for align in none median scale_shift; do
    [ -s "${place}_$align.txt" ] ||
      "$leadline" evaluate "runs/$name" --data "pairs:lists/only_$place.txt" --align $align >"${place}_$align.txt"
  done
done

list train train ''
list val val ''
train indoor --config "$configs/indoor.ini" --model.weights runs/pretraining --run.data_licence "$licence" \
  --data.train pairs:lists/train.txt --data.val pairs:lists/val.txt
"$leadline" export runs/indoor --out indoor.lead
for place in $places; do
  echo "== $place, never seen"
  for align in none median scale_shift; do cat "${place}_$align.txt"; done
done >card.txt
echo "$PWD/indoor.lead, figures in $PWD/card.txt"
