# The users' network and the shared volume, and the firewall around them.

ensure_network() {
    local found
    found=$(as_root docker network inspect "$hub_name" --format \
        '{{(index .IPAM.Config 0).Subnet}} {{with index .Options "com.docker.network.bridge.enable_icc"}}{{.}}{{end}} {{with index .Labels "tf29hub.state"}}{{.}}{{end}}' \
        2>/dev/null) || found=""
    step_detail="$hub_name, $hub_network_subnet, containers apart from one another"
    [[ $found != "$hub_network_subnet false $state_dir" ]] || return 0
    [[ -z $found ]] || remove_other_network "$found"
    refuse_overlap
    create_network
}

# The network of this name is another one than hub.yaml wants: another instance's, or ours of before an edit.
remove_other_network() {
    local owner=${1##* } said
    if [[ $owner != "$state_dir" ]]; then
        fail "there is a Docker network '$hub_name' already, of ${owner:+the instance in }${owner:-someone else}; choose another name: --name NAME"
    fi
    if ! said=$(as_root docker network rm "$hub_name" 2>&1); then
        fail "hub.yaml says network.subnet $hub_network_subnet, the network '$hub_name' is ${1%% *}, and it cannot be made anew while workspaces use it: $said"
    fi
}

create_network() {
    local said
    # enable_icc=false keeps the users' containers from one another; the hub on the host reaches them all.
    if ! said=$(as_root docker network create --driver bridge --subnet "$hub_network_subnet" \
        --gateway "$hub_network_gateway" --opt com.docker.network.bridge.enable_icc=false \
        --label "tf29hub.name=$hub_name" --label "tf29hub.state=$state_dir" "$hub_name" 2>&1); then
        fail "Docker cannot make the network $hub_network_subnet ($said); choose another: deploy/up --set network.subnet=172.30.0.0/16"
    fi
}

# Docker would take the addresses of a campus network without a word, and cut this machine off from it.
refuse_overlap() {
    local clash
    clash=$("$python" "$here/lib/route_overlap.py" "$hub_network_subnet")
    [[ -z $clash ]] || fail "network.subnet $hub_network_subnet overlaps with networks that this machine reaches already (${clash//$'\n'/, }); choose another: deploy/up --set network.subnet=172.30.0.0/16"
}

ensure_volumes() {
    local name=${hub_storage_datasets//\{name\}/$hub_name}
    if [[ $name == /* ]]; then
        [[ -d $name ]] || fail "hub.yaml: storage.datasets is the folder $name, and there is none"
    elif ! as_root docker volume inspect "$name"; then
        as_root docker volume create --label "tf29hub.name=$hub_name" "$name"
    fi
    step_detail="data sets for everybody in $name"
}

ensure_firewall() {
    need_root "set the firewall rules around the users' network"
    command -v iptables >/dev/null || [[ -x /usr/sbin/iptables ]] || install_packages iptables
    local said
    said=$(as_root env TF29HUB_CONFIG="$config_dir" TF29HUB_PROGRAM="$program_dir" "$program_dir/deploy/firewall" apply 2>&1) ||
        fail "$said"
    step_detail=$said
}
