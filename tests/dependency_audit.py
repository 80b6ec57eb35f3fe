"""Asks pip-audit whether vulnerabilities are known in what a lock file pins.

Run as ``python -m tests.dependency_audit requirements.txt…``: exit 1 and a list when there are some. Without a
reachable vulnerability database it says so on stderr and exits 0, since a missing network is no fault of the code.
"""

import json
import subprocess
import sys
from typing import Any

_OPTIONS = (
    "--disable-pip",
    "--require-hashes",
    "--progress-spinner",
    "off",
    "--format",
    "json",
    "--timeout",
    "5",
)


def audit(lock_file: str) -> tuple[list[str], int, int]:
    """Vulnerable packages as printable lines, how many were looked at, how many could not be."""
    command = [sys.executable, "-m", "pip_audit", *_OPTIONS, "-r", lock_file]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return [], 0, 1
    flaws = [(one, flaw) for one in found for flaw in one.get("vulns", [])]
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or '-'}"
        for one, flaw in flaws
    ]
    skipped = sum("skip_reason" in one for one in found)
    return lines, len(found) - skipped, skipped


def main(lock_files: list[str]) -> int:
    """Audit each lock file; the exit code."""
    vulnerable = False
    for lock_file in lock_files:
        lines, audited, skipped = audit(lock_file)
        vulnerable = vulnerable or bool(lines)
        print(
            *lines, f"{lock_file}: {audited} packages audited, {len(lines)} vulnerabilities known", sep="\n"
        )
        if skipped:
            what = f"{skipped} packages" if audited else "any package"
            print(f"{lock_file}: the vulnerability database did not answer for {what}", file=sys.stderr)
    return int(vulnerable)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
