"""A gateway that asks for tokens, met by commands with none, a wrong one, one that has ended, and one that may not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from federation.access import LOCAL
from federation.database import writing
from federation.identity import tokens
from federation.identity.tokens import TokenSpec
from gateway.cli import run
from gateway.cli.invocation import TOKEN, URL
from tests.gateway.served import Served, served

REGISTRY = '[[registries]]\nname = "texts"\nkind = "memory"\nteam = "words"\nsync_every = 0\n'
COMMANDS = [
    "search x", "show texts/a:1", "set texts/a:1 --tag a=b", "bulk texts/a:1 --tag a=b --yes", "token list",
    "grants add --token a --role viewer", "audit list", "audit export --output x", "webhooks list", "inbox", "sync",
    "changes", "watch --once", "promotions list", "retention plan", "whoami", "team", "production", "searches list",
    "registries list", "impact texts/a:1", "policies list", "hooks list", "principals list", "sessions list",
    "rollback texts/a --reason x", "comments texts/a:1 --add x", "insights unresolved",
    "plan texts/a:1 --to production",
]  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("guarded"), config='[auth]\nmode = "token"\n' + REGISTRY) as running:
        yield running


@pytest.fixture(scope="module")
def secrets(gateway: Served) -> dict[str, str]:
    """Of each kind of token one."""
    found = {"none": "", "unknown": "wp_nobody-made-this"}
    with writing(gateway.engine) as connection:
        for name, roles, life in (
            ("viewer", (("viewer", "*"),), timedelta(days=1)),
            ("lone", (), timedelta(days=1)),
            ("revoked", (), timedelta(days=1)),
            ("expired", (), timedelta(microseconds=1)),
        ):
            found[name] = tokens.create(connection, TokenSpec(name, None, life, roles), LOCAL)[1]
        tokens.revoke(connection, "revoked", LOCAL)
    return found


@pytest.fixture
def asked(
    gateway: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> object:
    """What a command with a token tells: its exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(URL, gateway.url)

    def ask(command: str, token: str) -> tuple[int, str, str]:
        monkeypatch.setenv(TOKEN, token)
        capsys.readouterr()
        code = run(command.split())
        told = capsys.readouterr()
        return code, told.out, told.err

    return ask


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "none",
            "this gateway asks for a token: set WAYPOST_TOKEN; an operator makes one by `waypost token create",
        ),
        ("unknown", "the credentials are unknown: get a new token"),
        ("revoked", "the credentials are revoked: get a new token"),
        ("expired", "the credentials are expired: get a new token"),
    ],
)
def test_every_command_says_in_one_line_what_is_the_matter_with_the_token(
    asked: object, secrets: dict[str, str], kind: str, said: str
) -> None:
    assert callable(asked)
    for command in COMMANDS:
        code, out, err = asked(command, secrets[kind])
        assert (code, out, err.count("\n")) == (2, "", 1), (command, err)
        assert err.startswith(f"waypost: {said}"), (command, err)
        assert not secrets[kind] or secrets[kind] not in err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("set texts/a:1 --stage production", "you lack the permission change on any registry"),
        ("set texts/a:1 --tag a=b", "(contributor or approver or emergency)"),
        ("token list", "(operator)"),
        ("audit list", "(auditor)"),
        ("webhooks add a https://example.com", "(operator)"),
        ("sync texts", "(operator)"),
    ],
)
def test_who_may_not_is_told_which_role_may(
    asked: object, secrets: dict[str, str], command: str, said: str
) -> None:
    assert callable(asked)
    code, out, err = asked(command, secrets["viewer"])
    assert (code, out, said in err, err.count("\n")) == (2, "", True, 1), err


def test_who_has_no_role_is_told_so(asked: object, secrets: dict[str, str]) -> None:
    assert callable(asked)
    assert "you have no role" in asked("whoami", secrets["lone"])[2]
    assert "you have no role" not in asked("whoami", secrets["viewer"])[2]


@pytest.mark.parametrize("token", ["wp_two\nlines", "wp_größe", "wp_a b"])
def test_what_can_be_no_token_is_told_without_showing_it(asked: object, token: str) -> None:
    assert callable(asked)
    code, out, err = asked("whoami", token)
    assert (code, out) == (2, "")
    assert (
        err
        == "waypost: WAYPOST_TOKEN holds no token: blanks or characters are in it that no token has; copy it anew\n"
    )


def test_doctor_asks_the_gateway_that_is_named_and_needs_no_file(
    asked: object, secrets: dict[str, str], gateway: Served
) -> None:
    assert callable(asked)
    code, out, _ = asked("doctor", secrets["viewer"])
    lines = {line.split()[1]: line for line in out.splitlines()}
    assert code == 0, out
    assert {"worker", "database", "index", "you", "registry", "configuration"} <= set(lines)
    assert "viewer on *" in lines["you"]
    assert "--config" in lines["configuration"]
    code, out, _ = asked("doctor", "")
    assert (code, "this gateway asks for a token" in out) == (1, True), out
    code, out, _ = asked("doctor --url http://127.0.0.1:9", "")
    assert (code, "cannot be reached" in out) == (1, True), out
