"""Processor time is that of all processes, also of those whose parent has gone."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BURN = "import time\nwhile time.process_time() < {}: pass"
ORPHAN = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {BURN.format(0.4)!r}], start_new_session=True)
sys.exit(3)
"""


def told(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.processor", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_time_of_an_orphan_counts(tmp_path: Path) -> None:
    code, text = told(tmp_path, sys.executable, "-c", ORPHAN)
    assert code == 3
    found = re.fullmatch(r"here: ([\d.]+) s \(user [\d.]+, system [\d.]+\), exit code 3\n", text)
    assert found, text
    assert float(found[1]) >= 0.4


def test_two_builds_are_compared(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "here" / "burn.py").write_text(BURN.format(0.2))
    (tmp_path / "other" / "burn.py").write_text(BURN.format(1.0))
    command = ("--beside", str(tmp_path / "other"), sys.executable, "burn.py")
    code, text = told(tmp_path / "here", *command)
    assert code == 0
    assert float(text.rpartition("ratio: ")[2]) < 1
