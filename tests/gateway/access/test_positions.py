"""`Waypost-Position` is believed only where we gave it out, and tells nothing."""

import asyncio
from pathlib import Path

import pytest

from federation.positions import Positions
from tests.gateway.access.gate import Gate, gate
from tests.servers import blank

READ = "/api/v1/registries"


@pytest.mark.parametrize("made_up", ["0", "1", "99999999999", "-1", "x", "A" * 32, "é", "A" * 31 + "="])
def test_what_was_not_given_out_is_refused_and_not_waited_for(
    guarded: Gate, made_up: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = guarded.token("ci", ("viewer", "*"))
    monkeypatch.setattr(asyncio, "sleep", None)
    headers = {"Waypost-Position": made_up.encode()}
    answer = guarded.ask("GET", READ, token=token, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert answer.json()["parameter"] == "Waypost-Position"


def test_what_was_given_out_is_waited_for(guarded: Gate) -> None:
    token, positions = guarded.token("ci", ("viewer", "*")), guarded.waypost.positions
    reached, later = positions.seal(guarded.waypost.served), positions.seal(guarded.waypost.served + 1)
    for sealed in (reached, later):
        answer = guarded.ask("GET", READ, token=token, headers={"Waypost-Position": sealed})
        assert answer.status_code == 200


def test_a_sealed_position_is_the_same_for_every_process_and_of_no_use_elsewhere(
    guarded: Gate, tmp_path: Path
) -> None:
    positions = guarded.waypost.positions
    sealed = [positions.seal(number) for number in range(300)]
    assert len(set(sealed)) == 300
    assert {len(one) for one in sealed} == {32}
    assert "-" not in "".join(sealed)  # no option of a command, no formula of a sheet
    assert [positions.open(one) for one in sealed] == list(range(300))
    assert Positions(guarded.waypost.engine).seal(7) == sealed[7]
    assert [one for one in sealed if sum(a == b for a, b in zip(one, sealed[0], strict=True)) > 16] == [
        sealed[0]
    ]
    (tmp_path / "other").mkdir()
    blank.migrate(f"sqlite:///{tmp_path / 'other' / 'waypost.db'}")  # a copy would have the same key
    with gate(tmp_path / "other") as other:
        assert other.waypost.positions.open(sealed[7]) is None
