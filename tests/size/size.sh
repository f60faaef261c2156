#!/usr/bin/env bash
# How large the library is in a program, and whether that is within its limits.
#
#   bash tests/size/size.sh native   builds for this machine's CPU and, where its compiler is there, Cortex-M7: a minute (ctest)
#   bash tests/size/size.sh all      the other targets too, as far as their compilers are there; writes inference/docs/size.md
#
# Each row is a build of its own, of a program that opens a model, makes a session and runs it
# (tests/size/program.c), linked with --gc-sections. The programs are run: natively, or in qemu.
#
# BUILD=folder  the release build: its leadline-depth and the models made for tests are used, ours go to FOLDER-size
# CC=compiler
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BUILD=$(realpath -m "${BUILD:-build}")
JOBS=${JOBS:-$(nproc)}
CC=${CC:-cc}
work=$BUILD-size # beside it: a release build has one libleadline.a
model=$PWD/inference/demos/models/rooms.lead
int8_model=$PWD/tests/inference/data/v1_bytes.lead
kib=1024
core_limit=32 all_limit=160                 # KiB, of a library for one model and one level, whatever the target
one_model=(-D CMAKE_BUILD_TYPE=MinSizeRel -D LEADLINE_FEATURES=none)
rows="" failed=0

# NAME WHAT CORE LAYERS KERNELS LIMIT_CORE LIMIT_ALL (limits in KiB; 0: none)
row() {
  local sum=$(($3 + $4 + $5)) verdict=""
  [ "$6" = 0 ] || [ $(($3)) -le $(($6 * kib)) ] || verdict="core is above $6 KiB"
  [ "$7" = 0 ] || [ $sum -le $(($7 * kib)) ] || verdict="$verdict all is above $7 KiB"
  local limit=""
  [ "$6" = 0 ] || limit="core $6"
  [ "$7" = 0 ] || limit="${limit:+$limit, }all $7"
  local line
  line=$(awk -v n="$1" -v w="$2" -v c="$3" -v l="$4" -v k="$5" -v t="${limit:-–}" \
    'BEGIN { printf "| %s | %s | %.1f | %.1f | %.1f | **%.1f** | %s |", n, w, c / 1024, l / 1024, k / 1024, (c + l + k) / 1024, t }')
  echo "$line"
  rows+="$line"$'\n'
  [ -z "$verdict" ] || { echo "size.sh: $1 ($2): $verdict" >&2; failed=1; }
}

# NAME PRESET_OR_- OPTION...: a library in $work/NAME
library() {
  local name=$1 preset=$2
  shift 2
  local generator=()
  [ -e "$work/$name/CMakeCache.txt" ] || ! command -v ninja >/dev/null || generator=(-G Ninja)
  [ "$preset" = - ] || generator+=(--preset "$preset")
  cmake -S . -B "$work/$name" "${generator[@]}" -D LEADLINE_BUILD_TRAINER=OFF -D LEADLINE_BUILD_TESTS=OFF \
    -D LEADLINE_BUILD_DEMOS=OFF "$@" >"$work/$name.log" 2>&1 &&
    cmake --build "$work/$name" -j "$JOBS" --target leadline_edge >>"$work/$name.log" 2>&1 ||
    { tail -n 30 "$work/$name.log" >&2; exit 1; }
}

# NAME CC: the program with the library of that name; prints what its map says
program() {
  local name=$1
  shift
  "$@" -std=c99 -Os -ffunction-sections -fdata-sections -Iinference/include tests/size/program.c -L"$work/$name/lib" \
    -lleadline -lm -Wl,--gc-sections -Wl,-Map="$work/$name.map" -o "$work/$name/program"
  awk -f tests/size/map.awk "$work/$name.map"
}

must_fail() { # WORD COMMAND...: it ends with status 1 and its message has the word
  local word=$1 text status=0
  shift
  text=$("$@" 2>&1) || status=$?
  [ $status = 1 ] && grep -qF -- "$word" <<<"$text" || { echo "size.sh: $*: expected a message with $word, got status $status, $text" >&2; exit 1; }
}

native() {
  local parts name
  library full - -D CMAKE_BUILD_TYPE=Release -D LEADLINE_BUILD_SHARED_EDGE=ON
  cmake --build "$work/full" -j "$JOBS" --target leadline_edge_shared >>"$work/full.log" 2>&1
  if command -v python3 >/dev/null; then
    python3 tests/inference/check_shared.py "$work/full/lib/shared/libleadline.so" "$model" nm
  fi
  read -r -a parts < <(program full "$CC")
  "$work/full/program" "$model"
  row "$(uname -m)" "every layer, every level, \`Release\`" "${parts[@]}" 0 0

  library portable - "${one_model[@]}" -D LEADLINE_MODELS="$model" -D LEADLINE_ISA=none
  read -r -a parts < <(program portable "$CC")
  "$work/portable/program" "$model"
  row "$(uname -m)" "one model, no SIMD kernels" "${parts[@]}" $core_limit $all_limit

  if [ "$(uname -m)" = x86_64 ]; then
    for level in $levels; do
      one_level $level "$model" winograd "one model, one level, float"
    done
    one_level x86-64-v3 "$int8_model" none "one int8 model, one level"
    if command -v qemu-x86_64 >/dev/null; then # an old CPU is told, not killed
      must_fail LEADLINE_ISA qemu-x86_64 -cpu Nehalem "$work/x86-64-v3-rooms/program" "$model"
    fi
  fi
  # What was left out is named.
  if [ -e "$BUILD/tests/inference/models/zoo.lead" ]; then
    must_fail LEADLINE_LAYERS "$work/portable/program" "$BUILD/tests/inference/models/zoo.lead"
  fi
  # The demo with everything.
  if [ -x "$BUILD/bin/leadline-depth" ]; then
    local bytes
    bytes=$(size "$BUILD/bin/leadline-depth" | awk 'NR == 2 { print $1 + $2 }')
    echo "leadline-depth: $bytes bytes"
    demo="\`leadline-depth\` with every layer and level: $(((bytes + kib - 1) / kib)) KiB of code and constants (limit 1536)."
    [ "$bytes" -le $((1536 * kib)) ] || { echo "size.sh: leadline-depth has $bytes bytes, more than 1.5 MiB" >&2; failed=1; }
  fi
}

one_level() { # LEVEL MODEL ALGORITHMS WHAT: for x86-64
  local parts name
  name=$1-$(basename "$2" .lead)
  library "$name" - "${one_model[@]}" -D LEADLINE_MODELS="$2" -D LEADLINE_ISA="$1" -D LEADLINE_ALGORITHMS="$3"
  read -r -a parts < <(program "$name" "$CC")
  if [ "$1" = x86-64 ] || grep -qw avx2 /proc/cpuinfo && { [ "$1" != x86-64-v4 ] || grep -qw avx512bw /proc/cpuinfo; }; then
    "$work/$name/program" "$2"
  fi
  row "$1" "$4" "${parts[@]}" $core_limit $all_limit
}

cross() { # PRESET COMPILER QEMU SYSROOT ALGORITHMS
  local parts use name
  command -v "$2" >/dev/null || { echo "$1: no $2"; return 0; }
  for use in "$model $5" "$int8_model none"; do
    set -- "${@:1:5}" $use # MODEL ALGORITHMS
    name=$1-$(basename "$6" .lead)
    library "$name" "$1" "${one_model[@]}" -D LEADLINE_MODELS="$6" -D LEADLINE_ALGORITHMS="$7"
    read -r -a parts < <(program "$name" "$2")
    ! command -v "$3" >/dev/null || "$3" -L "$4" "$work/$name/program" "$6"
    local what="one model, one level, float"
    [ "$7" = winograd ] || what="one model, matrix products alone"
    [ "$6" = "$model" ] || what="one int8 model, one level"
    row "$1" "$what" "${parts[@]}" $core_limit $all_limit
  done
}

cortex_m() {
  command -v arm-none-eabi-gcc >/dev/null || { echo "cortex-m7: no arm-none-eabi-gcc"; return 0; }
  library cortex-m7 cortex-m7 "${one_model[@]}" -D LEADLINE_MODELS="$model" -D LEADLINE_SELF_TEST_MODEL="$model" -D LEADLINE_SELF_TEST_MEMORY=3600000
  cmake --build "$work/cortex-m7" -j "$JOBS" --target leadline-self-test >>"$work/cortex-m7.log" 2>&1
  local image=$work/cortex-m7/bin/leadline-self-test flash
  flash=$(arm-none-eabi-size -A "$image" | awk '$1 ~ /^\.(text|data|ARM)/ { sum += $2 } END { print sum }')
  if [ -n "${run_all:-}" ] && command -v qemu-system-arm >/dev/null; then
    timeout 300 qemu-system-arm -M mps2-an500 -nographic -semihosting -monitor none -serial none -kernel "$image" </dev/null
  fi
  local parts
  read -r -a parts < <(awk -f tests/size/map.awk "$image.map")
  row cortex-m7 "one model, no SIMD kernels" "${parts[@]}" $core_limit 64
  echo "Cortex-M7 image: $flash bytes of flash besides its model"
  microcontroller="A Cortex-M7 image without an operating system, start-up code and C library included: $(((flash + kib - 1) / kib)) KiB of flash besides the model (limit 64)."
  [ "$flash" -le $((64 * kib)) ] || { echo "size.sh: the Cortex-M7 image takes $flash bytes" >&2; failed=1; }
}

page() {
  cat >inference/docs/size.md <<EOF
# How large it is

Written by \`bash tests/size/size.sh all\`. KiB of code and constants of \`libleadline.a\` in a program that opens a model from
memory, makes a session, runs the golden sample and a picture, linked with \`--gc-sections\`. The model is the one of the
demos: $(sed -n 's/^-- Layers: //p' "$work/portable.log"). The int8 model is one with
$(sed -n 's/^-- Layers: //p' "$work/x86-64-v3-v1_bytes.log").

- *core*: reader, planner, session, pictures, messages
- *layers*: the layers' rules (shapes, weights, scratch, costs) and portable loops, what launches kernels, decoding of
  weights, mathematics
- *kernels*: SIMD kernels

\`tests/size/map.awk\` says which function belongs where. A library for one model is \`MinSizeRel\` with
\`LEADLINE_FEATURES=none\`: without strip-wise execution, which takes 5 KiB of the core and which a device has no use for when its
memory holds whole layers. *float* is \`LEADLINE_ALGORITHMS=winograd\`: without the kernels of the bf16 precision, which take
about 25 KiB. *Matrix products alone* and int8 are \`LEADLINE_ALGORITHMS=none\`.

| target | build | core | layers | kernels | all | limit |
|---|---|---:|---:|---:|---:|---|
$rows
${demo:-}

${microcontroller:-}

How to build as small a library: [embedding.md](embedding.md#a-library-for-one-device).
EOF
}

mkdir -p "$work"
case ${1:-} in
native)
  levels=x86-64-v3
  native
  cortex_m
  ;;
all)
  levels="x86-64 x86-64-v3 x86-64-v4" run_all=1
  native
  cross aarch64 aarch64-linux-gnu-gcc qemu-aarch64 /usr/aarch64-linux-gnu winograd
  # Without fused multiply-adds or vectors, Winograd's transforms are long.
  cross armv7 arm-linux-gnueabihf-gcc qemu-arm /usr/arm-linux-gnueabihf none
  cross riscv64 riscv64-linux-gnu-gcc qemu-riscv64 /usr/riscv64-linux-gnu none
  cortex_m
  page
  ;;
*) echo "usage: $0 native|all" >&2; exit 2 ;;
esac
exit $failed
