#!/usr/bin/env bash
# Compile files for an NVIDIA GPU against host-only Kokkos headers: no GPU and no CUDA build of Kokkos is needed, so every
# kernel is checked wherever nvcc is. (It compiles; linking needs a CUDA build of Kokkos: preset `cuda`.)
#
#   bash cmake/cuda_headers.sh OVERLAY_DIR FILE...      from the source root
#
# CUDA_ARCH (sm_90), NVCC_HOST (host compiler), KOKKOS_INCLUDE (/usr/include/kokkos). Seen to work with nvcc 13.0 and
# Kokkos 5.2.2; CUDA 13 needs Kokkos 4.7 or newer.
set -euo pipefail
overlay=$1
shift
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
kokkos=${KOKKOS_INCLUDE:-/usr/include/kokkos}
[ -x "$nvcc" ] || { echo "cuda_headers: no nvcc" >&2; exit 1; }
[ -e "$kokkos/KokkosCore_config.h" ] || { echo "cuda_headers: no Kokkos headers in $kokkos; set KOKKOS_INCLUDE" >&2; exit 1; }

# 1. Headers that shadow Kokkos' generated ones and switch CUDA on.
mkdir -p "$overlay/desul/atomics"
enable() { sed "s@/\* #undef $1 \*/@#define $1@"; }
enable KOKKOS_ENABLE_CUDA <"$kokkos/KokkosCore_config.h" | enable KOKKOS_ENABLE_SERIAL |
  enable KOKKOS_ARCH_HOPPER | enable KOKKOS_ARCH_HOPPER90 >"$overlay/KokkosCore_config.h"
enable DESUL_ATOMICS_ENABLE_CUDA <"$kokkos/desul/atomics/Config.hpp" >"$overlay/desul/atomics/Config.hpp"
backends() { # GUARD FILE_KIND FOLDER: host spaces come first, as in a real build
  echo "#ifndef KOKKOS_$1_HPP_"
  echo "#define KOKKOS_$1_HPP_"
  for space in SERIAL OPENMP CUDA; do echo "#include <$3/Kokkos_$2_$space.hpp>"; done
  echo "#endif"
}
backends DECLARE Declare decl >"$overlay/KokkosCore_Config_DeclareBackend.hpp"
backends FWD Fwd fwd >"$overlay/KokkosCore_Config_FwdBackend.hpp"
{
  echo "#ifndef KOKKOS_SETUP_HPP_"
  echo "#define KOKKOS_SETUP_HPP_"
  echo "#include <setup/Kokkos_Setup_Cuda.hpp>"
  echo "#endif"
} >"$overlay/KokkosCore_Config_SetupBackend.hpp"

# 2. Each file through nvcc; as many at once as JOBS says. Identical input isn't compiled again.
export nvcc overlay kokkos
export host=${NVCC_HOST:-g++} arch=${CUDA_ARCH:-sm_90}
compile() {
  local started=$SECONDS launcher=""
  command -v ccache >/dev/null && launcher=ccache
  # fused multiply-adds are off on the device too (--fmad=false): the same rule as -ffp-contract=off
  if $launcher "$nvcc" -x cu -std=c++20 -arch="$arch" -ccbin "$host" --extended-lambda --expt-relaxed-constexpr --fmad=false \
    -diag-suppress=20011,20014 -Xcompiler=-fopenmp,-ffp-contract=off -DKOKKOS_DEPENDENCE \
    -DLEADLINE_WITH_KOKKOS=1 -I. -Iinference/include -I"$overlay" -I"$kokkos" ${NVCC_FLAGS:-} \
    -c "$1" -o "$overlay/$(basename "$1").o"; then
    echo "compiled for $arch: $1 ($((SECONDS - started)) s)"
  else
    echo "cuda_headers: $1 doesn't compile for $arch" >&2
    return 1
  fi
}
export -f compile
[ $# != 0 ] || { echo "cuda_headers: no file to compile" >&2; exit 1; }
printf '%s\0' "$@" | xargs -0 -n 1 -P "${JOBS:-1}" bash -c 'compile "$0"'
