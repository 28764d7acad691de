# shellcheck shell=bash
# How tests/run tells what it does: one line when a stage starts, one with its time when it is done.

say() { printf '%s\n' "tests/run: $*"; }

fail() {
  printf '%s\n' "tests/run: $*" >&2
  exit 1
}

# stage WORDS COMMAND…: run COMMAND (a function or a program) under that headline. What fails in it ends the run
# (`set -e` holds inside because this is never called under an `if` or before `||`).
stage() {
  local started=$SECONDS
  stage_now=$1
  shift
  say "$stage_now …"
  "$@"
  say "$stage_now: $((SECONDS - started)) s"
  stage_now=
}

# at_exit COMMAND: run COMMAND when the run ends, however it ends.
at_exit() { at_exit_commands+=("$1"); }
at_exit_commands=()
stage_now=

_end() {
  local code=$? command
  [ -z "$stage_now" ] || printf '%s\n' "tests/run: $stage_now: failed" >&2
  for command in "${at_exit_commands[@]}"; do "$command" || true; done
  exit "$code"
}
trap _end EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
