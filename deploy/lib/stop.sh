# What deploy/down does.

our_containers() {
    as_root docker ps --all --quiet --filter "label=tf29hub.name=$hub_name" "$@" 2>/dev/null
}

ask_about_servers() {
    local count
    count=$(our_containers --filter status=running | wc -l)
    [[ $count -gt 0 && -z $option_yes && -z $option_keep_servers && -t 0 ]] || return 0
    local answer
    printf '%s workspaces run. Stop them? What was not saved in them is lost; --keep-servers leaves them. [y/N] ' "$count" >&3
    read -r answer
    [[ $answer == [yY]* ]] || fail "nothing was stopped"
}

stop_hub() {
    if ! supervisor_runs; then
        step_detail="nothing was running"
    else
        step_detail="stopped"
    fi
    stop_supervisor
    if has_systemd && [[ -e $unit_dir/$hub_name.service ]]; then
        as_root systemctl disable "$hub_name.service" "$hub_name-firewall.service"
    fi
    as_root rm -f "/etc/cron.d/$hub_name"
    as_root rm -rf "$program_dir/started"
}

# A workspace's container holds nothing of value once its server has ended: files are in volumes.
stop_servers() {
    local containers
    mapfile -t containers < <(our_containers)
    step_detail="none were running"
    ((${#containers[@]})) || return 0
    as_root docker stop --time 10 "${containers[@]}"
    as_root docker rm --force "${containers[@]}"
    step_detail="${#containers[@]} stopped"
}

remove_firewall() {
    if has_systemd && [[ -e $unit_dir/$hub_name-firewall.service ]]; then
        as_root systemctl stop "$hub_name-firewall.service"
    fi
    step_detail=$(as_root env TF29HUB_CONFIG="$config_dir" TF29HUB_PROGRAM="$program_dir" "$program_dir/deploy/firewall" remove)
}

remove_network() {
    local owner
    owner=$(as_root docker network inspect "$hub_name" --format '{{with index .Labels "tf29hub.state"}}{{.}}{{end}}' 2>/dev/null) || owner=""
    step_detail="removed"
    if [[ $owner == "$state_dir" ]]; then
        as_root docker network rm "$hub_name"
    else
        step_detail="there was none"
    fi
}

say_what_is_left() {
    local volumes
    volumes=$(as_root docker volume ls --quiet | grep -c "^$hub_name-" || true)
    {
        printf '\nStopped. Left as they are:\n'
        printf '  users'\'' files    %s Docker volumes named %s-…\n' "$volumes" "$hub_name"
        printf '  accounts, keys  %s\n  settings        %s\n  logs            %s\n' "$state_dir" "$config_dir" "$logs_dir"
        printf '  programs        %s, the notebook image, the account %s, the Docker Engine\n' "$program_dir" "$account"
        [[ -z $option_keep_servers ]] || printf '  workspaces      %s still run, behind their firewall\n' "$(our_containers --filter status=running | wc -l)"
        printf 'Everything comes back with deploy/up%s.\n' "$(own_options)"
    } >&3
}
