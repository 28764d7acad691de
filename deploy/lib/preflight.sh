# What has to hold before anything is changed.

disk_needed_gb=12 # the image is 4 to 8 GB, and building it takes room too
python_modules="venv, ensurepip, ssl, sqlite3"

check_machine() {
    local id="" like="" PRETTY_NAME=""
    if [[ -r /etc/os-release ]]; then
        # shellcheck disable=SC1091
        id=$(. /etc/os-release && echo "${ID:-}") like=$(. /etc/os-release && echo "${ID_LIKE:-}")
        # shellcheck disable=SC1091
        PRETTY_NAME=$(. /etc/os-release && echo "${PRETTY_NAME:-$ID}")
    fi
    if [[ " $id $like " != *" debian "* && " $id $like " != *" ubuntu "* ]]; then
        fail "this sets up Debian and Ubuntu machines; this one is '${PRETTY_NAME:-unknown}'"
    fi
    if [[ $(uname -m) != x86_64 ]]; then
        fail "TensorFlow 2.9 has packages for x86_64 only; this machine is $(uname -m)"
    fi
    step_detail="$PRETTY_NAME, x86_64, $(nproc) CPUs, $(awk '/^MemTotal/ {printf "%.0f GiB", $2/1048576}' /proc/meminfo)"
}

# Without root and without sudo nothing can be set up; the socket is named, as it is what most people meet first.
check_rights() {
    step_detail="root"
    [[ $EUID -ne 0 ]] || return 0
    step_detail="sudo, where root is needed"
    if [[ -S /var/run/docker.sock && ! -w /var/run/docker.sock ]] && ! can_sudo; then
        fail "you ($(id -un)) have no permission on the Docker Engine's socket /var/run/docker.sock, and sudo does not let you in: run deploy/up as root"
    fi
    need_root "look who holds the ports, and to set up what is missing"
}

# The image is what takes room, and it lies where the engine keeps its data.
check_disk() {
    local folder=/var/lib/docker free_kb
    if [[ -n $option_skip_image || -e $state_dir/image.json ]]; then
        step_detail="not much is needed, as there is no image to build"
        return
    fi
    while [[ ! -d $folder ]]; do folder=$(dirname "$folder"); done
    free_kb=$(df -Pk "$folder" | awk 'NR == 2 {print $4}')
    if ((free_kb < disk_needed_gb * 1048576)); then
        fail "the notebook image needs $disk_needed_gb GB of disk at $folder, and $((free_kb / 1048576)) GB are free"
    fi
    step_detail="$((free_kb / 1048576)) GB free at $folder"
}

install_packages() {
    need_root "install packages of the distribution: $*"
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -q
    as_root apt-get install -y -q "$@"
}

# Sets $python: one that the hub's account can run as well, which rules out those in root's home.
find_python() {
    local candidate
    python=""
    for candidate in "${TF29HUB_PYTHON:-}" /usr/bin/python3 /usr/local/bin/python3 /usr/bin/python3.{13,12,11,10}; do
        [[ -n $candidate && -x $candidate ]] || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || continue
        python=$candidate
        break
    done
    if [[ -z $python && ! -e /usr/bin/python3 ]]; then
        install_packages python3 python3-venv
        find_python
        return
    fi
    if [[ -z $python ]]; then
        fail "Python 3.10 or newer is needed, this machine's is $(/usr/bin/python3 -V); name one: TF29HUB_PYTHON=/usr/local/bin/python3.11 deploy/up"
    fi
    if ! "$python" -c "import $python_modules"; then
        install_packages python3-venv
        "$python" -c "import $python_modules" || fail "$python lacks one of its own modules: $python_modules"
    fi
    step_detail="$("$python" -V), $python"
}

# check_port ADDRESS PORT WHAT: free, or ours.
check_port() {
    local holder
    holder=$(as_root "$python" "$here/lib/port_holder.py" "$1" "$2" "$state_dir")
    [[ -z $holder ]] || fail "port $2 on $1 ($3) is taken by ${holder//$'\n'/; }; end it, or choose another port: $4"
}

check_ports() {
    check_port "$hub_listen_address" "$hub_listen_port" "where browsers come in" "deploy/up --port N"
    check_port 127.0.0.1 "$hub_ports_proxy_api" "the proxy's API" "deploy/up --set ports.proxy_api=N"
    check_port "$hub_network_gateway" "$hub_ports_hub" "the Hub's API" "deploy/up --set ports.hub=N"
    check_port 127.0.0.1 "$hub_ports_console" "the page about GPUs" "deploy/up --set ports.console=N"
    if [[ $hub_tls_mode != off && $hub_tls_redirect_port != 0 ]]; then
        check_port "$hub_listen_address" "$hub_tls_redirect_port" "the way to HTTPS" "deploy/up --set tls.redirect_port=N"
    fi
    step_detail="$hub_listen_address:$hub_listen_port"
}
