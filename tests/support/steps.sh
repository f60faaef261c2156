# Sourced by run.sh, full.sh and quickstart.sh: named steps with their time, their log and a table at the end.
#
#   step NAME COMMAND...   run COMMAND, keep its output in $LOGS/NAME.log; shown as it runs unless QUIET=1
#   skip NAME REASON
#   summary                the table; the exit status is 1 if any step failed
#
# With arguments to the script, only the steps named there run.

JOBS=${JOBS:-$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)}
LOGS=${LOGS:-build/logs}
STEPS_WANTED=("$@")
mkdir -p "$LOGS"
steps_table="" steps_failed=0 steps_ran=0

step() {
  local name=$1 wanted started seconds status
  shift
  if [ ${#STEPS_WANTED[@]} != 0 ]; then
    wanted=0
    for w in "${STEPS_WANTED[@]}"; do [ "$w" = "$name" ] && wanted=1; done
    [ $wanted = 1 ] || return 0
  fi
  if [ "$steps_failed" != 0 ] && [ "${STOP_AT_FAILURE:-0}" = 1 ]; then
    return 1
  fi
  steps_ran=$((steps_ran + 1))
  echo "==> $name"
  started=$(date +%s)
  if [ "${QUIET:-0}" = 1 ]; then
    "$@" >"$LOGS/$name.log" 2>&1
    status=$?
    [ $status = 0 ] || tail -n 40 "$LOGS/$name.log"
  else
    "$@" 2>&1 | tee "$LOGS/$name.log"
    status=${PIPESTATUS[0]}
  fi
  seconds=$(($(date +%s) - started))
  if [ "$status" = 0 ]; then
    steps_table+=$(printf '  %-14s passed %5d s' "$name" $seconds)$'\n'
  else
    steps_table+=$(printf '  %-14s FAILED %5d s   %s' "$name" $seconds "$LOGS/$name.log")$'\n'
    steps_failed=1
    echo "==> $name failed; its log is $LOGS/$name.log" >&2
  fi
  return "$status"
}

skip() { steps_table+=$(printf '  %-14s skipped          %s' "$1" "$2")$'\n'; }

summary() {
  printf '\n%s' "$steps_table"
  if [ "$steps_ran" = 0 ]; then
    echo "no step ran: ${STEPS_WANTED[*]:-} is no step's name" >&2
    exit 2
  fi
  exit "$steps_failed"
}
