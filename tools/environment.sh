#!/bin/sh
# Makes a virtual environment with nodescope in it.
#
#   tools/environment.sh DIRECTORY run            the package alone, as users have it
#   tools/environment.sh DIRECTORY dev            the package editable, with the development tools
#   tools/environment.sh DIRECTORY wheel FILE.whl a built wheel, with what its tests need
#   tools/environment.sh python                   prints the Python that would be used
#
# PYTHON: the Python to use; else the first on PATH that runs and is new enough.
set -eu
cd "$(dirname "$0")/.."

PIP_VERSION=26.3
CANDIDATES="python3.13 python3.12 python3.11 python3"
NEW_ENOUGH='import sys; sys.exit(sys.version_info < (3, 11))'

fail() {
    echo "environment.sh: $*" >&2
    exit 1
}

# A name on PATH is not enough: version-manager shims are there and fail.
choose_python() {
    # shellcheck disable=SC2086  # the candidates are words
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- $CANDIDATES; fi
    for candidate in "$@"; do
        if "$candidate" -c "$NEW_ENOUGH" >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    fail "none of '$*' is a Python 3.11 or newer that runs: install one, or name it with PYTHON=/path/to/python3."
}

# Debian and Ubuntu split ensurepip off; a pip from outside can fill the environment as well.
make_environment() {
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv "$directory"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip "$directory"
        "$python" -m pip --python "$directory/bin/python" install --quiet "pip==$PIP_VERSION"
    else
        fail "$python has neither ensurepip nor pip: install the package python3-venv (apt-get install python3-venv) and run this again."
    fi
}

install() {
    "$directory/bin/python" -m pip --disable-pip-version-check install --quiet "$@"
}

[ "${1:-}" != python ] || { choose_python; exit; }
[ $# -ge 2 ] || fail "usage: environment.sh DIRECTORY run|dev|wheel [FILE.whl]"
directory=$1 mode=$2
case $mode in
    run | dev | wheel) ;;
    *) fail "mode '$mode': expected run, dev or wheel." ;;
esac

if ! "$directory/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(choose_python)
    if [ -e "$directory" ]; then
        [ -f "$directory/pyvenv.cfg" ] || fail "$directory is there and is no virtual environment: move it away."
        rm -rf "$directory"
    fi
    make_environment
fi

case $mode in
    run) install . ;;
    dev)
        install "pip==$PIP_VERSION"
        install --editable . --group dev
        rm -f "$directory/.run"
        ;;
    wheel)
        install "pip==$PIP_VERSION"
        install --force-reinstall --no-deps "${3:?which wheel?}"
        install "$3" --group test
        ;;
esac
touch "$directory/.$mode"
