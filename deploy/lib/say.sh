# What the person at the terminal sees: one line for each step, and one sentence when something is wrong.
# Everything that the steps' commands print goes to $run_log; fd 3 is the terminal.

exec 3>&2
run_log=$(mktemp -t tf29hub-deploy.XXXXXX)
current_step=""
step_detail=""
step_shows_itself=""

# step TEXT COMMAND...: run COMMAND in this shell, and print TEXT, what COMMAND put into $step_detail, and its time.
step() {
    local text=$1 began=$EPOCHREALTIME
    shift
    current_step=$text
    step_detail=""
    [[ -t 3 ]] && printf '          %s ...\r' "$text" >&3
    "$@" >>"$run_log" 2>&1
    finish_step "$text" "$began"
}

# The same for a step whose output is its progress, such as the build of an image.
step_with_progress() {
    local text=$1 began=$EPOCHREALTIME
    shift
    current_step=$text
    step_detail=""
    printf '          %s ...\n' "$text" >&3
    step_shows_itself=yes
    "$@" >&3 2>&3
    step_shows_itself=""
    finish_step "$text" "$began"
}

finish_step() {
    local tenths=$(((${EPOCHREALTIME//[.,]/} - ${2//[.,]/}) / 100000))
    # \033[K takes away what is left of the "..." line of a terminal
    local erase=""
    [[ -t 3 ]] && erase=$'\033[K'
    printf '%5d.%d s  %s%s%s\n' $((tenths / 10)) $((tenths % 10)) "$1" "${step_detail:+: $step_detail}" "$erase" >&3
    current_step=""
}

# Something the admin should know; the work goes on.
note() {
    printf '   note: %s\n' "$*" >&3
}

# fail SENTENCE: stop, with what is wrong and what to do. Exit code 1.
fail() {
    current_step=""
    printf '\n%s: %s\n' "${0##*/}" "$*" >&3
    exit 1
}

# A command failed that nobody expected to fail: show its last words rather than nothing.
explain_exit() {
    local code=$?
    [[ $(type -t say_admin_password) != function ]] || say_admin_password
    if [[ -n $current_step && $code -ne 0 ]]; then
        printf '\n%s: this step failed: %s\n' "${0##*/}" "$current_step" >&3
        [[ -n $step_shows_itself ]] || tail -n 15 "$run_log" | sed 's/^/    /' >&3
        printf 'What all steps printed is in %s\n' "$run_log" >&3
    else
        rm -f "$run_log"
    fi
    exit "$code"
}
trap explain_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
