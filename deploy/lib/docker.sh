# The Docker Engine: the one that answers, the one that is installed, or the distribution's.

daemon_json=/etc/docker/daemon.json
docker_socket=/var/run/docker.sock
engine_is_ours="" # set where this run installed it

ensure_engine() {
    if ! engine_answers; then
        if command -v dockerd >/dev/null; then
            start_engine
        else
            install_engine
        fi
        wait_for_engine
    fi
    local version
    version=$(as_root docker version --format '{{.Server.Version}}')
    step_detail="$version, $engine_story"
    ask_for_live_restore
}

# Not answering and not letting us in are two things: the second is not mended by installing a second engine.
engine_answers() {
    engine_story="it runs already"
    if ! command -v docker >/dev/null; then
        [[ ! -S $docker_socket ]] || install_client
        command -v docker >/dev/null || return 1
    fi
    local answer
    if answer=$(as_root docker version --format '{{.Server.Version}}' 2>&1); then
        return 0
    fi
    echo "$answer"
    if [[ $answer == *"permission denied"* ]]; then
        fail "the Docker Engine runs, but ${USER:-this account} may not use its socket $docker_socket; run deploy/up as root"
    fi
    return 1
}

install_client() {
    # From Debian 13 on the client is a package of its own; before, it comes with docker.io.
    if apt-cache show docker-cli >/dev/null 2>&1; then
        install_packages docker-cli
    else
        fail "a Docker Engine answers at $docker_socket, but the command 'docker' is missing; install your engine's client"
    fi
}

install_engine() {
    engine_is_ours=yes
    engine_story="installed now"
    if [[ ! -e $daemon_json ]]; then
        need_root "configure the Docker Engine that it installs"
        as_root mkdir -p "$(dirname "$daemon_json")"
        # Without it a restart of the engine, also by an upgrade of its package, stops everybody's training.
        printf '{"live-restore": true}\n' | as_root tee "$daemon_json" >/dev/null
    fi
    # The package starts the engine where there is an init; where its script fails, start_engine tells why.
    install_packages docker.io iptables || command -v dockerd >/dev/null
    command -v docker >/dev/null || install_packages docker-cli
    engine_answers || start_engine
}

start_engine() {
    need_root "start the Docker Engine"
    engine_story="started now"
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl enable --now docker
    elif as_root service docker start && sleep 1 && engine_answers; then
        engine_story="started now, by its init script"
    else
        # No init that could, as in a container or a small virtual machine.
        as_root sh -c 'setsid nohup dockerd >>/var/log/dockerd.log 2>&1 </dev/null 3>&- 9>&- &'
        engine_story="started now by hand, as there is no init here; its log is /var/log/dockerd.log"
    fi
    [[ -z $engine_is_ours ]] || engine_story="installed and $engine_story"
}

wait_for_engine() {
    local story=$engine_story deadline=$((SECONDS + 60))
    until engine_answers; do
        ((SECONDS < deadline)) || fail "the Docker Engine does not answer after 60 s; its log (journalctl -u docker, or /var/log/dockerd.log) says why"
        sleep 0.5
    done
    engine_story=$story
}

ask_for_live_restore() {
    [[ $(as_root docker info --format '{{.LiveRestoreEnabled}}') == true ]] && return
    note "live-restore is off, so a restart of the Docker Engine stops everybody's workspace; to keep them, put" \
        "\"live-restore\": true into $daemon_json and reload the engine (kill -HUP \$(pidof dockerd))"
}

# The account that runs the hub must be able to use the socket.
socket_group() {
    local group
    group=$(stat -L -c %G "$docker_socket")
    if [[ $group == root || $group == UNKNOWN ]]; then
        fail "the Docker socket $docker_socket belongs to root alone; make a group for it (groupadd docker) and restart the engine"
    fi
    printf '%s' "$group"
}
