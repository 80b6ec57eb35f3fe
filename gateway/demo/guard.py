"""Run one command in a process group of its own, and end the whole group when standard input ends.

Whoever starts this holds the other end of the pipe: however that process dies, killed outright included, the
kernel closes the pipe and nothing is left running. Started by path, so it imports only the standard library:
``python guard.py USER SIGNAL GRACE COMMAND…`` (USER may be empty; GRACE in seconds).
"""

import os
import select
import signal
import subprocess
import sys

_LOOK_EVERY = 0.2  # seconds between two looks at a command that may have ended by itself


def main(user: str, stop_signal: int, grace: float, command: list[str]) -> None:
    """Does not return: the last thing it kills is its own group."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, user=user or None, group=None)
    for number in (stop_signal, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while child.poll() is None and not select.select([0], [], [], _LOOK_EVERY)[0]:
        pass
    if child.returncode is not None:
        sys.stderr.write(f"ended by itself with code {child.returncode}\n")
        sys.stderr.flush()
    else:
        os.killpg(0, stop_signal)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"did not stop within {grace} s and is killed\n")
            sys.stderr.flush()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
