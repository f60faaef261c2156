#!/usr/bin/env bash
# check_install.sh PART SOURCE_ROOT BUILD_DIR CXX_COMPILER
#
#   install      cmake --install into BUILD_DIR-install/tree, then move the tree: nothing may depend on where it was made
#   c            find_package(Leadline) from a project in C alone
#   pkg_config   gcc main.c $(pkg-config --cflags --libs leadline)
#   cpp          find_package(Leadline) from C++, with leadline.hpp
#   trainer      find_package(Leadline COMPONENTS trainer): a network, a loss and a callback of the user's own
set -euo pipefail
part=$1 source=$2 build=$3 compiler=$4
# beside the build tree, which keeps one library and one of each program
installed=$build-install/tree
work=$build-install/$part
model=$source/inference/demos/models/rooms.lead

consume() { # FOLDER [-D...]: configure, build and run a consumer project
  rm -rf "$work"
  cmake -S "$source/tests/install/$1" -B "$work" -D CMAKE_BUILD_TYPE=Release -D "CMAKE_PREFIX_PATH=$installed" "${@:2}"
  cmake --build "$work"
}

case $part in
install)
  rm -rf "$installed" "$installed.before"
  mkdir -p "$(dirname "$installed")"
  cmake --install "$build" --prefix "$installed.before" >/dev/null
  mv "$installed.before" "$installed"
  # no file of the installation names the source tree or the build tree
  if grep -rlF -e "$source/" -e "$build/" "$installed/lib" "$installed/include" --include='*.cmake' --include='*.pc' --include='*.h*'; then
    echo "the files above name folders of the build" >&2
    exit 1
  fi
  (cd "$installed" && find . -type f | sort)
  ;;
c)
  consume c_consumer
  "$work/consumer" "$model"
  ;;
pkg_config)
  command -v pkg-config >/dev/null || { echo "pkg-config isn't installed" >&2; exit 1; }
  mkdir -p "$work"
  export PKG_CONFIG_PATH
  PKG_CONFIG_PATH=$(dirname "$(find "$installed" -name leadline.pc)")
  ${CC:-gcc} -std=c99 -Wall -Wextra -Werror "$source/tests/install/c_consumer/main.c" $(pkg-config --cflags --libs leadline) -o "$work/consumer"
  "$work/consumer" "$model"
  # the C compiler alone linked it, and no C++ run-time came along
  if ldd "$work/consumer" | grep -E 'libstdc\+\+|libc\+\+|libgomp'; then
    echo "the C program needs a C++ run-time" >&2
    exit 1
  fi
  ;;
cpp)
  consume cpp_consumer -D "CMAKE_CXX_COMPILER=$compiler"
  "$work/consumer" "$model"
  ;;
trainer)
  consume trainer_consumer -D "CMAKE_CXX_COMPILER=$compiler"
  "$work/consumer"
  ;;
*)
  echo "check_install: no part $part" >&2
  exit 2
  ;;
esac
