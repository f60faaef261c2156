#!/usr/bin/env bash
# Everything that is too long for the gate (run.sh), which runs first:
#
#   bash tests/full.sh [STEP...]     steps: gate clang tidy format hip quickstart edge   (default: all)
#
#   clang       the edge build with clang; the model proves itself
#   format      clang-format on every file
#   tidy        clang-tidy on every file of the release build
#   hip         the trainer's GPU files compile for AMD GPUs (hipcc; see cmake/hip_headers.sh)
#   quickstart  the whole way on synthetic rooms
#   edge        the device way, without any of the dependencies
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tests/support/steps.sh

sources() { git ls-files 'shared/*.[ch]pp' 'data/*.[ch]pp' 'trainer/*.[ch]pp' 'inference/*.[ch]pp' 'tests/*.[ch]pp' '*.h' '*.c'; }

clang() { # without the tests: clang 14 can't read the C++ headers that come with newer g++ (Catch2 includes <chrono>)
  cmake --preset edge -B build-clang -D CMAKE_CXX_COMPILER=clang++ -D CMAKE_C_COMPILER=clang &&
    cmake --build build-clang -j "$JOBS" &&
    build-clang/bin/leadline-depth inference/demos/models/rooms.lead data/samples/rooms/*.png --self-test --out build-clang/depth
}
format() { sources | xargs clang-format --dry-run -Werror; }
tidy() { sources | grep '\.cpp$' | grep -v '^tests/' | xargs -P "$JOBS" -n 1 clang-tidy -p build --quiet --warnings-as-errors='*'; }
hip() {
  bash cmake/hip_headers.sh build/hip-headers trainer/{compute,evaluate,export,graph_session,train_loop}.cpp \
    trainer/metrics/depth_metrics.cpp
}

step gate bash tests/run.sh
if command -v clang++ >/dev/null; then step clang clang; else skip clang "no clang++"; fi
if command -v clang-format >/dev/null; then step format format; else skip format "no clang-format"; fi
if command -v clang-tidy >/dev/null; then step tidy tidy; else skip tidy "no clang-tidy"; fi
if command -v hipcc >/dev/null; then step hip hip; else skip hip "no hipcc on this machine"; fi
step quickstart bash cmake/quickstart.sh
step edge bash cmake/quickstart.sh edge
summary
