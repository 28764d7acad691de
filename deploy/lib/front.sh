# The end of deploy/up: wait until the front answers, and say how to come in.

front_address() {
    case $hub_listen_address in
    0.0.0.0) printf '127.0.0.1' ;;
    ::) printf '[::1]' ;;
    *:*) printf '[%s]' "$hub_listen_address" ;;
    *) printf '%s' "$hub_listen_address" ;;
    esac
}

wait_for_front() {
    local url deadline=$((SECONDS + 120))
    url="http://$(front_address):$hub_listen_port/hub/api"
    until "$venv/bin/python" -c '
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.exit("version" not in opener.open(sys.argv[1], timeout=5).read().decode())
' "$url" 2>/dev/null; do
        if ((SECONDS > deadline)); then
            supervisorctl status >&3 || true
            as_root tail -n 15 "$logs_dir/hub.log" | sed 's/^/    /' >&3
            fail "$url does not answer after 120 s; the last lines of $logs_dir/hub.log are above"
        fi
        sleep 0.3
    done
    step_detail=$url
}

say_how_to_sign_in() {
    local address
    address="http://$(front_address):$hub_listen_port"
    printf '\nReady: %s\n' "$address" >&3
    if [[ -n ${admin_password:-} ]]; then
        say_admin_password
    else
        printf 'Sign in with your account. Accounts are made with: %s user add NAME\n' "$command_path" >&3
    fi
    if [[ $hub_listen_address == 127.* || $hub_listen_address == ::1 ]]; then
        printf 'From your own computer:  ssh -N -L %s:%s:%s %s   and open the same address there.\n' \
            "$hub_listen_port" "$(front_address)" "$hub_listen_port" "${SUDO_USER:-${USER:-you}}@$(hostname -f 2>/dev/null || hostname)" >&3
        printf 'To open it to a network: deploy/up%s --listen 0.0.0.0 (unencrypted: put a TLS front before it)\n' \
            "$(own_options)" >&3
    else
        printf 'Passwords travel unencrypted on this address: put a TLS front before it.\n' >&3
    fi
    printf 'Try everything once:     deploy/up%s --check\n' "$(own_options)" >&3
    printf 'Logs: %s   Settings: %s/hub.yaml   Administration: %s --help\n' "$logs_dir" "$config_dir" "$command_path" >&3
    printf 'After a reboot: %s\n' "$boot_story" >&3
}
