"""`python -m server` is the `penstock` command."""

import sys


def main() -> int:
    from server.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
