#!/usr/bin/env bash
# check_symbols.sh libleadline.a NM
#
# What the edge library asks for from outside must be in the list below: a few functions of the C library and libm.
# So a C program links it with `gcc main.c -lleadline -lm`: no C++ run-time, no allocation, no output, no abort.
# Only the optional thread pool, an archive member of its own, may ask for threads.
set -euo pipefail
library=$1
nm=$2

allowed='memcpy|memmove|memset|memcmp|memchr|strlen|strcmp|strncmp|strnlen|snprintf|vsnprintf'
allowed+='|sqrt|sqrtf|floor|floorf|ceil|ceilf|fma|fmaf|fabs|fabsf|rint|rintf|nearbyint|nearbyintf|trunc|truncf|lrint|lrintf|ldexp|ldexpf|scalbn|scalbnf|fmod|fmodf'
allowed+='|fopen|fopen64|fclose|fread|fseek|fseeko|fseeko64|ftell|ftello|ftello64|ferror|feof'  # reading a model file
allowed+='|fegetround|fesetround|fegetenv|fesetenv|clock_gettime'                             # rounding mode, the default clock
allowed+='|__errno_location|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__cpu_model|__cpu_indicator_init|__[a-z]*_chk'
pool='pthread_[a-z_]*|sched_yield|sysconf|malloc|free|calloc'

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
  case $member in *pool*) grep -qxE -- "$pool" <<<"$name" && continue ;; esac
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
