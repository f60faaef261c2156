#!/usr/bin/env bash
# check_install.sh PART SOURCE_ROOT BUILD_DIR CXX_COMPILER
#
#   install      cmake --install into BUILD_DIR-install/tree, then move the tree: nothing may depend on where it was made
#   c            find_package(Leadline) from a project in C alone
#   pkg_config   gcc main.c $(pkg-config --cflags --libs leadline)
#   cpp          find_package(Leadline) from C++, with leadline.hpp
#   shared       libleadline.so of a small build, installed and moved: from C by find_package and by the linker's -l, from
#                Python by ctypes
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
shared)
  rm -rf "$work-build" "$work-tree" "$work-tree.before"
  cmake -S "$source" -B "$work-build" -D CMAKE_BUILD_TYPE=Release -D LEADLINE_BUILD_TRAINER=OFF -D LEADLINE_BUILD_TESTS=OFF \
    -D LEADLINE_BUILD_DEMOS=OFF -D LEADLINE_BUILD_SHARED_EDGE=ON -D "LEADLINE_MODELS=$model" -D LEADLINE_ISA=none >/dev/null
  cmake --build "$work-build"
  cmake --install "$work-build" --prefix "$work-tree.before" >/dev/null
  mv "$work-tree.before" "$work-tree"
  library=$(find "$work-tree" -name libleadline.so)
  name=$(basename "$(readlink -f "$library")") # libleadline.so.0.2.0
  installed=$work-tree
  consume c_consumer -D LIBRARY=leadline::leadline_shared
  "$work/consumer" "$model"
  ${CC:-gcc} -std=c99 -Wall -Wextra -Werror -I "$work-tree/include" "$source/tests/install/c_consumer/main.c" \
    -L "$(dirname "$library")" -lleadline -o "$work/linked"
  LD_LIBRARY_PATH=$(dirname "$library") "$work/linked" "$model"
  for program in consumer linked; do # what they load is the library by its soname: major and minor version
    readelf -d "$work/$program" | grep -F "NEEDED" | grep -F "[${name%.*}]" ||
      { echo "$program doesn't load ${name%.*}:" >&2; readelf -d "$work/$program" >&2; exit 1; }
  done
  if command -v python3 >/dev/null; then
    python3 "$source/tests/inference/check_shared.py" "$library" "$model" nm
  fi
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
