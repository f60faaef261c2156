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

say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }

run() { # NAME COMMAND...: runs with its output in a log; the log's end is shown only if it fails
  local name=$1
  shift
  if ! "$@" >"$out/$name.log" 2>&1; then
    tail -n 30 "$out/$name.log" >&2
    fail "$name" "its whole output is in $out/$name.log"
  fi
}
watch() { # NAME COMMAND...: runs with its output on the screen
  local name=$1
  shift
  "$@" || fail "$name" "see above"
}
fail() { printf '\nquickstart: the step "%s" failed: %s\n' "$1" "$2" >&2; exit 1; }
generator() { if command -v ninja >/dev/null; then printf '%s\n' -G Ninja; fi; }
size_of() { wc -c <"$1" | awk '{ printf "%.0f kB", $1 / 1024 }'; }
pictures() { find "$1" -name '*.png' -o -name '*.ppm' | sort; }

edge() {
  out=build-edge/quickstart
  mkdir -p "$out"
  command -v cmake >/dev/null || fail tools "CMake 3.22 or newer is needed (Debian: apt-get install cmake)"
  say "building libleadline.a and leadline-depth in build-edge/"
  run configure cmake --preset edge $(generator)
  run build cmake --build build-edge -j "$jobs"

  local model=inference/demos/models/rooms.lead
  say "depth of the sample pictures with $model"
  watch depth build-edge/bin/leadline-depth "$model" data/samples/rooms/*.png --out "$out/depth"

  say "done in $((SECONDS - started)) s"
  printf '  %-28s %s\n' "model file" "$(size_of $model)" "libleadline.a" "$(size_of build-edge/lib/libleadline.a)" \
    "leadline-depth" "$(size_of build-edge/bin/leadline-depth)"
  echo "  pictures:"
  pictures "$out/depth" | sed 's/^/    /'
}

full() {
  out=build/quickstart
  mkdir -p "$out"
  say "looking for what the build needs"
  watch dependencies bash cmake/dependencies.sh

  say "building leadline and leadline-depth in build/ (two to four minutes the first time on 2 cores)"
  run configure cmake --preset release $(generator)
  run build cmake --build build -j "$jobs" --target leadline leadline-depth

  local bin=build/bin run=$out/run
  rm -rf "$run" "$out/depth"
  say "training a small U-Net on synthetic rooms (trainer/configs/quickstart.ini); the run's folder is $run"
  watch train $bin/leadline train --config trainer/configs/quickstart.ini --run-dir "$run"

  say "evaluating it on rooms that it hasn't seen"
  watch evaluate $bin/leadline evaluate "$run"

  say "exporting the run to one model file, $out/model.lead"
  watch export $bin/leadline export "$run" --out "$out/model.lead"

  say "depth of held-out pictures with the device library alone"
  run pictures $bin/leadline data generate synthetic:seed=9,count=4 --out "$out/rooms"
  $bin/leadline-depth "$out/model.lead" "$out"/rooms/*.png --out "$out/depth" | tee "$out/depth.log"
  [ "${PIPESTATUS[0]}" = 0 ] || fail depth "see above"

  say "done in $((SECONDS - started)) s"
}

case $mode in
full) full ;;
edge) edge ;;
*) sed -n '2,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
esac
