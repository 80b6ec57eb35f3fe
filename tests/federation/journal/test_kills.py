"""Gateways are killed at random moments and at named points: what was acknowledged is there, once, and proven."""

import subprocess
import sys
from pathlib import Path

from tests.soak import soak

ROOT = Path(__file__).parents[3]
GATEWAYS = {"sqlite": 1, "postgresql": 3}


@soak(sample=4, full=500)
def test_kills_lose_and_double_nothing(cases: int, seed: int, database: str, tmp_path: Path) -> list[str]:
    gateways = GATEWAYS[database.partition(":")[0].partition("+")[0]]
    command = [sys.executable, "-m", "tests.federation.journal.kills", database, str(tmp_path)]
    done = subprocess.run(
        [*command, str(gateways), str(cases), str(seed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    crash = [] if done.returncode == 0 else [done.stderr[-2000:]]
    return [*done.stdout.splitlines(), *crash]
