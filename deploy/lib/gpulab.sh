# deploy/up --gpulab N: a hub for developers on GPUs that are not real (tests/gpulab). It has a Docker Engine of its
# own, below --root and in namespaces of its own, so that the machine's engine needs no hook and is left alone. This
# script runs twice: outside it installs and builds, which needs the network; then it enters the namespaces and goes
# through all its steps there, as on any machine.

# TF29HUB_GPULAB is "inside" once the namespaces were entered.
in_gpulab() { [[ -n $option_gpulab || -n $root_dir && -e $root_dir/gpulab/gpus ]]; }

inside_gpulab() { [[ ${TF29HUB_GPULAB:-} == inside ]]; }

gpulab_dir() { printf '%s' "$root_dir/gpulab"; }

# What a hub's programs need to see the lab's GPUs; nothing on any other instance.
gpulab_environment() {
    in_gpulab || return 0
    printf '%s\n' "TF29HUB_GPULAB=inside" "LD_LIBRARY_PATH=$(gpulab_dir)/lib" "GPULAB_STATE=$(gpulab_dir)/state/gpus"
}

# gpulab_outside ARGUMENTS...: everything that is done on the machine itself, then the rest inside.
gpulab_outside() {
    [[ -n $root_dir ]] || fail "--gpulab needs --root DIR: it is a hub for developers and never the machine's own"
    [[ $EUID -eq 0 ]] || fail "--gpulab needs root: it makes namespaces and device nodes"
    option_gpulab=${option_gpulab:-$(<"$(gpulab_dir)/gpus")}
    [[ $option_gpulab =~ ^([1-9]|1[0-6])$ ]] || fail "--gpulab: 1 to 16 GPUs, found '$option_gpulab'"
    mkdir -p "$(gpulab_dir)"
    lock_file=${TF29HUB_LOCK:-$(gpulab_dir)/lock}
    take_lock
    foresee_settings
    step "This machine" check_machine
    step "Python" find_python
    step "Docker Engine, to build the image" ensure_engine
    step "Account" ensure_account
    step "Folders" ensure_folders
    step "Programs of the hub" ensure_programs
    step "Configuration" ensure_config
    step "GPUs that are not real" ensure_lab
    [[ -n $option_skip_image ]] || step_with_progress "Notebook image" build_image_outside
    step "Docker Engine of its own" ensure_lab_engine
    step "Notebook image, brought there" bring_image
    flock --unlock 9
    rm -f "$run_log"
    trap - EXIT
    exec nsenter --target "$(<"$(gpulab_dir)/inside")" --mount --net --pid -- \
        env TF29HUB_GPULAB=inside TF29HUB_LOCK="$lock_file" "$here/up" "$@" --skip-image
}

ensure_lab() {
    local folder
    folder=$(gpulab_dir)
    command -v gcc || install_packages gcc libc6-dev
    if [[ ! -e $folder/headers/nvidia ]]; then
        sed -n '/^nvidia-nvml-dev-cu11==/,/[^\\]$/p' "$source_dir/tests/requirements.lock" >"$folder/headers.lock"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
            --target "$folder/headers" --requirement "$folder/headers.lock"
    fi
    if [[ ! -e $folder/gpus || $(<"$folder/gpus") != "$option_gpulab" ]]; then
        lab_command start "$option_gpulab"
        printf '%s' "$option_gpulab" >"$folder/gpus"
    else
        lab_command show
    fi
    replace_file "$root_dir/bin/gpulab" "#!/bin/sh
# Change how the GPUs that are not real do; gpulab --help.
cd '$source_dir' || exit
exec nsenter --target \"\$(cat '$folder/inside')\" --mount --net --pid --wd='$source_dir' -- env GPULAB_HEADERS='$folder/headers' \\
    '$venv/bin/python' -m tests.gpulab.command --folder '$folder' \"\$@\""
    chmod 755 "$root_dir/bin/gpulab"
    step_detail="$option_gpulab of them; change how they do with $root_dir/bin/gpulab"
}

lab_command() {
    (cd "$source_dir" && GPULAB_HEADERS=$(gpulab_dir)/headers "$venv/bin/python" -m tests.gpulab.command --folder "$(gpulab_dir)" "$@")
}

# By the machine's engine, which has the network that a build needs.
build_image_outside() {
    command -v debootstrap >/dev/null || [[ -x /usr/sbin/debootstrap ]] || install_packages debootstrap >>"$run_log" 2>&1
    env TF29HUB_CONFIG="$config_dir" TF29HUB_STATE="$state_dir" TF29HUB_LOGS="$logs_dir" TF29HUB_PROGRAM="$program_dir" \
        "$venv/bin/tf29hub" image build
    chown --quiet "$account:" "$state_dir/image.json"
}

ensure_lab_engine() {
    local folder deadline=$((SECONDS + 90))
    folder=$(gpulab_dir)
    step_detail="it runs already"
    lab_engine_runs && return
    rm -f "$folder/inside" "$folder/keeper"
    (
        cd "$source_dir" || exit
        GPULAB_HEADERS=$folder/headers setsid nohup "$venv/bin/python" -m tests.gpulab.machine "$folder" "$hub_listen_port" \
            >>"$logs_dir/gpulab.log" 2>&1 </dev/null 3>&- 9>&- &
    )
    until [[ -s $folder/inside ]]; do
        ((SECONDS < deadline)) || fail "the lab's Docker Engine did not start; see $logs_dir/gpulab.log"
        sleep 0.3
    done
    step_detail="started, in namespaces of its own; its data are in $folder/engine"
}

lab_engine_runs() {
    local folder
    folder=$(gpulab_dir)
    [[ -s $folder/inside && -s $folder/keeper ]] && is_keeper "$(<"$folder/keeper")"
}

bring_image() {
    local image socket
    socket=unix://$(gpulab_dir)/engine/docker.sock
    step_detail="there is none; nobody can start a workspace"
    [[ -e $state_dir/image.json ]] || return 0
    image=$("$venv/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["image_id"])' "$state_dir/image.json")
    step_detail="there already"
    docker --host "$socket" image inspect "$image" && return
    docker save "$image" | docker --host "$socket" load
    step_detail="${image:7:12}"
}

is_keeper() { grep -qs gpulab.machine "/proc/$1/cmdline"; }

# The admin's command has to run where the hub is.
enter_command() {
    replace_file "$1" "#!/bin/sh
exec nsenter --target \"\$(cat '$(gpulab_dir)/inside')\" --mount --net --pid -- '$2' \"\$@\""
    chmod 755 "$1"
}

# deploy/down: stop what runs inside by its own steps, then the engine with its namespaces.
gpulab_down() {
    if lab_engine_runs; then
        nsenter --target "$(<"$(gpulab_dir)/inside")" --mount --net --pid -- \
            env TF29HUB_GPULAB=inside TF29HUB_LOCK="${TF29HUB_LOCK:-$(gpulab_dir)/lock}" "$here/down" "$@"
        step "Docker Engine of its own" stop_lab_engine
    else
        step "Docker Engine of its own" nothing_to_stop
    fi
}

nothing_to_stop() { step_detail="nothing was running"; }

stop_lab_engine() {
    local keeper deadline=$((SECONDS + 60))
    keeper=$(<"$(gpulab_dir)/keeper")
    kill "$keeper"
    while is_keeper "$keeper"; do
        ((SECONDS < deadline)) || fail "the lab's Docker Engine (pid $keeper) does not stop; see $logs_dir/gpulab.log"
        sleep 0.3
    done
    step_detail="stopped; its data stay in $(gpulab_dir)/engine"
}
