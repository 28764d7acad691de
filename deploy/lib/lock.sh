# One deploy/up or deploy/down at a time on a machine: two would install the same packages into each other.

lock_file=${TF29HUB_LOCK:-/run/lock/tf29hub-deploy}

take_lock() {
    # Opened for reading, so that any account can ask; whoever is first on this machine makes it.
    [[ -e $lock_file ]] || (umask 022 && : >"$lock_file")
    exec 9<"$lock_file"
    if ! flock --nonblock 9; then
        fail "another deploy/up or deploy/down is running on this machine ($(lock_holder)); wait until it has ended"
    fi
    [[ ! -w $lock_file ]] || printf 'pid %s, since %s' "$$" "$(date +%H:%M:%S)" >"$lock_file"
}

lock_holder() {
    local text
    text=$(<"$lock_file")
    printf '%s' "${text:-pid unknown}"
}
