# Who does what: root only what needs it, and the hub's own account everything that runs afterwards.

root_reasons=" "

# Now, or after a password that somebody can type.
can_sudo() {
    command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }
}

# need_root REASON: tell why, once for each reason, before as_root asks for a password.
need_root() {
    [[ $EUID -eq 0 ]] && return
    can_sudo || fail "root is needed to $1, and sudo does not let $(id -un) in without a terminal: run it as root"
    [[ $root_reasons == *" $1 "* ]] || note "root is needed to $1"
    root_reasons+="$1 "
}

# as_root COMMAND...: a program, not a function of this shell.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    else
        # how this machine reaches the package registries must survive sudo
        sudo --preserve-env=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY,SSL_CERT_FILE,SSL_CERT_DIR,REQUESTS_CA_BUNDLE,PIP_CERT,PIP_INDEX_URL,PIP_FIND_LINKS,PIP_DEFAULT_TIMEOUT -- "$@"
    fi
}

# as_hub COMMAND...: as the hub's account, with the environment that its programs have and nothing of ours.
as_hub() {
    local environment=()
    mapfile -t environment < <(hub_environment)
    as_root runuser -u "$account" -- env -i "${environment[@]}" "TF29HUB_CALLER=${SUDO_USER:-$(id -un)}" "$@"
}

# One NAME=VALUE a line; also what systemd and the boot script read.
hub_environment() {
    printf '%s\n' "TF29HUB_CONFIG=$config_dir" "TF29HUB_STATE=$state_dir" "TF29HUB_LOGS=$logs_dir" \
        "TF29HUB_PROGRAM=$program_dir" "TF29HUB_RUN=/run/${hub_name:-tf29hub}" \
        "PATH=$venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        "HOME=$state_dir" "LANG=C.UTF-8" "PYTHONUNBUFFERED=1"
    gpulab_environment
}

# replace_file PATH TEXT: as root, and only where it is another text.
replace_file() {
    [[ -r $1 && $(<"$1") == "$2" ]] && return 0
    printf "%s\n" "$2" | as_root tee "$1" >/dev/null
}
