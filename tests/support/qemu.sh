#!/usr/bin/env bash
# The library on CPUs that this machine is not, run by qemu-user:
#
#   bash tests/support/qemu.sh x86      the release build's tests as a Nehalem (no AVX) and a Haswell (AVX2) run them
#   bash tests/support/qemu.sh aarch64  a cross build for 64-bit Arm, and its tests
#
# Needs qemu-user, and g++-aarch64-linux-gnu for Arm. Tests that time themselves out under emulation get more time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
JOBS=${JOBS:-$(nproc)}

# Tests that are this library's own code: no Kokkos, no HDF5, no compilers.
tests=(test_shared_core test_shared_math test_layers_rules test_layers_host_kernels test_layers_conv_extremes
  test_layers_conv_depthwise test_layers_conv_weight_gradient test_layers_bf16_kernels test_shared_model_file)

x86() {
  cmake --build build -j "$JOBS" --target "${tests[@]}" leadline-depth
  local cpu level test
  for cpu in Nehalem:x86-64 Haswell:x86-64-v3; do
    level=${cpu#*:} cpu=${cpu%:*}
    # The best level that the emulated CPU has, and no better one, is found.
    local has
    has=$(qemu-x86_64 -cpu $cpu build/bin/leadline-depth inference/demos/models/rooms.lead --self-test --isa none 2>&1 |
      sed -nE 's/.* it has ([^,.]*).*/\1/p')
    [ "$has" = "$level" ] || { echo "$cpu is taken for $has, not for $level" >&2; return 1; }
    qemu-x86_64 -cpu $cpu build/bin/leadline-depth inference/demos/models/rooms.lead --self-test
    for test in "${tests[@]}"; do
      echo "$test on $cpu"
      qemu-x86_64 -cpu $cpu "build/tests/bin/$test"
    done
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
  cmake --build build-aarch64 -j "$JOBS"
  # what compiles or installs something needs no second run
  ctest --test-dir build-aarch64 --output-on-failure --timeout 1500 -E '^(headers|install|inference.embedding)'
}

case ${1:-} in
x86 | aarch64) "$1" ;;
*) echo "usage: $0 x86|aarch64" >&2; exit 2 ;;
esac
