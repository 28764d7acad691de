# shellcheck shell=bash
# Style, types and shell scripts.

lint() {
  ruff check --quiet .
  ruff format --quiet --check .
  mypy --no-error-summary
  local scripts
  mapfile -t scripts < <(shell_scripts)
  # SC1091: what a script reads on the machine or in the image where it will run is not here to be followed
  shellcheck --external-sources --exclude=SC1091 "${scripts[@]}"
  say "$(git ls-files '*.py' | wc -l) Python files, ${#scripts[@]} shell scripts"
}

# shell_scripts: the files that begin as a shell script does, whatever their names are.
shell_scripts() {
  local file
  git ls-files --cached --others --exclude-standard | while read -r file; do
    if [ -f "$file" ] && head -n 1 "$file" | grep -aqE '^#!.*[/ ](ba|da)?sh( |$)|^# shellcheck shell='; then
      echo "$file"
    fi
  done
}
