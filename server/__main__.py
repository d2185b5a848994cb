"""`python -m server` is the `penstock` command."""

import sys


def main() -> int:
    from server.cli import run  # here: worker processes import this module and need no commands
    from server.logs import keep_standard_files

    keep_standard_files()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
