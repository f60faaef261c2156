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

"$pictures" make "$dir" || exit 1 # room.png 60x40, tall.png 20x50, their pixels as room.rgb, tall.rgb

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

ok "leadline-depth MODEL INPUT..." "$depth" --help
ok "model format 1" "$depth" --version
ok "tiny_unet" "$depth" "$models/unet.lead" --info
ok "licence            CC0-1.0" "$depth" "$models/unet.lead" --info
ok "self-test passed" "$depth" "$models/unet.lead" --self-test

# results: sizes, millimetres, the same bits for any number of threads
ok "room.png" "$depth" "$models/unet.lead" room.png tall.png --out a --threads 1 --doubt 0
"$pictures" check a/room_depth.png 40 60 1 65535 || complain "a/room_depth.png"
"$pictures" check a/tall_depth.png 50 20 1 65535 || complain "a/tall_depth.png"
[ -s a/room_colour.png ] || complain "a/room_colour.png is missing"
[ "$(ls a | wc -l)" = 4 ] || complain "a holds $(ls a)"
ok "3 threads" "$depth" "$models/unet.lead" room.png tall.png --out b --threads=3 --doubt=0
for f in room_depth tall_depth room_colour tall_colour; do cmp "a/$f.png" "b/$f.png" || complain "$f differs with 3 threads"; done
ok "room.png" "$depth" "$models/unet.lead" room.png --out n --size network --range 0.5,4 --doubt 0
"$pictures" check n/room_depth.png 24 32 1 65535 || complain "n/room_depth.png"
best=$("$depth" "$models/unet.lead" --info --isa list 2>&1 | sed -n 's/.*it has \([^,.]*\).*/\1/p')
[ -n "$best" ] || complain "no level has a name"
LEADLINE_ISA=x86-64 ok "3 threads" "$depth" "$models/unet.lead" room.png --out i --doubt 0 --isa "$best" --threads 3
cmp a/room_depth.png i/room_depth.png || complain "the best level by name gives other results"
ok "tall.png" "$depth" "$models/crop.lead" tall.png --out c
"$pictures" check c/tall_depth.png 50 20 0 65535 || complain "c/tall_depth.png has no unseen border"
ok "no unit" "$depth" "$models/relative.lead" room.png --out r
"$pictures" check r/room_depth.png 40 60 1 65535 || complain "r/room_depth.png"

# doubt: what these networks, which learned nothing, say of a picture and its mirror image differs
ok "NO METRES" "$depth" "$models/unet.lead" room.png --out doubt --doubt 0.000001 --format png,doubt
"$pictures" check doubt/room_relative.png 40 60 1 65535 || complain "doubt/room_relative.png"
absent doubt/room_depth.png # which would be millimetres
grep -q "1 unlike the training pictures .*NAME_relative instead of NAME_depth" out || complain "nothing says where the depth is: $(cat out)"
[ -s doubt/room_doubt.png ] || complain "doubt/room_doubt.png is missing"
ok "room.png" "$depth" "$models/unet.lead" room.png --out doubt --doubt 2
! grep -q "NO METRES" out || complain "nothing is doubted beyond 2: $(cat out)"

# every kind of file, and that they say the same; folders
ok "NAME_points.ply" "$depth" "$models/unet.lead" room.png --out all --format png,colour,pfm,ply --fov 60 --doubt 0
[ "$(ls all | wc -l)" = 4 ] || complain "all holds $(ls all)"
"$pictures" metres all/room_depth.png all/room_depth.pfm all/room_points.ply || complain "PNG, PFM and PLY disagree"
mkdir photos photos/inner empty && cp room.png photos/b.PNG && cp tall.png photos/a.png && echo text >photos/notes.txt
ok "photos/b.PNG" "$depth" "$models/unet.lead" photos tall.png --out folder --doubt 0
[ "$(ls folder/*_depth.png | wc -l)" = 3 ] || complain "folder holds $(ls folder)"

# videos: raw frames and YUV4MPEG2, from files and through pipes, give what pictures give
once="--doubt 0 --steady off --frames 2"
"$depth" "$models/unet.lead" room.png --out still --doubt 0 >/dev/null
cat room.rgb room.rgb room.rgb >three.rgb
ok "2 frames, " "$depth" "$models/unet.lead" three.rgb --raw rgb24:60x40 --out raw $once
cmp still/room_depth.png raw/frame_000002_depth.png || complain "a raw frame's depth isn't the picture's"
cat three.rgb | ok "3 frames, " "$depth" "$models/unet.lead" - --raw rgb24:60x40@30 --out piped --doubt 0 --steady off
cmp still/room_depth.png piped/frame_000003_depth.png || complain "through a pipe it is another depth"
grey() { printf 'YUV4MPEG2 W60 H40 F30000:1001 Ip A1:1 C%s XCOLORRANGE=FULL\n' "$1"; for _ in 1 2 3; do printf 'FRAME\n'; head -c "$2" /dev/zero | tr '\0' '\200'; done; }
grey 420jpeg 3600 >grey420.y4m
for c in "422 4800" "444 7200" "mono 2400" "420 3600"; do
  set -- $c
  grey "$1" "$2" | "$depth" "$models/unet.lead" - --out "y4m$1" --doubt 0 >/dev/null || complain "C$1"
  cmp "y4m$1/frame_000003_depth.png" y4m422/frame_000003_depth.png || complain "the same grey in C$1 has another depth"
done
ok "3 frames, " "$depth" "$models/unet.lead" grey420.y4m --out depth.y4m --range 0.5,4
[ "$(head -1 depth.y4m)" = "YUV4MPEG2 W60 H40 F30000:1001 Ip A1:1 C444 XCOLORRANGE=LIMITED" ] || complain "depth.y4m begins with $(head -1 depth.y4m)"
[ "$(($(wc -c <depth.y4m) - $(head -1 depth.y4m | wc -c)))" = $((3 * (6 + 3 * 60 * 40))) ] || complain "depth.y4m has $(wc -c <depth.y4m) bytes"
"$depth" "$models/unet.lead" grey420.y4m --out - --range 0.5,4 2>/dev/null | cmp - depth.y4m || complain "standard output has another video than the file"
"$depth" "$models/unet.lead" depth.y4m --out - 2>/dev/null | "$depth" "$models/unet.lead" - --out again --doubt 0 >/dev/null || complain "its own video can't be read"
[ "$(ls again/*_depth.png | wc -l)" = 3 ] || complain "again holds $(ls again)"

ok "NAME_relative instead" "$depth" "$models/unet.lead" grey420.y4m --out doubted --doubt 0.000001 --format pfm
[ -s doubted/frame_000001_relative.pfm ] || complain "doubted holds $(ls doubted)"
cp room.png "frame 12.png"
ok "frame 12.png" "$depth" "$models/unet.lead" "frame 12.png" --out numbered --doubt 0
[ -s "numbered/frame 12_depth.png" ] || complain "numbered holds $(ls numbered)"
size=$(wc -c <grey420.y4m)
bad 2 "is the input grey420.y4m itself" "$depth" "$models/unet.lead" grey420.y4m --out ./grey420.y4m
[ "$(wc -c <grey420.y4m)" = "$size" ] || complain "the input video was written over"
# Ctrl-C ends a video that nobody sends
mkfifo silent
{ cat grey420.y4m; exec sleep 20; } >silent &
sender=$!
"$depth" "$models/unet.lead" - --out stopped --doubt 0 <silent >out 2>err &
reader=$!
for _ in $(seq 100); do [ -s stopped/frame_000003_colour.png ] && break; sleep 0.1; done
kill -TERM $reader
for _ in $(seq 50); do kill -0 $reader 2>/dev/null || break; sleep 0.1; done
if kill -0 $reader 2>/dev/null; then complain "a silent pipe holds it for ever"; kill -KILL $reader; fi
wait $reader && grep -q "3 frames, " out || complain "stopped, it says: $(cat out err)"
kill $sender 2>/dev/null
printf 'YUV4MPEG2 W60 H40 F99999999999:1 C420jpeg XCOLORRANGE=FULL\nFRAME\n' >fast.y4m && head -c 3600 /dev/zero >>fast.y4m
ok "1 frames, " "$depth" "$models/unet.lead" fast.y4m --out rate.y4m
head -1 rate.y4m | grep -q " F25:1 " || complain "an absurd rate becomes $(head -1 rate.y4m)"
"$depth" --help >/dev/full 2>err && complain "a full disk isn't noticed by --help"
grep -q "standard output can't be written" err || complain "a full disk: $(cat err)"

# the terminal: as wide and high as asked, metres on it, nothing but letters where that was asked for
ok " m   " "$depth" "$models/unet.lead" room.png --view --colours ascii --columns 61 --rows 20 --doubt 0
[ "$(head -1 out | tr -d '\n' | wc -c)" = 61 ] && ! grep -q $'\x1b' out || complain "ascii: $(cat out)"
grep -qE '[0-9]\.[0-9]{2}m' out || complain "no metres on the picture: $(cat out)"
ok "m   " "$depth" "$models/unet.lead" room.png --view --colours 256 --columns 60 --doubt 0
grep -q $'\x1b\[38;5;[0-9]*;48;5;' out && grep -q '▀' out || complain "no blocks in 256 colours"
ok " ms" "$depth" "$models/unet.lead" room.png tall.png --view --colours true --columns 60
grep -q $'\x1b\[38;2;' out || complain "no blocks in 24-bit colours"
NO_COLOR=1 ok " m   " "$depth" "$models/unet.lead" room.png --view --columns 60 --doubt 0
! grep -q $'\x1b' out || complain "colours in spite of NO_COLOR"

# commands
ok "relative.lead  min = " "$depth" bench "$models/unet.lead" "$models/relative.lead" --runs 3 --threads 1
ok "unet.lead: self-test passed" "$depth" self-test "$models/unet.lead" "$models/features.lead"
bad 1 "golden sample" "$depth" self-test "$models/wrong_golden.lead" "$models/unet.lead"
grep -q "unet.lead: self-test passed" out || complain "one model that fails ends the self-test of the others"

# a full disk, a reader that leaves, a camera that isn't there
if [ -c /dev/full ]; then
  bad 1 "the disk is full" "$depth" "$models/unet.lead" grey420.y4m --out /dev/full
  "$depth" "$models/unet.lead" grey420.y4m --out - >/dev/full 2>err && complain "a full disk is no error"
  grep -qF "the disk is full" err || complain "a full disk is called $(cat err)"
  "$depth" "$models/unet.lead" --info >/dev/full 2>err && complain "a full disk is no error of --info"
  grep -qF "can't be written" err || complain "--info calls a full disk $(cat err)"
fi
{ for _ in $(seq 200); do cat grey420.y4m | tail -n +1; done | "$depth" "$models/unet.lead" - --raw gray:600x400 --out - 2>err; echo $? >status; } | head -c 10000 >/dev/null
[ "$(cat status)" = 1 ] && grep -qF "has ended" err || complain "a closed pipe ends with $(cat status): $(cat err)"
bad 1 "there is no such camera" "$depth" "$models/unet.lead" /dev/video99 --view
[ ! -c /dev/null ] || bad 1 "/dev/null: this is no camera" "$depth" "$models/unet.lead" /dev/null --view

# Ctrl-C ends a video that has no end, with its summary
if [ -c /dev/zero ]; then
  "$depth" "$models/unet.lead" /dev/zero --raw gray:60x40 --out zero.y4m >out 2>err &
  program=$!
  for _ in $(seq 100); do [ -s zero.y4m ] && break; sleep 0.1; done
  kill -INT $program
  wait $program || complain "Ctrl-C ends it with $?: $(cat err)"
  grep -q "frames, .* a second" out || complain "no summary after Ctrl-C: $(cat out err)"
fi

# bad videos
bad 1 "no YUV4MPEG2 video" "$depth" "$models/unet.lead" - --out x <room.png
bad 1 "there is nothing in it" "$depth" "$models/unet.lead" - --out x </dev/null
head -c 5000 grey420.y4m | bad 1 "ends within a frame" "$depth" "$models/unet.lead" - --out cutvideo
bad 1 "only 8 bits of 420" "$depth" "$models/unet.lead" - --out x < <(grey 420p10 7200)
head -c 7000 room.rgb | bad 1 "Is its size in --raw the right one?" "$depth" "$models/unet.lead" - --raw rgb24:60x40 --out x
for r in rgb24 rgb24:60 rgb24:0x40 rgb25:60x40 rgb24:60x40@ rgb24:60x99999; do bad 2 "--raw is \"$r\"" "$depth" "$models/unet.lead" - --out x --raw "$r"; done
bad 2 "a video (-) is read alone" "$depth" "$models/unet.lead" - room.png --out x
bad 2 "both want standard output" "$depth" "$models/unet.lead" grey420.y4m --out - --view
bad 2 "there is no picture in this folder" "$depth" "$models/unet.lead" empty --out x
bad 2 "\"tiff\" is no kind of file" "$depth" "$models/unet.lead" room.png --out x --format png,tiff
bad 2 "--colours is \"pink\"" "$depth" "$models/unet.lead" room.png --view --colours pink

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
bad 1 "text.png" "$depth" "$models/unet.lead" text.png room.png --out mixed --doubt 0
grep -q "written to mixed" out || complain "nothing says where the other one is: $(cat out)"
"$pictures" check mixed/room_depth.png 40 60 1 65535 || complain "mixed/room_depth.png"
absent mixed/text_depth.png mixed/text_colour.png

[ $failures = 0 ] || { echo "$failures checks failed" >&2; exit 1; }
