#!/usr/bin/env bash
# Everything that is too long for the gate (run.sh), which runs first:
#
#   bash tests/full.sh [STEP...]     steps: gate clang format tidy old_cpus aarch64 armv7 riscv64 cortex_m size hostile fuzz hip tensorboard web quickstart edge   (default: all)
#
#   clang       the edge build with clang; the model proves itself
#   format      clang-format on every file
#   tidy        clang-tidy on every file of the release build
#   old_cpus    tests as old x86-64 CPUs run them, in qemu
#   aarch64, armv7, riscv64   cross builds and their tests, in qemu
#   cortex_m    the self-test on a microcontroller, in qemu
#   size        the library's size on every target, against its limits
#   hostile     a hundred thousand damaged model files and odd pictures, under the sanitizers
#   fuzz        every fuzzer of tests/fuzz for two minutes
#   hip         the trainer's GPU files compile for AMD GPUs (hipcc; see cmake/hip_headers.sh)
#   tensorboard the real TensorBoard (installed into build/python) loads a run's event files
#   web         the library for browsers, and the demo page in a headless Chromium (playwright goes into build/python)
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
  bash cmake/hip_headers.sh build/hip-headers trainer/{compute,evaluate,export,graph_session,predictor,train_loop}.cpp \
    trainer/metrics/depth_metrics.cpp
}

tensorboard() {
  python3 -m venv build/python && build/python/bin/pip install --quiet tensorboard &&
    build/python/bin/python tests/trainer/loggers/check_tensorboard.py build/bin/leadline
}

web() {
  python3 -m venv build/python && build/python/bin/pip install --quiet playwright &&
    cmake --preset wasm && cmake --build build-wasm -j "$JOBS" &&
    build/python/bin/python tests/inference/check_web.py build-wasm/web build/bin/leadline build-wasm/page.png
}

step gate bash tests/run.sh
if command -v clang++ >/dev/null; then step clang clang; else skip clang "no clang++"; fi
if command -v clang-format >/dev/null; then step format format; else skip format "no clang-format"; fi
if command -v clang-tidy >/dev/null; then step tidy tidy; else skip tidy "no clang-tidy"; fi
if command -v qemu-x86_64 >/dev/null; then step old_cpus bash tests/support/qemu.sh x86; else skip old_cpus "no qemu-x86_64"; fi
for target in aarch64:qemu-aarch64:aarch64-linux-gnu-g++ armv7:qemu-arm:arm-linux-gnueabihf-g++ \
  riscv64:qemu-riscv64:riscv64-linux-gnu-g++ cortex_m:qemu-system-arm:arm-none-eabi-g++; do
  IFS=: read -r name qemu compiler <<<"$target"
  if command -v "$qemu" >/dev/null && command -v "$compiler" >/dev/null; then
    step "$name" bash tests/support/qemu.sh "$name"
  else
    skip "$name" "no $qemu or no $compiler (tests/support/qemu.sh names the packages)"
  fi
done
step size bash tests/size/size.sh all
step fuzz bash tests/fuzz/run.sh 120
step hostile env LEADLINE_TEST_EDITS=100000 build-asan/tests/bin/test_inference_robustness
if command -v hipcc >/dev/null; then step hip hip; else skip hip "no hipcc on this machine"; fi
if command -v python3 >/dev/null; then step tensorboard tensorboard; else skip tensorboard "no python3"; fi
if command -v clang++ >/dev/null && command -v wasm-ld >/dev/null && [ -d /usr/include/wasm32-wasi ] &&
  command -v chromium >/dev/null; then
  step web web
else
  skip web "no clang++, wasm-ld, wasi-libc or chromium (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32 libc++-14-dev-wasm32 chromium)"
fi
step quickstart bash cmake/quickstart.sh
step edge bash cmake/quickstart.sh edge
summary
