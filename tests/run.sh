#!/usr/bin/env bash
# The gate: installs what is missing, builds everything and runs every test that is short enough, in under 25 minutes on
# two cores. What takes longer is in full.sh.
#
#   bash tests/run.sh [STEP...]      steps: dependencies release ctest qemu asan tsan fuzz cuda   (default: all)
#
# JOBS=n          parallel jobs (default: the cores)
# LEADLINE_WERROR=1   warnings are errors, as in continuous integration
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tests/support/steps.sh

configure() { # PRESET FOLDER: with the generator that the folder has, or Ninja where it is there
  local more=()
  [ -e "$2/CMakeCache.txt" ] || ! command -v ninja >/dev/null || more=(-G Ninja)
  cmake --preset "$1" "${more[@]}" -D LEADLINE_BUILD_TESTS=ON -D LEADLINE_WARNINGS_AS_ERRORS="${LEADLINE_WERROR:-0}"
}

dependencies() { bash cmake/dependencies.sh; }

release() { configure release build && cmake --build build -j "$JOBS"; }

ctest_release() { ctest --test-dir build -j "$JOBS" --output-on-failure; }

# Address and undefined-behaviour sanitizers over the unit tests; what builds or measures (label release_only) is left out.
asan() {
  configure asan-ubsan build-asan && cmake --build build-asan -j "$JOBS" &&
    ctest --test-dir build-asan -j "$JOBS" --output-on-failure -LE release_only
}

# Thread sanitizer over the tests of the HostExec pool (label pool), without Kokkos: OpenMP's run-time would be all noise.
tsan() {
  configure tsan build-tsan && cmake --build build-tsan -j "$JOBS" --target pool_tests &&
    ctest --test-dir build-tsan --output-on-failure --no-tests=error -L pool
}

# The trainer compiles for a GPU, and with it every layer, loss, optimizer and metric in both precisions: all files that
# see Kokkos. (Linking would need a CUDA build of Kokkos.)
cuda() {
  bash cmake/cuda_headers.sh build/cuda-headers trainer/{compute,evaluate,export,graph_session,predictor,train_loop}.cpp \
    trainer/metrics/depth_metrics.cpp trainer/mlp/exec_steps.cpp
}

step dependencies dependencies
step release release
step ctest ctest_release
if command -v qemu-x86_64 >/dev/null; then
  step qemu bash tests/support/qemu.sh quick
else
  skip qemu "no qemu-x86_64 (Debian: qemu-user)"
fi
step asan asan
step tsan tsan
step fuzz bash tests/fuzz/run.sh 5 pairs settings depth_files video
if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
  step cuda cuda
else
  skip cuda "no nvcc on this machine"
fi
summary
