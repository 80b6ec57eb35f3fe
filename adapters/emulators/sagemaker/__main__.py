"""`python -m adapters.emulators.sagemaker`: prints its address, serves until Ctrl-C or its parent's end."""

import argparse
import os
import sys
import time

from adapters.emulators.sagemaker import Account, Emulator, seed


def main() -> None:
    """Serve until interrupted, or until the process that started this one has ended."""
    parser = argparse.ArgumentParser(prog="python -m adapters.emulators.sagemaker", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--latency", type=float, default=0, metavar="MS", help="milliseconds added to every answer"
    )
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--account", default="123456789012", help="the twelve digits of the account")
    parser.add_argument("--demo", action="store_true", help="begin with the models of a made-up ranking team")
    options = parser.parse_args()
    parent = os.getppid()
    with Emulator(options.port, Account(options.account, options.region)) as emulator:
        if options.demo:
            seed(emulator.url, options.region)
        emulator.faults.latency = options.latency / 1000
        sys.stdout.write(f"{emulator.url}\n")
        sys.stdout.flush()
        try:
            while os.getppid() == parent:
                time.sleep(0.5)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
