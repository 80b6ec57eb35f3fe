"""`waypost`, and `python -m gateway`: the guard first, then the command line."""

import sys

from gateway.guard import ForeignPackageError, require_own_names


def main() -> None:
    """Run one command and exit with its code. Only `doctor` runs beside a stranger, to say who it is."""
    if "doctor" not in sys.argv[1:]:
        try:
            require_own_names()
        except ForeignPackageError as error:
            sys.stderr.write(f"waypost: {error}\n")
            sys.exit(2)
    from gateway.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
