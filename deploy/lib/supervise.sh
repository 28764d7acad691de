# One supervisor for all programs: systemd keeps it where there is systemd, else it keeps itself.

unit_dir=/etc/systemd/system
# as in supervisord.conf
programs=(proxy hub culler broker console)

has_systemd() { [[ -d /run/systemd/system ]]; }

supervisorctl() {
    as_hub supervisorctl -c "$program_dir/deploy/supervisord.conf" "$@"
}

supervisor_runs() { supervisorctl pid >/dev/null 2>&1; }

# Start what does not run, restart what changed since it was started, and leave the rest alone.
ensure_running() {
    write_boot_hook
    if ! supervisor_runs || [[ $(stamp supervisor) != "$(supervisor_digest)" ]]; then
        stop_supervisor
        check_ports
        start_supervisor
        set_stamp supervisor "$(supervisor_digest)"
        for program in "${programs[@]}"; do set_stamp "$program" "$(program_stamp "$program")"; done
        step_detail="started: ${programs[*]}"
        return
    fi
    restart_changed
}

restart_changed() {
    local program digest restarted=()
    for program in "${programs[@]}"; do
        digest=$(program_stamp "$program")
        if [[ $(stamp "$program") != "$digest" ]]; then
            supervisorctl restart "$program"
            set_stamp "$program" "$digest"
            restarted+=("$program")
        elif ! supervisorctl status "$program" >/dev/null; then
            supervisorctl start "$program"
            restarted+=("$program")
        fi
    done
    step_detail="${restarted[*]:+restarted: }${restarted[*]:-all running, nothing to restart}"
}

start_supervisor() {
    need_root "start the hub as the account $account"
    if has_systemd; then
        as_root systemctl restart "$hub_name-firewall.service" "$hub_name.service"
    else
        # what goes on in the background must not keep our terminal (3) nor our lock (9)
        as_root "$program_dir/deploy/start" "$program_dir/deploy/environment" 3>&- 9>&-
    fi
    local deadline=$((SECONDS + 30))
    until supervisor_runs; do
        ((SECONDS < deadline)) || fail "the supervisor did not start; see $logs_dir/supervisord.log"
        sleep 0.2
    done
}

# Running workspaces stay: they are Docker's, not the supervisor's.
stop_supervisor() {
    if has_systemd; then
        as_root systemctl stop "$hub_name.service" 2>/dev/null || true
    fi
    supervisor_runs || return 0
    local pid deadline=$((SECONDS + 60))
    pid=$(supervisorctl pid)
    supervisorctl shutdown
    while [[ -d /proc/$pid ]]; do
        ((SECONDS < deadline)) || fail "the supervisor (pid $pid) does not stop; see $logs_dir/supervisord.log"
        sleep 0.2
    done
}

# What a program's start depends on; a change of it means a restart. The hub reads profiles.yaml and classes.yaml
# again by itself; everybody's connections run through the proxy, so only what Traefik itself reads restarts that.
program_stamp() {
    case $1 in
    proxy)
        "$venv/bin/traefik" version
        TF29HUB_CONFIG=$config_dir TF29HUB_STATE=$state_dir "$venv/bin/tf29hub" proxy --show
        as_root sha256sum "$state_dir/secrets/proxy-api-password"
        ;;
    hub) cat "$venv/.installed" "$config_dir/hub.yaml" "$config_dir/jupyterhub_config.py" ;;
    culler | broker | console) cat "$venv/.installed" "$config_dir/hub.yaml" ;;
    esac | sha256sum
}

supervisor_digest() {
    cat "$program_dir/deploy/supervisord.conf" "$program_dir/deploy/environment" | sha256sum
}

stamp() { cat "$program_dir/started/$1" 2>/dev/null || true; }

set_stamp() {
    as_root mkdir -p "$program_dir/started"
    printf '%s\n' "$2" | as_root tee "$program_dir/started/$1" >/dev/null
}

write_boot_hook() {
    if in_gpulab; then
        boot_story="nothing starts a hub for developers after a reboot but deploy/up --gpulab $(<"$(gpulab_dir)/gpus")$(own_options)"
    elif has_systemd; then
        write_units
        boot_story="systemd starts it at boot: $hub_name.service, after $hub_name-firewall.service"
    elif [[ -d /etc/cron.d ]] && command -v cron >/dev/null; then
        replace_file "/etc/cron.d/$hub_name" \
            "@reboot root $program_dir/deploy/start $program_dir/deploy/environment >>$logs_dir/boot.log 2>&1"
        boot_story="there is no systemd; cron starts it at boot: /etc/cron.d/$hub_name"
    else
        boot_story="there is neither systemd nor cron here, so nothing starts it after a reboot but $program_dir/deploy/start $program_dir/deploy/environment"
    fi
    [[ $engine_story != *by\ hand* ]] || as_root touch "$program_dir/deploy/engine-by-hand"
}

write_units() {
    local kind text
    need_root "install systemd units"
    for kind in hub firewall; do
        text=$(sed -e "s|@NAME@|$hub_name|g" -e "s|@ACCOUNT@|$account|g" -e "s|@PROGRAM@|$program_dir|g" \
            "$here/systemd/$kind.service")
        replace_file "$unit_dir/$hub_name$([[ $kind == hub ]] || echo -firewall).service" "$text"
    done
    as_root systemctl daemon-reload
    as_root systemctl enable "$hub_name-firewall.service" "$hub_name.service"
}
