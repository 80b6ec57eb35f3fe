"""What the web may do to us: pages run no script of others, hosts and proxies are not believed, costs are limited."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.docs import PACKED
from gateway.door import limits
from gateway.door.limits import DEEPEST, MOST_HEADERS, WINDOW, check_nesting
from gateway.problems import ProblemError
from tests.gateway.access.gate import Gate, gate

TEAMS = (("fraud", "risk"),)
LOCAL = "/api/v1/registries"


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted falls into one window, however long it takes; Redis may take its time as well."""
    clock = SimpleNamespace(time=lambda: 1_000_000_000 // WINDOW * WINDOW + 20.0, monotonic=time.monotonic)
    monkeypatch.setattr(limits, "time", clock)
    monkeypatch.setattr(limits, "REDIS_WITHIN", 60.0)


@pytest.fixture
def limited(tmp_path: Path, one_window: None) -> Iterator[Gate]:
    config = '[server]\nrate_limit = 5\n[auth]\nmode = "token"\n'
    with gate(tmp_path, config=config, teams=TEAMS) as found:
        yield found


@pytest.mark.parametrize("path", ["/docs", "/sign-in", "/api/v1/registries", "/nowhere"])
def test_no_page_runs_what_stands_in_it(guarded: Gate, path: str) -> None:
    answer = guarded.ask("GET", path)
    [policy] = answer.headers.get_list("content-security-policy")
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|style=", answer.text)


def test_the_files_of_the_page_of_the_api_come_packed_to_whoever_takes_that(local: Gate) -> None:
    for name, media_type in PACKED.items():
        path = f"/static/swagger/{name}"
        packed, plain = (
            local.ask("GET", path, headers={"Accept-Encoding": one}) for one in ("gzip", "identity")
        )
        assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
        assert (
            packed.headers["content-type"] == plain.headers["content-type"] == f"{media_type}; charset=utf-8"
        )
        assert packed.content == plain.content
        assert len(plain.content) > 100_000
        assert path in local.ask("GET", "/docs").text
    assert local.ask("GET", "/metrics").headers["content-type"].count("charset") == 1


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "192.0.2.1", "localhost:x:y"])
def test_only_our_own_hosts_are_answered(local: Gate, host: str) -> None:
    assert local.ask("GET", LOCAL, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080"])
def test_this_machine_is_answered(local: Gate, host: str) -> None:
    assert local.ask("GET", LOCAL, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("DELETE", "/api/v1/promotions", "GET or POST"),
        ("PUT", "/search", "GET"),
        ("POST", "/static/waypost/chart.js", "GET"),
    ],
)
def test_an_address_says_which_methods_it_takes(local: Gate, method: str, path: str, taken: str) -> None:
    answer = local.ask(method, path)
    assert answer.status_code == 405
    assert answer.json()["detail"] == f"this address does not take {method}: it takes {taken}"
    assert answer.headers["allow"].split(", ")[:2] == ["GET", "HEAD"]
    page = local.ask(method, path, headers={"Accept": "text/html"})
    assert page.status_code == 405
    assert taken in page.text


def test_headers_without_end_are_refused(local: Gate) -> None:
    many = {f"x-{number}": "1" for number in range(MOST_HEADERS + 1)}
    assert local.ask("GET", LOCAL, headers=many).status_code == 431
    assert local.ask("GET", LOCAL, headers={"x": "y" * 40_000}).status_code == 431


def test_a_body_that_is_too_large_compressed_or_nested_is_refused(local: Gate) -> None:
    path = "/api/v1/registries/fraud/sync"
    assert local.ask("POST", path, content=b'{"full": true' + b" " * 2_000_000 + b"}").status_code == 413
    headers = {"Content-Encoding": "gzip"}
    assert local.ask("POST", path, content=b"\x1f\x8b", headers=headers).status_code == 415
    for bomb in (b"[" * 400_000, b'{"a":' * 100_000, b'{"full":' + b"[" * 1000 + b"]" * 1000 + b"}"):
        assert local.ask("POST", path, content=bomb).status_code == 400


def test_nesting_is_counted_outside_of_texts() -> None:
    deep: object = "]]]" * 100
    for _ in range(DEEPEST):
        deep = [deep]
    check_nesting(json.dumps(deep).encode())
    check_nesting(json.dumps(["[[[{{{" * 100, '"\\"[' * 100]).encode())
    with pytest.raises(ProblemError):
        check_nesting(json.dumps([deep]).encode())


def test_who_asks_too_often_is_told_how_long_to_wait(limited: Gate) -> None:
    mine, other = limited.token("a", ("viewer", "*")), limited.token("b", ("viewer", "*"))
    answers = [limited.ask("GET", LOCAL, token=mine) for _ in range(6)]
    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert answers[0].headers["ratelimit-policy"] == f'"minute";q=5;w={WINDOW}'
    assert answers[0].headers["ratelimit"] == '"minute";r=4;t=40'
    assert answers[5].headers["retry-after"] == "40"
    assert limited.ask("GET", LOCAL, token=other).status_code == 200
    assert limited.ask("GET", "/health/live").status_code == 200


def test_guessing_tokens_is_limited_by_address(limited: Gate) -> None:
    codes = [limited.ask("GET", LOCAL, token=f"wp_{number}").status_code for number in range(6)]
    assert codes == [401] * 5 + [429]


@pytest.mark.usefixtures("one_window")
def test_gateways_share_their_limits_through_redis_and_go_on_without(tmp_path: Path, redis_url: str) -> None:
    config = '[server]\nrate_limit = 4\n[redis]\nurl = "{}"\n[auth]\nmode = "local"\n'
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    with (
        gate(folders[0], config=config.format(redis_url), teams=TEAMS) as one,
        gate(folders[1], config=config.format(redis_url), teams=TEAMS) as two,
        gate(folders[2], config=config.format("redis://127.0.0.1:9"), teams=TEAMS) as alone,
    ):
        codes = [asked.ask("GET", LOCAL).status_code for _ in range(3) for asked in (one, two)]
        assert codes == [200] * 4 + [429] * 2
        assert [alone.ask("GET", LOCAL).status_code for _ in range(5)] == [200] * 4 + [429]


@pytest.mark.parametrize(
    ("trusted", "forwarded", "counted"),
    [
        ((), "203.0.113.9", "192.0.2.7"),
        (("192.0.2.0/24",), "203.0.113.9", "203.0.113.9"),
        (("192.0.2.0/24",), "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (("192.0.2.0/24", "203.0.113.9"), "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (("192.0.2.0/24",), "nonsense", "192.0.2.7"),
        (("198.51.100.0/24",), "203.0.113.9", "192.0.2.7"),
    ],
)
def test_only_a_trusted_proxy_says_for_whom_it_asks(
    trusted: tuple[str, ...], forwarded: str, counted: str
) -> None:
    from gateway.door.origin import Proxies

    scope = {"client": ("192.0.2.7", 1), "scheme": "http"}
    headers = {b"x-forwarded-for": forwarded.encode(), b"x-forwarded-proto": b"https"}
    Proxies(trusted).believe(scope, headers)  # type: ignore[arg-type]
    assert scope["client"][0] == counted
    assert (scope["scheme"] == "https") == any(one.startswith("192") for one in trusted)
