#!/usr/bin/env bash
# The one test command: it makes its own environment, runs the notebooks as tests, and counts them. See ./test.sh --help
set -euo pipefail

say() { printf '%s\n' "== $*"; }
has() { command -v "$1" >/dev/null; }
die() { printf 'test.sh: %s\n' "$*" >&2; exit 2; }
help() { cat <<'HELP'
Usage: ./test.sh [NOTEBOOK ...]

Runs every notebook of nbs/ as a test, but for cells that need a GPU or the network; then it builds the site of them in _docs/
and checks it, which counts as one test more. With names, it runs only these notebooks (./test.sh 02_preprocess 12_evaluate).
The last line is `N passed, N failed`; the exit status is 0 only if all passed, and there was one at least.

The first run installs the pinned packages (requirements.lock, and torch) into .venv, and by apt-get what the system lacks of
Python 3.11+, its venv module, Chromium, chromedriver, node and npm. Later runs install nothing while the lock stays as it is.

  VENV=DIR      the environment to make and use, instead of .venv
  N_WORKERS=N   notebooks to run at a time, 2 unless told
HELP
}

[[ ${1-} != -h && ${1-} != --help ]] || { help; exit; }
root=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
VENV=$(realpath -m "${VENV:-$root/.venv}")
workers=${N_WORKERS:-2}
[[ $workers =~ ^[1-9][0-9]*$ ]] || die "N_WORKERS must be a number from 1, not '$workers'"
cd "$root"

# --- which notebooks ---------------------------------------------------------------------------------------------------------
only='' files=()
for name in "$@"; do
    [[ $name != -* ]] || die "there is no option $name: see ./test.sh --help"
    name=$(basename "$name" .ipynb)
    mapfile -t found < <(find nbs -name "$name.ipynb")
    (( ${#found[@]} )) || die "there is no notebook $name.ipynb in nbs/"
    files+=("${found[@]}")
    only+="${only:+|}${name//./\\.}"
done
if (( ! $# )); then mapfile -t files < <(find nbs -name '*.ipynb'); fi
(( ${#files[@]} >= workers )) || workers=$(( ${#files[@]} ? ${#files[@]} : 1 ))

# --- what the system must have -----------------------------------------------------------------------------------------------
apt_install() {
    local sudo=()
    has apt-get || die "missing here, and there is no apt-get to install it: $*"
    if (( EUID )); then
        has sudo || die "missing here; as root, run: apt-get install $*"
        sudo=(sudo)
    fi
    say "Installing $* with apt-get"
    "${sudo[@]}" apt-get update -qq || true # one list of many may be out of reach: whether that matters, the next line tells
    local out
    out=$("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" 2>&1) ||
        { printf '%s\n' "$out"; die "apt-get could not install $*"; }
}

# 3.11 comes first because the lock was proven on it. Debian's Python has no ensurepip, and so makes no venv, until python3-venv is there
find_python() {
    local python
    for python in python3.11 python3.12 python3.13 python3 /usr/bin/python3; do
        if "$python" -c 'import sys,venv,ensurepip; sys.exit(not (3,11)<=sys.version_info[:2]<(3,14))' 2>/dev/null
        then echo "$python"; return; fi
    done
    return 1
}

python=$(find_python) || {
    apt_install python3 python3-venv
    python=$(find_python) || die 'needs Python 3.11, 3.12 or 3.13, with its venv module'
}
if grep -qsE '"#\| *browser' "${files[@]}" /dev/null; then # notebooks with cells that drive a browser
    if ! has chromium || ! has chromedriver; then apt_install chromium chromium-driver; fi
fi
if [[ -z $only || $only == *08_web* ]] && ! { has node && has npm; }; then apt_install nodejs npm; fi # the tagger for the browser

# --- the environment ---------------------------------------------------------------------------------------------------------
# Two stamps in it tell what it was made from; each is written last, so that a half-finished installation is done anew
torch=torch==2.13.0
stack_stamp=$VENV/.scifi_tags-stack project_stamp=$VENV/.scifi_tags-project
stack=$({ cat requirements.lock; "$python" -c 'import sys; print(sys.version)'; echo "$torch $VENV"; } | sha256sum)
project=$({ cat settings.ini setup.py pyproject.toml; echo "$root"; } | sha256sum)
is_stamped() { [[ -f $1 && $(<"$1") == "$2" ]]; }
pip_install() { "$VENV/bin/python" -m pip install -qq --progress-bar off --disable-pip-version-check "$@"; }

make_stack() {
    [[ ! -e $VENV || -e $stack_stamp || -z $(ls -A "$VENV") ]] || die "$VENV was not made by test.sh: remove it, or set VENV to another folder"
    say "Installing the pinned packages into $VENV: a few minutes, the first time"
    mkdir -p "$VENV"
    echo unfinished > "$stack_stamp"
    find "$VENV" -mindepth 1 -maxdepth 1 ! -name "${stack_stamp##*/}" -exec rm -rf {} +
    "$python" -m venv "$VENV"
    # torch brings what its build for this machine needs; all else is in the lock, which pip must take as it is: blurr asks for
    # another torch, fastai for a torchvision that breaks transformers, and neither is used
    pip_install "$torch" -c requirements.lock
    pip_install --no-deps -r requirements.lock
    echo "$stack" > "$stack_stamp"
}
install_project() {
    say 'Installing scifi_tags itself'
    pip_install --no-deps --no-build-isolation -e . # built by the setuptools of the lock
    echo "$project" > "$project_stamp"
}
is_stamped "$stack_stamp" "$stack" || make_stack
is_stamped "$project_stamp" "$project" || install_project

# --- the tests ---------------------------------------------------------------------------------------------------------------
threads=$(( $(nproc) / workers ))
export PATH="$VENV/bin:$PATH" PYTHONUNBUFFERED=1 # unbuffered, to be read as it comes
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(( threads ? threads : 1 ))} # workers share the cores, and don't fight over them
export HF_HUB_OFFLINE=1 GRADIO_ANALYTICS_ENABLED=False # tests reach for nothing outside this machine
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say "Testing with $("$python" -V), $workers at a time"
status=0
nbdev_test --flags 'slow browser' --n_workers "$workers" --do_print --timing ${only:+--file_re "^($only)\.ipynb$"} 2>&1 | tee "$log" || status=$?

# nbdev_test tells of each notebook that it began and ended, and names those that failed at the end. Occurrences are counted, not
# lines: two workers may write on one line
count() { { grep -o -- "$1" || true; } | wc -l; }
passed=$(count '- Completed /' < "$log")
failed=$(sed -n '/^nbdev Tests Failed On The Following Notebooks:/,$p' "$log" | count $'^\t.*\\.ipynb$')
passed=$(( passed-failed ))
if (( status && ! failed )); then # it broke off, and named none: nothing is known to have passed
    say "nbdev_test ended with status $status before it was done"
    failed=$(count 'Starting /' < "$log") passed=0
    (( failed )) || failed=1
elif (( passed+failed == 0 )); then
    say 'No notebook was tested'
    status=1
fi
if (( ! $# )); then
    say 'Building the site, and checking it'
    if python .ci/docs.py; then passed=$(( passed+1 )); else failed=$(( failed+1 )); fi
fi
echo "$passed passed, $failed failed"
(( ! status && ! failed ))
