"""`python -m adapters.emulators.huggingface`: a Hub as a process, until Ctrl-C."""

from adapters.emulators.huggingface.server import main

if __name__ == "__main__":
    main()
