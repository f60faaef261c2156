#!/usr/bin/env bash
# check_embedding.sh ROOT LIBRARY MODEL CC CXX
#
# The programs in inference/docs/embedding.md compile without a warning, link as the page says, and run. leadline.h is
# C99, leadline.hpp is C++17; the C program is linked by the C compiler with -lleadline -lm alone.
set -euo pipefail
root=$1 library=$2 model=$3 cc=$4 cxx=$5
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

extract() { # LANGUAGE FILE: the block behind <!-- test: LANGUAGE -->
  awk -v mark="<!-- test: $1 -->" '$0 == mark { found = 1; next }
    found == 1 && /^```/ { found = 2; next }
    found == 2 && /^```/ { exit }
    found == 2 { print }' "$root/inference/docs/embedding.md" >"$2"
  [ -s "$2" ] || { echo "embedding.md has no $1 program" >&2; exit 1; }
}
extract c "$dir/main.c"
extract cpp "$dir/main.cpp"
warnings="-Wall -Wextra -Wshadow -Wpedantic -Werror"
link="-L$(dirname "$library") -lleadline -lm"

printf '#include <leadline/leadline.h>\nint main(void) { return leadline_version() != LEADLINE_VERSION; }\n' >"$dir/version.c"
"$cc" -std=c99 -pedantic $warnings -I"$root/inference/include" "$dir/version.c" $link -o "$dir/version"
"$dir/version"

"$cc" -std=c99 -pedantic $warnings -I"$root/inference/include" "$dir/main.c" $link -o "$dir/main_c"
"$cxx" -std=c++17 $warnings -I"$root/inference/include" "$dir/main.cpp" $link -pthread -o "$dir/main_cpp"
from_c=$("$dir/main_c" "$model")
from_cpp=$("$dir/main_cpp" "$model")
echo "$from_c"
[ "$from_c" = "$from_cpp" ] || { echo "C says $from_c, C++ says $from_cpp" >&2; exit 1; }
if "$dir/main_c" "$dir/none.lead" 2>"$dir/error"; then
  echo "a missing model went unnoticed" >&2
  exit 1
fi
grep -q "none.lead: can't open the file: there is no such file" "$dir/error"

# Every function of the header with null pointers and worse; none is forgotten.
"$cc" -std=c99 -pedantic $warnings -I"$root/inference/include" "$root/tests/inference/every_function.c" $link -o "$dir/every"
"$dir/every" "$model"
for function in $(grep -oE '\bleadline_[a-z0-9_]+\(' "$root/inference/include/leadline/leadline.h" | sort -u); do
  grep -qF "$function" "$root/tests/inference/every_function.c" ||
    { echo "every_function.c doesn't call $function)" >&2; exit 1; }
done

# The demo: a grey picture of 30 x 20; as many depths, each 2 bytes; messages for what is wrong.
"$cc" -std=c99 -pedantic $warnings -I"$root/inference/include" "$root/inference/demos/depth.c" $link -o "$dir/depth"
{ printf 'P6 30 20 255\n'; head -c 1800 /dev/zero | tr '\0' '\200'; } >"$dir/grey.ppm"
"$dir/depth" "$model" "$dir/grey.ppm" "$dir/grey.pgm"
[ "$(wc -c <"$dir/grey.pgm")" = $((15 + 1200)) ] || { echo "depth.c wrote $(wc -c <"$dir/grey.pgm") bytes" >&2; exit 1; }
for wrong in "none.lead grey.ppm" "grey.ppm grey.ppm" "$model none.ppm"; do
  read -r a b <<<"$wrong"
  if (cd "$dir" && ./depth "$a" "$b" out.pgm 2>error); then echo "depth.c accepts $wrong" >&2; exit 1; fi
  grep -q '^depth: ' "$dir/error"
done

if command -v ldd >/dev/null && ldd "$dir/main_c" | grep -q 'stdc++'; then
  echo "the C program needs the C++ run-time" >&2
  exit 1
fi
