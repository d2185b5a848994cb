# Read by the scripts that run the acceptance tests, after browser.sh. `ensure_clients` sees to the programs of Debian that stand
# before or speak to the server: nginx, curl, nc. What cannot be installed is said, and the tests that need it fail.

ensure_clients() {
    missing=""
    [ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || missing="$missing nginx-light"
    command -v curl >/dev/null || missing="$missing curl"
    nc -h 2>&1 | grep -q -- "-N" || missing="$missing netcat-openbsd"
    command -v java >/dev/null || missing="$missing default-jdk-headless"
    [ -z "$missing" ] || install_packages $missing || {
        echo "$0: the acceptance tests need Debian's$missing; as root: apt-get install -y$missing" >&2
    }
}
