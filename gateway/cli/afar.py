"""`waypost doctor --url`: what a gateway that runs elsewhere tells of itself to whoever asks."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gateway.cli.client import remote
from gateway.cli.failure import CommandError
from gateway.cli.finding import Finding
from gateway.cli.screen import ago

if TYPE_CHECKING:
    from gateway.cli.client import Remote

REST = (
    "configuration, backends and files are looked at beside the gateway: waypost doctor --config FILE there"
)


def examined(url: str) -> Iterator[Finding]:
    """Whether it answers, how its parts stand, who the caller is to it, and how the registries are that they see."""
    try:
        with remote(url) as gateway:
            yield from map(_part, gateway.ready()["parts"])
            yield from _seen(gateway)
    except CommandError as error:
        yield Finding("gateway", "fail", str(error), "is it started, and is this its address?")
        return
    yield Finding("configuration", "ok", f"not looked at: {url} is asked", REST)


def _part(part: Mapping[str, Any]) -> Finding:
    if part["state"] == "ok":
        return Finding(part["name"], "ok", ago(part["last_success_at"]))
    return Finding(part["name"], "fail", f"{part['reason']} (last well {ago(part['last_success_at'])})")


def _seen(gateway: "Remote") -> Iterator[Finding]:
    try:
        me, known = gateway.get("/whoami"), gateway.get("/registries")["registries"]
    except CommandError as error:
        yield Finding("you", "fail", str(error))
        return
    roles = ", ".join(f"{one['role']} on {one['on']}" for one in me["roles"])
    yield Finding(
        "you",
        "ok" if roles else "warn",
        f"{me['name']}: {roles or 'no role'}",
        "" if roles else "ask an operator for one",
    )
    for one in known:
        what, said = f"registry {one['name']}", f"{one['state']}, synchronised {ago(one['last_success_at'])}"
        is_well = one["state"] in ("ok", "never")
        yield Finding(what, "ok" if is_well else "warn", said, "" if is_well else one["last_error"] or "")
