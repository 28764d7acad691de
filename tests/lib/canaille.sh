# shellcheck shell=bash
# Canaille, the OpenID Connect provider of the browser tests: a Python environment of its own, since it is a service
# of its own, with other versions of what the hub has.

# prepare_canaille CACHE: TF29HUB_TEST_CANAILLE is then its environment.
prepare_canaille() {
  local python=${PYTHON:-python3} lock=tests/openid/canaille.lock folder
  folder=$1/canaille-$( (cat "$lock" && "$python" -VV) | sha256sum | cut -c1-16)
  exec {canaille_lock}>"$folder.lock"
  flock --exclusive "$canaille_lock"
  if [ ! -f "$folder/complete" ]; then
    say "making $folder"
    rm -rf "$folder"
    "$python" -m venv "$folder" || fail "no virtual environment: apt-get install python3-venv"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
      --no-deps -r "$lock"
    touch "$folder/complete"
  fi
  exec {canaille_lock}>&-
  export TF29HUB_TEST_CANAILLE=$folder
}
