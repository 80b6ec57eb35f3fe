"""A process that was started while no descriptors were left has as many as the gateway had."""

import resource
import subprocess
import sys

import pytest

from gateway.descriptors import STARTED_WITH, note_descriptors

CHILD = """
import resource
from gateway.descriptors import restore_descriptors
restore_descriptors()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("starved", "expected"), [(40, 200), (500, 500)], ids=["fewer", "more"])
def test_a_process_takes_what_the_gateway_was_started_with(
    starved: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setenv(STARTED_WITH, "")

    def starve() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (starved, before[1]))

    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        note_descriptors()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    told = subprocess.run(
        [sys.executable, "-c", CHILD], preexec_fn=starve, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [str(expected), str(before[1])]
