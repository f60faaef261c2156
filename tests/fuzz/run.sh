#!/usr/bin/env bash
# [BUILD=build-fuzz] run.sh SECONDS [FUZZER...]: builds the fuzzers in BUILD (CXX=clang++ for libFuzzer) and runs each for so long. An
# input that stops one is build-fuzz/crash-input (libFuzzer: crash-...); its bytes are shown too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:?"usage: run.sh SECONDS [FUZZER...]"}
shift
fuzzers=("$@")
[ ${#fuzzers[@]} != 0 ] || fuzzers=(model pairs settings depth_files video)
JOBS=${JOBS:-$(nproc)}
folder=${BUILD:-build-fuzz} generator=()
[ -e $folder/CMakeCache.txt ] || ! command -v ninja >/dev/null || generator=(-G Ninja)
mkdir -p $folder
cmake -S . -B $folder "${generator[@]}" -D CMAKE_BUILD_TYPE=Release -D LEADLINE_BUILD_TRAINER=OFF -D LEADLINE_BUILD_TESTS=ON \
  -D LEADLINE_BUILD_BENCH=OFF -D LEADLINE_BUILD_FUZZERS=ON >$folder/configure.log 2>&1 || { tail $folder/configure.log; exit 1; }
cmake --build $folder -j "$JOBS" --target "${fuzzers[@]/#/fuzz_}"
cd $folder
for fuzzer in "${fuzzers[@]}"; do
  corpus=../tests/fuzz/seeds/$fuzzer
  [ "$fuzzer" != model ] || corpus=tests/fuzz/corpus
  echo "== $fuzzer"
  mkdir -p "found/$fuzzer" # libFuzzer keeps there what reaches new code
  tests/bin/fuzz_$fuzzer "found/$fuzzer" "$corpus" -max_total_time="$seconds" -max_len=20000 2>found/$fuzzer.log >&1 ||
    { tail -n 40 found/$fuzzer.log; echo "fuzz_$fuzzer found something" >&2; [ ! -e crash-input ] || xxd crash-input | head -n 40; exit 1; }
  tail -n 1 found/$fuzzer.log
done
