#!/usr/bin/env bash
# From a fresh checkout to depth pictures, without a question:
#
#   bash cmake/quickstart.sh          installs what is missing, builds, trains a small U-Net on synthetic rooms, evaluates
#                                     it, exports it and runs it with the device library: under 10 minutes on 2 cores
#   bash cmake/quickstart.sh edge     for device and demo users: compiler and CMake alone (no root, no network, no Kokkos);
#                                     builds leadline-depth and runs the small model of the repository: under 2 minutes
#
# Everything it makes lies in build/quickstart (or build-edge/quickstart); nothing else is touched.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:-full}
jobs=${JOBS:-$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)}
started=$SECONDS
# On a machine that does other things too, threads that wait for each other must sleep, not spin.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} OMP_PROC_BIND=${OMP_PROC_BIND:-false}

say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }

run() { # NAME COMMAND...: runs with its output in a log; the log's end is shown only if it fails
  local name=$1
  shift
  if ! "$@" >"$out/$name.log" 2>&1; then
    tail -n 30 "$out/$name.log" >&2
    fail "$name" "its whole output is in $out/$name.log"
  fi
}
watch() { # NAME COMMAND...: runs with its output on the screen and in a log
  local name=$1
  shift
  "$@" 2>&1 | tee "$out/$name.log"
  [ "${PIPESTATUS[0]}" = 0 ] || fail "$name" "its whole output is in $out/$name.log"
}
fail() { printf '\nquickstart: the step "%s" failed: %s\n' "$1" "$2" >&2; exit 1; }
generator() { [ -e "$1/CMakeCache.txt" ] || ! command -v ninja >/dev/null || echo -G Ninja; } # as it was before, or Ninja
size_line() { printf '  %-24s %s kB\n' "$1" "$(wc -c <"$2" | awk '{ printf "%.0f", $1 / 1024 }')"; }
list_pictures() { echo "  pictures:"; find "$1" -name '*_colour.png' | sort | sed 's/^/    /'; }
# milliseconds for one picture: the median of the fourth column of leadline-depth's table
latency() { awk '$1 + 0 > 0 && $2 + 0 > 0 && $4 + 0 > 0 { print $4 }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] " ms" : "?" }'; }

edge() {
  out=build-edge/quickstart
  mkdir -p "$out"
  command -v cmake >/dev/null || fail tools "CMake 3.22 or newer is needed (Debian: apt-get install cmake)"
  say "building libleadline.a and leadline-depth in build-edge/"
  run configure cmake --preset edge $(generator build-edge)
  run build cmake --build build-edge -j "$jobs"

  local model=inference/demos/models/rooms.lead
  say "depth of the sample pictures with $model"
  rm -rf "$out/depth"
  watch depth build-edge/bin/leadline-depth "$model" data/samples/rooms/*.png --out "$out/depth" --self-test

  say "done in $((SECONDS - started)) s"
  printf '  %-24s %s\n' "latency" "$(latency "$out/depth.log")"
  size_line "model file" "$model"
  size_line "libleadline.a" build-edge/lib/libleadline.a
  size_line "leadline-depth" build-edge/bin/leadline-depth
  list_pictures "$out/depth"
}

full() {
  out=build/quickstart
  mkdir -p "$out"
  say "looking for what the build needs"
  watch dependencies bash cmake/dependencies.sh

  say "building leadline and leadline-depth in build/ (two to four minutes the first time on 2 cores)"
  run configure cmake --preset release $(generator build)
  run build cmake --build build -j "$jobs" --target leadline leadline-depth

  local bin=build/bin run=$out/run
  rm -rf "$run" "$out/depth" "$out/rooms"
  say "training a small U-Net on synthetic rooms (trainer/configs/quickstart.ini); the run's folder is $run"
  $bin/leadline train --config trainer/configs/quickstart.ini --run.dir "$run" ||
    fail train "see above and $run" # straight to the terminal: it draws a progress bar there

  say "evaluating it on rooms that it hasn't seen"
  watch evaluate $bin/leadline evaluate "$run"

  say "exporting the run to one model file, $out/model.lead"
  watch export $bin/leadline export "$run" --out "$out/model.lead"

  say "depth of other unseen rooms with the device library alone"
  run rooms $bin/leadline data generate synthetic:split=val,seed=7,count=4,height=240,width=320 --out "$out/rooms"
  watch depth $bin/leadline-depth "$out/model.lead" "$out"/rooms/*.jpg --out "$out/depth" --self-test

  say "done in $((SECONDS - started)) s"
  sed 's/^/  /' "$out/evaluate.log"
  printf '  %-24s %s\n' "latency on this machine" "$(latency "$out/depth.log")"
  size_line "model file" "$out/model.lead"
  size_line "libleadline.a" build/lib/libleadline.a
  echo "  run directory:           $run"
  list_pictures "$out/depth"
}

case $mode in
full) full ;;
edge) edge ;;
*) sed -n '2,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
esac
