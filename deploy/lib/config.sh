# The admin's files: put in place once, never overwritten; hub.yaml is read, and changed where an option says so.

# Defaults of hub.yaml, for the checks before there is anything to read it with. A test holds them to the schema.
hub_name=tf29hub hub_listen_address=127.0.0.1 hub_listen_port=8000 hub_ports_hub=8081 hub_ports_proxy_api=8099
hub_ports_console=8082
hub_tls_mode=off hub_tls_redirect_port=0 hub_front_url="" hub_network_subnet=172.29.0.0/16 hub_network_gateway=172.29.0.1 hub_storage_datasets="{name}-datasets"

# What is known before installing: hub.yaml's values where this is not the first run, and the options of this one.
foresee_settings() {
    if [[ -x $venv/bin/tf29hub && -r $config_dir/hub.yaml ]]; then
        read_settings
    fi
    refuse_new_name
    local change key
    for change in ${option_name:+"name=$option_name"} "${settings_from_options[@]}"; do
        [[ $change == ?*=* ]] || fail "--set takes KEY=VALUE such as listen.port=8080, found '$change'"
        key=hub_${change%%=*}
        [[ $key =~ ^[a-z_.]+$ ]] || fail "--set: '${change%%=*}' is no setting of hub.yaml"
        printf -v "${key//./_}" '%s' "${change#*=}"
    done
    local port
    for port in "$hub_listen_port" "$hub_ports_proxy_api" "$hub_ports_hub" "$hub_ports_console"; do
        [[ $port =~ ^[0-9]+$ ]] || fail "a port is a number from 1 to 65535, found '$port'"
    done
}

refuse_new_name() {
    [[ -n $option_name && -r $config_dir/hub.yaml && $option_name != "$hub_name" ]] || return 0
    fail "this instance is called '$hub_name' and its users' volumes bear that name; a second instance needs --root DIR of its own"
}

read_settings() {
    local text
    if ! text=$(TF29HUB_CONFIG=$config_dir "$venv/bin/tf29hub" settings show --shell 2>&1); then
        fail "${text#tf29hub settings: }"
    fi
    eval "$text"
}

ensure_config() {
    local file target new=()
    for file in "$source_dir"/config/*; do
        target=$config_dir/$(basename "$file")
        [[ -e $target ]] || new+=("$(basename "$file")")
    done
    if ((${#new[@]})); then
        need_root "put the configuration into $config_dir"
        install_config "${new[@]}"
    fi
    local changes=("${settings_from_options[@]}")
    if ((${#changes[@]})); then
        need_root "change settings in $config_dir/hub.yaml"
        local said
        said=$(as_root env TF29HUB_CONFIG="$config_dir" "$venv/bin/tf29hub" settings set "${changes[@]}" 2>&1) ||
            fail "${said#tf29hub settings: }"
        [[ -z $said ]] || note "${said//$'\n'/; }"
    fi
    read_settings
    ensure_command
    step_detail="$config_dir${new[*]:+, new: ${new[*]}}"
}

# Through a draft folder: a wrong --set leaves no half-made hub.yaml behind.
install_config() {
    local draft file said
    draft=$(mktemp -d)
    for file in "$@"; do cp "$source_dir/config/$file" "$draft/"; done
    if [[ -e $draft/hub.yaml ]]; then
        said=$(TF29HUB_CONFIG=$draft "$venv/bin/tf29hub" settings set \
            ${option_name:+"name=$option_name"} "${settings_from_options[@]}" name="$hub_name" 2>&1) || {
            rm -rf "$draft"
            fail "${said#tf29hub settings: }"
        }
    fi
    as_root install -m 0644 -o root -g root "$draft"/* "$config_dir/"
    rm -rf "$draft"
}

# A certificate that was given: copies of its files, for the hub's account alone; hub.yaml names the copies.
ensure_tls() {
    step_detail="off"
    if ((${#tls_files[@]})); then
        local file
        for file in "${tls_files[@]}"; do as_root test -r "$file" || fail "--tls: there is no file $file"; done
        need_root "copy the certificate and its key"
        as_root install -d -m 0700 -o "$account" -g "$account" "$state_dir/tls"
        as_root install -m 0644 -o "$account" -g "$account" "${tls_files[0]}" "$state_dir/tls/given.pem"
        as_root install -m 0600 -o "$account" -g "$account" "${tls_files[1]}" "$state_dir/tls/given-key.pem"
        as_root env TF29HUB_CONFIG="$config_dir" "$venv/bin/tf29hub" settings set tls.mode=files \
            "tls.certificate=$state_dir/tls/given.pem" "tls.key=$state_dir/tls/given-key.pem" >/dev/null
        read_settings
    fi
    [[ $hub_tls_mode != off ]] || return 0
    local said
    said=$(as_hub tf29hub certificate 2>&1) || fail "${said#tf29hub certificate: }"
    step_detail="$hub_tls_mode, until $(sed -n 's/^until: *//p' <<<"$said")"
}

ensure_secrets() {
    local made
    made=$(as_hub tf29hub secrets)
    step_detail="${made:+made: }${made//$'\n'/, }"
    step_detail=${step_detail:-there already}
}

# The three files and jupyterhub_config.py, as the hub will see them: a mistake is told here, and the hub runs on.
check_config() {
    local said
    said=$(as_hub tf29hub hub --check-config 2>&1) || fail "${said##*tf29hub hub: }"
    step_detail="valid"
}
