"""Emulators run as programs, by their address and by the one that they had before."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("kind", ["sagemaker", "vertex"])
def test_the_former_address_still_leads_to_the_emulator(kind: str) -> None:
    told = [
        subprocess.run([sys.executable, "-m", module, "--help"], check=True, capture_output=True).stdout
        for module in (f"adapters.{kind}.emulator", f"adapters.emulators.{kind}")
    ]
    assert told[0] == told[1] != b""
