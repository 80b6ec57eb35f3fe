"""What a measurement was made on and with: commit, machine, versions of the libraries that matter."""

import json
import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
_GIB = 1024**3


def commit(root: Path = ROOT) -> str:
    """The commit that changed a work tree last, `+changes` when tracked files differ from it; results do not count."""
    measured = ("--", ".", ":!bench-results.json", ":!soak-results.json")
    found = _git(root, "log", "-1", "--abbrev=12", "--format=%h", *measured)
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", *measured)
    return f"{found}+changes" if changed else found


def machine() -> dict[str, str | int | float]:
    """Processor, cores, memory in GiB, system and interpreter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Installed versions of what Waypost asks for by itself, extras included."""
    installed = {canonicalize_name(one.name): one for one in distributions()}
    lines = installed[canonicalize_name("waypost")].requires or ()
    asked = {canonicalize_name(Requirement(line).name) for line in lines}
    return {name: installed[name].version for name in sorted(asked & installed.keys())}


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Replace the file at once, so that a kill leaves the old one or the new one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(document, indent=2) + "\n")
    fresh.replace(path)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
