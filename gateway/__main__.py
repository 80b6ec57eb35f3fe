"""`waypost`, and `python -m gateway`: the guard first, then the command line."""

import gc
import os
import sys

from gateway.door.guard import ForeignPackageError, require_own_names
from gateway.start import starting


def main() -> None:
    """Run one command and exit with its code. Only `doctor` runs beside a stranger, to say who it is."""
    if "doctor" not in sys.argv[1:]:
        try:
            require_own_names()
        except ForeignPackageError as error:
            sys.stderr.write(f"waypost: {error}\n")
            sys.exit(2)
    # They would look through every installed package at each start, and run what one of them brings.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"
    with starting():
        from gateway.cli import run

    code = run(sys.argv[1:])
    gc.freeze()  # see `starting`: what a command still imported
    sys.exit(code)


if __name__ == "__main__":
    main()
