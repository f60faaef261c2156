#!/usr/bin/env bash
# check_headers.sh SOURCE_ROOT COMPILER [KOKKOS_INCLUDE_DIRS, separated by colons]
#
# Compiles each header alone (syntax only): a header that needs another one to be included first fails.
#   shared/, inference/   with the edge library's flags and no Kokkos; headers named *kokkos* only where Kokkos is
#                         (what builds and writes models is for hosts and may use exceptions); leadline.h as C99
#   data/, trainer/       with Kokkos, where it is
set -uo pipefail
root=$1
export compiler=$2
kokkos_dirs=${3:-}
cd "$root" || exit 1

common="-std=c++20 -fsyntax-only -Wall -Wextra -Wshadow -Wpedantic -Werror -I. -Iinference/include"
export host_flags=$common
export edge_flags="$common -fno-exceptions -fno-rtti"
export trainer_flags="$common -DLEADLINE_WITH_KOKKOS=1 -DKOKKOS_DEPENDENCE -fopenmp -Wno-use-after-free"
IFS=: read -r -a dirs <<<"$kokkos_dirs"
for dir in "${dirs[@]}"; do # -isystem would move /usr/include behind the C++ headers that need it
  case $dir in "" | /usr/include | "$root"*) ;; *) trainer_flags+=" -isystem $dir" ;; esac
done

check() {
  local flags=$edge_flags language=c++
  case $1 in
  *.h) language=c flags="-std=c99 -fsyntax-only -Wall -Wextra -Wpedantic -Werror -Iinference/include" ;;
  data/* | trainer/* | *kokkos*) flags=$trainer_flags ;;
  shared/model/graph_builder.hpp | shared/model/fold.hpp | shared/model/reorder.hpp | shared/model/model_writer.hpp | \
    inference/golden.hpp)
    flags=$host_flags ;; # building and writing models: never on a device
  esac
  # from standard input, so that `#pragma once` isn't in the main file
  if ! printf '#include "%s"\n' "$1" | "$compiler" $flags -x $language - 2>&1; then
    echo "NOT SELF-CONTAINED: $1"
    return 1
  fi
}
export -f check

headers() {
  if [ -n "$kokkos_dirs" ]; then
    find shared inference data trainer -name '*.hpp' -o -name '*.h'
  else
    find shared inference -name '*.hpp' ! -name '*kokkos*' -o -name '*.h'
  fi
}
count=$(headers | wc -l)
if [ "$count" -lt 1 ]; then
  echo "no headers found in $root" >&2
  exit 1
fi
headers | sort | xargs -P 2 -I{} bash -c 'check {}' || { echo "some of $count headers don't compile alone" >&2; exit 1; }
echo "$count headers compile alone"
