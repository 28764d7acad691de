# The end of deploy/up: wait until the front answers, and say how to come in.

front_scheme() { [[ $hub_tls_mode == off ]] && printf http || printf https; }

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
    url="$(front_scheme)://$(front_address):$hub_listen_port/hub/api"
    until "$venv/bin/python" -c '
import ssl, sys, urllib.request
# whether anybody answers; whether browsers like the certificate, tf29hub doctor says
context = ssl._create_unverified_context()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
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
    address="$(front_scheme)://$(front_address):$hub_listen_port"
    printf '\nReady: %s\n' "$address" >&3
    if [[ -n ${admin_password:-} ]]; then
        say_admin_password
    else
        printf 'Sign in with your account. Accounts are made with: %s user add NAME\n' "$command_path" >&3
    fi
    say_how_to_come_from_elsewhere
    printf 'Try everything once:     deploy/up%s --check\n' "$(own_options)" >&3
    printf 'Logs: %s   Settings: %s/hub.yaml   Administration: %s --help\n' "$logs_dir" "$config_dir" "$command_path" >&3
    printf 'After a reboot: %s\n' "$boot_story" >&3
}

say_how_to_come_from_elsewhere() {
    if [[ $hub_front_url == https://* ]]; then
        printf 'People come to:          %s\n' "$hub_front_url" >&3
    elif [[ $hub_listen_address == 127.* || $hub_listen_address == ::1 ]]; then
        printf 'From your own computer:  ssh -N -L %s:%s:%s %s   and open the same address there.\n' \
            "$hub_listen_port" "$(front_address)" "$hub_listen_port" "${SUDO_USER:-${USER:-you}}@$(hostname -f 2>/dev/null || hostname)" >&3
        printf 'To open it to a network: deploy/up%s --listen 0.0.0.0 --tls self-signed (more ways: docs/tls.md)\n' \
            "$(own_options)" >&3
    elif [[ $hub_tls_mode == off ]]; then
        printf 'Passwords travel unencrypted on this address: deploy/up%s --tls self-signed, or docs/tls.md\n' "$(own_options)" >&3
    fi
    if [[ $hub_tls_mode == self-signed ]]; then
        printf 'Browsers know it once they have imported %s (tf29hub certificate --authority)\n' "$state_dir/tls/authority.pem" >&3
    fi
}
