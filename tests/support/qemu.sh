#!/usr/bin/env bash
# The library on CPUs that this machine is not, run by qemu-user:
#
#   bash tests/support/qemu.sh quick    the edges of the kernels on an old PC: a minute
#   bash tests/support/qemu.sh x86      more of the release build's tests, as a Nehalem (no AVX) and a Haswell (AVX2) run them
#   bash tests/support/qemu.sh aarch64  a cross build for 64-bit Arm, and its tests
#
# Needs qemu-user, and g++-aarch64-linux-gnu for Arm.
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

aarch64() {
  catch2_source
  local more=()
  [ -e build-aarch64/CMakeCache.txt ] || ! command -v ninja >/dev/null || more=(-G Ninja)
  cmake --preset aarch64 "${more[@]}" -D LEADLINE_BUILD_TESTS=ON -D LEADLINE_WARNINGS_AS_ERRORS="${LEADLINE_WERROR:-0}"
  cmake --build build-aarch64 -j "$JOBS" --target test_shared_core test_shared_math test_shared_model_file \
    test_layers_rules test_layers_conv_extremes test_inference_engine test_layers_host_kernels test_layers_bf16_kernels
  local tests=build-aarch64/tests/bin arm=(qemu-aarch64 -L /usr/aarch64-linux-gnu) test
  for test in shared_core shared_math shared_model_file layers_rules layers_conv_extremes inference_engine; do
    echo "== $test"
    "${arm[@]}" $tests/test_$test
  done
  "${arm[@]}" $tests/test_layers_host_kernels "kernels and strides*"
  "${arm[@]}" $tests/test_layers_bf16_kernels "rounding*"
  "${arm[@]}" $tests/test_layers_bf16_kernels "bf16 convolutions: pointwise*"
}

case ${1:-} in
quick | x86 | aarch64) "$1" ;;
*) echo "usage: $0 quick|x86|aarch64" >&2; exit 2 ;;
esac
