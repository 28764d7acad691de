# shellcheck shell=bash
# The Python environment of the tests: in the cache, one for each state of the lock, so that a fresh clone on a
# machine that has run the tests before starts at once. The clone itself is installed into it as it is (editable).

# prepare_python CACHE: make or find the environment and put it first in PATH. Holds a lock while the tests run.
prepare_python() {
  local cache=$1 python=${PYTHON:-python3} key
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    fail "Python 3.10 or newer is needed; $python is $("$python" --version 2>&1)"
  key=$( (cat tests/requirements.lock && "$python" -VV) | sha256sum | cut -c1-16)
  venv=$cache/venv-$key
  mkdir -p "$cache"
  exec {venv_lock}>"$venv.lock"
  if ! _belongs_to_this_clone; then
    if ! flock --exclusive --nonblock "$venv_lock"; then
      # Another clone's tests are running with it: a second environment rather than a surprise in theirs.
      venv=$venv-$(pwd -P | sha256sum | cut -c1-8)
      exec {venv_lock}>"$venv.lock"
      flock --exclusive "$venv_lock"
    fi
    [ -f "$venv/complete" ] || _make_environment "$python"
    _install_this_clone
  fi
  flock --shared "$venv_lock"
  export PATH="$venv/bin:$PATH" VIRTUAL_ENV=$venv
  unset PYTHONPATH PYTHONHOME
}

_belongs_to_this_clone() {
  [ -f "$venv/complete" ] && [ "$(cat "$venv/clone" 2>/dev/null)" = "$(pwd -P) $(sha256sum <setup.py)" ]
}

_make_environment() {
  say "making $venv"
  rm -rf "$venv"
  "$1" -m venv "$venv" || fail "no virtual environment: apt-get install python3-venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    --no-deps -r tests/requirements.lock
  touch "$venv/complete"
}

_install_this_clone() {
  rm -f "$venv/clone"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
  printf '%s\n' "$(pwd -P) $(sha256sum <setup.py)" >"$venv/clone"
}
