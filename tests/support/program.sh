# Sourced by tests of the programs: a folder of their own, one thread unless it is said otherwise, and what failing means.
#
#   fail MESSAGE...
#   expect_error STATUS WORDS... -- COMMAND...   that exit status, a line `leadline: error: ...` with all the words

set -euo pipefail
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OMP_PROC_BIND=false # tests share the machine
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAILED: $*" >&2; exit 1; }

expect_error() {
  local status=$1 words=() got=0; shift
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  "$@" >out.txt 2>err.txt || got=$?
  [ "$got" = "$status" ] || fail "exit status $got instead of $status: $*: $(cat err.txt)"
  grep -q '^leadline: error: ' err.txt || fail "no error line: $*: $(cat err.txt)"
  for word in "${words[@]}"; do grep -qF -- "$word" err.txt || fail "no \"$word\" in: $(cat err.txt)"; done
}
