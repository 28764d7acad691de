# The notebook image, and the first account.

# The build decides by itself whether anything is to do: unchanged inputs give the image that is there.
ensure_image() {
    need_root "build the notebook image"
    "$command_path" image build
}

ensure_admin() {
    local said
    if said=$(as_hub tf29hub user list) && grep -qw admin <<<"$said"; then
        step_detail="there is one"
        return
    fi
    admin_said=$(as_hub tf29hub user add "$hub_sign_in_first_admin" --admin)
    step_detail="$hub_sign_in_first_admin, new"
}

say_admin() {
    if [[ -n ${admin_said:-} ]]; then
        printf '%s\n' "$admin_said" "(This password is shown once. A new one: $command_path user --help)" >&3
    else
        printf 'Sign in as an admin or with your account; new accounts: %s user --help\n' "$command_path" >&3
    fi
}
