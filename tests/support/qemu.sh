#!/usr/bin/env bash
# The library on CPUs that this machine is not, run by qemu-user:
#
#   bash tests/support/qemu.sh quick    the edges of the kernels on an old PC: a minute
#   bash tests/support/qemu.sh x86      more of the release build's tests, as a Nehalem (no AVX) and a Haswell (AVX2) run them
#   bash tests/support/qemu.sh aarch64  a cross build for 64-bit Arm, and its tests; likewise armv7, riscv64
#   bash tests/support/qemu.sh cortex_m the self-test on a Cortex-M7 without an operating system
#
# Needs qemu-user and g++-aarch64-linux-gnu, g++-arm-linux-gnueabihf, g++-riscv64-linux-gnu; for the last qemu-system-arm,
# gcc-arm-none-eabi, libnewlib-arm-none-eabi and libstdc++-arm-none-eabi-newlib.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
JOBS=${JOBS:-$(nproc)}

on() { # CPU PROGRAM ARGUMENT...
  echo "== $*"
  local cpu=$1
  shift
  qemu-x86_64 -cpu "$cpu" "$@" 2> >(grep -v "TCG doesn't support" >&2)
}

# The best level that a CPU has, and no better one, is found; the model's golden sample comes out with it; the kernels
# hold at their edges.
quick() {
  local cpu level found
  cmake --build build -j "$JOBS" --target leadline-depth test_layers_conv_extremes
  for cpu in Nehalem Haswell; do
    [ $cpu = Nehalem ] && level=x86-64 || level=x86-64-v3
    found=$({ on $cpu build/bin/leadline-depth inference/demos/models/rooms.lead --self-test --isa none 2>&1 || true; } |
      sed -nE 's/.* it has ([^,.]*).*/\1/p')
    [ "$found" = $level ] || { echo "$cpu is taken for $found, not for $level" >&2; return 1; }
    on $cpu build/bin/leadline-depth inference/demos/models/rooms.lead --self-test
    on $cpu build/tests/bin/test_layers_conv_extremes
  done
}

# Kernels run a hundred times slower here: of the long tests, one case each.
x86() {
  quick
  cmake --build build -j "$JOBS" --target test_shared_core test_shared_math test_layers_rules test_inference_engine \
    test_layers_host_kernels test_layers_bf16_kernels
  local cpu test
  for cpu in Nehalem Haswell; do
    for test in shared_core shared_math layers_rules inference_engine; do on $cpu build/tests/bin/test_$test; done
    on $cpu build/tests/bin/test_layers_host_kernels "kernels and strides*"
    on $cpu build/tests/bin/test_layers_bf16_kernels "rounding*"
    on $cpu build/tests/bin/test_layers_bf16_kernels "bf16 convolutions: pointwise*"
  done
}

# Catch2's source, as LeadlineUpstream.cmake pins it: from upstream, or the same file from Debian's archive.
catch2_source() {
  local downloads=build/downloads
  [ ! -e $downloads/catch2.tar.gz ] || return 0
  mkdir -p $downloads
  cmake -D DOWNLOADS=$downloads -P cmake/LeadlineUpstream.cmake && return 0
  local work
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial" "$work/parts"
  sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/*.sources >"$work/parts/src.sources"
  (cd "$work" && options="-o Dir::State::Lists=$work/lists -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$work/parts" &&
    apt-get -qq $options update && apt-get -qq $options --download-only source catch2)
  cp "$work"/catch2_3.7.1.orig.tar.gz $downloads/catch2.tar.gz
  rm -rf "$work"
}

linux_target() { # PRESET QEMU SYSROOT
  local preset=$1 run=("$2" -L "$3") more=() test
  catch2_source
  [ -e build-$preset/CMakeCache.txt ] || ! command -v ninja >/dev/null || more=(-G Ninja)
  cmake --preset "$preset" "${more[@]}" -D LEADLINE_BUILD_TESTS=ON -D LEADLINE_WARNINGS_AS_ERRORS="${LEADLINE_WERROR:-0}"
  local whole=(shared_core shared_math shared_model_file layers_rules layers_conv_extremes inference_engine
    inference_pictures inference_metres)
  cmake --build build-$preset -j "$JOBS" --target "${whole[@]/#/test_}" test_layers_host_kernels test_layers_bf16_kernels
  local tests=build-$preset/tests/bin
  for test in "${whole[@]}"; do
    echo "== $test"
    "${run[@]}" $tests/test_$test
  done
  "${run[@]}" $tests/test_layers_host_kernels "kernels and strides*"
  "${run[@]}" $tests/test_layers_bf16_kernels "rounding*"
  "${run[@]}" $tests/test_layers_bf16_kernels "bf16 convolutions: pointwise*"
}
aarch64() {
  linux_target aarch64 qemu-aarch64 /usr/aarch64-linux-gnu
  # Kernels on bytes with dot products, and on a CPU without.
  cmake --build build-aarch64 -j "$JOBS" --target test_layers_int8
  local cpu level
  for cpu in max cortex-a53; do
    [ $cpu = max ] && level=aarch64+dotprod || level=aarch64
    LEADLINE_TEST_INT8_LEVEL=$level qemu-aarch64 -cpu $cpu -L /usr/aarch64-linux-gnu build-aarch64/tests/bin/test_layers_int8
  done
}
armv7() { linux_target armv7 qemu-arm /usr/arm-linux-gnueabihf; }
riscv64() { linux_target riscv64 qemu-riscv64 /usr/riscv64-linux-gnu; }

# A small model in flash proves itself, and a wrong one is found out; the image's size is printed.
cortex_m() {
  local models=build/cortex-m-models program=build-cortex-m7/bin/leadline-self-test model status
  cmake --build build -j "$JOBS" --target make_models
  mkdir -p $models
  build/tests/bin/make_models $models
  for model in unet zoo wrong_golden; do
    cmake --preset cortex-m7 -D LEADLINE_SELF_TEST_MODEL="$PWD/$models/$model.lead" >/dev/null
    cmake --build build-cortex-m7 -j "$JOBS" --target leadline-self-test
    echo "== $model"
    status=0
    timeout 120 qemu-system-arm -M mps2-an500 -nographic -semihosting -monitor none -serial none -kernel $program </dev/null ||
      status=$?
    [ $model = wrong_golden ] && [ $status = 1 ] || [ $status = 0 ] || { echo "$model: status $status" >&2; return 1; }
  done
  arm-none-eabi-size $program
}

case ${1:-} in
quick | x86 | aarch64 | armv7 | riscv64 | cortex_m) "$1" ;;
*) echo "usage: $0 quick|x86|aarch64|armv7|riscv64|cortex_m" >&2; exit 2 ;;
esac
