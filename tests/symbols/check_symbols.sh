#!/usr/bin/env bash
# check_symbols.sh libleadline.a NM
#
# What the edge library asks for from outside must be in the lists below: a few functions of the C library and libm.
# So a C program links it with `gcc main.c -lleadline -lm`: no C++ run-time, no output, no abort, and memory, files and
# threads only in the archive members that are there for them.
set -euo pipefail
library=$1
nm=$2

allowed='memcpy|memmove|memset|memcmp|memchr|strlen|strchr|strcmp|strncmp|strnlen|snprintf|vsnprintf'
allowed+='|sqrtf?|floorf?|ceilf?|fmaf?|fabsf?|rintf?|nearbyintf?|truncf?|lrintf?|ldexpf?|scalbnf?|fmodf?'
allowed+='|__errno_location|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__cpu_model|__cpu_indicator_init|__[a-z]*_chk'

# What single members may ask for besides: programs that bring their own allocator, open models from memory and start no
# threads don't call these.
member_allowed() {
  case $1 in
  *allocator*) echo 'malloc|free|aligned_alloc|posix_memalign' ;;
  *open_file*) echo 'open|open64|close|read|fstat|fstat64|mmap|mmap64|munmap|madvise' ;;
  *thread_pool*) echo 'pthread_[a-z_]*|sched_yield' ;;
  *) echo '-' ;;
  esac
}

defined=$("$nm" --defined-only --format=posix "$library" | awk 'NF >= 2 && $1 !~ /:$/ {print $1}' | sort -u)
bad=0 seen=0 member=""
while read -r name kind _; do
  case $name in
  *\[*\]: | *.o:) member=$name; continue ;;
  esac
  [ -n "$name" ] && { [ "$kind" = U ] || [ "$kind" = w ]; } || continue
  seen=$((seen + 1))
  grep -qxF -- "$name" <<<"$defined" && continue
  grep -qxE -- "$allowed" <<<"$name" && continue
  grep -qxE -- "$(member_allowed "$member")" <<<"$name" && continue
  echo "$member asks for $(c++filt "$name" 2>/dev/null || echo "$name")" >&2
  bad=1
done < <("$nm" --undefined-only --format=posix "$library")

# Nothing of the C++ library may be defined here either (inlined templates of std:: would clash between ISA levels).
leaked=$("$nm" --defined-only --format=posix -C "$library" | grep -E '^(std::|operator (new|delete)|__gnu_cxx::|__cxa_)' || true)
if [ -n "$leaked" ]; then
  echo "the library defines parts of the C++ library: $leaked" >&2
  bad=1
fi
[ "$bad" = 0 ] || exit 1
[ -n "$defined" ] || { echo "$library defines nothing" >&2; exit 1; }
echo "$(wc -l <<<"$defined") symbols defined, $seen references, all inside the library, libc or libm"
