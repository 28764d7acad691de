# The hub's account: no password, no shell, no home of its own. As it can use the Docker socket it is root's equal.

ensure_account() {
    local group
    group=$(socket_group)
    step_detail="$account, in group $group, without log-in"
    if ! getent passwd "$account" >/dev/null; then
        need_root "create the account $account that runs the hub"
        as_root useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin --comment "TensorFlow workspaces" "$account"
        step_detail+=", new"
    fi
    if ! id -nG "$account" | tr ' ' '\n' | grep -qx "$group"; then
        need_root "let $account use the Docker socket"
        as_root usermod --append --groups "$group" "$account"
    fi
}

ensure_folders() {
    need_root "make the folders $config_dir, $state_dir, $logs_dir and $program_dir"
    as_root mkdir -p "$config_dir" "$program_dir" "$(dirname "$command_path")"
    as_root install -d -o "$account" -g "$account" -m 0750 "$state_dir" "$logs_dir"
    as_hub test -x "$state_dir" -a -x "$program_dir" -a -x "$config_dir" ||
        fail "the account $account cannot enter ${root_dir:-$state_dir}: a folder above it is closed (chmod o+x)"
}
