"""What somebody gets who pastes a snippet for the shell."""

import subprocess


def arguments(command: str, code: str) -> list[str]:
    """The words that a POSIX shell gives to `command`, which is not run."""
    script = f"{command}() {{ printf '%s\\0' \"$@\"; }}\n{code}\n"
    told = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True).stdout
    return told.split("\0")[:-1]
