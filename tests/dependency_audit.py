"""Asks pip-audit whether vulnerabilities are known in what a lock file pins.

Run as ``python -m tests.dependency_audit requirements.txt…``: exit 1 and a list when there are some; 3 where not one
package could be looked up, since then nothing is known, which is neither an all-clear nor a fault of the code.
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


NOTHING_KNOWN = 3


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
    vulnerable = is_known = False
    for lock_file in lock_files:
        lines, audited, skipped = audit(lock_file)
        vulnerable, is_known = vulnerable or bool(lines), is_known or bool(audited)
        if not audited:
            print(f"{lock_file}: nothing known: the vulnerability database did not answer", file=sys.stderr)
            continue
        print(
            *lines, f"{lock_file}: {audited} packages audited, {len(lines)} vulnerabilities known", sep="\n"
        )
        if skipped:
            print(f"{lock_file}: nothing known of {skipped} packages", file=sys.stderr)
    return int(vulnerable) if is_known else NOTHING_KNOWN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
