# The notebook image, and the first account.

# The build decides by itself whether anything is to do: unchanged inputs give the image that is there.
ensure_image() {
    need_root "build the notebook image"
    # makes a base where no container registry answers; it is small, and who knows beforehand
    command -v debootstrap >/dev/null || [[ -x /usr/sbin/debootstrap ]] || install_packages debootstrap >>"$run_log" 2>&1
    "$command_path" image build
}

# The store is empty on the first run only: an admin who was removed on purpose does not come back.
ensure_admin() {
    local accounts
    step_detail="hub.yaml has no local accounts"
    [[ -n $hub_sign_in_first_admin ]] || return 0
    accounts=$(as_hub tf29hub user list --json | "$python" -c 'import json, sys; print(len(json.load(sys.stdin)["accounts"]))')
    step_detail="there are accounts already ($accounts)"
    [[ $accounts == 0 ]] || return 0
    admin_password=$(as_hub tf29hub user add "$hub_sign_in_first_admin" --admin)
    step_detail="$hub_sign_in_first_admin, new"
}

# Also when a later step fails, since the password is kept nowhere.
say_admin_password() {
    [[ -n ${admin_password:-} ]] || return 0
    printf 'Sign in as:  %s   password:  %s\n' "$hub_sign_in_first_admin" "$admin_password" >&3
    printf 'It is shown this once. For a new one: %s user passwd %s\n' "$command_path" "$hub_sign_in_first_admin" >&3
    admin_password=""
}
