#!/usr/bin/env bash
# check_depth.sh PROGRAM MODELS PICTURE_TOOL
#
# leadline-depth on the command line: what it writes, and what it says to bad input. MODELS is a folder from make_models.
set -uo pipefail
depth=$1 models=$2 pictures=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0
complain() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }

"$pictures" make "$dir" || exit 1 # room.png 60x40, tall.png 20x50

ok() { # TEXT COMMAND...: exits 0 and prints TEXT
  local text=$1 status
  shift
  "$@" >out 2>err
  status=$?
  [ $status = 0 ] || complain "$* exits $status: $(cat err)"
  [ ! -s err ] || complain "$* complains: $(cat err)"
  grep -qF -- "$text" out || complain "$* doesn't print \"$text\" but: $(cat out)"
}
bad() { # STATUS TEXT COMMAND...: exits STATUS and explains with TEXT, in one paragraph
  local expected=$1 text=$2 status
  shift 2
  "$@" >out 2>err
  status=$?
  [ $status = "$expected" ] || complain "$* exits $status instead of $expected: $(cat err)"
  grep -qF -- "$text" err || complain "$* doesn't say \"$text\" but: $(cat err)"
  [ "$(wc -l <err)" = 1 ] || complain "$* says more than one paragraph: $(cat err)"
}
absent() { for f in "$@"; do [ ! -e "$f" ] || complain "$f was left behind"; done; }

ok "leadline-depth MODEL IMAGE..." "$depth" --help
ok "model format 1" "$depth" --version
ok "tiny_unet" "$depth" "$models/unet.lead" --info
ok "licence            CC0-1.0" "$depth" "$models/unet.lead" --info
ok "self-test passed" "$depth" "$models/unet.lead" --self-test

# results: sizes, millimetres, the same bits for any number of threads
ok "room.png" "$depth" "$models/unet.lead" room.png tall.png --out a --threads 1
"$pictures" check a/room_depth.png 40 60 1 65535 || complain "a/room_depth.png"
"$pictures" check a/tall_depth.png 50 20 1 65535 || complain "a/tall_depth.png"
[ -s a/room_colour.png ] || complain "a/room_colour.png is missing"
[ "$(ls a | wc -l)" = 4 ] || complain "a holds $(ls a)"
ok "3 threads" "$depth" "$models/unet.lead" room.png tall.png --out b --threads=3
for f in room_depth tall_depth room_colour tall_colour; do cmp "a/$f.png" "b/$f.png" || complain "$f differs with 3 threads"; done
ok "room.png" "$depth" "$models/unet.lead" room.png --out n --size network --range 0.5,4
"$pictures" check n/room_depth.png 24 32 1 65535 || complain "n/room_depth.png"
LEADLINE_ISA=x86-64 ok "3 threads" "$depth" "$models/unet.lead" room.png --out i --isa "$("$depth" --isa list 2>&1 | sed -n 's/.*it has \([^,.]*\).*/\1/p')" --threads 3
cmp a/room_depth.png i/room_depth.png || complain "the best level by name gives other results"
ok "tall.png" "$depth" "$models/crop.lead" tall.png --out c
"$pictures" check c/tall_depth.png 50 20 0 65535 || complain "c/tall_depth.png has no unseen border"
ok "no unit" "$depth" "$models/relative.lead" room.png --out r
"$pictures" check r/room_depth.png 40 60 1 65535 || complain "r/room_depth.png"

# bad use
bad 2 "no model file was named" "$depth" --threads 2
bad 2 "no picture was named" "$depth" "$models/unet.lead"
bad 2 "--out is missing" "$depth" "$models/unet.lead" room.png
bad 2 "there is no option --bogus" "$depth" "$models/unet.lead" room.png --bogus
bad 2 "--out needs a folder after it" "$depth" "$models/unet.lead" room.png --out
for t in 0 65 2x ""; do bad 2 "--threads is \"$t\"" "$depth" "$models/unet.lead" room.png --out x --threads "$t"; done
bad 2 'isa is "pdp-11"' "$depth" "$models/unet.lead" room.png --out x --isa pdp-11
LEADLINE_ISA=pdp-11 bad 2 "it has " "$depth" "$models/unet.lead" room.png --out x
bad 2 "--size is \"huge\"" "$depth" "$models/unet.lead" room.png --out x --size huge
for r in 1 4,1 1,x nan,2 -1,3; do bad 2 "--range is \"$r\"" "$depth" "$models/unet.lead" room.png --out x --range "$r"; done
mkdir other && cp room.png other/room.png
bad 2 "two pictures would both be written to x/room_depth.png" "$depth" "$models/unet.lead" room.png other/room.png --out x
cp room.png room_depth.png
bad 2 "would replace the picture" "$depth" "$models/unet.lead" room.png room_depth.png --out .
absent x

# bad files
bad 1 "none.lead: can't open the file: there is no such file" "$depth" none.lead room.png --out x
head -c 3000 "$models/unet.lead" >cut.lead
bad 1 "cut.lead: model file: its header says" "$depth" cut.lead room.png --out x
: >empty.lead
bad 1 "the file is empty" "$depth" empty.lead room.png --out x
bad 1 "this is not a file that \`leadline export\` wrote" "$depth" room.png room.png --out x
{ head -c 2000 "$models/unet.lead"; printf 'X'; tail -c +2002 "$models/unet.lead"; } >flipped.lead
bad 1 "is damaged" "$depth" flipped.lead room.png --out x
bad 1 "none.png" "$depth" "$models/unet.lead" none.png --out x
echo "no picture" >text.png
bad 1 "text.png" "$depth" "$models/unet.lead" text.png --out x
head -c 200 room.png >cut.png
bad 1 "cut.png" "$depth" "$models/unet.lead" cut.png --out x
absent x
bad 1 "this model's input or output is no picture" "$depth" "$models/features.lead" room.png --out x
bad 1 "doesn't reproduce the model's golden sample" "$depth" "$models/wrong_golden.lead" --self-test
absent x
: >taken
bad 1 "can't make the folder taken" "$depth" "$models/unet.lead" room.png --out taken

# one bad picture doesn't stop the others
bad 1 "text.png" "$depth" "$models/unet.lead" text.png room.png --out mixed
"$pictures" check mixed/room_depth.png 40 60 1 65535 || complain "mixed/room_depth.png"
absent mixed/text_depth.png mixed/text_colour.png

[ $failures = 0 ] || { echo "$failures checks failed" >&2; exit 1; }
