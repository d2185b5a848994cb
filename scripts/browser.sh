# Read by scripts/test, after venv.sh. `ensure_browser` sees to Debian's Chromium and to axe-core from npm, in .venv/browser;
# `ensure_recheck` to the checker of regular expressions, in .venv/recheck. What cannot be installed is said, and the tests
# that need it fail.

AXE=axe-core@4.14.0
RECHECK=recheck@4.5.0

ensure_browser() {
    missing=""
    command -v chromium >/dev/null || missing="$missing chromium fonts-liberation"
    command -v node >/dev/null || missing="$missing nodejs"
    command -v npm >/dev/null || missing="$missing npm"
    [ -z "$missing" ] || install_packages $missing || {
        echo "$0: the browser tests need Debian's$missing; as root: apt-get install -y$missing" >&2
        return 0
    }
    [ "$(cat .venv/browser/installed 2>/dev/null)" = "$AXE" ] && return
    echo "$0: installing $AXE into .venv/browser" >&2
    mkdir -p .venv/browser
    npm install --prefix .venv/browser --ignore-scripts --no-audit --no-fund --no-save --loglevel=error "$AXE" >&2 || {
        echo "$0: the accessibility tests need $AXE; npm could not fetch it" >&2
        return 0
    }
    echo "$AXE" >.venv/browser/installed
}

ensure_recheck() {
    [ "$(cat .venv/recheck/installed 2>/dev/null)" = "$RECHECK" ] && return
    missing=""
    command -v node >/dev/null || missing="$missing nodejs"
    command -v npm >/dev/null || missing="$missing npm"
    [ -z "$missing" ] || install_packages $missing || {
        echo "$0: the tests of patterns need Debian's$missing; as root: apt-get install -y$missing" >&2
        return 0
    }
    echo "$0: installing $RECHECK into .venv/recheck" >&2
    mkdir -p .venv/recheck
    npm install --prefix .venv/recheck --ignore-scripts --no-audit --no-fund --no-save --loglevel=error "$RECHECK" >&2 || {
        echo "$0: the tests of patterns need $RECHECK; npm could not fetch it" >&2
        return 0
    }
    echo "$RECHECK" >.venv/recheck/installed
}

install_packages() {
    command -v apt-get >/dev/null || return 1
    root=""
    [ "$(id -u)" = 0 ] || root="sudo -n"
    echo "$0: installing$(printf ' %s' "$@") with apt-get" >&2
    $root apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive $root apt-get install -q -y --no-install-recommends "$@" >&2
}
