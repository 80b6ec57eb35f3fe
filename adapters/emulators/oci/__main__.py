"""`python -m adapters.emulators.oci`: the registry as a process, until Ctrl-C."""

from adapters.emulators.oci.server import main

if __name__ == "__main__":
    main()
