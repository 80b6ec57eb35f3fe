"""`python -m adapters.emulators.rest`: the registry as a process, until Ctrl-C."""

from adapters.emulators.rest.server import main

if __name__ == "__main__":
    main()
