"""An audit that could look nothing up is no all-clear."""

import subprocess

import pytest

from tests import dependency_audit


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Let pip-audit print this."""
    done = subprocess.CompletedProcess[str]([], 0, answer, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("", 3),
        ('{"dependencies": [{"name": "a", "skip_reason": "no answer"}]}', 3),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "x"}]}',
            0,
        ),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "V-1", "fix_versions": []}]}]}',
            1,
        ),
    ],
)
def test_nothing_known_is_told_from_nothing_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, code: int
) -> None:
    answering(monkeypatch, answer)
    assert dependency_audit.main(["requirements.txt"]) == code
    assert ("nothing known" in capsys.readouterr().err) == ("skip_reason" in answer or not answer)
