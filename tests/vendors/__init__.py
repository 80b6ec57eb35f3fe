"""The vendors' own clients, each in an environment of its own: they judge what we fake and what we write.

`NAME.in` names what a vendor's users install, pinned; `NAME.txt` is its lock (`make lock-vendors`). Nothing of it
reaches Waypost's own environment: their requirements contradict each other and ours.
"""

import fcntl
import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent.parent / ".vendors"
INSTALLS_WITHIN = 540  # seconds


def environment(name: str) -> Path:
    """The Python of `name`'s environment, which is made where it is missing or its lock has changed.

    Skips the test where nothing can be installed, and says why.
    """
    made = _environment(name)
    if isinstance(made, str):
        pytest.skip(made)
    return made


@cache
def _environment(name: str) -> Path | str:
    lock = HERE / f"{name}.txt"
    folder, stamp = ENVIRONMENTS / name, ENVIRONMENTS / f"{name}.stamp"
    python = folder / "bin" / "python"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # several processes of one run ask for the same
        if stamp.exists() and stamp.read_text() == wanted and python.exists():
            return python
        stamp.unlink(missing_ok=True)
        uv = str(Path(sys.executable).with_name("uv"))
        for command in (
            (uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)),
            (uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock)),
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLS_WITHIN)
            if done.returncode:
                return f"the environment of {name} cannot be made: {done.stderr.strip().splitlines()[-1:]}"
        stamp.write_text(wanted)
    return python
