#!/usr/bin/env bash
# See to it that everything is there to build Leadline with its trainer and tests:
#
#   bash cmake/dependencies.sh
#
# Nothing to do: one line, in less than a second. Debian (or Ubuntu) as root: installs what is missing, without a
# question. Elsewhere: prints the commands to run and exits with 1.
# Kokkos (>= 4.6) and Catch2 (>= 3): an installed one, else upstream's release (pinned by hash), else Debian's packages.
#
# The edge library needs none of this, only a compiler and CMake: bash cmake/quickstart.sh edge
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
downloads=$here/../build/downloads
say() { echo "dependencies: $*"; }

# ---- what is there -------------------------------------------------------------------------------------------------

compiler=${CXX:-c++}
command -v "$compiler" >/dev/null || compiler=g++

# Where headers and CMake packages may lie besides the compiler's own folders.
prefixes=(/usr /usr/local /opt/homebrew /opt/kokkos)
IFS=':;' read -r -a given <<<"${CMAKE_PREFIX_PATH:-}"
prefixes+=("${given[@]}" "${Kokkos_ROOT:-/nonexistent}" "${CONDA_PREFIX:-/nonexistent}")

has_header() { # NAME [SUBFOLDER of include...]
  local name=$1 flags=() p s
  shift
  for p in "${prefixes[@]}"; do
    for s in "" "$@"; do [ -d "$p/include/$s" ] && flags+=(-isystem "$p/include/$s"); done
  done
  printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$name" | "$compiler" -E -x c++ "${flags[@]}" - >/dev/null 2>&1
}

package_version() { # NAME: prints the version of the newest CMake package NAME that is installed, if any
  local name=$1 p file found=""
  for p in "${prefixes[@]}"; do
    for file in "$p"/{lib,lib64,share,lib/*-linux-gnu}/cmake/"$name"*/"$name"ConfigVersion.cmake; do
      [ -e "$file" ] && found+=$(sed -nE 's/^ *set\( *PACKAGE_VERSION +"?([0-9.]+)"? *\).*/\1/p' "$file" | sed -n 1p)$'\n'
    done
  done
  [ -z "$found" ] || sort -rV <<<"$found" | sed -n 1p
}
at_least() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | sed -n 1p)" = "$2" ]; }

missing=()   # what a package manager installs
upstream=()  # Kokkos and Catch2, which may come from elsewhere
look() {
  missing=() upstream=()
  command -v "$compiler" >/dev/null || missing+=(compiler)
  command -v cmake >/dev/null && at_least "$(cmake --version | sed -nE '1s/.* ([0-9.]+).*/\1/p')" 3.22 || missing+=(cmake)
  command -v ninja >/dev/null || missing+=(ninja)
  command -v ccache >/dev/null || missing+=(ccache)
  command -v pkg-config >/dev/null || missing+=(pkg-config)
  if command -v "$compiler" >/dev/null; then
    has_header hdf5.h hdf5/serial || missing+=(hdf5)
    has_header boost/program_options.hpp || missing+=(boost)
    has_header stb_image.h stb || missing+=(stb)
  else
    missing+=(hdf5 boost stb)
  fi
  kokkos=$(package_version Kokkos) catch2=$(package_version Catch2)
  if [ -n "${Kokkos_DIR:-}" ]; then kokkos="as Kokkos_DIR says"; elif ! at_least "$kokkos" 4.6; then
    [ -e "$downloads/kokkos.ok" ] && kokkos="release in build/downloads" || upstream+=(Kokkos)
  fi
  at_least "$catch2" 3 || { [ -e "$downloads/catch2.ok" ] && catch2="release in build/downloads" || upstream+=(Catch2); }
}

# ---- what isn't ----------------------------------------------------------------------------------------------------

print_commands() {
  cat <<'COMMANDS'
Install what is missing with your package manager, then run this again. Everything at once:

  Debian 12, 13   sudo bash cmake/dependencies.sh
  Ubuntu          sudo apt-get install cmake g++ ninja-build ccache pkg-config libhdf5-dev libboost-program-options-dev libstb-dev
                  (Kokkos and Catch2 are fetched from upstream when you configure)
  Fedora          sudo dnf install cmake gcc-c++ ninja-build ccache pkgconf hdf5-devel boost-devel stb_image-devel catch-devel kokkos-devel
  macOS           brew install cmake ninja ccache pkgconf hdf5 boost catch2 kokkos libomp
                  git clone https://github.com/nothings/stb     and configure with -DLEADLINE_STB_INCLUDE_DIR=$PWD/stb
  spack           spack install cmake ninja ccache pkgconf hdf5 boost+program_options stb catch2@3: kokkos@4.6:+openmp
                  spack load  cmake ninja ccache pkgconf hdf5 boost stb catch2 kokkos

A Kokkos that lies elsewhere is found by Kokkos_ROOT; -DLEADLINE_KOKKOS=fetch takes upstream's release instead.
The edge library needs a compiler and CMake alone:  bash cmake/quickstart.sh edge
COMMANDS
}

install_packages() { # Debian and Ubuntu, as root
  local names=() item
  for item in "${missing[@]}"; do
    case $item in
    compiler) names+=(g++) ;;
    ninja) names+=(ninja-build) ;;
    hdf5) names+=(libhdf5-dev) ;;
    boost) names+=(libboost-program-options-dev) ;;
    stb) names+=(libstb-dev) ;;
    *) names+=("$item") ;;
    esac
  done
  say "installing ${names[*]} with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${names[@]}" >/dev/null
}

# ---- the work ------------------------------------------------------------------------------------------------------

look
if [ ${#missing[@]} = 0 ] && [ ${#upstream[@]} = 0 ]; then
  say "all there (Kokkos $kokkos, Catch2 $catch2)"
  exit 0
fi
say "missing: ${missing[*]} ${upstream[*]}"

if [ ${#missing[@]} != 0 ]; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    print_commands
    exit 1
  fi
  install_packages
  look
  if [ ${#missing[@]} != 0 ]; then
    say "still missing after apt-get: ${missing[*]}" >&2
    exit 1
  fi
fi

if [ ${#upstream[@]} != 0 ]; then
  say "looking for upstream's releases of ${upstream[*]} (at most a minute)"
  if ! cmake -D "DOWNLOADS=$downloads" -P "$here/LeadlineUpstream.cmake"; then
    if [ -e /etc/debian_version ] && [ "$(id -u)" = 0 ] && [ "$(. /etc/os-release && echo "$ID")" = debian ]; then
      say "they can't be reached; taking Debian's packages instead"
      bash "$here/debian-kokkos.sh"
    else
      say "upstream's releases can't be reached, and this isn't Debian with root rights" >&2
      print_commands
      exit 1
    fi
  fi
  look
  if [ ${#upstream[@]} != 0 ]; then
    say "still missing: ${upstream[*]}" >&2
    exit 1
  fi
fi
say "all there (Kokkos $kokkos, Catch2 $catch2)"
