# The hub's programs: a Python environment with locked versions, owned by root so that the hub cannot change its code.

source_dir=$(dirname "$here")

ensure_programs() {
    ensure_venv
    install_files
}

ensure_venv() {
    local digest
    digest=$(program_digest)
    if [[ -x $venv/bin/tf29hub && -r $venv/.installed && $(<"$venv/.installed") == "$digest" ]]; then
        step_detail="up to date"
        return
    fi
    need_root "install the hub's programs below $program_dir"
    [[ -x $venv/bin/python ]] && "$venv/bin/python" -c '' || as_root "$python" -m venv --clear "$venv"
    as_root "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes --no-deps --requirement "$here/requirements.lock"
    install_package
    printf '%s' "$digest" | as_root tee "$venv/.installed" >/dev/null
    step_detail="installed, $(as_root du -sh "$venv" | cut -f1)"
}

# From a copy, since a build leaves files behind, and root's do not belong into somebody's clone.
install_package() {
    local copy
    copy=$(mktemp -d)
    local part
    for part in jupyterhub_tf29 setup.py pyproject.toml MANIFEST.in README.md LICENSE; do
        [[ ! -e $source_dir/$part ]] || cp -r "$source_dir/$part" "$copy/"
    done
    as_root "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --no-index --no-build-isolation --force-reinstall "$copy"
    as_root rm -rf "$copy"
}

# What runs after this script has ended must not depend on the clone that it came from.
install_files() {
    local draft
    draft=$(mktemp -d)
    mkdir "$draft/deploy" "$draft/images"
    cp "$here/supervisord.conf" "$here/firewall" "$here/start" "$draft/deploy/"
    cp -r "$source_dir/images/." "$draft/images/"
    diff -rq "$draft/images" "$program_dir/images" && cmp_all "$draft/deploy" "$program_dir/deploy" && { rm -rf "$draft"; return; }
    need_root "install the hub's programs below $program_dir"
    as_root mkdir -p "$program_dir/deploy"
    as_root rm -rf "$program_dir/images"
    as_root cp -r "$draft/." "$program_dir/"
    as_root chown -R root:root "$program_dir/deploy" "$program_dir/images"
    as_root chmod -R u=rwX,go=rX "$program_dir/deploy" "$program_dir/images"
    rm -rf "$draft"
}

# cmp_all FOLDER OTHER: is every file of FOLDER the same in OTHER, which may have more?
cmp_all() {
    local file
    for file in "$1"/*; do cmp -s "$file" "$2/${file##*/}" || return 1; done
}

program_digest() {
    {
        "$python" -V
        cat "$here/requirements.lock" "$source_dir/setup.py"
        cd "$source_dir"
        find jupyterhub_tf29 -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum
    } | sha256sum | cut -d' ' -f1
}

# `tf29hub` for the admin.
ensure_command() {
    local command_path=$command_path
    if in_gpulab; then
        enter_command "$command_path" "$command_path-inside"
        command_path+=-inside
    fi
    replace_file "$program_dir/deploy/environment" "$(hub_environment)"
    replace_file "$command_path" "$(sed -e "s|@PROGRAM@|$program_dir|g" -e "s|@ACCOUNT@|$account|g" \
        -e "s|@STATE@|$state_dir|g" "$here/tf29hub")"
    as_root chmod 0755 "$command_path"
}
