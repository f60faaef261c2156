#!/usr/bin/env bash
# Compile files for an AMD GPU against host-only Kokkos headers: no GPU and no HIP build of Kokkos is needed. (It compiles;
# linking needs a HIP build of Kokkos: preset `hip`.)
#
#   bash cmake/hip_headers.sh OVERLAY_DIR FILE...      from the source root; needs hipcc
#
# KOKKOS_INCLUDE (/usr/include/kokkos), HIPFLAGS (more flags for hipcc).
set -euo pipefail
overlay=$1
shift
kokkos=${KOKKOS_INCLUDE:-/usr/include/kokkos}
command -v hipcc >/dev/null || { echo "hip_headers: no hipcc" >&2; exit 1; }
mkdir -p "$overlay/desul/atomics"
enable() { sed "s@/\* #undef $1 \*/@#define $1 ${2:-}@"; }
enable KOKKOS_ENABLE_HIP <"$kokkos/KokkosCore_config.h" | enable KOKKOS_ENABLE_SERIAL |
  enable KOKKOS_ARCH_AMD_GFX90A | enable KOKKOS_ARCH_AMD_GPU '"gfx90a"' >"$overlay/KokkosCore_config.h"
enable DESUL_ATOMICS_ENABLE_HIP <"$kokkos/desul/atomics/Config.hpp" >"$overlay/desul/atomics/Config.hpp"
backends() {
  echo "#ifndef KOKKOS_$1_HPP_"
  echo "#define KOKKOS_$1_HPP_"
  for space in SERIAL OPENMP HIP; do echo "#include <$3/Kokkos_$2_$space.hpp>"; done
  echo "#endif"
}
backends DECLARE Declare decl >"$overlay/KokkosCore_Config_DeclareBackend.hpp"
backends FWD Fwd fwd >"$overlay/KokkosCore_Config_FwdBackend.hpp"
{
  echo "#ifndef KOKKOS_SETUP_HPP_"
  echo "#define KOKKOS_SETUP_HPP_"
  echo "#include <setup/Kokkos_Setup_HIP.hpp>"
  echo "#endif"
} >"$overlay/KokkosCore_Config_SetupBackend.hpp"
for file in "$@"; do
  hipcc -x hip --offload-arch=gfx90a -std=c++20 -O2 -fopenmp -ffp-contract=off -DKOKKOS_DEPENDENCE -DLEADLINE_WITH_KOKKOS=1 \
    -I. -Iinference/include -I"$overlay" -I"$kokkos" ${HIPFLAGS:-} -c "$file" -o /dev/null
  echo "compiled for gfx90a: $file"
done
