# Read by the other scripts, in the project's folder. `ensure_venv [EXTRA]` makes .venv/ when it is missing or out of date.

ensure_venv() {
    stamp=".venv/installed${1:+-$1}"
    wanted="$(pwd) $(cat pyproject.toml scripts/constraints.txt | cksum)"
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -x .venv/bin/penstock ] && return
    python="${PYTHON:-python3}"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "$0: Penstock needs Python 3.11 or later; set PYTHON to one" >&2
        exit 1
    }
    echo "$0: installing into .venv/ (only when something changed)" >&2
    "$python" -m venv .venv >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --constraint scripts/constraints.txt --editable ".${1:+[$1]}" >&2
    echo "$wanted" >"$stamp"
}
