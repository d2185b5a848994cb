# Read by the other scripts, in the project's folder. `ensure_venv [EXTRA [FOLDER]]` makes .venv/, or the folder, when it
# is missing or out of date.

ensure_venv() {
    folder="${2:-.venv}"
    stamp="$folder/installed${1:+-$1}"
    wanted="$(pwd) $(cat pyproject.toml scripts/constraints.txt | cksum)"
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -x "$folder/bin/penstock" ] && return
    python="${PYTHON:-python3}"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "$0: Penstock needs Python 3.11 or later; set PYTHON to one" >&2
        exit 1
    }
    echo "$0: installing into $folder/ (only when something changed)" >&2
    "$python" -m venv "$folder" >&2
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint scripts/constraints.txt --editable ".${1:+[$1]}" >&2
    echo "$wanted" >"$stamp"
}

# Prints an older Python than the one of .venv/ that is promised to work: OLDEST_PYTHON, or Debian's own.
older_python() {
    for candidate in "${OLDEST_PYTHON:-}" /usr/bin/python3 /usr/bin/python3.11; do
        [ -x "$candidate" ] && "$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        theirs="$("$candidate" -c 'import sys; print(sys.hexversion)')"
        [ "$theirs" -lt "$(.venv/bin/python -c 'import sys; print(sys.hexversion)')" ] && echo "$candidate" && return
    done
    return 0
}
