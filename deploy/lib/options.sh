# The command line, and where things are put.

config_dir="" state_dir="" logs_dir="" program_dir="" command_path="" root_dir="" account=tf29hub
tls_files=() settings_from_options=() option_name="" option_check="" option_skip_image="" option_keep_servers="" option_yes="" option_gpulab=""

up_usage() {
    cat <<'USAGE'
deploy/up: set up, or bring up to date, TensorFlow 2.9 workspaces on this machine. Run it as often as you like.

  --check          do the whole main job once against the running hub: sign in, start, train, stop, start again
  --port N         where browsers reach it (8000)
  --listen ADDR    on which address of this machine (127.0.0.1: this machine alone)
  --tls self-signed        TLS with an authority of this hub's own, for machines without a domain
  --tls CHAIN.pem KEY.pem  TLS with your certificate; both files are copied
  --tls off                without (the default): on this machine alone, or behind a front with TLS
  --set KEY=VALUE  any other setting of hub.yaml, such as network.subnet=172.30.0.0/16; may be repeated
  --name NAME      the instance's name, the prefix of its containers and volumes (tf29hub); first run only
  --root DIR       keep everything below DIR, instead of /etc, /var and /opt/tf29hub
  --skip-image     do not build the notebook image (nobody can start a workspace before it is there)
  --gpulab N       for developers, with --root: N GPUs that are not real, on a Docker Engine of their own
  --help           this text

Environment: TF29HUB_PYTHON is the Python (3.10 or newer) to build on, where the machine's own is older.
USAGE
}

down_usage() {
    cat <<'USAGE'
deploy/down: stop the hub, its proxy and everybody's workspaces on this machine. No file of any user is deleted.

  --keep-servers   leave the workspaces that run, and the firewall around them; deploy/up finds them again
  --yes            do not ask before stopping workspaces that run
  --root DIR       the instance that was set up with deploy/up --root DIR
  --help           this text
USAGE
}

# read_options up|down ARGUMENTS...
read_options() {
    local command=$1
    shift
    while (($#)); do
        case $command$1 in
        up--help | up-h | down--help | down-h) "${command}_usage"; exit 0 ;;
        up--check) option_check=yes ;;
        up--skip-image) option_skip_image=yes ;;
        up--gpulab) option_gpulab=$(value_of "$@"); shift ;;
        up--port) settings_from_options+=("listen.port=$(value_of "$@")"); shift ;;
        up--listen) settings_from_options+=("listen.address=$(value_of "$@")"); shift ;;
        up--tls)
            read_tls "$@"
            shift "${#tls_files[@]}"
            ((${#tls_files[@]})) || shift
            ;;
        up--set) settings_from_options+=("$(value_of "$@")"); shift ;;
        up--name) option_name=$(value_of "$@"); shift ;;
        up--root | down--root) root_dir=$(value_of "$@"); shift ;;
        down--keep-servers) option_keep_servers=yes ;;
        down--yes) option_yes=yes ;;
        *) printf '%s: there is no option %s; --help lists them\n' "${0##*/}" "$1" >&2; exit 2 ;;
        esac
        shift
    done
    set_places
}

# read_tls --tls MODE, or --tls CHAIN KEY: sets tls_files where there are files.
read_tls() {
    case $(value_of "$@") in
    off | self-signed) settings_from_options+=("tls.mode=$2") ;;
    *)
        (($# >= 3)) || { printf '%s: --tls takes self-signed, off, or two files: the chain and its key\n' "${0##*/}" >&2; exit 2; }
        tls_files=("$2" "$3")
        ;;
    esac
}

value_of() {
    (($# >= 2)) || { printf '%s: %s needs a value\n' "${0##*/}" "$1" >&2; exit 2; }
    printf '%s' "$2"
}

set_places() {
    if [[ -n $root_dir ]]; then
        root_dir=$(realpath -m -- "$root_dir")
        # the path gets into unit files and the supervisor's configuration, each with marks of its own
        [[ $root_dir =~ ^/[A-Za-z0-9/._-]+$ ]] || fail "--root: a path of letters, digits and / . _ - only, found '$root_dir'"
        config_dir=$root_dir/config state_dir=$root_dir/state logs_dir=$root_dir/logs
        program_dir=$root_dir/program command_path=$root_dir/bin/tf29hub
    else
        config_dir=/etc/tf29hub state_dir=/var/lib/tf29hub logs_dir=/var/log/tf29hub
        program_dir=/opt/tf29hub command_path=/usr/local/bin/tf29hub
    fi
    venv=$program_dir/venv
}

# What the person types to say the same instance again.
own_options() {
    [[ -n $root_dir ]] && printf ' --root %q' "$root_dir"
    return 0
}
