#!/usr/bin/env bash
# Install Kokkos 5 (OpenMP), the headers of Kokkos Kernels and Catch2 3 from Debian's own packages (Debian 12 or newer, as
# root, at the mirror that apt already uses):
#
#   bash cmake/debian-kokkos.sh [PREFIX]     PREFIX (default /opt/kokkos-kernels) receives Kokkos Kernels' headers
#
# Debian 12 and 13 themselves have no Kokkos that is new enough. The one of sid needs Debian 13's C and C++ run-time
# libraries; on Debian 12 apt brings those along. They are backward compatible: programs built before keep working.
set -euo pipefail
prefix=${1:-/opt/kokkos-kernels}
export DEBIAN_FRONTEND=noninteractive
fail() { echo "debian-kokkos: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "this installs system packages: run it as root"
[ "$(. /etc/os-release && echo "$ID")" = debian ] || fail "this recipe is for Debian alone"

cat <<'NOTE'
Kokkos comes from newer Debian suites (trixie, sid, experimental), which are added to apt with a lower priority:
nothing that is installed moves unless Kokkos asks for it. On Debian 12 Kokkos does ask for Debian 13's C and C++
run-time libraries (libc6, libstdc++6, libgomp1), so these are upgraded now. To undo the additions later, remove
/etc/apt/sources.list.d/leadline-*.sources and /etc/apt/preferences.d/leadline-kokkos.
NOTE

# 1. The mirror in use, in either format of apt's sources (".../debian", not ".../debian-security").
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null || true; } |
  sed -nE 's@^(URIs:|deb( +\[[^]]*\])?)[[:space:]]+([a-z+]+://[^[:space:]]+/debian/?)([[:space:]].*)?$@\3@p' | sed -n 1p)
[ -n "$mirror" ] || fail "found no Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d"

# 2. The newer suites: sid and experimental are never used for anything but what is named here.
for suite in trixie sid experimental; do
  cat >"/etc/apt/sources.list.d/leadline-$suite.sources" <<SOURCE
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCE
done
{
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n\n'
  printf 'Package: *\nPin: release n=sid\nPin-Priority: -10\n\n'
  printf 'Package: *\nPin: release n=rc-buggy\nPin-Priority: -10\n\n'
  printf 'Package: libkokkos*\nPin: release n=sid\nPin-Priority: 500\n'
} >/etc/apt/preferences.d/leadline-kokkos
apt-get update -qq

# 3. Kokkos and Catch2; existing configuration files stay as they are, and nobody is asked.
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
  -t trixie libkokkos-dev catch2

# 4. The package's CMake files name two archives that it leaves out; both are header-only parts, so empty ones will do.
lib=/usr/lib/$(dpkg --print-architecture | sed 's/^amd64$/x86_64/; s/^arm64$/aarch64/; s/^ppc64el$/powerpc64le/')-linux-gnu
for part in algorithms simd; do
  [ -e "$lib/libkokkos$part.a" ] || ar qc "$lib/libkokkos$part.a"
done

# 5. Kokkos Kernels: Debian compiles it for the Serial space alone, so its headers are used header-only, with an empty
#    list of pre-compiled instantiations and a configuration that fits this Kokkos.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
(
  cd "$tmp"
  chmod 755 . # apt's download user writes here
  apt-get download -qq -o APT::Sandbox::User=root -t experimental libtrilinos-kokkos-kernels-dev
  dpkg -x libtrilinos-kokkos-kernels-dev_*.deb unpacked
)
headers=$tmp/unpacked/usr/include/trilinos
version=$(sed -n 's/^#define KOKKOSKERNELS_VERSION \([0-9]*\).*/\1/p' "$headers/KokkosKernels_config.h")
major=$((version / 10000)) minor=$((version / 100 % 100)) patch=$((version % 100))
rm -rf "$prefix/include"
mkdir -p "$prefix/lib/cmake/KokkosKernels"
cp -r "$headers" "$prefix/include"
find "$prefix/include/generated_specializations_hpp" -type f -exec truncate -s0 {} +
cat >"$prefix/include/KokkosKernels_config.h" <<CONFIG
#ifndef KOKKOSKERNELS_CONFIG_H
#define KOKKOSKERNELS_CONFIG_H
#define KOKKOSKERNELS_VERSION $version
#define KOKKOSKERNELS_VERSION_MAJOR $major
#define KOKKOSKERNELS_VERSION_MINOR $minor
#define KOKKOSKERNELS_VERSION_PATCH $patch
#define KOKKOSKERNELS_INST_EXECSPACE_OPENMP
#define KOKKOSKERNELS_INST_MEMSPACE_HOSTSPACE
#define KOKKOSKERNELS_IMPL_COMPILE_LIBRARY false
#define F77_BLAS_MANGLE(name, NAME) name##_
#endif
CONFIG
cat >"$prefix/lib/cmake/KokkosKernels/KokkosKernelsConfig.cmake" <<'CONFIG'
include(CMakeFindDependencyMacro)
find_dependency(Kokkos)
if(NOT TARGET Kokkos::kokkoskernels)
  get_filename_component(_kokkos_kernels_include "${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)
  add_library(Kokkos::kokkoskernels INTERFACE IMPORTED)
  target_include_directories(Kokkos::kokkoskernels SYSTEM INTERFACE "${_kokkos_kernels_include}")
  target_link_libraries(Kokkos::kokkoskernels INTERFACE Kokkos::kokkos)
endif()
CONFIG
cat >"$prefix/lib/cmake/KokkosKernels/KokkosKernelsConfigVersion.cmake" <<CONFIG
set(PACKAGE_VERSION $major.$minor.$patch)
if(NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
CONFIG
echo "Kokkos $(dpkg-query -Wf '${Version}' libkokkos-dev) and Kokkos Kernels $major.$minor.$patch (headers, $prefix) are installed"
