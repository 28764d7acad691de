# shellcheck shell=bash disable=SC2154  # venv_lock is set in python.sh
# The Docker Engine of this machine: used when it answers, started by hand when it does not.

# ensure_engine CACHE: afterwards an engine answers. One that was started here is stopped at the end.
ensure_engine() {
  local cache=$1
  warn_of_lost_controllers
  if engine_answers; then
    say "Docker Engine $(engine_version) answers"
    return
  fi
  [ -z "${DOCKER_HOST:-}" ] || fail "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST"
  [ "$(id -u)" = 0 ] || fail "no Docker Engine answers (or $(id -un) may not use its socket): start it, or run as root"
  if [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; then
    systemctl start docker.service || fail "systemd cannot start docker.service: journalctl -u docker.service"
    say "systemd has started the Docker Engine, which stays"
    return
  fi
  engine_log=$cache/dockerd.log
  say "starting dockerd by hand, log: $engine_log"
  PATH="$PATH:/usr/sbin:/sbin" setsid dockerd >"$engine_log" 2>&1 </dev/null {venv_lock}>&- &
  engine_pid=$!
  at_exit stop_engine
  local _
  for _ in $(seq 120); do
    engine_answers && break
    kill -0 "$engine_pid" 2>/dev/null || break
    sleep 0.5
  done
  engine_answers || fail "dockerd does not start; the end of its log:
$(tail -n 15 "$engine_log")"
  say "Docker Engine $(engine_version) answers (process $engine_pid, stopped at the end)"
}

# Where a controller of cgroups v1 is in use but mounted nowhere (another container system has gone and left folders
# in it), Docker measures no memory and tells of no kill: the tests of that would fail, and not for their own reason.
warn_of_lost_controllers() {
  local controller
  for controller in $(cut -d: -f2 /proc/self/cgroup | tr , ' '); do
    case $controller in *=*) continue ;; esac
    awk -v wanted="$controller" '$3 == "cgroup" && ("," $4 ",") ~ ("," wanted ",") { found = 1 } END { exit !found }' \
      /proc/mounts ||
      say "WARNING: the cgroup controller $controller is in use but mounted nowhere; Docker cannot measure memory so"
  done
}

engine_answers() { python -c 'import docker; docker.from_env(timeout=10).ping()' 2>/dev/null; }

engine_version() { python -c 'import docker; print(docker.from_env().version()["Version"])'; }

stop_engine() {
  kill "$engine_pid" 2>/dev/null && wait "$engine_pid" 2>/dev/null
  return 0
}
